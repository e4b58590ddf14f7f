// What kernels move on the layers of DenseNet-121 and Inception-v3, one image, forward and
// backward, in f32 and bf16, held to the least they could move. Counted, not timed: the same
// everywhere.
//   - All: the sectors that a launch touches, each once, are at most 1.05 times the least.
//   - Pointwise, batch norm and loss: so are the sectors they ask for.
//   - Pooling: the sectors that its blocks touch, each once in a block, are at most 1.05 times what
//     tiles of 8 x 8 pixels of the result and 32 channels need with their halo.
//   - Every request: its sectors are those its bytes fill, one more where rows are not aligned.
// All but the last from 1 MiB on; below that, launches and partial results weigh more than traffic.
// Products are held to other limits (product_traffic_test.cpp).
#include <gtest/gtest.h>

#include "engine/context.h"
#include "tests/calls/network_calls.h"
#include "tests/calls/tight_requests.h"
#include "tools/count_call.h"

namespace lamella {
namespace {

constexpr double kMost = 1.05;
constexpr std::int64_t kLeastBytes = 1 << 20;

bool is_pooling(const std::string& kernel) {
  return kernel.find("pool2d") != std::string::npos;
}

struct Extent {
  std::int64_t size, filter, stride, pad, windows;
};

// Positions of the input that tiles of 8 windows need, or windows that tiles of 8 positions need,
// added up over the tiles.
std::int64_t with_halo(const Extent& e, bool backward) {
  constexpr std::int64_t kTile = 8;
  std::int64_t sum = 0;
  const std::int64_t results = backward ? e.size : e.windows;
  for (std::int64_t first = 0; first < results; first += kTile) {
    const std::int64_t last = std::min(first + kTile, results) - 1;
    std::int64_t begin = first * e.stride - e.pad, end = last * e.stride - e.pad + e.filter;
    std::int64_t limit = e.size;
    if (backward) {
      const std::int64_t before = first + e.pad - e.filter;
      begin = before < 0 ? 0 : before / e.stride + 1;
      end = (last + e.pad) / e.stride + 1;
      limit = e.windows;
    }
    sum += std::min(end, limit) - std::max<std::int64_t>(begin, 0);
  }
  return sum;
}

// Bytes that the tiles of a pooling call need, halo included.
double bytes_of_tiles(const KernelCall& call) {
  const KernelLine line(call.line);
  const bool backward = line.kernel().ends_with("_bwd");
  const auto extent = [&](const char* size, const char* filter, const char* windows,
                          const std::string& axis) {
    return Extent{line.get(size), line.get(filter), line.get("stride_" + axis, 1),
                  line.get("pad_" + axis, 0), line.get(windows)};
  };
  const Extent h = extent("H", "R", "P", "h"), w = extent("W", "S", "Q", "w");
  const std::int64_t halo = with_halo(h, backward) * with_halo(w, backward);
  const std::int64_t results = backward ? h.size * w.size : h.windows * w.windows;
  const auto element = static_cast<std::int64_t>(size_of(line.dtype()));
  const bool with_argmax = line.kernel().starts_with("max");
  const std::int64_t argmax = !with_argmax ? 0 : backward ? halo : results;
  return static_cast<double>(line.get("N") * line.get("C") * ((halo + results) * element + argmax));
}

struct Network {
  const char* name;
  const char* dtype;
  std::size_t least_calls;  // that there must be, or the file was not read as meant
};

class Traffic : public testing::TestWithParam<Network> {};

TEST_P(Traffic, IsNearTheLeast) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  std::size_t held = 0;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const KernelCall& call : network_calls(GetParam().name, GetParam().dtype)) {
    if (is_product(call)) continue;
    const tool::CountedCall counted = tool::count_call(*ctx, call);
    for (const simt::Finding& finding : counted.findings) ADD_FAILURE() << finding.sentence;
    expect_tight_requests(counted);
    if (call.least_bytes() < kLeastBytes) continue;
    ++held;
    const auto least = static_cast<double>(call.least_bytes());
    EXPECT_LE(static_cast<double>(counted.bytes_distinct()), kMost * least) << call.line;
    if (is_pooling(call.line)) {
      EXPECT_LE(static_cast<double>(counted.bytes_distinct_by_block()),
                kMost * bytes_of_tiles(call))
          << call.line;
      continue;
    }
    EXPECT_LE(static_cast<double>(counted.bytes_requested()), kMost * least) << call.line;
  }
  if (!only_some_entries()) {
    EXPECT_GE(held, GetParam().least_calls);
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Traffic,
                         testing::Values(Network{"densenet121", "f32", 100},
                                         Network{"densenet121", "bf16", 50},
                                         Network{"inception_v3", "f32", 30},
                                         Network{"inception_v3", "bf16", 20}),
                         [](const testing::TestParamInfo<Network>& info) {
                           return std::string(info.param.name) + "_" + info.param.dtype;
                         });

// Counts the call and holds what its kernels touch and what they ask for to the least.
tool::CountedCall expect_near_the_least(Context& ctx, const std::string& line) {
  const tool::CountedCall counted = tool::count_call(ctx, make_call(KernelLine(line)));
  for (const simt::Finding& finding : counted.findings) ADD_FAILURE() << finding.sentence;
  const auto least = static_cast<double>(counted.call.least_bytes());
  EXPECT_LE(static_cast<double>(counted.bytes_distinct()), kMost * least) << line;
  EXPECT_LE(static_cast<double>(counted.bytes_requested()), kMost * least) << line;
  return counted;
}

// Kernels that no network of tests/shapes calls, dense and between slices.
TEST(Streaming, IsNearTheLeast) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const std::string line :
       {"mul pixels=3136 C=64", "mul pixels=12544 C=32 a_pitch=64 y_pitch=96 add=1",
        "scale pixels=3136 C=128", "scale pixels=12544 C=32 x_pitch=64 y_pitch=96 add=1",
        "cast pixels=6272 C=64 to=f32", "cast pixels=6272 C=64 to=bf16",
        "cast pixels=12544 C=32 x_pitch=64 y_pitch=96 to=f16 add=1", "bias_fwd pixels=3136 C=128",
        "bias_fwd pixels=12544 C=32 x_pitch=64 y_pitch=96", "bias_fwd pixels=289 C=1024",
        "batch_norm_copy_stats pixels=12544 C=32 y_pitch=256 relu_in=1",
        "batch_norm_copy_stats pixels=12544 C=64",
        "batch_norm_bwd_shared pixels=3136 C=96 x_pitch=256 dx_pitch=256 relu_out=1 add=1",
        "batch_norm_stats_bwd pixels=12544 C=32 x_pitch=256 y_pitch=256 dx_pitch=32"}) {
    for (const char* dtype : {"f32", "bf16", "f16"}) {
      expect_near_the_least(*ctx, line + " dtype=" + dtype);
    }
  }
}

