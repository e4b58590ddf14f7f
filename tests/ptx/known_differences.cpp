#include "tests/ptx/known_differences.h"

#include <fstream>
#include <regex>

namespace lamella::ptx {
namespace {

struct Known {
  const char* functions;  // a regular expression
  const char* accesses;   // another, of space, kind and bytes
  const char* line;       // a part of the source line
  const char* reason;
};

// All are in the PTX only. A product's kernel writes either its result or partial results in f32,
// and what is to be done about bias, sums and alignment comes at run time (product/tile.h).
constexpr const char* kRun = "store<V>(row + column, run, write)";
constexpr const char* kElement = "store<1>(row + column + i, Run<1>{{run[i]}}, write)";
constexpr const char* kForward = "(linear|conv2d|norm_conv2d)_fwd_kernel<.*";
constexpr const char* kVectors =
    "(linear|conv2d|norm_conv2d)_bwd_.*_kernel<lamella::(Bf16|F16), 8, .*";
constexpr const char* kWeightVectors = "(linear|conv2d|norm_conv2d)_bwd_weight_kernel<.*, [48], .*";

const Known kKnown[] = {
    {kForward, "global read of .*", kRun, "a forward pass never adds to its output"},
    {kForward, "global read of .*", kElement, "a forward pass never adds to its output"},
    {kVectors, "global write of 4 bytes", kElement,
     "partial results of so many channels are always written by 16 bytes"},
    {kWeightVectors, "global (read|write) of .*", kElement,
     "with so many channels dw is written by one element only if it is not aligned to 16 bytes"},
    {kWeightVectors, "shared read of 4 bytes", "load_fours<W>(",
     "the same: elements are written one by one only then"},
};

}  // namespace

KnownDifferences::KnownDifferences(std::string source_folder)
    : source_(std::move(source_folder)), used_(std::size(kKnown)) {}

bool KnownDifferences::cover(const Difference& difference) {
  if (difference.what != "is in the PTX only") return false;
  bool covered = false;
  for (const Site& site : difference.sites) {
    const std::string line = line_of(site), access = site.access();
    for (std::size_t i = 0; i < std::size(kKnown); ++i) {
      const Known& known = kKnown[i];
      if (line.find(known.line) == std::string::npos ||
          !std::regex_match(difference.function, std::regex(known.functions)) ||
          !std::regex_match(access, std::regex(known.accesses))) {
        continue;
      }
      covered = used_[i] = true;
    }
  }
  return covered;
}

std::vector<std::string> KnownDifferences::unused() const {
  std::vector<std::string> unused;
  for (std::size_t i = 0; i < std::size(kKnown); ++i) {
    if (!used_[i]) unused.push_back(std::string(kKnown[i].functions) + ": " + kKnown[i].reason);
  }
  return unused;
}

std::string KnownDifferences::line_of(const Site& site) const {
  std::ifstream file(source_ + "/" + site.file);
  std::string line;
  for (int number = 0; number < site.line && std::getline(file, line); ++number) {
  }
  return line;
}

}  // namespace lamella::ptx
