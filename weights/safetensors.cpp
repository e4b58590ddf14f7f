// Reading believes nothing: the header is streamed (no document tree), every tensor's range is
// checked against the file's length, and only then is memory taken.
#include "weights/safetensors.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <span>

#include "engine/errors.h"
#include "weights/durable_file.h"
#include "weights/json.h"

namespace lamella {
namespace {

static_assert(std::endian::native == std::endian::little, "tensors are stored little-endian");

constexpr std::size_t kMaxHeader = 100'000'000;  // the reference implementation's limit
constexpr std::size_t kMaxTensors = 100'000;
const char* const kMetadata = "__metadata__";

// The size of a tensor in bytes, or nothing where it does not fit 62 bits.
bool bytes_of(const std::vector<std::uint64_t>& shape, std::size_t element, std::uint64_t& bytes) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 62U;
  bytes = element;
  for (const std::uint64_t dim : shape) {
    if (dim == 0) {
      bytes = 0;
      return true;
    }
  }
  for (const std::uint64_t dim : shape) {
    if (dim > kMost / bytes) return false;
    bytes *= dim;
  }
  return true;
}

struct Entry {
  std::string name, dtype;
  std::vector<std::uint64_t> shape, offsets;
  bool has_dtype = false, has_shape = false, has_offsets = false;
};

struct Header {
  std::vector<Entry> entries;
  std::map<std::string, std::string> metadata;
};

// Receives the JSON events of a header. Anything but the three fields of a tensor and a flat
// __metadata__ of strings is refused at the event where it appears.
class HeaderReader : public nlohmann::json_sax<Json> {
 public:
  HeaderReader(const std::string& name, Header& header) : name_(name), header_(header) {}

  bool null() override { return refuse("null"); }
  bool boolean(bool) override { return refuse("a boolean"); }
  bool number_integer(number_integer_t) override { return refuse("a negative number"); }
  bool number_float(number_float_t, const string_t&) override { return refuse("a fraction"); }
  bool binary(binary_t&) override { return refuse("binary"); }

  bool number_unsigned(number_unsigned_t value) override {
    if (array_ == nullptr) return refuse("a number");
    if (array_->size() == kMaxRank) fail(where(), " has more than ", kMaxRank, " numbers");
    array_->push_back(value);
    return true;
  }

  bool string(string_t& value) override {
    if (depth_ == 2 && in_metadata_) {
      if (!header_.metadata.emplace(key_, value).second) fail(where(), " appears twice");
      return true;
    }
    if (depth_ != 2 || key_ != "dtype") return refuse("a string");
    once(entry().has_dtype);
    entry().dtype = value;
    return true;
  }

  bool start_object(std::size_t) override {
    if (depth_ == 2 || array_ != nullptr) return refuse("an object");
    if (depth_ == 1) begin_entry();
    ++depth_;
    return true;
  }
  bool end_object() override {
    --depth_;
    if (depth_ == 1 && !in_metadata_) {
      const Entry& done = entry();
      if (!done.has_dtype || !done.has_shape || !done.has_offsets) {
        fail(name_, ": tensor '", done.name, "' lacks dtype, shape or data_offsets");
      }
    }
    key_.clear();
    return true;
  }
  bool start_array(std::size_t) override {
    const bool known = depth_ == 2 && !in_metadata_ && array_ == nullptr;
    if (known && key_ == "shape") {
      once(entry().has_shape);
      array_ = &entry().shape;
    } else if (known && key_ == "data_offsets") {
      once(entry().has_offsets);
      array_ = &entry().offsets;
    } else {
      return refuse("an array");
    }
    return true;
  }
  bool end_array() override {
    array_ = nullptr;
    return true;
  }
  bool key(string_t& value) override {
    key_ = value;
    return true;
  }
  bool parse_error(std::size_t byte, const std::string&, const Json::exception&) override {
    fail(name_, ": the header is not valid JSON (at byte ", byte, " of the header)");
  }

