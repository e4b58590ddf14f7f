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
    : backend_(backend), cap_(cap), cache_(cache), pages_(backend, cache) {}

Allocator::~Allocator() {
  for (const auto& [address, block] : blocks_) {
    if (block.segment_start) backend_.release(address, block.segment_bytes);
  }
}

void* Allocator::allocate(std::size_t bytes, bool lasting) {
  if (bytes > SIZE_MAX / 2) fail("an allocation of ", bytes, " bytes cannot be served");
  const std::size_t rounded = round_up(std::max<std::size_t>(bytes, 1), cache_ ? kAlign : 1);
  const std::lock_guard lock(mutex_);
  ++stats_.requests;
  if (!in_pass_ || lasting) return serve(rounded);
  if (void* place = plan_.place(rounded)) return place;
  void* data = serve(rounded);
  try {
    plan_.note(data, rounded);
  } catch (...) {
    give(data);
    throw;
  }
  return data;
}

void* Allocator::serve(std::size_t rounded) {
  const auto found = free_.lower_bound({rounded, nullptr});
  if (found != free_.end() && (found->first <= kUnbroken || found->first / 2 <= rounded)) {
    return take(blocks_.find(found->second), rounded);
  }
  return take(new_segment(rounded), rounded);
}

// Hands out the front of a free block and leaves the rest of it free.
void* Allocator::take(Blocks::iterator it, std::size_t bytes) {
  auto& [address, block] = *it;
  if (block.bytes > bytes) {
    Block rest;
    rest.bytes = block.bytes - bytes;
    add_free(address + bytes, std::move(rest));
  }
  block.entry = free_.extract({block.bytes, address});
  block.bytes = bytes;
  block.free = false;
  stats_.live += bytes;
  stats_.peak = std::max(stats_.peak, stats_.live);
  return address;
}

Allocator::Blocks::iterator Allocator::new_segment(std::size_t bytes) {
  const std::size_t pooled = bytes < kSmall ? kSmallSegment : round_up(bytes, kLargeGranule);
  const std::size_t segment = cache_ ? pooled : bytes;
  const auto held_then = [&] { return segment_bytes_ + std::max(segment, pages_.free_bytes()); };
  const auto over_cap = [&] { return cap_ != 0 && held_then() > cap_; };
  // Memory kept may exceed what was ever in use at once by a sixteenth, no more.
  const std::size_t in_use = std::max(stats_.peak, stats_.live + bytes);
  if (held_then() > in_use + in_use / 16 || over_cap()) give_back_free_segments();
  if (over_cap()) pages_.release_free();
  char* data = over_cap() ? nullptr : static_cast<char*>(pages_.take(segment));
  if (data == nullptr && !over_cap()) {
    give_back_free_segments();
    pages_.release_free();
    data = static_cast<char*>(pages_.take(segment));
  }
  update_held();
  if (data == nullptr) {
    throw MemoryError(text("out of memory on ", backend_.name, ": asked for ", mib(bytes),
                           ", held ", mib(stats_.held), " of which ",
                           mib(stats_.held - stats_.live), " free",
                           cap_ != 0 ? text(", cap ", mib(cap_)) : std::string(),
                           "; use a smaller batch or image size, or raise the memory cap"));
  }
  Block block;
  block.bytes = block.segment_bytes = segment;
  block.segment_start = true;
  Blocks::iterator added;
  try {
    added = add_free(data, std::move(block));
  } catch (...) {
    backend_.release(data, segment);
    throw;
  }
  segment_bytes_ += segment;
  update_held();
  ++stats_.device_allocations;
  return added;
}

Allocator::Blocks::iterator Allocator::add_free(char* address, Block block) {
  const auto entry = free_.emplace(block.bytes, address).first;
  block.free = true;
  try {
    return blocks_.emplace(address, std::move(block)).first;
  } catch (...) {
    free_.erase(entry);
    throw;
  }
}

void Allocator::release(void* data) noexcept {
  const std::lock_guard lock(mutex_);
  if (!plan_.release(data)) give(data);
}

void Allocator::give(void* data) noexcept {
  auto it = blocks_.find(static_cast<char*>(data));
  if (it == blocks_.end()) return;
  stats_.live -= it->second.bytes;
  it->second.free = true;
  FreeBlocks::node_type entry = std::move(it->second.entry);
  it = coalesce(it);
  const Block& block = it->second;
  entry.value() = {block.bytes, it->first};
  free_.insert(std::move(entry));
  const bool whole = block.segment_start && block.bytes == block.segment_bytes;
  // Small segments stay, to be shared by small tensors; pages of large ones serve any request.
  if (whole && (!cache_ || (block.bytes >= kUnbroken && pages_.keeps(block.bytes)))) give_back(it);
}

void Allocator::begin_pass() {
  const std::lock_guard lock(mutex_);
  plan_.begin();
  in_pass_ = cache_;
}

void Allocator::end_pass() noexcept {
  const std::lock_guard lock(mutex_);
  in_pass_ = false;
  try {
    const std::size_t arena = cache_ ? plan_.end() : 0;
    if (arena == 0) return;
    drop_arena();
    plan_.use(serve(arena));
  } catch (const std::exception&) {
    drop_arena();  // no memory for a plan: the next pass is served like this one
  }
}

void Allocator::drop_arena() {
  if (!plan_.idle()) return;
  if (void* arena = plan_.use(nullptr)) give(arena);
}

// Joins a free block with its free neighbours in the segment; returns the whole.
Allocator::Blocks::iterator Allocator::coalesce(Blocks::iterator it) {
  const auto next = std::next(it);
  if (next != blocks_.end() && next->second.free && !next->second.segment_start) {
    free_.erase({next->second.bytes, next->first});
    it->second.bytes += next->second.bytes;
    blocks_.erase(next);
  }
  if (it->second.segment_start) return it;
  const auto before = std::prev(it);
  if (!before->second.free) return it;
  free_.erase({before->second.bytes, before->first});
  before->second.bytes += it->second.bytes;
  blocks_.erase(it);
  return before;
}

void Allocator::give_back(Blocks::iterator segment) {
  char* address = segment->first;
  const std::size_t bytes = segment->second.segment_bytes;
  free_.erase({bytes, address});
  blocks_.erase(segment);
  segment_bytes_ -= bytes;
  pages_.give(address, bytes);
  update_held();
}

void Allocator::give_back_free_segments() {
  for (auto it = blocks_.begin(); it != blocks_.end();) {
    const auto segment = it++;
    const Block& block = segment->second;
    if (block.free && block.segment_start && block.bytes == block.segment_bytes) {
      give_back(segment);
    }
  }
}

void Allocator::update_held() {
  stats_.held = segment_bytes_ + pages_.free_bytes();
  stats_.held_peak = std::max(stats_.held_peak, stats_.held);
}

void Allocator::release_cached() {
  const std::lock_guard lock(mutex_);
  drop_arena();
  give_back_free_segments();
  pages_.release_free();
  update_held();
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
