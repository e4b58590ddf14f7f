// The shared memory of a block: one mapping, filled from below.
#include "kernels/simt/shared_arena.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <stdexcept>

#include "kernels/simt/asan.h"
#include "kernels/simt/guard.h"
#include "kernels/simt/observer.h"
#include "kernels/simt/scheduler.h"

namespace lamella::simt {
namespace {

constexpr std::size_t kMapped = 1 << 20;
constexpr std::size_t kAlignment = 128;  // a full row of banks
constexpr std::size_t kGap = 1024;       // an overrun by a row or two stays in it

constexpr std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace

SharedArena::SharedArena() {
  void* memory = mmap(nullptr, kMapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  begin_ = static_cast<char*>(memory);
}

SharedArena::~SharedArena() {
  permit(begin_, kMapped);
  munmap(begin_, kMapped);
}

bool SharedArena::contains(const void* address) const {
  return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(begin_) <
         kMapped;
}

void SharedArena::begin_launch(std::size_t dynamic_bytes) {
  permit(begin_, kMapped);
  observe_shared_arena(begin_, kMapped);
  placed_.clear();
  used_ = static_bytes_ = 0;
  dynamic_bytes_ = dynamic_bytes;
  if (dynamic_bytes > 0) add(nullptr, "the dynamic shared memory", dynamic_bytes);
}

void SharedArena::begin_block() {
  for (const Placed& placed : placed_) poison(placed);
}

void* SharedArena::place(const SharedVariable& variable) {
  for (const Placed& placed : placed_) {
    if (placed.variable == &variable) return placed.data;
  }
  static_bytes_ += round_up(variable.bytes, 16);
  if (static_bytes_ > kMostStatic || static_bytes_ + dynamic_bytes_ > kMost) {
    throw std::runtime_error(
        "shared variable " + std::string(variable.name) + " brings a block to " +
        std::to_string(static_bytes_) + " bytes of static and " + std::to_string(dynamic_bytes_) +
        " of dynamic shared memory; a device has " + std::to_string(kMostStatic) + " static and " +
        std::to_string(kMost) + " in all");
  }
  add(&variable, variable.name, variable.bytes);
  return placed_.back().data;
}

void SharedArena::add(const SharedVariable* variable, const char* name, std::size_t bytes) {
  const std::size_t after = round_up(used_ + bytes + kGap, kAlignment);
  if (after > kMapped) throw std::runtime_error("more shared variables than the emulator places");
  placed_.push_back({variable, name, begin_ + used_, bytes});
  fill_guard(begin_ + used_ + bytes, begin_ + after);
  forbid(begin_ + used_ + bytes, after - used_ - bytes);
  used_ = after;
  poison(placed_.back());
}

void SharedArena::poison(const Placed& placed) {
  std::memset(placed.data, 0xFF, placed.bytes);
  observe_shared({placed.name, placed.data, placed.bytes});
}

std::string SharedArena::check_guards() {
  if (kAddressSanitizer) return "";
  std::string problem;
  for (const Placed& placed : placed_) {
    char* end = placed.data + placed.bytes;
    const char* limit = &placed == &placed_.back() ? begin_ + used_ : (&placed + 1)->data;
    const char* damage = find_damage(end, limit);
    if (damage == nullptr) continue;
    problem = std::string(placed.name) + " (" + std::to_string(placed.bytes) +
              " bytes of shared memory) was written past its end, at byte " +
              std::to_string(damage - placed.data);
    fill_guard(end, limit);
  }
  return problem;
}

void* shared_variable(const SharedVariable& variable) {
  Scheduler& scheduler = Scheduler::mine();
  try {
    return scheduler.shared().place(variable);
  } catch (...) {
    scheduler.set_error(std::current_exception());
  }
  scheduler.leave_launch();
}

void* dynamic_shared_memory() {
  return Scheduler::mine().shared().dynamic();
}

}  // namespace lamella::simt
