// image_normalise, image_resample, image_jitter.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

KernelCall image_normalise(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const SliceShape s{line.get("pixels"), C, line.get("x_pitch", C), line.get("y_pitch", C),
                     line.dtype()};
  KernelCall call;
  call.operands = {matrix("x", DType::U8, s.pixels, C, s.x_pitch, Use::In),
                   matrix("y", s.dtype, s.pixels, C, s.y_pitch, Use::Out),
                   vector("scale", C, Use::In), vector("shift", C, Use::In)};
  call.flops = 2 * static_cast<double>(s.pixels * C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.image_normalise(ctx, s, as<const std::uint8_t>(data[0]), as<const float>(data[2]),
                          as<const float>(data[3]), data[1]);
  };
  return call;
}

// The matrix is resample_matrix of the line, for all images. Extra key: fill=1. Least bytes are
// those of a matrix that shows all of x.
KernelCall image_resample(const KernelLine& line) {
  const ResampleShape s = resample_shape(line);
  const bool fill = line.get("fill", 0) != 0;
  const auto m = resample_matrix(line);
  CallOperand rows = matrix("matrix", DType::F32, s.N, 6, 6, Use::In);
  rows.row.assign(m.begin(), m.end());
  KernelCall call;
  call.operands = {matrix("x", s.dtype, s.N * s.H * s.W, s.C, s.x_pitch, Use::In),
                   matrix("y", s.dtype, s.N * s.P * s.Q, s.C, s.y_pitch, Use::Out), rows};
  if (fill) call.operands.push_back(vector("fill", s.C, Use::In, 0.5F));
  call.flops = static_cast<double>(s.N * s.P * s.Q) * static_cast<double>(8 * s.C + 12);
  call.run = [s, fill](const KernelTable& table, const KernelContext& ctx,
                       const std::vector<void*>& data) {
    table.image_resample(ctx, s, data[0], as<const float>(data[2]),
                         fill ? as<const float>(data[3]) : nullptr, data[1]);
  };
  return call;
}

// Factors in percent, of all images: brightness, contrast, saturation; 100 where left out.
KernelCall image_jitter(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  const ImageShape s{line.get("N"),          line.get("pixels"),     C,
                     line.get("x_pitch", C), line.get("y_pitch", C), line.dtype()};
  CallOperand factors = matrix("factors", DType::F32, s.N, 3, 3, Use::In);
  for (const char* key : {"brightness", "contrast", "saturation"}) {
    factors.row.push_back(static_cast<float>(line.number(key, 100) / 100));
  }
  KernelCall call;
  call.operands = {matrix("x", s.dtype, s.N * s.pixels, C, s.x_pitch, Use::In),
                   matrix("y", s.dtype, s.N * s.pixels, C, s.y_pitch, Use::Out), factors};
  call.flops = 19 * static_cast<double>(s.N * s.pixels * C);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.image_jitter(ctx, s, data[0], as<const float>(data[2]), data[1]);
  };
  return call;
}

}  // namespace

const std::vector<Entry>& image_entries() {
  static const std::vector<Entry> entries = {{"image_normalise", image_normalise},
                                             {"image_resample", image_resample},
                                             {"image_jitter", image_jitter}};
  return entries;
}

}  // namespace lamella::calls
