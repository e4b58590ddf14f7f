// Batch statistics that are made once, when a slice of a buffer is written, and shared by all who
// normalise it later. In a dense block each channel is normalised by every layer behind it; its
// mean and variance are the same for all of them.
#pragma once

#include <algorithm>
#include <vector>

#include "engine/tensor.h"

namespace lamella {

// Of all channels of a buffer; f32.
struct SharedStatistics {
  Tensor mean, var;         // [C]
  std::vector<char> known;  // [C]: whether they have been made
  // [2C], undefined until a backward needs it: what the layers that normalised the channels leave
  // for the one that wrote them (KernelTable::batch_norm_bwd_shared).
  Tensor sums;

  void mark(std::int64_t first, std::int64_t channels, bool made) {
    std::fill_n(known.begin() + first, channels, static_cast<char>(made));
  }
  bool knows(std::int64_t begin, std::int64_t end) const {
    return std::all_of(known.begin() + begin, known.begin() + end, [](char k) { return k != 0; });
  }
};

}  // namespace lamella
