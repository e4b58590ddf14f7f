// Copies into shared memory that a thread starts and waits for later (cp.async). What a copy brings
// is there when its thread has waited, not before: until then shared memory holds all bits set, so
// that a kernel that forgets to wait computes NaN.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

namespace lamella::simt {

using Bytes16 = std::array<unsigned char, 16>;

// Of one thread, in groups.
class AsyncCopies {
 public:
  void start(void* shared, const Bytes16& bytes) { copies_.push_back({shared, bytes}); }
  // Ends a group: the copies started since the last one, perhaps none.
  void commit() { ends_.push_back(copies_.size()); }
  // Brings what all but the last `groups` groups copy. Copies of no group yet are not waited for.
  void wait(std::size_t groups);
  void forget() {
    copies_.clear();
    ends_.clear();
  }

 private:
  struct Copy {
    void* shared;
    Bytes16 bytes;
  };
  std::vector<Copy> copies_;
  std::vector<std::size_t> ends_;  // of each group, in copies_
};

// Of the running thread.
void start_copy(void* shared, const Bytes16& bytes);
void commit_copies();
void wait_for_copies(std::size_t groups);

}  // namespace lamella::simt
