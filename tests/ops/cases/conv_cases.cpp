// Long function: the table of cases, which the check takes for one.
// conv2d and linear. Extra key: bias=0 leaves the bias out. P and Q may be left out.
#include "kernels/calls/line_shapes.h"
#include "kernels/ref/conv.h"
#include "kernels/ref/linear.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

// Of the oracle, which sees dense operands.
Conv2dShape dense_shape(const KernelLine& line) {
  Conv2dShape s = conv2d_shape(line);
  s.x_pitch = s.C, s.y_pitch = s.K;
  return s;
}

OpCase conv2d_case(const KernelLine& line) {
  const Conv2dShape s = dense_shape(line);
  const bool bias = line.get("bias", 1) != 0;
  OpCase made;
  made.operands = {{"x", {s.N, s.H, s.W, s.C}}, {"w", {s.K, s.R, s.S, s.C}}};
  if (bias) made.operands.push_back({"bias", {s.K}});
  if (line.get("x_pitch", s.C) != s.C) made.operands[0].pitch = line.get("x_pitch");
  if (line.get("y_pitch", s.K) != s.K) made.y_pitch = line.get("y_pitch");
  made.y = {s.N, s.P, s.Q, s.K};
  made.work = static_cast<double>(made.y.count() * s.R * s.S * s.C);
  made.apply = [s, bias](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    const Conv2dOptions options{s.stride_h, s.stride_w, s.pad_h, s.pad_w};
    return conv2d(ctx, in[0], in[1], bias ? in[2] : Tensor(), options, out);
  };
  made.ref = [s, bias](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N * s.P * s.Q * s.K));
    ref::conv2d_fwd(s, in[0].data(), in[1].data(), bias ? in[2].data() : nullptr, y.data());
    return y;
  };
  return made;
}

OpCase linear_case(const KernelLine& line) {
  LinearShape s = linear_shape(line);
  s.x_pitch = s.C, s.y_pitch = s.K;
  const bool bias = line.get("bias", 1) != 0;
  OpCase made;
  made.operands = {{"x", {s.N, s.C}}, {"w", {s.K, s.C}}};
  if (bias) made.operands.push_back({"bias", {s.K}});
  if (line.get("x_pitch", s.C) != s.C) made.operands[0].pitch = line.get("x_pitch");
  if (line.get("y_pitch", s.K) != s.K) made.y_pitch = line.get("y_pitch");
  made.y = {s.N, s.K};
  made.work = static_cast<double>(s.N * s.K * s.C);
  made.apply = [bias](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return linear(ctx, in[0], in[1], bias ? in[2] : Tensor(), out);
  };
  made.ref = [s, bias](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N * s.K));
    ref::linear_fwd(s, in[0].data(), in[1].data(), bias ? in[2].data() : nullptr, y.data());
    return y;
  };
  return made;
}

