// Device memory. A buffer's room is: guard, bytes, guard up to the next multiple of 256.
#include "kernels/simt/arena.h"

#include <sys/mman.h>

#include <cstring>
#include <new>
#include <stdexcept>

#include "kernels/simt/asan.h"
#include "kernels/simt/guard.h"
#include "kernels/simt/observer.h"

namespace lamella::simt {
namespace {

constexpr std::size_t kGuard = 256;            // also the alignment
constexpr std::size_t kGiveBack = 1U << 20U;   // rooms from this size on return to the system
constexpr std::size_t kReserve = 1ULL << 36U;  // addresses, not memory
constexpr std::size_t kLeastReserve = 1U << 28U;

std::string size_text(std::uint64_t number, std::size_t bytes) {
  return "buffer " + std::to_string(number) + " (" + std::to_string(bytes) + " bytes)";
}

}  // namespace

Arena& Arena::instance() {
  // Never destroyed: tensors in static storage may be released after it would be.
  static Arena* arena = new Arena;
  return *arena;
}

Arena::Arena() {
  for (size_ = kReserve; size_ >= kLeastReserve; size_ /= 2) {
    void* memory = mmap(nullptr, size_, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) continue;
    begin_ = static_cast<char*>(memory);
    holes_[begin_] = size_;
    observe_arena(begin_, size_);
    return;
  }
  throw std::bad_alloc();
}

bool Arena::contains(const void* address) const {
  return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(begin_) <
         size_;
}

char* Arena::take_room(std::size_t room) {
  for (auto hole = holes_.begin(); hole != holes_.end(); ++hole) {
    if (hole->second < room) continue;
    const auto [begin, size] = *hole;
    holes_.erase(hole);
    if (size > room) holes_[begin + room] = size - room;
    return begin;
  }
  return nullptr;
}

void Arena::give_room(char* begin, std::size_t room) {
  if (room >= kGiveBack) {
    const std::size_t page = 4096, skip = -reinterpret_cast<std::uintptr_t>(begin) % page;
    madvise(begin + skip, (room - skip) / page * page, MADV_DONTNEED);
  }
  auto hole = holes_.emplace(begin, room).first;
  const auto next = std::next(hole);
  if (next != holes_.end() && begin + room == next->first) {
    hole->second += next->second;
    holes_.erase(next);
  }
  if (hole == holes_.begin()) return;
  const auto before = std::prev(hole);
  if (before->first + before->second == hole->first) {
    before->second += hole->second;
    holes_.erase(hole);
  }
}

void* Arena::allocate(std::size_t bytes) {
  if (bytes > size_ - 3 * kGuard) return nullptr;
  const std::size_t room = kGuard + (bytes + kGuard - 1) / kGuard * kGuard + kGuard;
  std::unique_lock lock(mutex_);
  char* begin = take_room(room);
  if (begin == nullptr) return nullptr;
  char* data = begin + kGuard;
  permit(begin, room);
  std::memset(data, 0xFF, bytes);
  fill_guard(begin, data);
  fill_guard(data + bytes, begin + room);
  forbid(begin, kGuard);
  forbid(data + bytes, room - kGuard - bytes);
  live_.emplace(data, Buffer{++allocations_, bytes, room});
  lock.unlock();  // an observer may ask about buffers
  observe_allocate(data, bytes);
  return data;
}

void Arena::release(void* data) {
  std::unique_lock lock(mutex_);
  const auto it = live_.find(static_cast<char*>(data));
  if (it == live_.end()) {
    throw std::runtime_error(
        "simt: releasing an address that is no live buffer's; is it released "
        "twice, or of another device?");
  }
  const std::size_t bytes = it->second.bytes, room = it->second.room;
  live_.erase(it);
  lock.unlock();
  observe_release(static_cast<char*>(data), bytes);
  lock.lock();
  forbid(data, bytes);
  give_room(static_cast<char*>(data) - kGuard, room);
}

void Arena::require(const void* data, std::size_t bytes, const char* what) const {
  if (bytes == 0) return;
  const std::lock_guard lock(mutex_);
  const auto* begin = static_cast<const char*>(data);
  auto it = live_.upper_bound(const_cast<char*>(begin));
  if (it != live_.begin()) {
    --it;
    if (begin - it->first + static_cast<std::ptrdiff_t>(bytes) <=
        static_cast<std::ptrdiff_t>(it->second.bytes)) {
      return;
    }
  }
  throw std::runtime_error("simt: " + std::string(what) + " of " + std::to_string(bytes) +
                           " bytes does not lie in one live buffer of the device; is the address "
                           "the host's, or released, or the count too large?");
}

std::string Arena::damage_of(const Buffers::value_type& buffer, bool repair) {
  const auto& [data, what] = buffer;
  char* begin = data - kGuard;
  char* end = begin + what.room;
  const char* damage = find_damage(begin, data);
  if (damage == nullptr) damage = find_damage(data + what.bytes, end);
  if (damage == nullptr) return "";
  if (repair) {
    fill_guard(begin, data);
    fill_guard(data + what.bytes, end);
  }
  return size_text(what.number, what.bytes) + " was written outside, at byte " +
         std::to_string(damage - data);
}

std::string Arena::check_guards() {
  if (kAddressSanitizer) return "";  // which reports the write itself, and may not read guards
  const std::lock_guard lock(mutex_);
  std::string problem;
  for (const auto& buffer : live_) {
    const std::string damage = damage_of(buffer, true);
    if (!damage.empty()) problem = damage;
  }
  return problem;
}

std::string Arena::describe(const void* address) const {
  const std::lock_guard lock(mutex_);
  const auto* byte = static_cast<const char*>(address);
  const auto after = live_.upper_bound(const_cast<char*>(byte));
  const auto text = [&](const Buffers::value_type& buffer) {
    return size_text(buffer.second.number, buffer.second.bytes) + ", byte " +
           std::to_string(byte - buffer.first);
  };
  if (after != live_.begin()) {
    const auto before = std::prev(after);
    if (after == live_.end() || byte < before->first + before->second.room) return text(*before);
  }
  return after != live_.end() ? text(*after) : "no buffer is live";
}

}  // namespace lamella::simt
