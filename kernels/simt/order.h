// The shuffled orders in which blocks and threads run. A launch is the same for the same seed.
#pragma once

#include <cstdint>
#include <numeric>
#include <utility>

namespace lamella::simt {

// SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
class Random {
 public:
  explicit Random(std::uint64_t seed) : state_(seed) {}
  std::uint64_t next() {
    state_ += 0x9E3779B97F4A7C15U;
    std::uint64_t z = state_;
    z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9U;
    z = (z ^ (z >> 27U)) * 0x94D049BB133111EBU;
    return z ^ (z >> 31U);
  }
  // In [0, count); count is at least 1 and below 2^32.
  std::uint64_t below(std::uint64_t count) { return ((next() >> 32U) * count) >> 32U; }

 private:
  std::uint64_t state_;
};

template <class T>
void shuffle_order(T* items, std::uint64_t count, Random& random) {
  for (std::uint64_t i = count; i > 1; --i) std::swap(items[i - 1], items[random.below(i)]);
}

// An order of [0, count) that needs no memory: i -> (i * step + offset) mod count, step and count
// without a common divisor.
class AffineOrder {
 public:
  AffineOrder(std::uint64_t count, Random& random) : count_(count) {
    offset_ = random.next() % count;
    step_ = count < 3 ? 1 : 1 + random.next() % (count - 1);
    while (std::gcd(step_, count) != 1) ++step_;
  }
  std::uint64_t operator[](std::uint64_t i) const {
    return static_cast<std::uint64_t>((Wide{i} * step_ + offset_) % count_);
  }

 private:
  __extension__ using Wide = unsigned __int128;
  std::uint64_t count_, offset_, step_;
};

}  // namespace lamella::simt