const OpFamily conv2d_family{
    {"conv2d_fwd", "conv2d_bwd_data", "conv2d_bwd_weight"},
    {
        // The smallest ones, and filters that stick out of the image.
        "N=1 H=1 W=1 C=1 K=1 R=1 S=1",
        "N=2 H=1 W=1 C=3 K=5 R=3 S=3 pad=1x1",
        "N=1 H=2 W=3 C=2 K=3 R=5 S=5 pad=2x2",
        "N=1 H=3 W=2 C=1 K=2 R=7 S=7 pad=3x3",
        "N=1 H=3 W=3 C=2 K=2 R=3 S=3 bias=0",
        // 3x3, the shapes of the networks in little; C = 1 and 63, K = 1 and 14 as they occur.
        "N=1 H=9 W=8 C=1 K=14 R=3 S=3 pad=1x1",
        "N=2 H=7 W=11 C=3 K=7 R=3 S=3 pad=1x1",
        "N=1 H=6 W=5 C=63 K=1 R=3 S=3 pad=1x1",
        "N=1 H=5 W=6 C=64 K=63 R=3 S=3 pad=1x1",
        "N=3 H=5 W=5 C=4 K=8 R=3 S=3",
        "N=1 H=16 W=16 C=32 K=32 R=3 S=3 pad=1x1 bias=0",
        "N=1 H=13 W=17 C=32 K=40 R=3 S=3 pad=1x1",
        "N=2 H=12 W=12 C=33 K=65 R=3 S=3 pad=1x1",
        // Large enough for Winograd tiles: whole and hanging over, every padding, slices.
        "N=2 H=6 W=7 C=16 K=16 R=3 S=3 pad=1x1",
        "N=1 H=11 W=8 C=17 K=19 R=3 S=3",
        "N=1 H=7 W=9 C=20 K=33 R=3 S=3 pad=2x2",
        "N=1 H=9 W=8 C=16 K=24 R=3 S=3 pad=0x2 bias=0",
        "N=2 H=9 W=7 C=24 K=18 R=3 S=3 pad=1x1 x_pitch=40 y_pitch=21",
        "N=2 H=34 W=36 C=16 K=16 R=3 S=3 pad=1x1",
        "N=2 H=13 W=11 C=33 K=40 R=3 S=3 pad=1x1 x_pitch=40 y_pitch=48",
        "N=2 H=17 W=12 C=32 K=35 R=3 S=3 pad=0x2 bias=0",
        "N=1 H=17 W=18 C=40 K=32 R=3 S=3 pad=2x2",
        "N=3 H=12 W=12 C=32 K=48 R=3 S=3",
        // Strides, with and without a rest, padding on one side only, unequal along H and W.
        "N=2 H=8 W=8 C=3 K=4 R=3 S=3 stride=2x2 pad=1x1",
        "N=1 H=9 W=7 C=5 K=6 R=3 S=3 stride=2x2",
        "N=1 H=10 W=11 C=2 K=3 R=3 S=3 stride=3x3 pad=1x1 bias=0",
        "N=1 H=11 W=10 C=3 K=4 R=2 S=2 stride=3x3",
        "N=2 H=9 W=10 C=3 K=4 R=3 S=3 stride=2x1 pad=0x1",
        "N=1 H=10 W=9 C=3 K=4 R=3 S=3 stride=1x3 pad=1x0",
        "N=1 H=7 W=9 C=2 K=3 R=2 S=4 stride=1x2 pad=0x3",
        "N=1 H=8 W=8 C=17 K=19 R=3 S=3 stride=2x2 pad=1x1",
        // Rectangles, and the large filters of the CBR family.
        "N=1 H=6 W=9 C=5 K=6 R=1 S=7 pad=0x3",
        "N=1 H=9 W=6 C=5 K=6 R=7 S=1 pad=3x0",
        "N=1 H=9 W=8 C=3 K=4 R=2 S=3 pad=1x0",
        "N=1 H=11 W=10 C=3 K=8 R=7 S=7 pad=3x3 bias=0",
        "N=1 H=12 W=9 C=8 K=5 R=5 S=5 stride=2x2 pad=2x2",
        // 1x1: a plain product, its strided form, and many pixels.
        "N=1 H=4 W=5 C=7 K=9 R=1 S=1",
        "N=2 H=6 W=6 C=31 K=33 R=1 S=1 bias=0",
        "N=1 H=7 W=6 C=8 K=5 R=1 S=1 stride=2x2",
        "N=1 H=5 W=4 C=3 K=2 R=1 S=1 pad=1x1",
        "N=1 H=33 W=31 C=4 K=3 R=1 S=1",
        "N=1 H=8 W=8 C=128 K=128 R=1 S=1",
        // Channel slices: in, out, both; aligned to 16 bytes and not.
        "N=1 H=5 W=6 C=3 K=4 R=3 S=3 pad=1x1 x_pitch=10",
        "N=1 H=5 W=6 C=3 K=5 R=3 S=3 pad=1x1 y_pitch=11",
        "N=2 H=4 W=5 C=8 K=8 R=3 S=3 pad=1x1 x_pitch=24 y_pitch=24",
        "N=1 H=6 W=4 C=7 K=6 R=3 S=3 stride=2x2 pad=1x1 x_pitch=9 y_pitch=13 bias=0",
        "N=2 H=4 W=4 C=16 K=12 R=1 S=1 x_pitch=32 y_pitch=20",
        "N=1 H=5 W=5 C=5 K=3 R=1 S=1 x_pitch=6 y_pitch=4",
        "N=1 H=5 W=7 C=1 K=1 R=3 S=3 pad=1x1 x_pitch=2 y_pitch=2",
        "N=1 H=4 W=4 C=8 K=8 R=3 S=3 pad=1x1 x_pitch=15",
        "N=1 H=4 W=4 C=8 K=8 R=3 S=3 pad=1x1 y_pitch=15",
        "N=1 H=4 W=4 C=8 K=8 R=3 S=3 pad=1x1 x_pitch=12",
        "N=1 H=4 W=4 C=8 K=8 R=3 S=3 pad=1x1 y_pitch=12",
        "N=1 H=4 W=4 C=8 K=6 R=3 S=3 pad=1x1",
        "N=1 H=4 W=4 C=6 K=8 R=3 S=3 pad=1x1",
        // Enough pixels that every blocking has whole blocks and a rest.
        "N=2 H=40 W=37 C=3 K=9 R=3 S=3 pad=1x1",
        "N=1 H=70 W=66 C=1 K=5 R=5 S=5 pad=2x2",
        "N=1 H=185 W=182 C=2 K=3 R=1 S=1",
        "N=1 H=8 W=7 C=130 K=130 R=3 S=3 pad=1x1",
        // few channels
        "N=1 H=19 W=37 C=3 K=36 R=7 S=7 stride=2x2 pad=3x3",
        "N=2 H=17 W=18 C=4 K=8 R=3 S=3 stride=2x2",
        "N=1 H=21 W=20 C=1 K=64 R=3 S=3 pad=1x1 x_pitch=3 y_pitch=72",
        // tiles of 128 x 128, whole and at edges; 128 x 32; the depth shared out
        "N=1 H=9 W=8 C=72 K=72 R=1 S=1 x_pitch=88 y_pitch=96",
        "N=1 H=12 W=12 C=136 K=136 R=1 S=1",
        "N=2 H=13 W=12 C=8 K=72 R=3 S=3 stride=2x2 pad=1x1",
        "N=1 H=13 W=10 C=24 K=32 R=3 S=3 pad=1x1",
        "N=1 H=3 W=4 C=128 K=8 R=3 S=3 pad=1x1",
        "N=5 H=20 W=19 C=12 K=70 R=3 S=3 stride=2x2 pad=1x1 bias=0",
    },
    conv2d_case};

