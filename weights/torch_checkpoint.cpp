#include "weights/torch_checkpoint.h"

#include <map>

#include "engine/errors.h"
#include "weights/pickle.h"
#include "weights/state_dict.h"

namespace lamella {
namespace {

using Kind = PickleValue::Kind;

constexpr std::string_view kMagic("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::int64_t kProtocol = 1001;

[[noreturn]] void refuse_big_endian(const std::string& file) {
  fail(file, ": written on a big-endian machine; load and save it with PyTorch on another");
}

// --- zip ---------------------------------------------------------------------------------------
// "archive" of "archive/data.pkl": any name does, but there must be one pickle.
std::string folder_of(const ZipArchive& archive, const std::string& file) {
  constexpr std::string_view kPickle = "/data.pkl";
  std::string folder;
  for (const ZipArchive::Member& member : archive.members()) {
    if (!member.name.ends_with(kPickle)) continue;
    if (!folder.empty()) fail(file, ": a zip archive with two data.pkl; a checkpoint has one");
    folder = member.name.substr(0, member.name.size() - kPickle.size());
  }
  if (folder.empty()) fail(file, ": a zip archive, but no checkpoint: it has no data.pkl");
  if (archive.find(folder + "/constants.pkl") != nullptr) {
    fail(file, ": a TorchScript program, not weights; save torch.jit.load(FILE).state_dict()");
  }
  return folder;
}

void check_byte_order(const ByteSource& source, const ZipArchive& archive,
                      const std::string& folder) {
  const ZipArchive::Member* member = archive.find(folder + "/byteorder");
  if (member == nullptr) return;  // files from before 2.0 are as the machine was: little-endian
  std::string order(static_cast<std::size_t>(std::min<std::uint64_t>(member->data.bytes, 16)), ' ');
  source.read(member->data.offset, std::as_writable_bytes(std::span(order)));
  if (order == "big") refuse_big_endian(source.name());
  if (order != "little") fail(source.name(), ": damaged: unknown byte order '", order, "'");
}

// --- legacy --------------------------------------------------------------------------------------
void check_prologue(ByteReader& reader, PickleHeap& heap) {
  const std::string& file = reader.name();
  const PickleValue magic = unpickle(reader, heap);
  if (!magic.is(Kind::Long) || !heap.text(magic).starts_with(kMagic)) {
    fail(file, ": a pickle, but no checkpoint: torch.save begins with another number");
  }
  const PickleValue protocol = unpickle(reader, heap);
  if (!protocol.is(Kind::Int) || protocol.integer != kProtocol) {
    fail(file, ": a checkpoint of an unknown protocol; ", kProtocol, " can be read");
  }
  const PickleValue system = unpickle(reader, heap);
  if (!system.is(Kind::Dict)) fail(file, ": damaged: no description of the writing machine");
  const auto items = heap.items(system);
  for (std::size_t i = 0; i < items.size(); i += 2) {
    if (items[i].is(Kind::Text) && heap.text(items[i]) == "little_endian" &&
        items[i + 1].is(Kind::Bool) && items[i + 1].integer == 0) {
      refuse_big_endian(file);
    }
  }
}

using Storages = std::map<std::string, Extent, std::less<>>;
constexpr std::uint64_t kPerStorage = 128;  // bytes of an entry of Storages beside its key

// The storages behind the pickles: for each key the number of elements, and the elements.
Storages find_storages(ByteReader& reader, PickleHeap& heap) {
  const std::string& file = reader.name();
  const PickleValue keys = unpickle(reader, heap);
  if (!keys.is(Kind::List)) fail(file, ": damaged: no list of storages");
  Storages sizes, storages;  // as the pickle says; as they are
  for (const PickleValue& identification : heap.identifications()) {
    const StorageName name = storage_name(heap, identification, file);
    heap.budget().take(2 * (kPerStorage + name.key.size()));
    sizes[std::string(name.key)] = {name.elements, name.bytes()};
  }
  for (const PickleValue& key : heap.items(keys)) {
    if (!key.is(Kind::Text)) fail(file, ": damaged: a storage without a key");
    const auto size = sizes.find(heap.text(key));
    if (size == sizes.end())
      fail(file, ": damaged: storage '", heap.text(key), "' is of no tensor");
    const auto [elements, bytes] = size->second;
    const auto stored = reader.number<std::uint64_t>();
    if (stored != elements) {
      fail(file, ": damaged: storage '", size->first, "' has ", stored,
           " elements, its tensors say ", elements);
    }
    if (!storages.emplace(size->first, Extent{reader.position(), bytes}).second) {
      fail(file, ": damaged: storage '", size->first, "' appears twice");
    }
    reader.skip(bytes);
  }
  return storages;
}

}  // namespace

TensorFile read_torch_zip(const ByteSource& source, const std::string& entry, ReadReport& report) {
  report.form = "PyTorch zip";
  MemoryBudget budget(source.name(), source.size());
  const ZipArchive archive(source, budget);
  const std::string folder = folder_of(archive, source.name());
  check_byte_order(source, archive, folder);
  const Extent pickle = archive.find(folder + "/data.pkl")->data;
  ByteReader reader(source, pickle.offset, pickle.offset + pickle.bytes);
  PickleHeap heap(budget);
  const PickleValue root = unpickle(reader, heap);
  const RebuiltTensors tensors(heap, source.name(), [&](const StorageName& storage) {
    const auto* member = archive.find(folder + "/data/" + std::string(storage.key));
    if (member == nullptr || member->data.bytes != storage.bytes()) {
      fail(source.name(), ": damaged: storage '", storage.key, "' of ", storage.bytes(),
           " bytes is not there");
    }
    return member->data;
  });
  return copy_state_dict(source, heap, root, tensors, entry, report);
}

bool looks_like_pickle(const ByteSource& source) {
  if (source.size() < 2) return false;
  ByteReader reader(source, 0, 2);
  const std::uint8_t first = reader.byte(), second = reader.byte();
  return first == 0x80 ? second <= 5 : first == 'L';  // protocol 1 begins with the magic number
}

TensorFile read_torch_legacy(const ByteSource& source, const std::string& entry,
                             ReadReport& report) {
  report.form = "PyTorch legacy";
  MemoryBudget budget(source.name(), source.size());
  PickleHeap heap(budget);
  ByteReader reader(source, 0, source.size());
  check_prologue(reader, heap);
  const PickleValue root = unpickle(reader, heap);
  const Storages storages = find_storages(reader, heap);
  const RebuiltTensors tensors(heap, source.name(), [&](const StorageName& name) {
    const auto found = storages.find(name.key);
    if (found == storages.end() || found->second.bytes != name.bytes()) {
      fail(source.name(), ": damaged: storage '", name.key, "' of ", name.bytes(),
           " bytes is not there");
    }
    return found->second;
  });
  return copy_state_dict(source, heap, root, tensors, entry, report);
}

}  // namespace lamella
