// Ops on decoded images. They have no gradient and record nothing.
#include <cmath>

#include "engine/ops_common.h"

namespace lamella {

ImageScale image_scale(Context& ctx, const std::vector<float>& mean,
                       const std::vector<float>& std) {
  if (mean.empty() || mean.size() != std.size()) {
    fail("image_scale: there are ", mean.size(), " means and ", std.size(),
         " standard deviations; pass one of each for every channel");
  }
  std::vector<float> scale, shift;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    if (!(std[c] > 0.0F) || !std::isfinite(std[c]) || !std::isfinite(mean[c])) {
      fail("image_scale: channel ", c, " has mean ", mean[c], " and standard deviation ", std[c],
           "; they must be finite and the latter above 0");
    }
    scale.push_back(static_cast<float>(1 / (255 * double{std[c]})));
    shift.push_back(static_cast<float>(-double{mean[c]} / double{std[c]}));
  }
  const Shape channels{static_cast<std::int64_t>(mean.size())};
  return {ctx.from_host(scale, channels), ctx.from_host(shift, channels)};
}

Tensor image_normalise(Context& ctx, const Tensor& x, const ImageScale& scale, DType dtype,
                       Tensor out) {
  detail::require_rank("image_normalise", "x", x, 4);
  detail::require_dtype("image_normalise", "x", x, DType::U8);
  detail::require_vector("image_normalise", "scale", scale.scale, x.channels());
  detail::require_vector("image_normalise", "shift", scale.shift, x.channels());
  if (!is_floating(dtype)) {
    fail("image_normalise: there is no result of ", name_of(dtype), "; ask for f32, bf16 or f16");
  }
  const Tensor y = detail::output(ctx, "image_normalise", out, x.shape(), dtype, {});
  const SliceShape shape{x.pixels(), x.channels(), x.pitch(), y.pitch(), dtype};
  ctx.call("image_normalise", &KernelTable::image_normalise, shape, x.as<const std::uint8_t>(),
           scale.scale.as<const float>(), scale.shift.as<const float>(), y.data());
  return y;
}

Tensor image_resample(Context& ctx, const Tensor& x, const Tensor& matrix, std::int64_t height,
                      std::int64_t width, const Tensor& fill, Tensor out) {
  detail::require_rank("image_resample", "x", x, 4);
  detail::require_dtype("image_resample", "matrix", matrix, DType::F32);
  if (!is_floating(x.dtype())) {
    fail("image_resample: x is ", name_of(x.dtype()),
         ", it must be f32, bf16 or f16; image_normalise makes floats of bytes");
  }
  if (matrix.shape() != Shape{x.dim(0), 6} || !matrix.dense()) {
    fail("image_resample: matrix is ", matrix.shape().str(), matrix.dense() ? "" : ", not dense,",
         " but there are ", x.dim(0), " images; it must be a dense ", x.dim(0), "x6");
  }
  if (height < 1 || width < 1) {
    fail("image_resample: the result has ", height, "x", width, " pixels; both must be at least 1");
  }
  if (fill.defined()) detail::require_vector("image_resample", "fill", fill, x.channels());
  const Tensor y = detail::output(ctx, "image_resample", out,
                                  {x.dim(0), height, width, x.channels()}, x.dtype(), {});
  const ResampleShape shape{x.dim(0), x.dim(1),  x.dim(2),  x.dim(3), height,
                            width,    x.pitch(), y.pitch(), x.dtype()};
  ctx.call("image_resample", &KernelTable::image_resample, shape, x.data(),
           matrix.as<const float>(), fill.defined() ? fill.as<const float>() : nullptr, y.data());
  return y;
}

Tensor image_jitter(Context& ctx, const Tensor& x, const Tensor& factors, Tensor out) {
  detail::require_rank("image_jitter", "x", x, 4);
  detail::require_dtype("image_jitter", "factors", factors, DType::F32);
  if (!is_floating(x.dtype())) {
    fail("image_jitter: x is ", name_of(x.dtype()),
         ", it must be f32, bf16 or f16; image_normalise makes floats of bytes");
  }
  if (factors.shape() != Shape{x.dim(0), 3} || !factors.dense()) {
    fail("image_jitter: factors is ", factors.shape().str(), factors.dense() ? "" : ", not dense,",
         " but there are ", x.dim(0), " images; it must be a dense ", x.dim(0), "x3");
  }
  const Tensor y = detail::output(ctx, "image_jitter", out, x.shape(), x.dtype(), {});
  const ImageShape shape{x.dim(0), x.dim(1) * x.dim(2), x.dim(3), x.pitch(), y.pitch(), x.dtype()};
  ctx.call("image_jitter", &KernelTable::image_jitter, shape, x.data(), factors.as<const float>(),
           y.data());
  return y;
}

}  // namespace lamella
