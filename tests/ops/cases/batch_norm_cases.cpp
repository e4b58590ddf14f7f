// Batch norm in training and inference. Extra key: mean=1 fills x around 100, momentum in percent.
#include <cmath>

#include "kernels/calls/line_shapes.h"
#include "kernels/ref/batch_norm.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

// Operands in this order: x, gamma, beta, running mean and variance.
enum { kX, kGamma, kBeta, kRunningMean, kRunningVar };

// Of the oracle, which sees dense operands.
BatchNormShape dense_shape(const KernelLine& line) {
  BatchNormShape s = batch_norm_shape(line);
  s.x_pitch = s.y_pitch = s.C;
  return s;
}

struct Statistics {
  Values mean, var;
};

Statistics statistics(const BatchNormShape& s, const std::vector<Values>& in) {
  if (!s.training) return {in[kRunningMean], in[kRunningVar]};
  Statistics batch{Values(in[kGamma].size()), Values(in[kGamma].size())};
  ref::batch_norm_stats(s, in[kX].data(), batch.mean.data(), batch.var.data());
  return batch;
}

Values oracle(const BatchNormShape& s, double momentum, std::vector<Values>& in) {
  const Statistics stats = statistics(s, in);
  Values y(in[kX].size());
  ref::batch_norm_apply(s, in[kX].data(), stats.mean.data(), stats.var.data(), in[kGamma].data(),
                        in[kBeta].data(), y.data());
  if (s.training) {
    ref::batch_norm_update(s, momentum, stats.mean.data(), stats.var.data(),
                           in[kRunningMean].data(), in[kRunningVar].data());
  }
  return y;
}

// Moves x until no output before the ReLU is near its kink, where differences, and f32, may fall
// on the other side.
void leave_kinks(BatchNormShape s, std::vector<Values>& in) {
  constexpr double kMargin = 1e-3;
  s.relu_out = false;
  for (bool moved = true; moved;) {
    moved = false;
    std::vector<Values> scratch = in;
    const Values t = oracle(s, 0, scratch);
    for (std::size_t i = 0; i < t.size(); ++i) {
      if (std::abs(t[i]) >= kMargin || (s.relu_in && in[kX][i] < 0)) continue;
      in[kX][i] = static_cast<float>(in[kX][i] + 0.05);
      moved = true;
    }
  }
}

OpCase batch_norm_case(const KernelLine& line) {
  const BatchNormShape s = dense_shape(line);
  const bool large_mean = line.get("mean", 0) != 0;
  const auto momentum = static_cast<float>(line.number("momentum", 10)) / 100.0F;
  const Fill around_zero = s.relu_in ? Fill::AwayFromZero : Fill::Uniform;
  OpCase made;
  made.y = {1, s.pixels, 1, s.C};
  made.operands = {{"x", made.y, large_mean ? Fill::LargeMean : around_zero},
                   {"gamma", {s.C}, Fill::AwayFromZero},
                   {"beta", {s.C}, s.relu_in ? Fill::AwayFromZero : Fill::Uniform},
                   {"running_mean", {s.C}, Fill::Uniform, Role::State},
                   {"running_var", {s.C}, Fill::Positive, Role::State}};
  if (line.get("x_pitch", s.C) != s.C) made.operands[kX].pitch = line.get("x_pitch");
  if (line.get("y_pitch", s.C) != s.C) made.y_pitch = line.get("y_pitch");
  made.work = 4 * static_cast<double>(made.y.count());
  // A mean of 100 in f32 is off by up to 3.8e-6, the standard deviation being 0.58.
  if (large_mean) made.tolerance = 2e-5;
  if (s.relu_out) made.adjust = [s](std::vector<Values>& in) { leave_kinks(s, in); };
  made.apply = [s, momentum](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    ctx.training = s.training;
    const BatchNormTensors tensors{in[kGamma], in[kBeta], in[kRunningMean], in[kRunningVar]};
    return batch_norm(ctx, in[kX], tensors, {s.eps, momentum, s.relu_in, s.relu_out}, out);
  };
  made.ref = [s, momentum](std::vector<Values>& in) { return oracle(s, double{momentum}, in); };
  return made;
}