const OpFamily linear_family{{"linear_fwd", "linear_bwd_data", "linear_bwd_weight"},
                             {
                                 "N=1 C=1 K=1",
                                 "N=1 C=7 K=1 bias=0",
                                 "N=3 C=1 K=5",
                                 "N=5 C=13 K=11",
                                 "N=1 C=300 K=14",
                                 "N=12 C=64 K=14",
                                 "N=17 C=31 K=33 bias=0",
                                 "N=64 C=64 K=64",
                                 "N=65 C=67 K=129",
                                 "N=130 C=100 K=70",
                                 "N=7 C=9 K=5 x_pitch=12",
                                 "N=7 C=9 K=5 y_pitch=8",
                                 "N=6 C=8 K=16 x_pitch=24 y_pitch=32",
                                 "N=5 C=8 K=8 x_pitch=15",
                                 "N=5 C=8 K=8 y_pitch=15",
                                 "N=5 C=8 K=8 x_pitch=12",
                                 "N=5 C=8 K=8 y_pitch=12",
                                 "N=5 C=8 K=6",
                                 "N=5 C=6 K=8",
                                 "N=33 C=34 K=35 x_pitch=40 y_pitch=36 bias=0",
                                 "N=2 C=5000 K=3",
                                 "N=12 C=1030 K=260",
                                 "N=72 C=72 K=72 y_pitch=73",
                                 "N=130 C=40 K=136",
                                 "N=300 C=70 K=9",
                                 "N=65 C=640 K=65",
                             },
                             linear_case};

}  // namespace
}  // namespace lamella::test
