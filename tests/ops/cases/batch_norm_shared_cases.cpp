// The two kernels of batch norm backward with shared statistics. Keys: those of batch_norm,
// dx_pitch, and add=1 to add to dx.
#include "kernels/calls/line_shapes.h"
#include "kernels/ref/batch_norm.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

// shared[c] and shared[kBeside + C + c] of a longer array that begins kBefore values earlier: as a
// slice's part of its buffer's sums lies.
constexpr std::int64_t kBefore = 3, kBeside = 5;

BatchNormShape dense_shape(const KernelLine& line) {
  BatchNormShape s = batch_norm_shape(line);
  s.x_pitch = s.y_pitch = s.C;
  return s;
}

Operand image(const KernelLine& line, const char* name, Fill fill, Role role, const char* pitch) {
  const BatchNormShape s = dense_shape(line);
  return {
      name, {1, s.pixels, 1, s.C}, fill, role, line.get(pitch, s.C) == s.C ? 0 : line.get(pitch)};
}

Operand written(const KernelLine& line) {
  const Fill fill = line.get("add", 0) != 0 ? Fill::Uniform : Fill::Poison;
  return image(line, "dx", fill, Role::State, "dx_pitch");
}

Operand shared_sums(std::int64_t channels, Role role) {
  return {"shared", {kBefore + kBeside + 2 * channels}, Fill::Uniform, role};
}

BatchNormShape shape_of(BatchNormShape s, const Tensor& x, const Tensor& dy) {
  s.x_pitch = x.pitch(), s.y_pitch = dy.pitch(), s.dtype = x.dtype();
  return s;
}

// Sets or adds.
void put(const Values& from, bool add, Values& to) {
  for (std::size_t i = 0; i < to.size(); ++i) to[i] = from[i] + (add ? to[i] : 0);
}

OpCase bwd_shared_case(const KernelLine& line) {
  enum { kX, kDy, kMean, kVar, kGamma, kBeta, kSums, kShared, kDx };
  const BatchNormShape s = dense_shape(line);
  const bool add = line.get("add", 0) != 0;
  OpCase made;
  made.has_y = false;
  made.work = 4 * static_cast<double>(s.pixels * s.C);
  made.operands = {image(line, "x", Fill::AwayFromZero, Role::Constant, "x_pitch"),
                   image(line, "dy", Fill::Uniform, Role::Constant, "y_pitch"),
                   {"mean", {s.C}, Fill::Uniform, Role::Constant},
                   {"var", {s.C}, Fill::Positive, Role::Constant},
                   {"gamma", {s.C}, Fill::AwayFromZero, Role::Constant},
                   {"beta", {s.C}, Fill::Uniform, Role::Constant},
                   {"sums", {2 * s.C}, Fill::Poison, Role::State},
                   shared_sums(s.C, Role::State),
                   written(line)};
  made.apply = [s, add](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    ctx.call("batch_norm_bwd_shared", &KernelTable::batch_norm_bwd_shared,
             shape_of(s, in[kX], in[kDy]), in[kX].data(), in[kDy].data(), in[kMean].as<float>(),
             in[kVar].as<float>(), in[kGamma].as<float>(), in[kBeta].as<float>(),
             in[kSums].as<float>(), s.C + kBeside, in[kShared].as<float>() + kBefore,
             in[kDx].pitch(), in[kDx].data(), add ? Write::Add : Write::Set);
    return Tensor();
  };
  made.ref = [s, add](std::vector<Values>& in) {
    Values dx(in[kDx].size());
    ref::batch_norm_bwd_shared(s, in[kX].data(), in[kDy].data(), in[kMean].data(), in[kVar].data(),
                               in[kGamma].data(), in[kBeta].data(), in[kSums].data(), s.C + kBeside,
                               in[kShared].data() + kBefore, s.C, dx.data());
    put(dx, add, in[kDx]);
    return Values();
  };
  return made;
}

const OpFamily bwd_shared_family{{"batch_norm_bwd_shared"},
                                 {
                                     "pixels=1 C=1",
                                     "pixels=31 C=5 relu_out=1",
                                     "pixels=31 C=5 x_pitch=7 y_pitch=8 dx_pitch=11 add=1",
                                     "pixels=300 C=64 x_pitch=256 dx_pitch=256 relu_out=1 add=1",
                                     "pixels=67 C=24 dx_pitch=63 eps=0.001",
                                     "pixels=67 C=24 x_pitch=63",
                                     "pixels=67 C=24 y_pitch=63",
                                     "pixels=6000 C=9 relu_out=1",
                                     "pixels=5 C=300 relu_out=1 add=1",
                                 },
                                 bwd_shared_case};

OpCase stats_bwd_case(const KernelLine& line) {
  enum { kX, kDy, kMean, kShared, kDx };
  const BatchNormShape s = dense_shape(line);
  const bool add = line.get("add", 0) != 0;
  OpCase made;
  made.has_y = false;
  made.work = 4 * static_cast<double>(s.pixels * s.C);
  made.operands = {image(line, "x", Fill::Uniform, Role::Constant, "x_pitch"),
                   image(line, "dy", Fill::Uniform, Role::Constant, "y_pitch"),
                   {"mean", {s.C}, Fill::Uniform, Role::Constant},
                   shared_sums(s.C, Role::Constant),
                   written(line)};
  made.apply = [s, add](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    ctx.call("batch_norm_stats_bwd", &KernelTable::batch_norm_stats_bwd,
             shape_of(s, in[kX], in[kDy]), in[kX].data(), in[kDy].data(), in[kMean].as<float>(),
             s.C + kBeside, in[kShared].as<float>() + kBefore, in[kDx].pitch(), in[kDx].data(),
             add ? Write::Add : Write::Set);
    return Tensor();
  };
  made.ref = [s, add](std::vector<Values>& in) {
    Values dx(in[kDx].size());
    ref::batch_norm_stats_bwd(s, in[kX].data(), in[kDy].data(), in[kMean].data(), s.C + kBeside,
                              in[kShared].data() + kBefore, s.C, dx.data());
    put(dx, add, in[kDx]);
    return Values();
  };
  return made;
}

const OpFamily stats_bwd_family{{"batch_norm_stats_bwd"},
                                {
                                    "pixels=1 C=1",
                                    "pixels=31 C=5",
                                    "pixels=31 C=5 x_pitch=7 y_pitch=8 dx_pitch=11 add=1",
                                    "pixels=300 C=32 x_pitch=256 y_pitch=256",
                                    "pixels=67 C=24 dx_pitch=63",
                                    "pixels=67 C=24 x_pitch=63 add=1",
                                    "pixels=67 C=24 y_pitch=63",
                                },
                                stats_bwd_case};

}  // namespace
}  // namespace lamella::test
