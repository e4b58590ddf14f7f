// Images after decoding: bytes to floats, affine maps, colours.
#include "kernels/calls/line_shapes.h"
#include "kernels/ref/image.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

std::int64_t pitch(const KernelLine& line, const std::string& key) {
  return line.get(key, line.get("C")) == line.get("C") ? 0 : line.get(key);
}

OpCase normalise_case(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const SliceShape s{line.get("pixels"), C, C, C, DType::F32};
  OpCase made;
  made.operands = {{"x", {1, 1, s.pixels, C}, Fill::Bytes, Role::Constant, pitch(line, "x_pitch")},
                   {"scale", {C}, Fill::Positive, Role::Constant},
                   {"shift", {C}, Fill::Uniform, Role::Constant}};
  made.y = {1, 1, s.pixels, C};
  made.y_dtype = line.dtype();
  made.y_pitch = pitch(line, "y_pitch");
  made.work = static_cast<double>(made.y.count());
  made.adjust = [](std::vector<Values>& in) {
    for (double& scale : in[1]) scale /= 255;
  };
  made.apply = [dtype = line.dtype()](Context& ctx, const std::vector<Tensor>& in,
                                      const Tensor& out) {
    return image_normalise(ctx, in[0], {in[1], in[2]}, dtype, out);
  };
  made.ref = [s](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::image_normalise(s, in[0].data(), in[1].data(), in[2].data(), y.data());
    return y;
  };
  return made;
}

// Image n is shifted by n pixels more than the line says. Extra keys: fill=1; wrong=1 puts a NaN
// into the matrix of the first image, wrong=2 an infinity, wrong=3 a number beyond all integers.
OpCase resample_case(const KernelLine& line) {
  ResampleShape s = resample_shape(line);
  s.x_pitch = s.y_pitch = s.C;
  const bool fill = line.get("fill", 0) != 0;
  const std::int64_t wrong = line.get("wrong", 0);
  OpCase made;
  made.operands = {
      {"x", {s.N, s.H, s.W, s.C}, Fill::Uniform, Role::Constant, pitch(line, "x_pitch")},
      {"matrix", {s.N * 6}, Fill::Uniform, Role::Constant}};
  if (fill) made.operands.push_back({"fill", {s.C}, Fill::Uniform, Role::Constant});
  made.y = {s.N, s.P, s.Q, s.C};
  made.y_pitch = pitch(line, "y_pitch");
  made.work = static_cast<double>(made.y.count());
  made.tolerance = 2e-5;  // a place 64 pixels away is known to 4e-6 of a pixel
  made.adjust = [wrong, m = resample_matrix(line)](std::vector<Values>& in) {
    for (std::size_t i = 0; i < in[1].size(); ++i) {
      in[1][i] = static_cast<double>(m[i % 6]) + (i % 6 == 2 ? static_cast<double>(i / 6) : 0);
    }
    if (wrong != 0) in[1][3] = wrong == 1 ? NAN : wrong == 2 ? -INFINITY : 1e30;
  };
  made.apply = [s, fill](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return image_resample(ctx, in[0], in[1].reshape({s.N, 6}), s.P, s.Q, fill ? in[2] : Tensor(),
                          out);
  };
  made.ref = [s, fill](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N * s.P * s.Q * s.C));
    ref::image_resample(s, in[0].data(), in[1].data(), fill ? in[2].data() : nullptr, y.data());
    return y;
  };
  return made;
}

// Values are in (-0.1, 1.1): beyond what images are, so that brightness clamps. Factors in percent,
// which image n has n percent more of.
OpCase jitter_case(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const ImageShape s{line.get("N"), line.get("pixels"), C, C, C, DType::F32};
  std::vector<double> factors;
  for (std::int64_t n = 0; n < s.N; ++n) {
    for (const char* key : {"brightness", "contrast", "saturation"}) {
      factors.push_back((line.number(key, 100) + (line.has(key) ? static_cast<double>(n) : 0)) /
                        100);
    }
  }
  OpCase made;
  made.operands = {
      {"x", {s.N, 1, s.pixels, C}, Fill::Uniform, Role::Constant, pitch(line, "x_pitch")},
      {"factors", {s.N * 3}, Fill::Uniform, Role::Constant}};
  made.y = {s.N, 1, s.pixels, C};
  made.y_pitch = pitch(line, "y_pitch");
  made.work = static_cast<double>(made.y.count());
  made.adjust = [factors](std::vector<Values>& in) {
    for (double& value : in[0]) value = 0.5 + 0.6 * value;
    in[1] = factors;
  };
  made.apply = [n = s.N](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return image_jitter(ctx, in[0], in[1].reshape({n, 3}), out);
  };
  made.ref = [s](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::image_jitter(s, in[0].data(), in[1].data(), y.data());
    return y;
  };
  return made;
}

const std::vector<std::string> kBytes = {
    "pixels=1 C=1",
    "pixels=1 C=3",
    "pixels=5 C=1",
    "pixels=7 C=3",
    "pixels=64 C=3",
    "pixels=1031 C=1",
    "pixels=257 C=3",
    "pixels=129 C=4",
    "pixels=33 C=8",
    "pixels=13 C=5",
    "pixels=9 C=12",
    "pixels=3 C=1030",
    "pixels=13 C=3 x_pitch=4",
    "pixels=13 C=3 y_pitch=8",
    "pixels=11 C=8 x_pitch=24 y_pitch=16",
    "pixels=11 C=8 x_pitch=24 y_pitch=24",
    // What alone rules out wide accesses: a pitch (15), or an address (12).
    "pixels=9 C=8 x_pitch=15",
    "pixels=9 C=8 y_pitch=15",
    "pixels=9 C=8 x_pitch=12",
    "pixels=9 C=8 y_pitch=12",
    "pixels=67 C=12 x_pitch=20",
    "pixels=67 C=12 y_pitch=20",
    "pixels=1100001 C=1",
    "pixels=500009 C=3",
};
const OpFamily normalise_family{{"image_normalise"}, kBytes, normalise_case};

