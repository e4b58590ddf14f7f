// The memory a device has given, in multiples of kPage: what is not in use is kept and handed out
// again. Where the device can move pages between addresses (Backend::move_pages), free memory never
// lies in pieces of the wrong size: a request is put together from whatever pages there are, so
// that a training step needs no more memory than it uses at once, and none of it is cleared anew.
// Elsewhere nothing is kept: memory goes back to the device at once. Not thread-safe.
#pragma once

#include <cstddef>
#include <map>

#include "kernels/backend.h"

namespace lamella {

class PagePool {
 public:
  static constexpr std::size_t kPage = std::size_t{2} << 20U;

  // keep = false: nothing is kept on any device, for tools that watch its memory.
  PagePool(const Backend& backend, bool keep)
      : backend_(backend), keep_(keep && backend.move_pages != nullptr) {}
  ~PagePool() { release_free(); }
  PagePool(const PagePool&) = delete;
  PagePool& operator=(const PagePool&) = delete;

  // Null when the device has none left. Undefined contents. O(pages) where none fits as it is.
  void* take(std::size_t bytes);
  void give(void* data, std::size_t bytes) noexcept;
  bool keeps(std::size_t bytes) const { return keep_ && bytes >= kPage && bytes % kPage == 0; }

  std::size_t free_bytes() const { return free_bytes_; }
  void release_free();  // gives all that is not in use back to the device

 private:
  void refill(char* data, std::size_t bytes);

  const Backend& backend_;
  const bool keep_;
  std::multimap<std::size_t, char*> free_;  // ranges of pages, by size
  std::size_t free_bytes_ = 0;
};

}  // namespace lamella
