#include "engine/page_pool.h"

#include <algorithm>
#include <new>

namespace lamella {

void* PagePool::take(std::size_t bytes) {
  if (!keeps(bytes)) return backend_.allocate(bytes);
  if (const auto same = free_.find(bytes); same != free_.end()) {
    void* data = same->second;
    free_bytes_ -= bytes;
    free_.erase(same);
    return data;
  }
  void* data = backend_.allocate(bytes);
  if (data != nullptr) refill(static_cast<char*>(data), bytes);
  return data;
}

// Moves free pages to the new addresses at `data`, from the smallest ranges first: large ones are
// more likely to fit the next request whole.
void PagePool::refill(char* data, std::size_t bytes) {
  while (bytes > 0 && !free_.empty()) {
    auto range = free_.extract(free_.begin());
    std::size_t& left = range.key();
    const std::size_t take = std::min(left, bytes);
    std::size_t moved = 0;
    while (moved < take && backend_.move_pages(range.mapped() + left - kPage, data, kPage)) {
      left -= kPage, moved += kPage, data += kPage;
    }
    bytes -= moved;
    free_bytes_ -= moved;
    const bool refused = moved < take;
    if (left > 0) free_.insert(std::move(range));
    if (refused) return;  // the rest of `data` is memory of its own
  }
}

void PagePool::give(void* data, std::size_t bytes) noexcept {
  if (!keeps(bytes)) {
    backend_.release(data, bytes);
    return;
  }
  try {
    free_.emplace(bytes, static_cast<char*>(data));
    free_bytes_ += bytes;
  } catch (const std::bad_alloc&) {
    backend_.release(data, bytes);
  }
}

void PagePool::release_free() {
  for (const auto& [bytes, data] : free_) backend_.release(data, bytes);
  free_.clear();
  free_bytes_ = 0;
}

}  // namespace lamella
