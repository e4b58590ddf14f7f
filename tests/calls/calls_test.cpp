// The catalogue of kernel calls: whole for the networks, and true about what a call reads and
// writes.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "engine/context.h"
#include "tools/count_call.h"

namespace lamella {
namespace {

TEST(Calls, WhatTheNetworksCallIsThere) {
  std::size_t lines = 0;
  for (const auto& entry : std::filesystem::directory_iterator(LAMELLA_SHAPES_FOLDER)) {
    if (entry.path().extension() != ".txt") continue;
    std::ifstream file(entry.path());
    for (const auto& [name, line] : read_shapes(file)) {
      for (const KernelLine& one : with_backward(line)) {
        const KernelCall call = make_call(one);
        EXPECT_GT(call.least_bytes(), 0) << name << " " << one.text();
        ++lines;
      }
    }
  }
  EXPECT_GE(lines, 100U);
}

TEST(Calls, WhatIsWrongIsSaidInASentence) {
  const auto sentence = [](const std::string& line) -> std::string {
    try {
      make_call(KernelLine(line));
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  };
  EXPECT_NE(sentence("conv3d_fwd N=1").find("there is no kernel \"conv3d_fwd\""),
            std::string::npos);
  EXPECT_NE(sentence("conv3d_fwd N=1").find("conv2d_bwd_weight"), std::string::npos);
  EXPECT_NE(sentence("relu_fwd pixels=3").find("has no C="), std::string::npos);
  EXPECT_NE(sentence("relu_fwd pixels=many C=3").find("pixels=many"), std::string::npos);
  EXPECT_NE(sentence("relu_fwd pixels=1 C=3 dtype=f64").find("f32, bf16 or f16"),
            std::string::npos);
  const std::string pool = "max_pool2d_fwd N=1 H=4 W=4 C=1 ";
  EXPECT_NE(sentence(pool + "R=2 S=2 stride=0x0").find("stride_h must be at least 1"),
            std::string::npos);
  EXPECT_NE(sentence(pool + "R=9 S=9").find("window is larger"), std::string::npos);
  EXPECT_NE(sentence("relu_fwd pixels=-3 C=3").find("pixels must be at least 0"),
            std::string::npos);
  EXPECT_NE(sentence("relu_fwd pixels=9e15 C=9e15").find("too large"), std::string::npos);
}

TEST(Calls, AForwardLineBringsItsBackward) {
  const auto lines = with_backward(KernelLine("conv2d_fwd N=1 H=4 W=4 C=3 K=2 R=3 S=3"));
  ASSERT_EQ(lines.size(), 3U);
  EXPECT_EQ(lines[2].text(), "conv2d_bwd_weight N=1 H=4 W=4 C=3 K=2 R=3 S=3");
  EXPECT_EQ(with_backward(KernelLine("copy pixels=2 C=3")).size(), 1U);
}

// A call at a small shape. Partial results are written by one of its kernels and read by the next:
// `partials` counts their bytes twice. `reread` elements of an operand are read by both.
struct Small {
  const char* line;
  std::uint64_t partials = 0, reread = 0;
};

class CallTraffic : public testing::TestWithParam<Small> {};

// What a call touches is its operands, each byte of them, and nothing else: so the catalogue says
// which operands there are, how large, and that a kernel leaves none of them out.
TEST_P(CallTraffic, IsThatOfItsOperands) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const char* dtype : {"f32", "bf16", "f16"}) {
    const KernelCall call = make_call(KernelLine(std::string(GetParam().line) + " dtype=" + dtype));
    const tool::CountedCall counted = tool::count_call(*ctx, call);
    for (const simt::Finding& finding : counted.findings) ADD_FAILURE() << finding.sentence;
    std::uint64_t touched = 0, operands = 0;
    for (const simt::KernelCounts& kernel : counted.counts) touched += kernel.bytes_distinct;
    for (const CallOperand& operand : call.operands) {
      operands += static_cast<std::uint64_t>(operand.bytes());
    }
    const std::uint64_t reread = GetParam().reread * size_of(call.operands[0].dtype);
    EXPECT_EQ(touched, operands + GetParam().partials + reread) << call.line;
  }
}

const Small kSmall[] = {
    {"fill count=4096"},
    {"copy pixels=48 C=24"},
    {"copy pixels=48 C=24 x_pitch=40 y_pitch=64 add=1"},
    {"relu_fwd pixels=48 C=24"},
    {"relu_bwd pixels=48 C=24 dy_pitch=32"},
    {"add_fwd pixels=48 C=24 a_pitch=32"},
    {"mul pixels=48 C=24 b_pitch=32"},
    {"scale pixels=48 C=24 y_pitch=32"},
    {"cast pixels=48 C=24 y_pitch=32 to=bf16"},
    {"bias_fwd pixels=48 C=24 y_pitch=32"},
    {"dropout_fwd pixels=48 C=24"},
    {"dropout_bwd pixels=48 C=24 x_pitch=32"},
    {"conv2d_fwd N=1 H=9 W=8 C=16 K=24 R=3 S=3 pad=1x1 bias=1"},
    {"conv2d_bwd_data N=1 H=9 W=8 C=16 K=24 R=3 S=3 pad=1x1"},
    {"conv2d_bwd_weight N=1 H=9 W=8 C=16 K=24 R=3 S=3 pad=1x1"},
    {"bias_bwd pixels=8 C=24", 2 * 24 * 4},
    {"linear_fwd N=8 C=24 K=16 bias=1"},
    {"linear_bwd_data N=8 C=24 K=16"},
    {"linear_bwd_weight N=8 C=24 K=16"},
    {"batch_norm_stats pixels=8 C=24", 2 * 3 * 24 * 4, 24},
    {"batch_norm_apply pixels=48 C=24 x_pitch=32"},
    {"batch_norm_bwd_reduce pixels=8 C=24", 2 * 2 * 24 * 4},
    {"batch_norm_bwd_apply pixels=48 C=24 dx_pitch=32"},
    {"batch_norm_bwd_shared pixels=8 C=24", (2 * 2 + 2) * 24 * 4},
    {"batch_norm_stats_bwd pixels=48 C=24 dx_pitch=32"},
    {"batch_norm_update pixels=48 C=24"},
    {"max_pool2d_fwd N=1 H=8 W=8 C=24 R=2 S=2 stride=2x2"},
    {"max_pool2d_bwd N=1 H=8 W=8 C=24 R=2 S=2 stride=2x2"},
    {"avg_pool2d_fwd N=1 H=8 W=8 C=24 R=2 S=2 stride=2x2"},
    {"avg_pool2d_bwd N=1 H=8 W=8 C=24 R=2 S=2 stride=2x2"},
    {"global_avg_pool_fwd N=2 pixels=20 C=24"},
    {"global_avg_pool_bwd N=2 pixels=20 C=24"},
    {"image_normalise pixels=48 C=3"},
    {"image_normalise pixels=48 C=8 x_pitch=16 y_pitch=16"},
    {"image_resample N=2 H=9 W=8 C=3"},
    {"image_resample N=2 H=9 W=8 C=3 P=8 Q=9 angle=90 y_pitch=4"},
    {"image_resample N=1 H=9 W=8 C=3 shift_h=0.5 shift_w=0.5 fill=1"},
    {"image_jitter N=2 pixels=20 C=3 x_pitch=4 brightness=50 saturation=50", 2 * 4},
    {"softmax_fwd N=4 C=40"},
    {"softmax_cross_entropy_fwd N=4 C=40", 2 * 4 * 8},
    {"softmax_cross_entropy_fwd N=4 C=40 soft=1 weights=1 smoothing=0.1", 2 * 4 * 8},
    {"softmax_cross_entropy_fwd N=4 C=40 residual=0", 2 * 4 * 8},
    {"softmax_cross_entropy_bwd N=4 C=40"},
    {"l2_penalty_fwd count=1024", 2 * 4},
    {"l2_penalty_bwd count=1024"},
    {"argmax N=4 C=40"},
    {"top_k_hits N=4 C=40", 2 * 4 * 4},
    {"sum count=1024", 2 * 4},
    {"all_finite count=1024", 2 * 4},
    {"gradient_control count=1024", 2 * 4},
    {"sgd_step count=1024 tensors=5"},
    {"adam_step count=1024 tensors=5 control=1"},
    {"adam_step count=1024 master=1"},
    {"average_weights count=1024 tensors=5"},
};

std::string name_of_small(const testing::TestParamInfo<Small>& info) {
  std::string name = info.param.line;
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return !std::isalnum(c); }, '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(EachEntry, CallTraffic, testing::ValuesIn(kSmall), name_of_small);

}  // namespace
}  // namespace lamella
