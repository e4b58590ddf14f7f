// Max, average, adaptive and global average pooling. P and Q may be left out, but for adaptive=1;
// extra key: ceil=1.
#include "kernels/calls/line_shapes.h"
#include "kernels/ref/pool.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

// Of the oracle, which sees dense operands.
Pool2dShape pool_shape(const KernelLine& line) {
  Pool2dShape s = pool2d_shape(line);
  s.x_pitch = s.y_pitch = s.C;
  return s;
}

// A line from a trace has P and Q but not ceil: the mode is the one that gives this P and Q.
Pool2dOptions options_of(const Pool2dShape& s) {
  Pool2dOptions options{s.R, s.S, s.stride_h, s.stride_w, s.pad_h, s.pad_w};
  options.ceil_mode = s.P > (s.H + 2 * s.pad_h - s.R) / s.stride_h + 1 ||
                      s.Q > (s.W + 2 * s.pad_w - s.S) / s.stride_w + 1;
  options.count_include_pad = s.count_include_pad;
  return options;
}

OpCase pool_case(const KernelLine& line, Fill fill) {
  const Pool2dShape s = pool_shape(line);
  OpCase made;
  made.operands = {{"x", {s.N, s.H, s.W, s.C}, fill}};
  if (line.get("x_pitch", s.C) != s.C) made.operands[0].pitch = line.get("x_pitch");
  if (line.get("y_pitch", s.C) != s.C) made.y_pitch = line.get("y_pitch");
  made.y = {s.N, s.P, s.Q, s.C};
  made.work = static_cast<double>(made.y.count() * s.R * s.S);
  return made;
}

OpCase max_pool2d_case(const KernelLine& line) {
  const Pool2dShape s = pool_shape(line);
  OpCase made = pool_case(line, Fill::Distinct);
  made.apply = [s](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return max_pool2d(ctx, in[0], options_of(s), out);
  };
  made.ref = [s](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N * s.P * s.Q * s.C));
    ref::max_pool2d_fwd(s, in[0].data(), y.data(), nullptr);
    return y;
  };
  return made;
}

