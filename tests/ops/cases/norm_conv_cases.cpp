// norm_conv2d_fwd and norm_conv2d_bwd_weight, the kernels. Where a backend has none, which it may,
// what takes their place: batch norm, then convolution. Extra keys: those of conv2d, eps, relu_in,
// relu_out; add=1 of the gradient.
#include "kernels/calls/line_shapes.h"
#include "kernels/ref/batch_norm.h"
#include "kernels/ref/conv.h"
#include "tests/ops/op_case.h"
#include "tests/ops/precision.h"

namespace lamella::test {
namespace {

enum { kX, kMean, kVar, kGamma, kBeta, kOther, kOut };  // kOther: w forward, dy backward

BatchNormShape norm_of(const NormConv2dShape& s, std::int64_t x_pitch) {
  const Conv2dShape& c = s.conv;
  return {c.N * c.H * c.W, c.C, x_pitch, c.C, s.eps, s.relu_in, s.relu_out, false, c.dtype};
}

// Of the oracle, which sees dense operands.
NormConv2dShape dense_shape(const KernelLine& line) {
  NormConv2dShape s = norm_conv2d_shape(line);
  s.conv.x_pitch = s.conv.C, s.conv.y_pitch = s.conv.K;
  return s;
}

// The normalised image, in the type in which it is multiplied.
Values normalised(const NormConv2dShape& s, const std::vector<Values>& in) {
  Values z(in[kX].size());
  ref::batch_norm_apply(norm_of(s, s.conv.C), in[kX].data(), in[kMean].data(), in[kVar].data(),
                        in[kGamma].data(), in[kBeta].data(), z.data());
  round_to(s.conv.dtype, z);
  return z;
}

OpCase base_case(const KernelLine& line, const Operand& other, const Operand& out) {
  const Conv2dShape c = dense_shape(line).conv;
  OpCase made;
  made.has_y = false;
  made.operands = {{"x", {c.N, c.H, c.W, c.C}, Fill::Uniform, Role::Constant},
                   {"mean", {c.C}, Fill::Uniform, Role::Constant},
                   {"var", {c.C}, Fill::Positive, Role::Constant},
                   {"gamma", {c.C}, Fill::AwayFromZero, Role::Constant},
                   {"beta", {c.C}, Fill::Uniform, Role::Constant},
                   other,
                   out};
  if (line.get("x_pitch", c.C) != c.C) made.operands[kX].pitch = line.get("x_pitch");
  made.work = static_cast<double>(c.N * c.P * c.Q * c.K * c.R * c.S * c.C);
  return made;
}

Operand image_of_y(const KernelLine& line, const char* name, Fill fill, Role role) {
  const Conv2dShape c = dense_shape(line).conv;
  const std::int64_t pitch = line.get("y_pitch", c.K);
  return {name, {c.N, c.P, c.Q, c.K}, fill, role, pitch == c.K ? 0 : pitch};
}

// The normalised image as a tensor, for backends without the kernels.
Tensor normalise(Context& ctx, const NormConv2dShape& s, const std::vector<Tensor>& in) {
  const Tensor z = ctx.empty(in[kX].shape(), in[kX].dtype());
  ctx.call("batch_norm_apply", &KernelTable::batch_norm_apply, norm_of(s, s.conv.x_pitch),
           in[kX].data(), in[kMean].as<float>(), in[kVar].as<float>(), in[kGamma].as<float>(),
           in[kBeta].as<float>(), z.data());
  return z;
}

NormConv2dShape shape_on_device(NormConv2dShape s, const Tensor& x, const Tensor& y) {
  s.conv.x_pitch = x.pitch(), s.conv.y_pitch = y.pitch(), s.conv.dtype = x.dtype();
  return s;
}

OpCase forward_case(const KernelLine& line) {
  const NormConv2dShape s = dense_shape(line);
  const Conv2dShape& c = s.conv;
  OpCase made = base_case(line, {"w", {c.K, c.R, c.S, c.C}, Fill::Uniform, Role::Constant},
                          image_of_y(line, "y", Fill::Poison, Role::State));
  made.apply = [s](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    NormConv2dShape shape = shape_on_device(s, in[kX], in[kOut]);
    if (ctx.kernels().norm_conv2d_fwd != nullptr) {
      ctx.call("norm_conv2d_fwd", &KernelTable::norm_conv2d_fwd, shape, in[kX].data(),
               in[kMean].as<float>(), in[kVar].as<float>(), in[kGamma].as<float>(),
               in[kBeta].as<float>(), in[kOther].data(), in[kOut].data());
      return Tensor();
    }
    const Tensor z = normalise(ctx, shape, in);
    shape.conv.x_pitch = z.pitch();
    ctx.call("conv2d_fwd", &KernelTable::conv2d_fwd, shape.conv, z.data(), in[kOther].data(),
             nullptr, in[kOut].data());
    return Tensor();
  };
  made.ref = [s](std::vector<Values>& in) {
    ref::conv2d_fwd(s.conv, normalised(s, in).data(), in[kOther].data(), nullptr, in[kOut].data());
    return Values();
  };
  return made;
}

// dw (=|+=) by the definition: <y, dy> is linear in w.
void weight_gradient(const Conv2dShape& c, const Values& z, const Values& dy, bool add,
                     Values& dw) {
  std::size_t at = 0;
  for (std::int64_t k = 0; k < c.K; ++k) {
    for (std::int64_t tap = 0; tap < c.R * c.S * c.C; ++tap, ++at) {
      const std::int64_t r = tap / (c.S * c.C), s = tap / c.C % c.S, channel = tap % c.C;
      double sum = add ? dw[at] : 0;
      for (std::int64_t i = 0; i < c.N * c.P * c.Q; ++i) {
        const std::int64_t h = i / c.Q % c.P * c.stride_h - c.pad_h + r;
        const std::int64_t w = i % c.Q * c.stride_w - c.pad_w + s;
        if (h < 0 || h >= c.H || w < 0 || w >= c.W) continue;
        const std::int64_t pixel = (i / (c.P * c.Q) * c.H + h) * c.W + w;
        sum += z[static_cast<std::size_t>(pixel * c.C + channel)] *
               dy[static_cast<std::size_t>(i * c.K + k)];
      }
      dw[at] = sum;
    }
  }
}

OpCase backward_case(const KernelLine& line) {
  const NormConv2dShape s = dense_shape(line);
  const Conv2dShape& c = s.conv;
  const bool add = line.get("add", 0) != 0;
  OpCase made =
      base_case(line, image_of_y(line, "dy", Fill::Uniform, Role::Constant),
                {"dw", {c.K, c.R, c.S, c.C}, add ? Fill::Uniform : Fill::Poison, Role::State});
  made.apply = [s, write = add ? Write::Add : Write::Set](
                   Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    NormConv2dShape shape = shape_on_device(s, in[kX], in[kOther]);
    if (ctx.kernels().norm_conv2d_bwd_weight != nullptr) {
      ctx.call("norm_conv2d_bwd_weight", &KernelTable::norm_conv2d_bwd_weight, shape, in[kX].data(),
               in[kMean].as<float>(), in[kVar].as<float>(), in[kGamma].as<float>(),
               in[kBeta].as<float>(), in[kOther].data(), in[kOut].data(), write);
      return Tensor();
    }
    const Tensor z = normalise(ctx, shape, in);
    shape.conv.x_pitch = z.pitch();
    ctx.call("conv2d_bwd_weight", &KernelTable::conv2d_bwd_weight, shape.conv, z.data(),
             in[kOther].data(), in[kOut].data(), write);
    return Tensor();
  };
  made.ref = [s, add](std::vector<Values>& in) {
    weight_gradient(s.conv, normalised(s, in), in[kOther], add, in[kOut]);
    return Values();
  };
  return made;
}

const OpFamily forward_family{
    {"norm_conv2d_fwd"},
    {
        "N=1 H=1 W=1 C=1 K=1 R=1 S=1",
        "N=1 H=5 W=7 C=13 K=11 R=1 S=1 relu_out=1",
        "N=2 H=9 W=8 C=24 K=8 R=1 S=1 relu_out=1 x_pitch=40 y_pitch=16",
        "N=1 H=6 W=7 C=16 K=40 R=1 S=1 relu_in=1",
        "N=1 H=4 W=5 C=8 K=8 R=1 S=1 x_pitch=15",
        "N=1 H=9 W=8 C=72 K=72 R=1 S=1 relu_out=1 eps=0.01",
        "N=1 H=3 W=4 C=640 K=32 R=1 S=1 relu_out=1",
        "N=1 H=6 W=5 C=8 K=16 R=3 S=3 pad=1x1 relu_out=1",
        "N=1 H=7 W=9 C=3 K=5 R=3 S=2 pad=1x2 stride=2x1 relu_in=1 relu_out=1",
        "N=1 H=17 W=19 C=35 K=33 R=3 S=3 pad=1x1 relu_out=1 x_pitch=40 y_pitch=40",
    },
    forward_case};

const OpFamily backward_family{
    {"norm_conv2d_bwd_weight"},
    {
        "N=1 H=1 W=1 C=1 K=1 R=1 S=1",
        "N=1 H=5 W=7 C=13 K=11 R=1 S=1 relu_out=1 add=1",
        "N=2 H=9 W=8 C=24 K=8 R=1 S=1 relu_out=1 x_pitch=40 y_pitch=16",
        "N=1 H=6 W=7 C=16 K=40 R=1 S=1 relu_in=1 add=1",
        "N=1 H=4 W=5 C=8 K=8 R=1 S=1 x_pitch=15",
        "N=1 H=4 W=5 C=8 K=8 R=1 S=1 y_pitch=15",
        "N=1 H=9 W=8 C=72 K=72 R=1 S=1 relu_out=1 eps=0.01",
        "N=1 H=32 W=20 C=8 K=32 R=1 S=1 relu_out=1",
        "N=1 H=6 W=5 C=8 K=16 R=3 S=3 pad=1x1 relu_out=1",
        "N=1 H=7 W=9 C=3 K=5 R=3 S=2 pad=1x2 stride=2x1 relu_in=1 relu_out=1",
        "N=1 H=17 W=19 C=35 K=33 R=3 S=3 pad=1x1 relu_out=1 x_pitch=40 y_pitch=40 add=1",
    },
    backward_case};

}  // namespace
}  // namespace lamella::test
