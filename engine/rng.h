// Random numbers on the host, all addressed by Philox (kernels/philox.h): the same on every
// machine, and in tests/goldens/philox.py.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/philox.h"

namespace lamella {

// What a stream of numbers is for; keeps uses of one seed apart (Philox counter word 3).
enum class RngStream : std::uint32_t {
  Init = 0x1001,
  Shuffle,
  Augment,
  Split,
  Synth,
  Test,
  Subset,
  Balance,
  Bootstrap,
  Noise,
  Mixup
};

// Numbers i = 0, 1, 2… of the sequence (seed, stream, substream). Number i is word i % 4 of
// philox(counter = i / 4, step = substream, layer = stream, key = seed).
class Rng {
 public:
  Rng(std::uint64_t seed, RngStream stream, std::uint32_t substream = 0)
      : seed_(seed), stream_(static_cast<std::uint32_t>(stream)), substream_(substream) {}

  std::uint32_t next();
  // Uniform in [0,1): (next() + 0.5) * 2^-32 as a double, never 0 or 1.
  double uniform();
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Standard normal by Box-Muller on two uniforms u1, u2: sqrt(-2 ln u1) cos(2 pi u2).
  double normal();
  // Uniform integer in [0, bound), bound >= 1: (next() * bound) >> 32.
  std::uint32_t below(std::uint32_t bound);

 private:
  std::uint64_t seed_;
  std::uint32_t stream_, substream_;
  std::uint64_t index_ = 0;
  Philox4 block_{};
};

// 0..count-1 shuffled: Fisher-Yates from the back, j = rng.below(i + 1).
std::vector<std::int64_t> permutation(std::int64_t count, Rng rng);

// --- initialisers: fill host memory; fan_in and fan_out as the layer defines them ------------
// He et al. 2015: normal, std = sqrt(2 / fan_in).
void kaiming_normal(std::span<float> w, std::int64_t fan_in, Rng rng);
// He et al. 2015: uniform in +-sqrt(6 / fan_in).
void kaiming_uniform(std::span<float> w, std::int64_t fan_in, Rng rng);
// Glorot & Bengio 2010: uniform in +-sqrt(6 / (fan_in + fan_out)).
void glorot_uniform(std::span<float> w, std::int64_t fan_in, std::int64_t fan_out, Rng rng);
// Glorot & Bengio 2010: normal, std = sqrt(2 / (fan_in + fan_out)).
void glorot_normal(std::span<float> w, std::int64_t fan_in, std::int64_t fan_out, Rng rng);
void normal(std::span<float> w, double mean, double std, Rng rng);
// Normal(mean, std), redrawn until within [mean - 2 std, mean + 2 std].
void truncated_normal(std::span<float> w, double mean, double std, Rng rng);
void constant(std::span<float> w, float value);

}  // namespace lamella
