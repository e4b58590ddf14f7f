// What pickles hold, as plain data. Private to weights/.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "weights/byte_source.h"
#include "weights/memory_budget.h"
#include "weights/pickle_globals.h"

namespace lamella {

// 16 bytes; what is longer lies in a PickleHeap.
struct PickleValue {
  enum class Kind : std::uint8_t {
    Unset,  // a gap of the memo
    None,
    Bool,
    Int,
    Long,  // an integer of more than 64 bits: text() is its little-endian two's complement
    Float,
    Text,
    Tuple,
    List,
    Dict,
    Global,
    Object,      // what a Tensor, TypedTensor or Parameter global was called with
    Persistent,  // something that lies outside of the pickle
    Opaque       // neither a tensor nor a container of tensors
  };
  Kind kind = Kind::None;
  std::uint32_t length = 0;  // of a text or tuple
  union {
    std::int64_t integer = 0;  // Int, Bool
    double real;
    std::uint64_t index;  // into the heap
    const PickleGlobal* global;
  };

  bool is(Kind k) const { return kind == k; }
  bool is_global(GlobalKind k) const { return kind == Kind::Global && global->kind == k; }
  static PickleValue of_int(std::int64_t value);
  static PickleValue of_global(const PickleGlobal* global);
  static PickleValue of_kind(Kind kind) { return {kind, 0, {}}; }
};

// Owner of everything the pickles of one file hold. Its contents may contain themselves: walk them
// with a bound and without recursion. Views stay valid until the next pickle is read.
class PickleHeap {
 public:
  using Kind = PickleValue::Kind;
  explicit PickleHeap(MemoryBudget& budget) : budget_(budget) {}

  MemoryBudget& budget() const { return budget_; }
  std::string_view text(const PickleValue& text_or_long) const;
  // The items of a tuple or list; of a dictionary: key, value, key, value, …
  std::span<const PickleValue> items(const PickleValue& container) const;
  const PickleGlobal& callee(const PickleValue& object) const;
  // The tuple an object was made of.
  const PickleValue& arguments(const PickleValue& object) const;
  const PickleValue& identification(const PickleValue& persistent) const;
  // In order of appearance, repetitions included.
  std::span<const PickleValue> identifications() const { return persistent_; }

  // Each takes its memory from the budget.
  PickleValue add_text(Kind kind, ByteReader& from, std::uint64_t bytes);
  PickleValue add_text(Kind kind, std::string_view characters);
  PickleValue add_tuple(std::span<const PickleValue> items);
  PickleValue add_container(Kind list_or_dict);
  PickleValue add_object(const PickleGlobal* callee, const PickleValue& arguments);
  PickleValue add_persistent(const PickleValue& identification);
  void append(const PickleValue& list_or_dict, const PickleValue& item);

 private:
  struct Object {
    const PickleGlobal* callee;
    PickleValue arguments;
  };
  std::span<char> room_for_text(std::uint64_t bytes);

  MemoryBudget& budget_;
  std::vector<char> characters_;
  std::vector<PickleValue> tuples_, persistent_;
  std::vector<std::vector<PickleValue>> containers_;
  std::vector<Object> objects_;
};

}  // namespace lamella
