#include "tests/ops/guarded_backend.h"

#include <cstdint>
#include <map>
#include <mutex>
#include <vector>

#include "engine/errors.h"

namespace lamella::test {
namespace {

constexpr std::size_t kGuard = 256;              // bytes on either side; keeps the alignment
constexpr std::uint32_t kPattern = 0x7fc0beefU;  // a NaN

struct Guards {
  const Backend* base = nullptr;
  Backend wrapper;
  std::mutex mutex;
  std::map<char*, std::size_t> live;
  std::string damage;
};

Guards& guards() {
  static Guards the_guards;
  return the_guards;
}

std::vector<std::uint32_t> pattern(std::size_t bytes) {
  return std::vector<std::uint32_t>(bytes / sizeof(std::uint32_t) + 1, kPattern);
}

void* allocate(std::size_t bytes) {
  Guards& all = guards();
  char* block = static_cast<char*>(all.base->allocate(bytes + 2 * kGuard));
  if (block == nullptr) return nullptr;
  const auto values = pattern(bytes + 2 * kGuard);
  all.base->copy_to_device(block, values.data(), bytes + 2 * kGuard, nullptr);
  const std::lock_guard lock(all.mutex);
  all.live[block + kGuard] = bytes;
  return block + kGuard;
}

// Compares one guard zone with the pattern that allocate() laid over the whole block.
void check_zone(Guards& all, const char* block, std::size_t begin, std::size_t bytes,
                const char* where) {
  std::vector<char> found(kGuard);
  all.base->copy_to_host(found.data(), block + begin, kGuard, nullptr);
  const auto* wanted = reinterpret_cast<const char*>(&kPattern);
  for (std::size_t i = 0; i < kGuard; ++i) {
    if (found[i] == wanted[(begin + i) % sizeof kPattern] || !all.damage.empty()) continue;
    const std::size_t distance = begin == 0 ? kGuard - i : i;
    all.damage =
        text("a kernel wrote ", distance, " bytes ", where, " an allocation of ", bytes, " bytes");
  }
}

void check(Guards& all, char* data, std::size_t bytes) {
  const char* block = data - kGuard;
  check_zone(all, block, 0, bytes, "before the start of");
  check_zone(all, block, kGuard + bytes, bytes, "past the end of");
}

void release(void* data, std::size_t bytes) {
  Guards& all = guards();
  const std::lock_guard lock(all.mutex);
  char* address = static_cast<char*>(data);
  check(all, address, bytes);
  all.live.erase(address);
  all.base->release(address - kGuard, bytes + 2 * kGuard);
}

}  // namespace

const Backend& guarded(const Backend& base) {
  Guards& all = guards();
  if (all.base != nullptr && all.base != &base) fail("only one backend can be guarded");
  all.base = &base;
  all.wrapper = base;
  all.wrapper.allocate = allocate;
  all.wrapper.release = release;
  all.wrapper.move_pages = nullptr;  // every allocation keeps its own guards
  return all.wrapper;
}

std::string guard_damage() {
  Guards& all = guards();
  const std::lock_guard lock(all.mutex);
  for (const auto& [data, bytes] : all.live) check(all, data, bytes);
  std::string found;
  found.swap(all.damage);
  return found;
}

std::size_t guarded_allocations() {
  Guards& all = guards();
  const std::lock_guard lock(all.mutex);
  return all.live.size();
}

}  // namespace lamella::test