const OpFamily batch_norm_family{
    {"batch_norm_stats", "batch_norm_apply", "batch_norm_bwd_reduce", "batch_norm_update"},
    {
        "pixels=2 C=1 eps=0.5",
        "pixels=7 C=3",
        "pixels=30 C=5 relu_out=1",
        "pixels=30 C=5 relu_in=1",
        "pixels=31 C=4 relu_in=1 relu_out=1 eps=0.001",
        "pixels=64 C=8 eps=0.001 momentum=1",
        "pixels=257 C=2",
        "pixels=1031 C=1 relu_out=1",
        "pixels=1500 C=3 momentum=50",
        "pixels=40 C=33 relu_out=1",
        "pixels=67 C=64 relu_in=1",
        "pixels=130 C=130",
        "pixels=5 C=300 relu_out=1",
        "pixels=6000 C=9 relu_out=1",
        "pixels=270001 C=1 relu_in=1",
        "pixels=64 C=8 mean=1",
        "pixels=4100 C=3 mean=1",
        "pixels=33 C=3 x_pitch=7",
        "pixels=33 C=3 y_pitch=6 relu_out=1",
        "pixels=50 C=8 x_pitch=24 y_pitch=16 relu_in=1",
        "pixels=50 C=8 x_pitch=15",
        "pixels=50 C=8 y_pitch=15",
        "pixels=50 C=8 x_pitch=12",
        "pixels=50 C=8 y_pitch=12",
        "pixels=81 C=16 x_pitch=32 y_pitch=48 relu_out=1",
        "pixels=1 C=4 training=0",
        "pixels=37 C=5 training=0 relu_out=1",
        "pixels=37 C=5 training=0 relu_in=1",
        "pixels=90 C=8 training=0 x_pitch=24 y_pitch=24 eps=0.001",
        "pixels=700 C=17 training=0 relu_in=1 relu_out=1 x_pitch=20",
    },
    batch_norm_case};

// The kernel alone, with dx at a pitch of its own: dx_pitch, and add=1 to add to it.
enum { kApplyX, kApplyDy, kApplyGamma, kApplyBeta, kApplyMean, kApplyVar, kApplySums, kApplyDx };

// dx into `dx`, and the sums that it needs into `sums`.
void bwd_oracle(const BatchNormShape& s, const std::vector<Values>& in, Values& sums, Values& dx) {
  ref::batch_norm_bwd(s, in[kApplyX].data(), in[kApplyDy].data(), in[kApplyMean].data(),
                      in[kApplyVar].data(), in[kApplyGamma].data(), in[kApplyBeta].data(),
                      sums.data(), s.C, dx.data());
}

std::vector<Operand> apply_operands(const KernelLine& line, const BatchNormShape& s, bool add) {
  const auto wide = [&](const char* key) { return line.get(key, s.C) == s.C ? 0 : line.get(key); };
  const Shape image{1, s.pixels, 1, s.C};
  return {{"x", image, Fill::AwayFromZero, Role::Constant, wide("x_pitch")},
          {"dy", image, Fill::Uniform, Role::Constant, wide("y_pitch")},
          {"gamma", {s.C}, Fill::AwayFromZero, Role::Constant},
          {"beta", {s.C}, Fill::Uniform, Role::Constant},
          {"mean", {s.C}, Fill::Uniform, Role::Constant},
          {"var", {s.C}, Fill::Positive, Role::Constant},
          {"sums", {2 * s.C}, Fill::Uniform, Role::Constant},
          {"dx", image, add ? Fill::Uniform : Fill::Poison, Role::State, wide("dx_pitch")}};
}

