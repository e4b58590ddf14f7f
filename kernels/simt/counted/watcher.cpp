// The way of one access: which memory, which line, live, written, ordered, logged.
#include "kernels/simt/counted/watcher.h"

#include <algorithm>
#include <bit>

#include "kernels/simt/counted/constants.h"
#include "kernels/simt/place.h"

namespace lamella::simt {
namespace {

// Of the bytes of `mask`, bits of a group of 64, those that `before` lacks; and the same of the
// group's two sectors.
Ledger::Fresh fresh(std::uint64_t mask, std::uint64_t before) {
  constexpr std::uint64_t kSector = 0xFFFFFFFFU;
  unsigned sectors = 0;
  for (const std::uint64_t sector : {kSector, kSector << 32U}) {
    if ((mask & sector) != 0 && (before & sector) == 0) ++sectors;
  }
  return {static_cast<unsigned>(std::popcount(mask & ~before)), sectors};
}

bool in_range(const void* address, const void* begin, std::size_t bytes) {
  return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(begin) <
         bytes;
}

}  // namespace

constinit thread_local Fibre::Stack own_stack{0, 0};
constinit thread_local Watcher* watching = nullptr;

Watcher& Watcher::instance() {
  // Never destroyed: tensors in static storage may be released after it would be.
  static Watcher* watcher = new Watcher;
  return *watcher;
}

// --- launches ------------------------------------------------------------------------------------

void Watcher::begin_launch(const LaunchShape& shape, const KernelCall& call, std::uint64_t seed) {
  mutex.lock();
  constexpr std::uint32_t kLastStart = 0xC0000000U;
  if (time_.now > kLastStart) {
    global.forget_accessors();
    shared.forget_accessors();
    time_ = {};
  }
  scheduler_ = &Scheduler::mine();
  shape_ = shape;
  call_ = call;
  seed_ = seed;
  ++launches_;
  time_.launch = time_.now + 1;
  block_starts_.clear();
  const std::size_t threads = std::size_t{shape.block.x} * shape.block.y * shape.block.z;
  lanes_.resize(threads);
  epochs_.resize(threads);
  watching = this;
}

void Watcher::begin_block(std::uint64_t block) {
  ++blocks_;
  time_.block = ++time_.now;
  block_starts_.push_back({time_.now, block});
  shared_variables_.clear();
  for (LaneLog& lane : lanes_) lane.restart();
  std::fill(epochs_.begin(), epochs_.end(), 0U);
}

void Watcher::place_shared(const SharedRange& variable) {
  shared_variables_.push_back(variable);
  shared.set_live(variable.begin, variable.bytes);
}

void Watcher::run_thread(unsigned thread) {
  thread_ = thread;
  lane_ = &lanes_[thread];
  own_stack = scheduler_->stack_of_thread();
}

void Watcher::rest_warp(unsigned warp) {
  const unsigned first = warp * kWarp;
  const auto count = std::min(kWarp, static_cast<unsigned>(lanes_.size()) - first);
  for (const Request& request : merger_.merge(&lanes_[first], count)) {
    ledger.add_request(sites_[request.site], request.site, request);
  }
}

void Watcher::pass_block_barrier() {
  ++time_.now;
  std::fill(epochs_.begin(), epochs_.end(), 0U);
}

void Watcher::pass_warp_barrier(unsigned warp, unsigned lanes) {
  unsigned* epochs = &epochs_[warp * kWarp];
  unsigned last = 0;
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) {
    last = std::max(last, epochs[std::countr_zero(rest)]);
  }
  const unsigned next = std::min(last + 1, kMostEpochs);
  for (unsigned rest = lanes; rest != 0; rest &= rest - 1) epochs[std::countr_zero(rest)] = next;
}

void Watcher::end_launch() {
  watching = nullptr;
  const std::uint64_t blocks = std::uint64_t{shape_.grid.x} * shape_.grid.y * shape_.grid.z;
  ledger.end_launch({shape_.name, sites_.function_at(call_.function)}, blocks * lanes_.size(),
                    sites_);
  for (const SharedRange& variable : shared_variables_) {
    shared.set_dead(variable.begin, variable.bytes);
  }
  mutex.unlock();
}

