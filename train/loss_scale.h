// The factor that a loss is scaled by where gradients are f16, whose smallest would else be
// nothing: Micikevicius et al. 2018, "Mixed precision training". Found while training: doubled
// after 2000 updates in a row, halved by a step whose gradients pass the range of f16.
#pragma once

#include <algorithm>
#include <cstdint>

namespace lamella {

struct LossScale {
  double factor = 65536;
  std::int64_t updates = 0;  // since the factor last changed

  void see(bool overflowed) {
    constexpr std::int64_t kPatience = 2000;
    constexpr double kLargest = 16777216, kLeast = 1;
    if (overflowed) {
      *this = {std::max(kLeast, factor / 2), 0};
    } else if (++updates == kPatience) {
      *this = {std::min(kLargest, factor * 2), 0};
    }
  }
};

}  // namespace lamella