OpCase batch_norm_bwd_apply_case(const KernelLine& line) {
  const BatchNormShape s = dense_shape(line);
  const bool add = line.get("add", 0) != 0;
  OpCase made;
  made.has_y = false;
  made.work = 4 * static_cast<double>(s.pixels * s.C);
  made.operands = apply_operands(line, s, add);
  // The sums are an input: what the reduction leaves.
  made.adjust = [s](std::vector<Values>& in) {
    Values dx(in[kApplyX].size());
    bwd_oracle(s, in, in[kApplySums], dx);
    for (double& sum : in[kApplySums]) sum = static_cast<float>(sum);
  };
  made.apply = [s, add](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    BatchNormShape shape = s;
    shape.x_pitch = in[kApplyX].pitch(), shape.y_pitch = in[kApplyDy].pitch();
    shape.dtype = in[kApplyX].dtype();
    ctx.call("batch_norm_bwd_apply", &KernelTable::batch_norm_bwd_apply, shape, in[kApplyX].data(),
             in[kApplyDy].data(), in[kApplyMean].as<float>(), in[kApplyVar].as<float>(),
             in[kApplyGamma].as<float>(), in[kApplyBeta].as<float>(), in[kApplySums].as<float>(),
             in[kApplyDx].pitch(), in[kApplyDx].data(), add ? Write::Add : Write::Set);
    return Tensor();
  };
  made.ref = [s, add](std::vector<Values>& in) {
    Values dx(in[kApplyX].size()), sums(in[kApplySums].size());
    bwd_oracle(s, in, sums, dx);
    for (std::size_t i = 0; i < dx.size(); ++i) {
      in[kApplyDx][i] = dx[i] + (add ? in[kApplyDx][i] : 0);
    }
    return Values();
  };
  return made;
}

const OpFamily batch_norm_bwd_apply_family{
    {"batch_norm_bwd_apply"},
    {
        "pixels=31 C=5",
        "pixels=31 C=5 dx_pitch=9",
        "pixels=31 C=5 x_pitch=7 y_pitch=8 dx_pitch=11 add=1",
        "pixels=40 C=8 x_pitch=24 dx_pitch=40 relu_in=1",
        "pixels=40 C=8 y_pitch=24 dx_pitch=16 relu_out=1 training=0 add=1",
        "pixels=40 C=8 dx_pitch=15",
        "pixels=40 C=8 x_pitch=15",
    },
    batch_norm_bwd_apply_case};

// The kernel alone: y at a pitch of its own, the statistics in the middle of longer arrays.
OpCase batch_norm_copy_stats_case(const KernelLine& line) {
  const BatchNormShape s = dense_shape(line);
  constexpr std::int64_t kBefore = 3;  // the offset of the statistics, not aligned to 16 bytes
  const Fill fill = line.get("mean", 0) != 0 ? Fill::LargeMean : Fill::Uniform;
  const auto wide = [&](const char* key) { return line.get(key, s.C) == s.C ? 0 : line.get(key); };
  const Shape image{1, s.pixels, 1, s.C};
  OpCase made;
  made.has_y = false;
  made.work = 4 * static_cast<double>(s.pixels * s.C);
  made.operands = {{"x", image, fill, Role::Constant, wide("x_pitch")},
                   {"y", image, Fill::Poison, Role::State, wide("y_pitch")},
                   {"mean", {kBefore + s.C}, Fill::Uniform, Role::State},
                   {"var", {kBefore + s.C}, Fill::Uniform, Role::State}};
  made.apply = [s](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    BatchNormShape shape = s;
    shape.x_pitch = in[0].pitch(), shape.y_pitch = in[1].pitch(), shape.dtype = in[0].dtype();
    ctx.call("batch_norm_copy_stats", &KernelTable::batch_norm_copy_stats, shape, in[0].data(),
             in[1].data(), in[2].as<float>() + kBefore, in[3].as<float>() + kBefore);
    return Tensor();
  };
  made.ref = [s](std::vector<Values>& in) {
    in[1] = in[0];
    ref::batch_norm_stats(s, in[0].data(), in[2].data() + kBefore, in[3].data() + kBefore);
    return Values();
  };
  return made;
}

const OpFamily batch_norm_copy_stats_family{{"batch_norm_copy_stats"},
                                            {
                                                "pixels=1 C=1",
                                                "pixels=31 C=5 relu_in=1",
                                                "pixels=300 C=32 y_pitch=96",
                                                "pixels=67 C=24 x_pitch=40 y_pitch=64 relu_in=1",
                                                "pixels=67 C=24 y_pitch=63",
                                                "pixels=67 C=24 x_pitch=63",
                                                "pixels=1031 C=16 y_pitch=48 mean=1",
                                            },
                                            batch_norm_copy_stats_case};

}  // namespace
}  // namespace lamella::test
