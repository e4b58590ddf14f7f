#include "weights/torch_tar.h"

#include <charconv>
#include <map>

#include "engine/errors.h"
#include "weights/pickle.h"
#include "weights/state_dict.h"

namespace lamella {
namespace {

using Kind = PickleValue::Kind;

// --- the archive: blocks of 512 bytes, a header before each member ---------------------------
constexpr std::uint64_t kBlock = 512;
constexpr std::size_t kMagicAt = 257, kNameBytes = 100, kSizeAt = 124, kSizeBytes = 12;
constexpr int kMostMembers = 100;

// A text that ends at its first NUL, or fills the field.
std::string_view text_field(const std::array<char, kBlock>& header, std::size_t at,
                            std::size_t bytes) {
  const std::string_view field(header.data() + at, bytes);
  return field.substr(0, field.find('\0'));
}

std::uint64_t octal(std::string_view digits, const std::string& file) {
  while (digits.starts_with(' ')) digits.remove_prefix(1);
  while (digits.ends_with(' ')) digits.remove_suffix(1);
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 8);
  if (error != std::errc() || end != digits.data() + digits.size()) {
    fail(file, ": damaged: a tar header without a size");
  }
  return value;
}

std::array<char, kBlock> block_at(const ByteSource& source, std::uint64_t offset) {
  std::array<char, kBlock> block;
  source.read(offset, std::as_writable_bytes(std::span(block)));
  return block;
}

Extent find_member(const ByteSource& source, std::string_view wanted) {
  std::uint64_t at = 0;
  for (int i = 0; i < kMostMembers && at + kBlock <= source.size(); ++i) {
    const std::array<char, kBlock> header = block_at(source, at);
    std::string_view name = text_field(header, 0, kNameBytes);
    if (name.empty()) break;  // two empty blocks end the archive
    if (name.starts_with("./")) name.remove_prefix(2);
    const std::uint64_t bytes = octal(text_field(header, kSizeAt, kSizeBytes), source.name());
    at += kBlock;
    if (bytes > source.size() - at) {
      fail(source.name(), ": cut off: member '", name, "' has ", bytes, " bytes, ",
           source.size() - at, " are there");
    }
    if (name == wanted) return {at, bytes};
    at += (bytes + kBlock - 1) / kBlock * kBlock;
  }
  fail(source.name(), ": a tar archive, but no checkpoint: it has no '", wanted, "'");
}

ByteReader open_member(const ByteSource& source, std::string_view name) {
  const Extent member = find_member(source, name);
  return ByteReader(source, member.offset, member.offset + member.bytes);
}

// --- its members -----------------------------------------------------------------------------
struct Storage {
  std::string_view dtype;
  Extent extent;
};
using Storages = std::map<std::int64_t, Storage>;
using Tensors = std::map<std::int64_t, TensorView>;
constexpr std::uint64_t kPerEntry = 384;  // bytes of an entry of either, at least

std::uint64_t size_in(const PickleValue& value, const std::string& file) {
  if (!value.is(Kind::Int) || value.integer < 0) fail(file, ": damaged: a count is no number");
  return static_cast<std::uint64_t>(value.integer);
}

// The items of a tuple or list of `count`.
std::span<const PickleValue> row(const PickleHeap& heap, const PickleValue& value,
                                 std::size_t count, const std::string& file) {
  if ((!value.is(Kind::Tuple) && !value.is(Kind::List)) || heap.items(value).size() != count) {
    fail(file, ": damaged: a row of its tables has not ", count, " values");
  }
  return heap.items(value);
}

const Storage& storage_of(const Storages& storages, const PickleValue& key,
                          const std::string& file) {
  const auto found = storages.find(key.is(Kind::Int) ? key.integer : -1);
  if (found == storages.end()) fail(file, ": damaged: it refers to a storage that is not there");
  return found->second;
}

// Parts of storages that are known by keys of their own.
void read_parts(ByteReader& reader, PickleHeap& heap, Storages& storages) {
  const std::string& file = reader.name();
  const PickleValue parts = unpickle(reader, heap);
  if (!parts.is(Kind::List)) fail(file, ": damaged: no list of parts of storages");
  for (const PickleValue& part : heap.items(parts)) {
    const auto items = row(heap, part, 4, file);  // key, key of the whole, offset, elements
    Storage storage = storage_of(storages, items[1], file);
    const std::size_t element = dtype_bytes(storage.dtype);
    const std::uint64_t offset = size_in(items[2], file), count = size_in(items[3], file);
    const std::uint64_t whole = storage.extent.bytes / element;
    if (offset > whole || count > whole - offset) {
      fail(file, ": damaged: a part lies outside of its storage");
    }
    storage.extent = {storage.extent.offset + offset * element, count * element};
    heap.budget().take(kPerEntry);
    storages.emplace(static_cast<std::int64_t>(size_in(items[0], file)), storage);
  }
}

Storages read_storages(const ByteSource& source, PickleHeap& heap) {
  const std::string& file = source.name();
  ByteReader reader = open_member(source, "storages");
  Storages storages;
  const std::uint64_t count = size_in(unpickle(reader, heap), file);
  for (std::uint64_t i = 0; i < count; ++i) {
    const PickleValue head = unpickle(reader, heap);
    const auto items = row(heap, head, 3, file);  // key, device, class
    if (!items[2].is_global(GlobalKind::Storage)) fail(file, ": damaged: a storage without a type");
    Storage storage{items[2].global->dtype, {}};
    const auto elements = reader.number<std::uint64_t>();
    const std::size_t element = dtype_bytes(storage.dtype);
    if (elements > reader.remaining() / element) {
      fail(file, ": cut off: a storage of ", elements, " elements, ", reader.remaining(),
           " bytes are there");
    }
    storage.extent = {reader.position(), elements * element};
    reader.skip(storage.extent.bytes);
    heap.budget().take(kPerEntry);
    storages[static_cast<std::int64_t>(size_in(items[0], file))] = storage;
  }
  read_parts(reader, heap, storages);
  return storages;
}

Tensors read_tensors(const ByteSource& source, PickleHeap& heap, const Storages& storages) {
  const std::string& file = source.name();
  ByteReader reader = open_member(source, "tensors");
  Tensors tensors;
  const std::uint64_t count = size_in(unpickle(reader, heap), file);
  for (std::uint64_t i = 0; i < count; ++i) {
    const PickleValue head = unpickle(reader, heap);
    const auto items = row(heap, head, 3, file);  // key, storage, class
    const Storage& storage = storage_of(storages, items[1], file);
    const auto rank = reader.number<std::uint32_t>();
    reader.skip(4);  // once the upper half of the number
    if (rank > kMaxRank) fail(file, ": damaged: a tensor of ", rank, " dimensions");
    TensorView view{storage.dtype, storage.extent, 0, {}, {}};
    for (std::vector<std::int64_t>* numbers : {&view.shape, &view.strides}) {
      for (std::uint64_t d = 0; d < rank; ++d) {
        numbers->push_back(reader.number<std::int64_t>());
        if (numbers->back() < 0) fail(file, ": damaged: a tensor of negative size or stride");
      }
    }
    view.offset = reader.number<std::uint64_t>();
    heap.budget().take(kPerEntry);
    tensors[static_cast<std::int64_t>(size_in(items[0], file))] = std::move(view);
  }
  return tensors;
}

// The pickle refers to a tensor by its key, as a number or its digits.
class TarTensors : public TensorValues {
 public:
  TarTensors(const PickleHeap& heap, const Tensors& tensors) : heap_(heap), tensors_(tensors) {}
  bool is_tensor(const PickleValue& value) const override { return find(value) != tensors_.end(); }
  TensorView view(const PickleValue& value, std::string_view) const override {
    return find(value)->second;
  }

