// How much memory the reading of one file may take. Private to weights/: readers of foreign bytes
// take from the budget before they allocate, so that no file costs more than it may.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/errors.h"

namespace lamella {

class MemoryBudget {
 public:
  // Twice the file's length, and a few MiB that let small files be read however they are built.
  static constexpr std::uint64_t kSlack = std::uint64_t{4} << 20U;
  MemoryBudget(std::string name, std::uint64_t file_bytes)
      : name_(std::move(name)), limit_(2 * file_bytes + kSlack) {}

  // Throws Error when all that is taken would pass the limit.
  void take(std::uint64_t bytes) {
    if (bytes > limit_ - taken_) {
      fail(name_, ": reading it would take more than ", limit_,
           " bytes of memory, far more than a file of its length holds; it is damaged or hostile");
    }
    taken_ += bytes;
  }
  void give(std::uint64_t bytes) { taken_ -= bytes; }

  // Appends, and counts the memory of a growing vector: the old and the new one while it moves.
  template <class T>
  void push(std::vector<T>& into, T value) {
    if (into.size() == into.capacity()) grow(into, into.size() + into.size() / 2 + 4);
    into.push_back(std::move(value));
  }
  template <class T>
  void grow(std::vector<T>& vector, std::size_t capacity) {
    const std::size_t before = vector.capacity();
    if (capacity <= before) return;
    take(std::uint64_t{capacity} * sizeof(T));
    vector.reserve(capacity);
    give(std::uint64_t{before} * sizeof(T));
  }

 private:
  std::string name_;
  std::uint64_t limit_, taken_ = 0;
};

}  // namespace lamella
