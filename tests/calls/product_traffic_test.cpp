// What convolution and linear move on the layers of DenseNet-121 and Inception-v3, one image,
// forward and backward, in f32 and bf16. Counted, not timed: the same everywhere.
//   - What the blocks touch, each sector once in a block, is at most 1.5 times what tiles of 128 x
//   128
//     need: M * K * ceil(N / 128) + K * N * ceil(M / 128) + M * N elements, where the product is
//     M x N and K deep. Of convolution this is generous: windows overlap.
//   - No shared-memory bank conflicts, in any kernel.
//   - Every request: its sectors are those its bytes fill, one more where rows are not aligned.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "engine/context.h"
#include "tests/calls/network_calls.h"
#include "tests/calls/tight_requests.h"
#include "tools/count_call.h"

namespace lamella {
namespace {

struct ProductExtents {
  double rows, columns, depth;
};

ProductExtents extents_of(const KernelLine& line) {
  const auto get = [&](const char* key) { return static_cast<double>(line.get(key)); };
  const std::string& kernel = line.kernel();
  if (kernel.starts_with("linear_")) {
    if (kernel == "linear_fwd") return {get("N"), get("K"), get("C")};
    if (kernel == "linear_bwd_data") return {get("N"), get("C"), get("K")};
    return {get("K"), get("C"), get("N")};
  }
  const double taps = get("R") * get("S"), windows = get("N") * get("P") * get("Q");
  if (kernel == "conv2d_fwd") return {windows, get("K"), taps * get("C")};
  if (kernel == "conv2d_bwd_data")
    return {get("N") * get("H") * get("W"), get("C"), taps * get("K")};
  return {get("K"), taps * get("C"), windows};
}

double bytes_of_tiles(const KernelCall& call) {
  const KernelLine line(call.line);
  const ProductExtents e = extents_of(line);
  const auto tiles = [](double extent) { return std::ceil(extent / 128); };
  const double elements = e.rows * e.depth * tiles(e.columns) +
                          e.depth * e.columns * tiles(e.rows) + e.rows * e.columns;
  return elements * static_cast<double>(size_of(line.dtype()));
}

struct Layers {
  const char *network, *dtype, *kernel;
  std::size_t least_calls;  // that there must be, or the file was not read as meant
};

// A line takes the emulator a second, in f32 many, and most lines of a kind differ in their
// channels alone: every third of them, in f32 every ninth, unless LAMELLA_EVERY_LINE is set, as
// ./test.sh long does. Odd, because 1x1 and 3x3 take turns.
bool is_chosen(std::size_t index, const std::string& dtype) {
  if (std::getenv("LAMELLA_EVERY_LINE") != nullptr) return true;
  const std::size_t stride = dtype == "f32" ? 9 : 3;
  return index % stride == stride / 2;
}

class ProductTraffic : public testing::TestWithParam<Layers> {};

TEST_P(ProductTraffic, IsThatOfLargeTiles) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  std::size_t count = 0;
  for (const KernelCall& call : network_calls(GetParam().network, GetParam().dtype)) {
    if (!call.line.starts_with(GetParam().kernel)) continue;
    if (!is_chosen(count++, GetParam().dtype)) continue;
    const tool::CountedCall counted = tool::count_call(*ctx, call);
    for (const simt::Finding& finding : counted.findings) ADD_FAILURE() << finding.sentence;
    EXPECT_LE(static_cast<double>(counted.bytes_distinct_by_block()), 1.5 * bytes_of_tiles(call))
        << call.line;
    EXPECT_EQ(counted.worst_conflict_ways(), 1.0) << call.line;
    expect_tight_requests(counted);
  }
  if (!only_some_entries()) {
    EXPECT_GE(count, GetParam().least_calls);
  }
}

std::vector<Layers> all_layers() {
  std::vector<Layers> layers;
  for (const char* dtype : {"f32", "bf16"}) {
    for (const char* kernel : {"conv2d_fwd", "conv2d_bwd_data", "conv2d_bwd_weight"}) {
      layers.push_back({"densenet121", dtype, kernel, 60});
      layers.push_back({"inception_v3", dtype, kernel, 40});
    }
    layers.push_back({"densenet121", dtype, "linear_", 3});
    layers.push_back({"inception_v3", dtype, "linear_", 3});
  }
  return layers;
}

INSTANTIATE_TEST_SUITE_P(Of, ProductTraffic, testing::ValuesIn(all_layers()),
                         [](const testing::TestParamInfo<Layers>& info) {
                           return std::string(info.param.network) + "_" + info.param.dtype + "_" +
                                  info.param.kernel;
                         });

}  // namespace
}  // namespace lamella