 private:
  Entry& entry() { return header_.entries.back(); }
  std::string where() const {
    const std::string tensor = in_metadata_ || depth_ < 2 ? "" : header_.entries.back().name + "/";
    return name_ + ": '" + tensor + key_ + "'";
  }
  bool refuse(const char* what) const { fail(where(), " is ", what, ", which it must not be"); }
  void once(bool& seen) const {
    if (seen) fail(where(), " appears twice");
    seen = true;
  }
  void begin_entry() {
    in_metadata_ = key_ == kMetadata;
    if (in_metadata_) {
      once(metadata_seen_);
      return;
    }
    if (header_.entries.size() == kMaxTensors) fail(name_, ": more than ", kMaxTensors, " tensors");
    header_.entries.emplace_back();
    header_.entries.back().name = key_;
  }

  const std::string& name_;
  Header& header_;
  int depth_ = 0;
  bool in_metadata_ = false, metadata_seen_ = false;
  std::string key_;
  std::vector<std::uint64_t>* array_ = nullptr;
};

void check_entry(const Entry& entry, std::uint64_t data_bytes, const std::string& name) {
  const std::size_t element = dtype_bytes(entry.dtype);
  if (element == 0) {
    fail(name, ": tensor '", entry.name, "' has the unknown type '", entry.dtype, "'");
  }
  std::uint64_t bytes = 0;
  if (!bytes_of(entry.shape, element, bytes)) {
    fail(name, ": tensor '", entry.name, "' has a shape beyond 2^62 bytes");
  }
  if (entry.offsets.size() != 2 || entry.offsets[0] > entry.offsets[1] ||
      entry.offsets[1] > data_bytes) {
    fail(name, ": tensor '", entry.name, "' lies outside the ", data_bytes, " bytes of data");
  }
  if (entry.offsets[1] - entry.offsets[0] != bytes) {
    fail(name, ": tensor '", entry.name, "' has ", entry.offsets[1] - entry.offsets[0],
         " bytes, its shape and type need ", bytes);
  }
}

// Sorts by position and refuses overlaps, gaps and names that appear twice.
void check_layout(Header& header, std::uint64_t data_bytes, const std::string& name) {
  auto& entries = header.entries;
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  for (std::size_t i = 1; i < entries.size(); ++i) {
    if (entries[i].name == entries[i - 1].name) {
      fail(name, ": tensor '", entries[i].name, "' appears twice");
    }
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.offsets < b.offsets; });
  std::uint64_t end = 0;
  for (const Entry& entry : entries) {
    if (entry.offsets[0] != end) {
      fail(name, ": tensor '", entry.name, "' begins at byte ", entry.offsets[0],
           " of the data, the one before ends at ", end);
    }
    end = entry.offsets[1];
  }
  if (end != data_bytes) {
    fail(name, ": the tensors end at byte ", end, " of ", data_bytes, " bytes of data");
  }
}

Header read_header(const char* json, std::size_t bytes, std::uint64_t data_bytes,
                   const std::string& name) {
  if (bytes == 0 || json[0] != '{') fail(name, ": not a safetensors file (no JSON header)");
  Header header;
  HeaderReader reader(name, header);
  Json::sax_parse(json, json + bytes, &reader);
  for (const Entry& entry : header.entries) check_entry(entry, data_bytes, name);
  check_layout(header, data_bytes, name);
  return header;
}

// The length of the header, checked against the file's.
std::size_t header_bytes(const std::byte* first8, std::uint64_t file_bytes,
                         const std::string& name) {
  std::uint64_t length = 0;
  std::memcpy(&length, first8, sizeof length);
  if (length > kMaxHeader || length > file_bytes - 8) {
    fail(name, ": not a safetensors file, or cut off (a header of ", length,
         " bytes is announced in a file of ", file_bytes, ")");
  }
  return static_cast<std::size_t>(length);
}

