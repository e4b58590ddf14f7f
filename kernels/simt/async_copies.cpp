#include "kernels/simt/async_copies.h"

#include <cstring>

#include "kernels/simt/scheduler.h"

namespace lamella::simt {

void AsyncCopies::wait(std::size_t groups) {
  if (ends_.size() <= groups) return;
  const auto done = static_cast<std::ptrdiff_t>(ends_.size() - groups);
  const auto end = static_cast<std::ptrdiff_t>(ends_[static_cast<std::size_t>(done - 1)]);
  for (auto copy = copies_.begin(); copy != copies_.begin() + end; ++copy) {
    std::memcpy(copy->shared, copy->bytes.data(), copy->bytes.size());
  }
  copies_.erase(copies_.begin(), copies_.begin() + end);
  ends_.erase(ends_.begin(), ends_.begin() + done);
  for (std::size_t& left : ends_) left -= static_cast<std::size_t>(end);
}

void start_copy(void* shared, const Bytes16& bytes) {
  Scheduler::mine().copies_of_thread().start(shared, bytes);
}

void commit_copies() {
  Scheduler::mine().copies_of_thread().commit();
}

void wait_for_copies(std::size_t groups) {
  Scheduler::mine().copies_of_thread().wait(groups);
}

}  // namespace lamella::simt
