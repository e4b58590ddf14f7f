#include "weights/pickle_heap.h"

#include <limits>

namespace lamella {

PickleValue PickleValue::of_int(std::int64_t value) {
  PickleValue made;
  made.kind = Kind::Int;
  made.integer = value;
  return made;
}

PickleValue PickleValue::of_global(const PickleGlobal* global) {
  PickleValue made;
  made.kind = Kind::Global;
  made.global = global;
  return made;
}

namespace {

PickleValue at(PickleValue::Kind kind, std::uint64_t index, std::size_t length = 0) {
  PickleValue made;
  made.kind = kind;
  made.index = index;
  made.length = static_cast<std::uint32_t>(length);
  return made;
}

}  // namespace

std::string_view PickleHeap::text(const PickleValue& value) const {
  return {characters_.data() + value.index, value.length};
}

std::span<const PickleValue> PickleHeap::items(const PickleValue& container) const {
  if (container.is(Kind::Tuple)) {
    return std::span(tuples_).subspan(static_cast<std::size_t>(container.index), container.length);
  }
  return containers_[static_cast<std::size_t>(container.index)];
}

const PickleGlobal& PickleHeap::callee(const PickleValue& object) const {
  return *objects_[static_cast<std::size_t>(object.index)].callee;
}

const PickleValue& PickleHeap::arguments(const PickleValue& object) const {
  return objects_[static_cast<std::size_t>(object.index)].arguments;
}

const PickleValue& PickleHeap::identification(const PickleValue& persistent) const {
  return persistent_[static_cast<std::size_t>(persistent.index)];
}

// Characters at the end of the store, to be written.
std::span<char> PickleHeap::room_for_text(std::uint64_t bytes) {
  const std::size_t before = characters_.size(), after = before + static_cast<std::size_t>(bytes);
  if (after > characters_.capacity()) budget_.grow(characters_, after + before / 2);
  characters_.resize(after);
  return std::span(characters_).subspan(before);
}

PickleValue PickleHeap::add_text(Kind kind, ByteReader& from, std::uint64_t bytes) {
  from.need(bytes);  // before memory is taken for it
  if (bytes > std::numeric_limits<std::uint32_t>::max()) {
    fail(from.name(), ": a text of ", bytes, " bytes, which no checkpoint holds");
  }
  const PickleValue made = at(kind, characters_.size(), static_cast<std::size_t>(bytes));
  from.read(std::as_writable_bytes(room_for_text(bytes)));
  return made;
}

PickleValue PickleHeap::add_text(Kind kind, std::string_view characters) {
  const PickleValue made = at(kind, characters_.size(), characters.size());
  std::copy(characters.begin(), characters.end(), room_for_text(characters.size()).begin());
  return made;
}

PickleValue PickleHeap::add_tuple(std::span<const PickleValue> items) {
  const PickleValue made = at(Kind::Tuple, tuples_.size(), items.size());
  for (const PickleValue& item : items) budget_.push(tuples_, item);
  return made;
}

PickleValue PickleHeap::add_container(Kind list_or_dict) {
  const PickleValue made = at(list_or_dict, containers_.size());
  budget_.push(containers_, std::vector<PickleValue>());
  return made;
}

PickleValue PickleHeap::add_object(const PickleGlobal* callee, const PickleValue& arguments) {
  const PickleValue made = at(Kind::Object, objects_.size());
  budget_.push(objects_, Object{callee, arguments});
  return made;
}

PickleValue PickleHeap::add_persistent(const PickleValue& identification) {
  const PickleValue made = at(Kind::Persistent, persistent_.size());
  budget_.push(persistent_, identification);
  return made;
}

void PickleHeap::append(const PickleValue& list_or_dict, const PickleValue& item) {
  budget_.push(containers_[static_cast<std::size_t>(list_or_dict.index)], item);
}

}  // namespace lamella
