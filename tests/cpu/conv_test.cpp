// Convolution of the CPU backend against the double oracle: own code (for the instruction set that
// LAMELLA_CPU_ISA chooses), oneDNN, and the table that puts both together.
#include <gtest/gtest.h>

#include "kernels/cpu/backend.h"
#include "kernels/ref/conv.h"
#include "tests/cpu/conv_cases.h"
#include "tests/cpu/harness.h"

namespace lamella::test {
namespace {

constexpr double kTolerance = 1e-5;  // relative L2, f32
constexpr float kGap = 12345.0F;     // between slices, must survive

struct ConvData {
  explicit ConvData(const Conv2dShape& s)
      : shape(s),
        x(random_floats(s.N * s.H * s.W * s.x_pitch, 1, 0.25F)),
        w(random_floats(s.K * s.R * s.S * s.C, 2)),
        bias(random_floats(s.K, 3)),
        dy(random_floats(s.N * s.P * s.Q * s.y_pitch, 4, 0.25F)),
        y_ref(dy.size()),
        dx_ref(x.size()),
        dw_ref(w.size()) {
    ref::conv2d_fwd(s, widened(x).data(), widened(w).data(), widened(bias).data(), y_ref.data());
    ref::conv2d_bwd(s, widened(x).data(), widened(w).data(), widened(dy).data(), dx_ref.data(),
                    dw_ref.data());
  }
  Conv2dShape shape;
  std::vector<float> x, w, bias, dy;
  std::vector<double> y_ref, dx_ref, dw_ref;
};

struct ConvResult {
  std::vector<float> y, dx, dw;
};

// Outputs start as `start`; gradients are added where `write` says so.
ConvResult run(const KernelTable& table, const ConvData& data, int threads, Write write,
               float start) {
  Workspace workspace(threads);
  ConvResult result{std::vector<float>(data.dy.size(), start),
                    std::vector<float>(data.x.size(), start),
                    std::vector<float>(data.w.size(), start)};
  const KernelContext& ctx = workspace.context();
  table.conv2d_fwd(ctx, data.shape, data.x.data(), data.w.data(), data.bias.data(),
                   result.y.data());
  table.conv2d_bwd_data(ctx, data.shape, data.dy.data(), data.w.data(), result.dx.data(), write);
  table.conv2d_bwd_weight(ctx, data.shape, data.x.data(), data.dy.data(), result.dw.data(), write);
  return result;
}

void expect_gaps_intact(const std::vector<float>& values, std::int64_t C, std::int64_t pitch,
                        float gap) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (static_cast<std::int64_t>(i) % pitch < C) continue;
    ASSERT_EQ(values[i], gap) << i;
  }
}

void expect_same_bits(const std::vector<float>& a, const std::vector<float>& b, std::int64_t C,
                      std::int64_t pitch) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (static_cast<std::int64_t>(i) % pitch >= C) continue;
    ASSERT_EQ(a[i], b[i]) << "a rerun with the same threads differs at " << i;
  }
}

void check(const KernelTable& table, const ConvData& data) {
  const Conv2dShape& s = data.shape;
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const ConvResult set = run(table, data, 2, Write::Set, nan);
  EXPECT_LE(relative_error(set.y, data.y_ref, s.K, s.y_pitch), kTolerance) << "forward";
  EXPECT_LE(relative_error(set.dx, data.dx_ref, s.C, s.x_pitch), kTolerance) << "bwd_data";
  EXPECT_LE(relative_error(set.dw, data.dw_ref, 1, 1), kTolerance) << "bwd_weight";
  const ConvResult again = run(table, data, 2, Write::Set, kGap);
  expect_gaps_intact(again.y, s.K, s.y_pitch, kGap);
  expect_gaps_intact(again.dx, s.C, s.x_pitch, kGap);
  expect_same_bits(set.y, again.y, s.K, s.y_pitch);
  expect_same_bits(set.dx, again.dx, s.C, s.x_pitch);
  expect_same_bits(set.dw, again.dw, 1, 1);

  const ConvResult added = run(table, data, 2, Write::Add, 1.0F);
  auto dx = data.dx_ref;
  auto dw = data.dw_ref;
  for (double& value : dx) value += 1.0;
  for (double& value : dw) value += 1.0;
  EXPECT_LE(relative_error(added.dx, dx, s.C, s.x_pitch), kTolerance) << "bwd_data, added";
  EXPECT_LE(relative_error(added.dw, dw, 1, 1), kTolerance) << "bwd_weight, added";
  expect_gaps_intact(added.dx, s.C, s.x_pitch, 1.0F);
}

class Conv : public testing::TestWithParam<ConvCase> {};

TEST_P(Conv, OwnKernelsMatchTheOracle) {
  check(cpu_own_table(), ConvData(GetParam().shape));
}

TEST_P(Conv, OneDnnMatchesTheOracle) {
  if (cpu_onednn_table() == nullptr) GTEST_SKIP() << "built without oneDNN";
  check(*cpu_onednn_table(), ConvData(GetParam().shape));
}

TEST_P(Conv, BackendMatchesTheOracle) {
  check(*cpu_backend().kernels, ConvData(GetParam().shape));
}

TEST_P(Conv, ThreadsChangeNothingButRounding) {
  const ConvData data(GetParam().shape);
  for (const int threads : {1, 3}) {
    const ConvResult result = run(*cpu_backend().kernels, data, threads, Write::Set, 0.0F);
    EXPECT_LE(relative_error(result.y, data.y_ref, data.shape.K, data.shape.y_pitch), kTolerance);
    EXPECT_LE(relative_error(result.dw, data.dw_ref, 1, 1), kTolerance);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, Conv, testing::ValuesIn(conv_cases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace lamella::test
