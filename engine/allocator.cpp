#include "engine/allocator.h"

#include <algorithm>
#include <iterator>

#include "engine/errors.h"

namespace lamella {
namespace {

constexpr std::size_t kAlign = 256;
constexpr std::size_t kMiB = std::size_t{1} << 20U;
// Requests below kSmall share segments of kSmallSegment; larger ones get a segment of their size.
constexpr std::size_t kSmall = kMiB, kSmallSegment = 4 * kMiB, kLargeGranule = 2 * kMiB;
// A free block above this size serves only requests of at least half of it: small tensors do not
// break up the memory of large ones, which would then have to be obtained a second time.
constexpr std::size_t kUnbroken = 8 * kMiB;

constexpr std::size_t round_up(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

std::string mib(std::size_t bytes) {
  return text(static_cast<double>(bytes * 10 / kMiB) / 10.0, " MiB");
}

}  // namespace

Allocator::Allocator(const Backend& backend, std::size_t cap, bool cache)
    : backend_(backend), cap_(cap), cache_(cache) {}

Allocator::~Allocator() {
  for (const auto& [address, block] : blocks_) {
    if (block.segment_start) backend_.release(address, block.segment_bytes);
  }
}

void* Allocator::allocate(std::size_t bytes) {
  if (bytes > SIZE_MAX / 2) fail("an allocation of ", bytes, " bytes cannot be served");
  const std::size_t rounded = round_up(std::max<std::size_t>(bytes, 1), cache_ ? kAlign : 1);
  const std::lock_guard lock(mutex_);
  ++stats_.requests;
  const auto found = free_.lower_bound({rounded, nullptr});
  if (found != free_.end() && (found->first <= kUnbroken || found->first / 2 <= rounded)) {
    return take(blocks_.find(found->second), rounded);
  }
  return take(new_segment(rounded), rounded);
}

// Hands out the front of a free block and leaves the rest of it free.
void* Allocator::take(Blocks::iterator it, std::size_t bytes) {
  auto& [address, block] = *it;
  free_.erase({block.bytes, address});
  if (block.bytes > bytes) {
    Block rest;
    rest.bytes = block.bytes - bytes;
    rest.free = true;
    blocks_.emplace(address + bytes, rest);
    free_.emplace(rest.bytes, address + bytes);
    block.bytes = bytes;
  }
  block.free = false;
  stats_.live += bytes;
  stats_.peak = std::max(stats_.peak, stats_.live);
  return address;
}

Allocator::Blocks::iterator Allocator::new_segment(std::size_t bytes) {
  const std::size_t pooled = bytes < kSmall ? kSmallSegment : round_up(bytes, kLargeGranule);
  const std::size_t segment = cache_ ? pooled : bytes;
  const auto over_cap = [&] { return cap_ != 0 && stats_.held + segment > cap_; };
  // Cached memory may exceed what was ever in use at once by a sixteenth, no more.
  const std::size_t in_use = std::max(stats_.peak, stats_.live + bytes);
  if (stats_.held + segment > in_use + in_use / 16 || over_cap()) release_cached_locked();
  char* data = over_cap() ? nullptr : static_cast<char*>(backend_.allocate(segment));
  if (data == nullptr && !over_cap()) {
    release_cached_locked();
    data = static_cast<char*>(backend_.allocate(segment));
  }
  if (data == nullptr) {
    fail("out of memory on ", backend_.name, ": asked for ", mib(bytes), ", held ",
         mib(stats_.held), " of which ", mib(stats_.held - stats_.live), " free",
         cap_ != 0 ? text(", cap ", mib(cap_)) : std::string(),
         "; use a smaller batch or image size, or raise the memory cap");
  }
  stats_.held += segment;
  stats_.held_peak = std::max(stats_.held_peak, stats_.held);
  ++stats_.device_allocations;
  Block block;
  block.bytes = block.segment_bytes = segment;
  block.free = block.segment_start = true;
  free_.emplace(segment, data);
  return blocks_.emplace(data, block).first;
}

void Allocator::release(void* data) noexcept {
  const std::lock_guard lock(mutex_);
  auto it = blocks_.find(static_cast<char*>(data));
  if (it == blocks_.end()) return;
  stats_.live -= it->second.bytes;
  it->second.free = true;
  if (!cache_) {
    stats_.held -= it->second.segment_bytes;
    backend_.release(it->first, it->second.segment_bytes);
    blocks_.erase(it);
    return;
  }
  const auto next = std::next(it);
  if (next != blocks_.end() && next->second.free && !next->second.segment_start) {
    free_.erase({next->second.bytes, next->first});
    it->second.bytes += next->second.bytes;
    blocks_.erase(next);
  }
  if (!it->second.segment_start) {
    const auto before = std::prev(it);
    if (before->second.free) {
      free_.erase({before->second.bytes, before->first});
      before->second.bytes += it->second.bytes;
      blocks_.erase(it);
      it = before;
    }
  }
  free_.emplace(it->second.bytes, it->first);
}

void Allocator::release_cached() {
  const std::lock_guard lock(mutex_);
  release_cached_locked();
}

void Allocator::release_cached_locked() {
  for (auto it = blocks_.begin(); it != blocks_.end();) {
    const Block& block = it->second;
    if (block.free && block.segment_start && block.bytes == block.segment_bytes) {
      free_.erase({block.bytes, it->first});
      stats_.held -= block.segment_bytes;
      backend_.release(it->first, block.segment_bytes);
      it = blocks_.erase(it);
    } else {
      ++it;
    }
  }
}

void Allocator::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.live;
  stats_.held_peak = stats_.held;
}

AllocatorStats Allocator::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

}  // namespace lamella