// A training step of DenseNet-121: 364 trained tensors, most of them short, in one launch (and one
// more for the norm, out of partial results).
TEST(Optimisers, AskForTheLeast) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const char* step : {"gradient_control", "sgd_step", "adam_step", "average_weights",
                           "adam_step control=1 master=1"}) {
    for (const char* dtype : {"f32", "bf16"}) {
      const std::string line = std::string(step) + " tensors=364 count=7978856 dtype=" + dtype;
      const tool::CountedCall counted = expect_near_the_least(*ctx, line);
      const std::size_t kernels = line.starts_with("gradient_control") ? 2 : 1;
      ASSERT_EQ(counted.counts.size(), kernels) << line;
      EXPECT_EQ(counted.counts[0].launches, 1U) << line;
    }
  }
}

// At a batch of 256 and as many classes as make rows of whole sectors; a row that begins inside one
// costs each request a sector more.
TEST(Losses, AskForTheLeast) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const char* loss :
       {"softmax_fwd", "softmax_cross_entropy_fwd", "softmax_cross_entropy_fwd soft=1",
        "softmax_cross_entropy_bwd", "softmax_cross_entropy_bwd add=1"}) {
    for (const char* dtype : {"f32", "bf16", "f16"}) {
      expect_near_the_least(*ctx, std::string(loss) + " N=256 C=1008 dtype=" + dtype);
    }
    // The longest row that a warp holds in registers.
    expect_near_the_least(*ctx, std::string(loss) + " N=64 C=1024 dtype=f32");
  }
}

// Images: each request touches the sectors that its bytes fill and one more, and an image is read
// and written once; for the contrast, which needs its mean, read twice. In f32 no more is asked for
// than that; rows of 3 channels in 16 bits leave a quarter of the sectors unused, except where
// bytes become floats: the limit is 1.45 there.
TEST(Images, AskForTheLeast) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  struct Line {
    std::string line;
    double reads = 1;  // of x
  };
  const std::string images = " N=2 H=224 W=224 C=", pixels = " N=2 pixels=50176 C=";
  for (const auto& [line, reads] : std::vector<Line>{
           {"image_normalise pixels=50176 C=3"},
           {"image_normalise pixels=150529 C=1"},
           {"image_normalise pixels=12544 C=32 x_pitch=64 y_pitch=96"},
           {"image_resample" + images + "3"},
           {"image_resample" + images + "1 flip=1 fill=1"},
           {"image_resample" + images + "3 angle=180"},
           {"image_jitter" + pixels + "3 brightness=120 saturation=70"},
           {"image_jitter" + pixels + "1 contrast=120", 2},
           {"image_jitter" + pixels + "3 brightness=120 contrast=70 saturation=50", 2}}) {
    for (const char* dtype : {"f32", "bf16", "f16"}) {
      const KernelCall call = make_call(KernelLine(line + " dtype=" + dtype));
      const tool::CountedCall counted = tool::count_call(*ctx, call);
      for (const simt::Finding& finding : counted.findings) ADD_FAILURE() << finding.sentence;
      const double x = static_cast<double>(call.operands[0].bytes());
      const double least = static_cast<double>(call.least_bytes()) + (reads - 1) * x;
      EXPECT_LE(static_cast<double>(counted.bytes_distinct()), kMost * least) << call.line;
      const bool whole =
          size_of(call.operands[1].dtype) == 4 || line.starts_with("image_normalise");
      EXPECT_LE(static_cast<double>(counted.bytes_requested()), (whole ? kMost : 1.45) * least)
          << call.line;
      expect_tight_requests(counted);
    }
  }
}

// A quarter turn reads columns: what a request fetches too much, others of its block use.
TEST(Images, QuarterTurnsOfABlockShareSectors) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const std::string line : {"image_resample N=1 H=224 W=256 C=1 P=256 Q=224 angle=90",
                                 "image_resample N=1 H=224 W=256 C=3 P=256 Q=224 angle=270"}) {
    const tool::CountedCall counted = tool::count_call(*ctx, make_call(KernelLine(line)));
    const auto least = static_cast<double>(counted.call.least_bytes());
    EXPECT_LE(static_cast<double>(counted.bytes_distinct_by_block()), kMost * least) << line;
  }
}

}  // namespace
}  // namespace lamella
