#include "tools/npy.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <span>

#include "engine/errors.h"
#include "weights/durable_file.h"

namespace lamella::tool {
namespace {

static_assert(std::endian::native == std::endian::little, "arrays are stored little-endian");

constexpr char kMagic[] = "\x93NUMPY";
constexpr std::size_t kMagicBytes = 6;
constexpr std::size_t kMaxRank = 8;

// The text that follows 'key': in the header's dictionary, up to the next comma outside brackets.
std::string field(const std::string& header, const std::string& key, const std::string& name) {
  const std::size_t at = header.find("'" + key + "':");
  if (at == std::string::npos) fail(name, ": its header lacks '", key, "'");
  std::size_t begin = at + key.size() + 3;
  while (begin < header.size() && header[begin] == ' ') ++begin;
  const bool tuple = begin < header.size() && header[begin] == '(';
  const std::size_t end = header.find(tuple ? ')' : ',', begin);
  if (end == std::string::npos) fail(name, ": its header is cut off at '", key, "'");
  return header.substr(begin, end - begin + (tuple ? 1 : 0));
}

std::vector<std::int64_t> parse_shape(const std::string& tuple, const std::string& name) {
  std::vector<std::int64_t> shape;
  if (!tuple.starts_with('(')) fail(name, ": its shape is '", tuple, "', which is no tuple");
  const char* at = tuple.data() + 1;
  const char* end = tuple.data() + tuple.size() - 1;
  while (at < end) {
    if (*at == ' ' || *at == ',') {
      ++at;
      continue;
    }
    std::int64_t dim = 0;
    const auto read = std::from_chars(at, end, dim);
    if (read.ec != std::errc() || dim < 0 || shape.size() == kMaxRank) {
      fail(name, ": the shape ", tuple, " cannot be read");
    }
    shape.push_back(dim);
    at = read.ptr;
  }
  return shape;
}

// Elements of a shape, or -1 where they are more than `most`.
std::int64_t count_of(const std::vector<std::int64_t>& shape, std::int64_t most) {
  std::int64_t count = 1;
  for (const std::int64_t dim : shape) {
    if (dim == 0) return 0;
  }
  for (const std::int64_t dim : shape) {
    if (dim > most / count) return -1;
    count *= dim;
  }
  return count;
}

}  // namespace

NpyArray parse_npy(const std::byte* data, std::size_t bytes, const std::string& name) {
  if (bytes < 12 || std::memcmp(data, kMagic, kMagicBytes) != 0) fail(name, ": not an .npy file");
  const int major = std::to_integer<int>(data[6]);
  if (major != 1 && major != 2) fail(name, ": .npy version ", major, "; versions 1 and 2 are read");
  const std::size_t prefix = major == 1 ? 10 : 12;
  std::uint32_t length = 0;
  std::memcpy(&length, data + 8, major == 1 ? 2 : 4);
  if (length > bytes - prefix) fail(name, ": cut off in its header");
  const std::string header(reinterpret_cast<const char*>(data + prefix), length);
  if (const std::string type = field(header, "descr", name); type != "'<f4'") {
    fail(name, ": its type is ", type, "; convert it to little-endian f32 ('<f4')");
  }
  if (field(header, "fortran_order", name) != "False") {
    fail(name, ": it is in Fortran order; save numpy.ascontiguousarray of it");
  }
  NpyArray array;
  array.shape = parse_shape(field(header, "shape", name), name);
  const std::size_t held = (bytes - prefix - length) / sizeof(float);
  const std::int64_t count = count_of(array.shape, static_cast<std::int64_t>(held));
  if (count < 0 || static_cast<std::size_t>(count) * sizeof(float) != bytes - prefix - length) {
    fail(name, ": it holds ", bytes - prefix - length, " bytes, its shape needs another number");
  }
  array.values.resize(static_cast<std::size_t>(count));
  if (count > 0) {
    std::memcpy(array.values.data(), data + prefix + length, array.values.size() * sizeof(float));
  }
  return array;
}

NpyArray read_npy(const std::string& path) {
  const std::string bytes = read_text_file(path, std::size_t{8} << 30U);
  return parse_npy(reinterpret_cast<const std::byte*>(bytes.data()), bytes.size(), path);
}

void write_npy(const std::string& path, const NpyArray& array) {
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (";
  for (const std::int64_t dim : array.shape) header += std::to_string(dim) + ",";
  header += "), }";
  header.append(63 - (10 + header.size()) % 64, ' ');
  header += '\n';  // the data begins at a multiple of 64
  const auto length = static_cast<std::uint16_t>(header.size());
  std::string start(kMagic, kMagicBytes);
  start += {'\x01', '\x00', static_cast<char>(length & 0xFFU), static_cast<char>(length >> 8U)};
  start += header;
  write_file_durably(path,
                     {std::as_bytes(std::span(start)), std::as_bytes(std::span(array.values))});
}

}  // namespace lamella::tool