OpCase avg_pool2d_case(const KernelLine& line) {
  const Pool2dShape s = pool_shape(line);
  OpCase made = pool_case(line, Fill::Uniform);
  made.apply = [s](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    if (s.adaptive) return adaptive_avg_pool2d(ctx, in[0], s.P, s.Q, out);
    return avg_pool2d(ctx, in[0], options_of(s), out);
  };
  made.ref = [s](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N * s.P * s.Q * s.C));
    s.adaptive ? ref::adaptive_avg_pool2d_fwd(s, in[0].data(), y.data())
               : ref::avg_pool2d_fwd(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

// x is [N, pixels, 1, C].
OpCase global_avg_pool_case(const KernelLine& line) {
  GlobalPoolShape s{line.get("N"), line.get("pixels"), line.get("C"), 0, 0, DType::F32};
  s.x_pitch = s.y_pitch = s.C;
  OpCase made;
  made.operands = {{"x", {s.N, s.pixels, 1, s.C}}};
  if (line.get("x_pitch", s.C) != s.C) made.operands[0].pitch = line.get("x_pitch");
  if (line.get("y_pitch", s.C) != s.C) made.y_pitch = line.get("y_pitch");
  made.y = {s.N, s.C};
  made.work = static_cast<double>(s.N * s.pixels * s.C);
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return global_avg_pool(ctx, in[0], out);
  };
  made.ref = [s](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N * s.C));
    ref::global_avg_pool_fwd(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

const std::vector<std::string> kWindows = {
    "N=1 H=1 W=1 C=1 R=1 S=1",
    "N=1 H=2 W=2 C=1 R=2 S=2 stride=2x2",
    "N=2 H=7 W=5 C=3 R=2 S=2 stride=2x2",
    "N=1 H=8 W=6 C=8 R=2 S=2 stride=2x2",
    "N=2 H=9 W=9 C=5 R=3 S=3 stride=2x2 pad=1x1",
    "N=1 H=7 W=8 C=64 R=3 S=3 stride=2x2 pad=1x1",
    "N=1 H=6 W=7 C=4 R=3 S=3 pad=1x1",
    "N=1 H=10 W=11 C=3 R=2 S=2 stride=3x3",
    "N=1 H=9 W=8 C=2 R=3 S=2 stride=1x2 pad=1x0",
    "N=1 H=8 W=9 C=2 R=2 S=3 stride=2x1 pad=0x1",
    "N=1 H=7 W=7 C=3 R=5 S=5 stride=3x2 pad=2x2",
    "N=1 H=3 W=2 C=3 R=5 S=4 pad=2x3",
    "N=2 H=6 W=8 C=3 R=3 S=3 stride=2x2 ceil=1",
    "N=1 H=7 W=6 C=3 R=3 S=3 stride=3x3 pad=1x1 ceil=1",
    "N=1 H=5 W=5 C=4 R=2 S=2 stride=2x2 ceil=1",
    "N=1 H=8 W=7 C=5 R=2 S=2 stride=2x2 x_pitch=8",
    "N=1 H=8 W=7 C=5 R=3 S=3 stride=2x2 pad=1x1 y_pitch=7",
    "N=2 H=6 W=6 C=8 R=2 S=2 stride=2x2 x_pitch=24 y_pitch=40",
    "N=1 H=6 W=5 C=16 R=3 S=3 pad=1x1 x_pitch=32 y_pitch=17",
    "N=1 H=4 W=5 C=8 R=2 S=2 stride=2x2 x_pitch=15",
    "N=1 H=4 W=5 C=8 R=2 S=2 stride=2x2 y_pitch=15",
    "N=1 H=4 W=5 C=8 R=2 S=2 stride=2x2 x_pitch=12",
    "N=1 H=4 W=5 C=8 R=2 S=2 stride=2x2 y_pitch=12",
    "N=2 H=33 W=31 C=7 R=2 S=2 stride=2x2",
    "N=1 H=41 W=29 C=12 R=3 S=3 stride=2x2 pad=1x1",
    "N=1 H=4 W=4 C=301 R=2 S=2 stride=2x2",
    "N=1 H=16 W=17 C=2 R=15 S=17 stride=1x1",
    "N=1 H=1101 W=1001 C=1 R=1 S=1",
};

// R and S are the extent over the windows, rounded up.
const std::vector<std::string> kAdaptive = {
    "N=1 H=1 W=1 C=1 R=1 S=1 P=1 Q=1",
    "N=2 H=14 W=14 C=8 R=4 S=4 P=4 Q=4",
    "N=1 H=7 W=5 C=3 R=2 S=2 P=4 Q=4",
    "N=2 H=4 W=4 C=5 R=1 S=1 P=4 Q=4",
    "N=1 H=3 W=2 C=4 R=1 S=1 P=4 Q=5",
    "N=1 H=15 W=1 C=16 R=4 S=1 P=4 Q=4",
    "N=3 H=9 W=11 C=8 R=5 S=4 P=2 Q=3 x_pitch=24 y_pitch=40",
    "N=1 H=10 W=7 C=5 R=4 S=7 P=3 Q=1 x_pitch=9 y_pitch=7",
    "N=1 H=33 W=29 C=130 R=5 S=5 P=7 Q=7",
};

std::vector<std::string> average_lines() {
  std::vector<std::string> lines = kWindows;
  for (const std::string& line : kAdaptive) lines.push_back(line + " adaptive=1");
  for (const std::string& line : kWindows) {
    const bool counts =
        line.find("pad=") != std::string::npos || line.find("ceil=") != std::string::npos;
    if (counts) lines.push_back(line + " count_include_pad=0");
  }
  return lines;
}

const OpFamily max_pool2d_family{{"max_pool2d_fwd", "max_pool2d_bwd"}, kWindows, max_pool2d_case};
const OpFamily avg_pool2d_family{
    {"avg_pool2d_fwd", "avg_pool2d_bwd"}, average_lines(), avg_pool2d_case};

const OpFamily global_avg_pool_family{{"global_avg_pool_fwd", "global_avg_pool_bwd"},
                                      {
                                          "N=1 pixels=1 C=1",
                                          "N=2 pixels=7 C=3",
                                          "N=1 pixels=1 C=70",
                                          "N=3 pixels=49 C=8",
                                          "N=1 pixels=1031 C=2",
                                          "N=2 pixels=64 C=130",
                                          "N=5 pixels=300 C=33",
                                          "N=2 pixels=12 C=5 x_pitch=9",
                                          "N=2 pixels=12 C=5 y_pitch=8",
                                          "N=3 pixels=20 C=8 x_pitch=24 y_pitch=16",
                                          "N=2 pixels=9 C=8 x_pitch=15",
                                          "N=2 pixels=9 C=8 y_pitch=15",
                                          "N=2 pixels=9 C=8 x_pitch=12",
                                      },
                                      global_avg_pool_case};

}  // namespace
}  // namespace lamella::test
