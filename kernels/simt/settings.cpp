#include "kernels/simt/settings.h"

#include <atomic>
#include <cstdlib>

namespace lamella::simt {
namespace {

std::uint64_t seed_of_environment() {
  const char* text = std::getenv("LAMELLA_SIMT_SEED");
  return text == nullptr ? 1 : std::strtoull(text, nullptr, 10);
}

std::atomic<std::uint64_t>& seed() {
  static std::atomic<std::uint64_t> value{seed_of_environment()};
  return value;
}

}  // namespace

std::uint64_t order_seed() {
  return seed();
}

void set_order_seed(std::uint64_t value) {
  seed() = value;
}

std::int64_t most_steps() {
  static const std::int64_t most = [] {
    const char* text = std::getenv("LAMELLA_SIMT_STEPS");
    const std::int64_t given = text == nullptr ? 0 : std::strtoll(text, nullptr, 10);
    return given > 0 ? given : std::int64_t{1} << 25U;
  }();
  return most;
}

}  // namespace lamella::simt
