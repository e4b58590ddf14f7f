// Calls entries of a kernel table on plain host buffers, for the tests of the CPU backend.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"

namespace lamella::test {

// A KernelContext whose workspace is filled with NaN before each use, since scratch is undefined;
// not so where time is taken.
class Workspace {
 public:
  explicit Workspace(int threads, bool poison = true) : poison_(poison) {
    context_.threads = threads;
    context_.workspace_owner = this;
    context_.workspace = [](void* owner, std::size_t bytes) -> void* {
      auto& self = *static_cast<Workspace*>(owner);
      const std::size_t count = bytes / 4 + 32;
      if (self.floats_.size() < count) self.floats_.resize(count);
      if (self.poison_)
        std::fill_n(self.floats_.begin(), count, std::numeric_limits<float>::quiet_NaN());
      const auto address = reinterpret_cast<std::uintptr_t>(self.floats_.data());
      return reinterpret_cast<void*>((address + 63) / 64 * 64);
    };
  }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  const KernelContext& context() const { return context_; }

 private:
  KernelContext context_;
  std::vector<float> floats_;
  bool poison_;
};

inline std::vector<float> random_floats(std::int64_t count, std::uint32_t seed, float mean = 0) {
  std::mt19937 engine(seed);
  std::vector<float> values(static_cast<std::size_t>(count));
  for (float& value : values)
    value = mean + static_cast<float>(engine() >> 8U) * 0x1p-23F - 1.0F;  // mean + [-1, 1)
  return values;
}

inline std::vector<double> widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// |a - b| / |b| over the C channels of each pixel at `pitch`.
template <class T>
double relative_error(const std::vector<float>& a, const std::vector<T>& b, std::int64_t C,
                      std::int64_t pitch) {
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (static_cast<std::int64_t>(i) % pitch >= C) continue;
    const double d = static_cast<double>(a[i]) - static_cast<double>(b[i]);
    difference += d * d;
    size += static_cast<double>(b[i]) * static_cast<double>(b[i]);
  }
  return std::sqrt(difference / (size > 0 ? size : 1.0));
}

}  // namespace lamella::test
