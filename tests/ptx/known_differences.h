// Differences between nvcc and the emulator that are known, each with its reason.
#pragma once

#include <string>
#include <vector>

#include "tests/ptx/comparison.h"

namespace lamella::ptx {

class KnownDifferences {
 public:
  explicit KnownDifferences(std::string source_folder);
  // Whether what the difference is about, or may be about, is known.
  bool cover(const Difference& difference);
  // Those that covered nothing: they must go.
  std::vector<std::string> unused() const;

 private:
  std::string line_of(const Site& site) const;

  std::string source_;
  std::vector<bool> used_;
};

}  // namespace lamella::ptx