// --- accesses ------------------------------------------------------------------------------------

void Watcher::access(const Access& access) {
  Space space = Space::Global;
  if (!global.covers(access.address)) {
    if (!shared.covers(access.address)) {
      if (!is_ignored(access)) refuse(access);
      return;
    }
    space = Space::Shared;
  }
  const std::uint32_t site = sites_.site(access.return_address, access.kind, space, access.bytes);
  if (reinterpret_cast<std::uintptr_t>(access.address) % access.bytes != 0) {
    report("misaligned", access, site, "at an address that is no multiple of its size:");
  }
  touch(access, space, site);
  lane_->access(site, reinterpret_cast<std::uintptr_t>(access.address));
}

// Checks and notes the access in groups of 64 bytes; there is one but for misaligned accesses.
void Watcher::touch(const Access& access, Space space, std::uint32_t site) {
  Shadow& shadow = space == Space::Global ? global : shared;
  for (unsigned done = 0; done < access.bytes;) {
    Access part = access;
    part.address += done;
    const std::size_t bit = shadow.offset_of(part.address) % 64;
    part.bytes = std::min(access.bytes - done, static_cast<unsigned>(64 - bit));
    done += part.bytes;
    ShadowPage* page = shadow.covers(part.address) ? shadow.page(part.address) : nullptr;
    const std::uint64_t mask = ((std::uint64_t{1} << part.bytes) - 1) << bit;
    const std::size_t group = shadow.offset_of(part.address) % ShadowPage::kBytes / 64;
    if (!check_bits(page, group, mask, access, space, site)) return;
    if (space == Space::Global) count_distinct(*page, group, mask);
    check_order(*page, part, space, site);
  }
}

bool Watcher::check_bits(ShadowPage* page, std::size_t group, std::uint64_t mask,
                         const Access& access, Space space, std::uint32_t site) {
  if (page == nullptr || (page->live[group] & mask) != mask) {
    report("out of bounds", access, site,
           space == Space::Global ? "outside every buffer, next to" : "outside every variable of");
    return false;
  }
  if (access.kind != AccessKind::Write && (page->written[group] & mask) != mask) {
    report("unwritten memory", access, site, "that nobody wrote:");
  }
  if (access.kind != AccessKind::Read) page->written[group] |= mask;
  return true;
}

void Watcher::count_distinct(ShadowPage& page, std::size_t group, std::uint64_t mask) {
  if (page.launch != launches_) page.in_launch.fill(0);
  if (page.block != blocks_) page.in_block.fill(0);
  page.launch = launches_;
  page.block = blocks_;
  ledger.add_distinct(fresh(mask, page.in_launch[group]), fresh(mask, page.in_block[group]));
  page.in_launch[group] |= mask;
  page.in_block[group] |= mask;
}

void Watcher::check_order(ShadowPage& page, const Access& access, Space space, std::uint32_t site) {
  Accessor accessor;
  accessor.interval = time_.now;
  accessor.thread = thread_ & 0x3FFU;
  accessor.epoch = epochs_[thread_] & kMostEpochs;
  accessor.site = std::min(site, kMostSites) & kMostSites;
  accessor.atomic = access.kind == AccessKind::Atomic;
  Timeline time = time_;
  if (space == Space::Shared) time.launch = time.block;
  const Shadow& shadow = space == Space::Global ? global : shared;
  const std::size_t offset = shadow.offset_of(access.address) % ShadowPage::kBytes;
  const bool words = (access.bytes | offset) % 4 == 0;
  for (std::size_t i = 0; i < access.bytes; i += words ? 4 : 1) {
    Cell& cell = words ? page.word(offset + i) : page.byte(offset + i);
    const auto conflict = note_access(cell, accessor, access.kind, time);
    if (conflict) report_race(access, site, *conflict);
  }
}

// What the emulator lends the thread, and constants of the program.
bool Watcher::is_ignored(const Access& access) const {
  return in_range(access.address, &place, sizeof(place)) ||
         in_range(access.address, call_.arguments, call_.argument_bytes) ||
         (access.kind == AccessKind::Read && is_constant(access.address));
}

}  // namespace lamella::simt