// Turns a checked header into tensors; `fill` puts the next tensor's bytes in place.
template <class Fill>
TensorFile collect(Header header, Fill fill) {
  TensorFile file;
  file.metadata = std::move(header.metadata);
  for (Entry& entry : header.entries) {
    StoredTensor& tensor = file.tensors[entry.name];
    tensor.dtype = std::move(entry.dtype);
    tensor.shape.assign(entry.shape.begin(), entry.shape.end());
    tensor.data.resize(static_cast<std::size_t>(entry.offsets[1] - entry.offsets[0]));
    fill(entry.offsets[0], std::span<std::byte>(tensor.data));
  }
  return file;
}

float half_to_float(std::uint16_t half) {
  const std::uint32_t sign = (half & 0x8000U) << 16U;
  const std::uint32_t exponent = (half >> 10U) & 0x1FU, mantissa = half & 0x3FFU;
  if (exponent == 0) {  // zero or subnormal: mantissa * 2^-24
    const float value = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t wide = exponent == 31 ? 255U : exponent + 112U;
  return std::bit_cast<float>(sign | (wide << 23U) | (mantissa << 13U));
}

}  // namespace

std::size_t dtype_bytes(std::string_view dtype) {
  struct Row {
    const char* name;
    std::size_t bytes;
  };
  static constexpr Row kTypes[] = {{"BOOL", 1},    {"U8", 1},  {"I8", 1},  {"F8_E5M2", 1},
                                   {"F8_E4M3", 1}, {"I16", 2}, {"U16", 2}, {"F16", 2},
                                   {"BF16", 2},    {"I32", 4}, {"U32", 4}, {"F32", 4},
                                   {"F64", 8},     {"I64", 8}, {"U64", 8}};
  for (const Row& row : kTypes) {
    if (dtype == row.name) return row.bytes;
  }
  return 0;
}

std::int64_t StoredTensor::count() const {
  std::int64_t product = 1;
  if (std::count(shape.begin(), shape.end(), 0) != 0) return 0;  // whatever the others are
  for (const std::int64_t dim : shape) product *= dim;
  return product;
}

std::vector<float> StoredTensor::to_f32() const {
  std::vector<float> values(static_cast<std::size_t>(count()));
  if (dtype == "F32") {
    if (!values.empty()) std::memcpy(values.data(), data.data(), values.size() * sizeof(float));
    return values;
  }
  if (dtype != "F16" && dtype != "BF16" && dtype != "F64") {
    fail("a tensor of type ", dtype, " cannot be read as f32; use F32, F16, BF16 or F64");
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (dtype == "F64") {
      double wide = 0;
      std::memcpy(&wide, data.data() + sizeof wide * i, sizeof wide);
      values[i] = static_cast<float>(wide);
      continue;
    }
    std::uint16_t half = 0;
    std::memcpy(&half, data.data() + 2 * i, sizeof half);
    values[i] = dtype == "F16" ? half_to_float(half)
                               : std::bit_cast<float>(static_cast<std::uint32_t>(half) << 16U);
  }
  return values;
}

StoredTensor StoredTensor::from_f32(const std::vector<float>& values,
                                    std::vector<std::int64_t> shape) {
  StoredTensor tensor{"F32", std::move(shape), {}};
  if (tensor.count() != static_cast<std::int64_t>(values.size())) {
    fail("from_f32: ", values.size(), " values for a shape of ", tensor.count());
  }
  const auto bytes = std::as_bytes(std::span(values));
  tensor.data.assign(bytes.begin(), bytes.end());
  return tensor;
}

TensorFile parse_safetensors(const std::byte* data, std::size_t bytes, const std::string& name) {
  if (bytes < 8) fail(name, ": not a safetensors file (", bytes, " bytes)");
  const std::size_t header = header_bytes(data, bytes, name);
  const std::byte* tensors = data + 8 + header;
  return collect(
      read_header(reinterpret_cast<const char*>(data + 8), header, bytes - 8 - header, name),
      [&](std::uint64_t offset, std::span<std::byte> into) {
        std::copy_n(tensors + offset, into.size(), into.begin());
      });
}