 private:
  Tensors::const_iterator find(const PickleValue& value) const {
    if (!value.is(Kind::Persistent)) return tensors_.end();
    const PickleValue& key = heap_.identification(value);
    if (key.is(Kind::Int)) return tensors_.find(key.integer);
    if (!key.is(Kind::Text)) return tensors_.end();
    const std::string_view digits = heap_.text(key);
    std::int64_t number = -1;
    std::from_chars(digits.data(), digits.data() + digits.size(), number);
    return tensors_.find(number);
  }

  const PickleHeap& heap_;
  const Tensors& tensors_;
};

}  // namespace

bool looks_like_tar(const ByteSource& source) {
  if (source.size() < kBlock) return false;
  const std::array<char, kBlock> header = block_at(source, 0);
  return text_field(header, kMagicAt, 5) == "ustar";
}

TensorFile read_torch_tar(const ByteSource& source, const std::string& entry, ReadReport& report) {
  report.form = "PyTorch tar";
  MemoryBudget budget(source.name(), source.size());
  PickleHeap heap(budget);
  const Storages storages = read_storages(source, heap);
  const Tensors tensors = read_tensors(source, heap, storages);
  ByteReader reader = open_member(source, "pickle");
  const PickleValue root = unpickle(reader, heap);
  return copy_state_dict(source, heap, root, TarTensors(heap, tensors), entry, report);
}

}  // namespace lamella