const std::vector<std::string> kMaps = {
    "N=1 H=1 W=1 C=1",
    "N=1 H=1 W=1 C=3 P=4 Q=5 stretch=1 fill=1",
    "N=2 H=7 W=5 C=1",
    "N=3 H=9 W=8 C=3 flip=1",
    "N=1 H=9 W=8 C=3 angle=180 flip=1",
    "N=2 H=6 W=11 C=1 P=11 Q=6 angle=90",
    "N=1 H=6 W=11 C=3 P=11 Q=6 angle=270 fill=1",
    "N=2 H=13 W=17 C=3 P=8 Q=9 shift_h=2 shift_w=-3 fill=1",
    "N=1 H=64 W=61 C=1 angle=30 fill=1",
    "N=2 H=33 W=47 C=3 P=40 Q=37 angle=-17 zoom=130 flip=1",
    "N=1 H=16 W=16 C=3 P=31 Q=45 stretch=1",
    "N=1 H=50 W=40 C=1 P=12 Q=7 stretch=1 fill=1",
    "N=2 H=20 W=20 C=3 zoom=35 angle=200",
    "N=1 H=12 W=12 C=3 shift_h=0.25 shift_w=-0.5 fill=1",
    "N=1 H=5 W=5 C=3 shift_w=1000 fill=1",
    "N=3 H=8 W=8 C=2 wrong=1 fill=1",
    "N=2 H=8 W=8 C=2 wrong=2",
    "N=2 H=8 W=8 C=2 wrong=3 fill=1",
    "N=2 H=10 W=9 C=8 angle=45 fill=1",
    "N=1 H=10 W=9 C=17 angle=45",
    "N=1 H=6 W=5 C=300 angle=10 fill=1",
    "N=1 H=6 W=7 C=3 x_pitch=5 angle=20",
    "N=1 H=6 W=7 C=3 y_pitch=8 angle=20",
    "N=1 H=6 W=7 C=8 x_pitch=24 y_pitch=16 angle=20 fill=1",
    "N=1 H=6 W=7 C=8 x_pitch=12 angle=20",
    "N=1 H=6 W=7 C=8 y_pitch=12 angle=20",
    "N=1 H=6 W=7 C=8 x_pitch=15 angle=20",
    "N=1 H=6 W=7 C=8 y_pitch=15 angle=20",
    // More than one grid, along each of its axes.
    "N=1 H=1 W=5 C=17 P=1 Q=4099 stretch=1 fill=1",
    "N=33 H=5 W=4 C=1 P=1040 Q=33 zoom=900",
    "N=4100 H=2 W=3 C=1 P=9 Q=2",
};
const OpFamily resample_family{{"image_resample"}, kMaps, resample_case};

const std::vector<std::string> kColours = {
    "N=1 pixels=1 C=1 brightness=130 contrast=70 saturation=20",
    "N=1 pixels=1 C=3 brightness=80 contrast=150 saturation=40",
    "N=2 pixels=7 C=3 brightness=120",
    "N=2 pixels=7 C=3 contrast=120",
    "N=2 pixels=7 C=3 saturation=120",
    "N=2 pixels=7 C=3",
    "N=3 pixels=35 C=3 brightness=0 contrast=50",
    "N=3 pixels=35 C=3 contrast=0",
    "N=3 pixels=35 C=3 saturation=0",
    "N=2 pixels=257 C=1 brightness=90 contrast=140 saturation=0",
    "N=2 pixels=1031 C=3 brightness=140 contrast=60 saturation=180",
    "N=1 pixels=40000 C=3 brightness=110 contrast=160 saturation=30",
    "N=2 pixels=9000 C=1 contrast=160",
    "N=2 pixels=129 C=2 brightness=110 contrast=60 saturation=180",
    "N=2 pixels=65 C=4 brightness=90 contrast=60 saturation=180",
    "N=1 pixels=33 C=5 contrast=130 saturation=30",
    "N=2 pixels=19 C=8 brightness=120 contrast=130 saturation=30",
    "N=1 pixels=13 C=70 brightness=120 contrast=130 saturation=30",
    "N=1 pixels=13 C=520 contrast=130 saturation=30",
    "N=2 pixels=13 C=3 x_pitch=4 contrast=130 saturation=30",
    "N=2 pixels=13 C=3 y_pitch=8 contrast=130 saturation=30",
    "N=2 pixels=11 C=8 x_pitch=24 y_pitch=16 contrast=130 saturation=30",
    "N=1 pixels=9 C=8 x_pitch=15 contrast=130 saturation=30",
    "N=1 pixels=9 C=8 y_pitch=15 contrast=130 saturation=30",
    "N=1 pixels=9 C=8 x_pitch=12 contrast=130 saturation=30",
    "N=1 pixels=9 C=8 y_pitch=12 contrast=130 saturation=30",
    "N=517 pixels=3 C=3 contrast=30 saturation=150",
};
const OpFamily jitter_family{{"image_jitter"}, kColours, jitter_case};

}  // namespace
}  // namespace lamella::test