TensorFile read_safetensors(const std::string& path) {
  std::ifstream in(path, std::ios::binary | std::ios::ate);
  if (!in) fail("cannot read ", path, ": ", std::strerror(errno));
  const auto end = static_cast<std::int64_t>(in.tellg());
  in.seekg(0);
  const auto read = [&](std::byte* into, std::size_t bytes) {
    if (!in.read(reinterpret_cast<char*>(into), static_cast<std::streamsize>(bytes))) {
      fail("cannot read ", path, ": it ended early or is no file");
    }
  };
  if (end < 8) fail(path, ": not a safetensors file (", end, " bytes)");
  const auto file_bytes = static_cast<std::uint64_t>(end);
  std::byte first8[8];
  read(first8, sizeof first8);
  std::string json(header_bytes(first8, file_bytes, path), '\0');
  read(reinterpret_cast<std::byte*>(json.data()), json.size());
  Header header = read_header(json.data(), json.size(), file_bytes - 8 - json.size(), path);
  json = std::string();
  // The entries are in file order without gaps, so the stream is read straight through.
  return collect(std::move(header),
                 [&](std::uint64_t, std::span<std::byte> into) { read(into.data(), into.size()); });
}

namespace {

// A JSON string. The header is written piece by piece: a tree of it would take memory for every
// tensor, and nlohmann's trees allocate when they go, which ends the program where that fails.
std::string quoted(const std::string& characters) {
  return dump_json(Json(characters));
}

template <class Numbers>
std::string listed(const Numbers& numbers) {
  std::string list;
  for (const auto number : numbers) list += (list.empty() ? "" : ",") + std::to_string(number);
  return "[" + list + "]";
}

std::string metadata_entry(const std::map<std::string, std::string>& metadata) {
  std::string entries;
  for (const auto& [key, value] : metadata) {
    entries += (entries.empty() ? "" : ",") + quoted(key) + ":" + quoted(value);
  }
  return quoted(kMetadata) + ":{" + entries + "}";
}

}  // namespace

void write_safetensors(const std::string& path, const TensorFile& file) {
  // Wider types first, so that every tensor is aligned to its element.
  std::vector<const std::pair<const std::string, StoredTensor>*> order;
  for (const auto& named : file.tensors) order.push_back(&named);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return dtype_bytes(a->second.dtype) > dtype_bytes(b->second.dtype);
  });
  std::string header = file.metadata.empty() ? "" : metadata_entry(file.metadata);
  std::vector<std::span<const std::byte>> pieces(2);
  std::uint64_t offset = 0;
  for (const auto* named : order) {
    const auto& [name, tensor] = *named;
    const auto bytes = static_cast<std::uint64_t>(tensor.count()) * dtype_bytes(tensor.dtype);
    if (dtype_bytes(tensor.dtype) == 0 || bytes != tensor.data.size()) {
      fail("cannot write ", path, ": tensor '", name, "' of type '", tensor.dtype, "' has ",
           tensor.data.size(), " bytes, its shape needs ", bytes);
    }
    header += (header.empty() ? "" : ",") + quoted(name) + ":{\"dtype\":" + quoted(tensor.dtype) +
              ",\"shape\":" + listed(tensor.shape) +
              ",\"data_offsets\":" + listed(std::array{offset, offset + bytes}) + "}";
    pieces.push_back(tensor.data);
    offset += bytes;
  }
  header = "{" + header + "}";
  header.append((8 - header.size() % 8) % 8, ' ');
  const std::uint64_t length = header.size();
  pieces[0] = std::as_bytes(std::span(&length, 1));
  pieces[1] = std::as_bytes(std::span(header));
  write_file_durably(path, pieces);
}

}  // namespace lamella
