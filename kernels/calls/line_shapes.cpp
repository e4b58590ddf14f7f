#include "kernels/calls/line_shapes.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace lamella {
namespace {

constexpr double kPi = 3.14159265358979323846;

std::int64_t pooled(const KernelLine& line, std::int64_t size, std::int64_t window,
                    std::int64_t stride, std::int64_t pad) {
  const std::int64_t room = size + 2 * pad - window;
  std::int64_t count = room / stride + 1;
  const bool rest = room % stride != 0;
  if (line.get("ceil", 0) != 0 && rest && count * stride < size + pad) ++count;
  return count;
}

}  // namespace

Conv2dShape conv2d_shape(const KernelLine& line) {
  Conv2dShape s;
  s.N = line.get("N"), s.H = line.get("H"), s.W = line.get("W"), s.C = line.get("C");
  s.K = line.get("K"), s.R = line.get("R"), s.S = line.get("S");
  s.stride_h = line.get("stride_h", 1), s.stride_w = line.get("stride_w", 1);
  s.pad_h = line.get("pad_h", 0), s.pad_w = line.get("pad_w", 0);
  s.P = (s.H + 2 * s.pad_h - s.R) / s.stride_h + 1;
  s.Q = (s.W + 2 * s.pad_w - s.S) / s.stride_w + 1;
  if (line.get("P", s.P) != s.P || line.get("Q", s.Q) != s.Q) {
    throw std::runtime_error("\"" + line.text() + "\" should say P=" + std::to_string(s.P) +
                             " Q=" + std::to_string(s.Q));
  }
  s.x_pitch = line.get("x_pitch", s.C), s.y_pitch = line.get("y_pitch", s.K);
  s.dtype = line.dtype();
  return s;
}

NormConv2dShape norm_conv2d_shape(const KernelLine& line) {
  NormConv2dShape s{conv2d_shape(line)};
  s.eps = static_cast<float>(line.number("eps", 1e-5));
  s.relu_in = line.get("relu_in", 0) != 0;
  s.relu_out = line.get("relu_out", 0) != 0;
  return s;
}

LinearShape linear_shape(const KernelLine& line) {
  LinearShape s{line.get("N"), line.get("C"), line.get("K"), 0, 0, line.dtype()};
  s.x_pitch = line.get("x_pitch", s.C), s.y_pitch = line.get("y_pitch", s.K);
  return s;
}

BatchNormShape batch_norm_shape(const KernelLine& line) {
  BatchNormShape s;
  s.pixels = line.get("pixels"), s.C = line.get("C");
  s.x_pitch = line.get("x_pitch", s.C), s.y_pitch = line.get("y_pitch", s.C);
  s.eps = static_cast<float>(line.number("eps", 1e-5));
  s.relu_in = line.get("relu_in", 0) != 0;
  s.relu_out = line.get("relu_out", 0) != 0;
  s.training = line.get("training", 1) != 0;
  s.dtype = line.dtype();
  return s;
}

Pool2dShape pool2d_shape(const KernelLine& line) {
  Pool2dShape s;
  s.N = line.get("N"), s.H = line.get("H"), s.W = line.get("W"), s.C = line.get("C");
  s.adaptive = line.get("adaptive", 0) != 0;
  s.R = line.get("R"), s.S = line.get("S");
  s.stride_h = line.get("stride_h", 1), s.stride_w = line.get("stride_w", 1);
  s.pad_h = line.get("pad_h", 0), s.pad_w = line.get("pad_w", 0);
  s.P = line.get("P", pooled(line, s.H, s.R, s.stride_h, s.pad_h));
  s.Q = line.get("Q", pooled(line, s.W, s.S, s.stride_w, s.pad_w));
  s.x_pitch = line.get("x_pitch", s.C), s.y_pitch = line.get("y_pitch", s.C);
  s.count_include_pad = line.get("count_include_pad", s.adaptive ? 0 : 1) != 0;
  s.dtype = line.dtype();
  return s;
}

ResampleShape resample_shape(const KernelLine& line) {
  ResampleShape s;
  s.N = line.get("N"), s.H = line.get("H"), s.W = line.get("W"), s.C = line.get("C");
  s.P = line.get("P", s.H), s.Q = line.get("Q", s.W);
  s.x_pitch = line.get("x_pitch", s.C), s.y_pitch = line.get("y_pitch", s.C);
  s.dtype = line.dtype();
  return s;
}

std::array<float, 6> resample_matrix(const KernelLine& line) {
  const ResampleShape s = resample_shape(line);
  const double angle = line.number("angle", 0), zoom = line.number("zoom", 100) / 100;
  // Quarter turns to the bit.
  const double quarter = std::round(angle / 90), rest = (angle - 90 * quarter) * kPi / 180;
  const auto turns = static_cast<int>(std::fmod(quarter, 4)) & 3;
  const double c = std::cos(rest), d = std::sin(rest);
  const double cosine = turns == 0 ? c : turns == 1 ? -d : turns == 2 ? -c : d;
  const double sine = turns == 0 ? d : turns == 1 ? c : turns == 2 ? -d : -c;
  const double flip = line.get("flip", 0) != 0 ? -1 : 1;
  const bool stretch = line.get("stretch", 0) != 0;
  const auto real = [](std::int64_t extent) { return static_cast<double>(extent); };
  const double wide = (stretch ? real(s.W) / real(s.Q) : 1) / zoom;
  const double high = (stretch ? real(s.H) / real(s.P) : 1) / zoom;
  const double m[4] = {flip * cosine * wide, -flip * sine * wide, sine * high, cosine * high};
  const double u =
      real(s.W) / 2 + line.number("shift_w", 0) - (m[0] * real(s.Q) + m[1] * real(s.P)) / 2;
  const double v =
      real(s.H) / 2 + line.number("shift_h", 0) - (m[2] * real(s.Q) + m[3] * real(s.P)) / 2;
  const auto f = [](double value) { return static_cast<float>(value); };
  return {f(m[0]), f(m[1]), f(u), f(m[2]), f(m[3]), f(v)};
}

std::vector<std::int64_t> tensor_sizes(const KernelLine& line) {
  const std::int64_t count = line.get("count"), tensors = line.get("tensors", 1);
  constexpr std::int64_t kMost = 1 << 16;
  if (tensors < 1 || tensors > kMost) {
    throw std::runtime_error("\"" + line.text() + "\" needs tensors=1 to " + std::to_string(kMost));
  }
  const std::int64_t large = (tensors + 2) / 3;
  const std::int64_t vector = count < tensors ? 0 : std::max<std::int64_t>(1, count / 64 / tensors);
  const std::int64_t rest = count - (tensors - large) * vector;
  std::vector<std::int64_t> sizes;
  for (std::int64_t i = 0; i < tensors; ++i) {
    sizes.push_back(i % 3 != 0 ? vector : rest / large + (i / 3 < rest % large ? 1 : 0));
  }
  return sizes;
}

}  // namespace lamella
