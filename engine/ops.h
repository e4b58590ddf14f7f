// The public ops. Each checks its arguments, allocates its output (or writes into `out`, which may
// be a channel slice), calls one kernel, and, where a gradient is wanted, records its backward next
// to its forward. Errors name op, dimension, both values and the way out. All take NHWC tensors.
// An optional tensor argument is left out by passing Tensor().
#pragma once

#include <cstdint>
#include <vector>

#include "engine/context.h"

namespace lamella {

struct Conv2dOptions {
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
};

// x [N,H,W,C], w [K,R,S,C], bias [K] or absent -> y [N,P,Q,K], P = (H + 2 pad_h - R)/stride_h + 1.
// O(N P Q K R S C).
Tensor conv2d(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias = {},
              const Conv2dOptions& options = {}, Tensor out = {});

// The shape of that y; w is KxRxSxC.
Shape conv2d_output_shape(const Shape& x, const Shape& w, const Conv2dOptions& options);

// x [N,C], w [K,C], bias [K] or absent -> y [N,K] = x w^T + bias.
Tensor linear(Context& ctx, const Tensor& x, const Tensor& w, const Tensor& bias = {},
              Tensor out = {});

struct BatchNormTensors {
  Tensor gamma, beta;                // [C]
  Tensor running_mean, running_var;  // [C]; updated in training, used in inference
};
struct BatchNormOptions {
  float eps = 1e-5F;
  float momentum = 0.1F;  // running <- running + momentum * (batch - running)
  bool relu_in = false;   // normalise max(x, 0)
  bool relu_out = false;  // return max(y, 0)
  // y is made again from x where a convolution or product needs it in backward, instead of being
  // kept until then: y's memory for one more pass over x. The bits are the same.
  bool remake = false;
};
// Statistics of the batch when ctx.training (the running ones are updated, with the unbiased
// variance), else the running ones; those also where gamma is frozen. x [.., C] -> y of the same
// shape.
// Ioffe & Szegedy 2015, algorithm 1.
Tensor batch_norm(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                  const BatchNormOptions& options = {}, Tensor out = {});

// conv2d(batch_norm(x), w), without bias: one product where the backend has it, so that the
// normalised image is never in memory, neither forward nor backward; else as with
// bn_options.remake.
Tensor norm_conv2d(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                   const BatchNormOptions& bn_options, const Tensor& w,
                   const Conv2dOptions& conv_options = {}, Tensor out = {});

Tensor relu(Context& ctx, const Tensor& x, Tensor out = {});
Tensor add(Context& ctx, const Tensor& a, const Tensor& b, Tensor out = {});
// a * b, element by element; both of the same shape.
Tensor mul(Context& ctx, const Tensor& a, const Tensor& b, Tensor out = {});
// alpha * x.
Tensor scale(Context& ctx, const Tensor& x, float alpha, Tensor out = {});
// x [.., C] + bias [C]. conv2d and linear add theirs themselves.
Tensor add_bias(Context& ctx, const Tensor& x, const Tensor& bias, Tensor out = {});
// x in another of f32, bf16 and f16, rounded to nearest, ties to even; its gradient has x's type.
// Returns x where it has that type already.
Tensor cast(Context& ctx, const Tensor& x, DType dtype, Tensor out = {});

struct Pool2dOptions {
  std::int64_t size_h = 2, size_w = 2;
  std::int64_t stride_h = 2, stride_w = 2;
  std::int64_t pad_h = 0, pad_w = 0;
  bool ceil_mode = false;         // round the output extent up; no window starts in the far padding
  bool count_include_pad = true;  // average pooling only
};
// What a pool makes of x [N,H,W,C].
Shape pool2d_output_shape(const Shape& x, const Pool2dOptions& options);
Tensor max_pool2d(Context& ctx, const Tensor& x, const Pool2dOptions& options, Tensor out = {});
Tensor avg_pool2d(Context& ctx, const Tensor& x, const Pool2dOptions& options, Tensor out = {});
// x [N,H,W,C] -> y [N,P,Q,C], by windows that cover x evenly whatever its size: (p, q) is the mean
// over rows p H / P, rounded down, to (p + 1) H / P, rounded up, and columns likewise. P, Q >= 1.
Tensor adaptive_avg_pool2d(Context& ctx, const Tensor& x, std::int64_t P, std::int64_t Q,
                           Tensor out = {});
// x [N,H,W,C] -> y [N,C], the mean over H and W.
Tensor global_avg_pool(Context& ctx, const Tensor& x, Tensor out = {});

// From here on copy_into a slice of `buffer` makes the slice's batch statistics on the way, when
// ctx.training, and batch_norm of any slices so written takes them instead of making its own. What
// then reaches the gradient of `buffer` itself takes the statistics as fixed; the rest is added
// where copy_into passes it on to its x. Call it before slicing.
void share_statistics(Context& ctx, Tensor& buffer);
// Copies x into `out`, a slice of a wider buffer: the way to put an existing tensor into a concat.
Tensor copy_into(Context& ctx, const Tensor& x, Tensor out);
// Joins tensors of equal pixels along the channels. Prefer letting each producer write its slice:
//   Tensor joined = ctx.empty_with_grad({n, h, w, c1 + c2});
//   batch_norm(ctx, x, bn, {}, joined.slice(0, c1));  copy_into(ctx, z, joined.slice(c1, c1 + c2));
Tensor concat(Context& ctx, const std::vector<Tensor>& parts);
// [N,H,W,C] -> [N,H*W*C] in NHWC order; no copy.
Tensor flatten(const Tensor& x);

// Keeps each element with probability 1 - p and scales it by 1/(1-p) when ctx.training, else
// returns x. The mask is addressed by (ctx.seed, ctx.step, layer): give each layer its own number.
Tensor dropout(Context& ctx, const Tensor& x, float p, std::uint32_t layer, Tensor out = {});

struct CrossEntropyOptions {
  Tensor class_weights;       // [C], f32; absent: all 1
  float label_smoothing = 0;  // in [0, 1]: the share of each target spread over all classes
};
// logits [N,C], targets [N] i32 in [0,C) or [N,C] f32 probabilities -> the mean over the rows of
// -sum over c of target[c] * class_weights[c] * log softmax(logits)[c], a scalar. With labels the
// rows count by the weight of their label, as in torch. No gradient by targets or weights.
Tensor softmax_cross_entropy(Context& ctx, const Tensor& logits, const Tensor& targets,
                             const CrossEntropyOptions& options = {});
// Rows of x -> probabilities, f32 [N,C]. No gradient.
Tensor softmax(Context& ctx, const Tensor& x);
// lambda * sum over all tensors of sum w^2, a scalar.
Tensor l2_penalty(Context& ctx, const std::vector<Tensor>& weights, float lambda);

// --- images: what a trainer does with them once they are decoded. No gradient.
// How bytes become floats, made once for a data set: scale[c] * x + shift[c].
struct ImageScale {
  Tensor scale, shift;  // f32 [C]
};
// The scale that makes (x / 255 - mean[c]) / std[c] of a byte x, as Normalise::Fixed of
// io/preprocess.h. One mean and one std > 0 for each channel, on the scale 0..1; means of 0 and
// standard deviations of 1 leave values of 0..1.
ImageScale image_scale(Context& ctx, const std::vector<float>& mean, const std::vector<float>& std);
// x u8 [N,H,W,C] -> y [N,H,W,C] of `dtype`, one of f32, bf16 and f16. O(N H W C).
Tensor image_normalise(Context& ctx, const Tensor& x, const ImageScale& scale,
                       DType dtype = DType::F32, Tensor out = {});
// x [N,H,W,C] -> y [N,height,width,C], read bilinearly where matrix [N,6], f32, says: row by row a
// 2 x 3 matrix for each image that leads from the centres of the result, (q + 1/2, p + 1/2, 1), to
// places (u, v) in pixels of x, where pixel (row i, column j) has its centre at (j + 1/2, i + 1/2).
// Some of them, H x W -> height x width:
//   resize              W/width 0 0    0 H/height 0
//   crop from row i, column j on       1 0 j    0 1 i
//   flip left <-> right -1 0 W   0 1 0
//   flip top <-> bottom 1 0 0    0 -1 H
//   turn counter-clockwise by 90 degrees (height = W, width = H)   0 -1 W    1 0 0
// Several in a row are the product of their matrices, the last one on the right. Outside x lies
// fill [C], f32; absent: 0, the mean of normalised images. Without scaling these move bits, nothing
// is interpolated. A matrix that is not finite makes an image of fill. O(N height width C).
Tensor image_resample(Context& ctx, const Tensor& x, const Tensor& matrix, std::int64_t height,
                      std::int64_t width, const Tensor& fill = {}, Tensor out = {});
// x [N,H,W,C], values of 0..1 -> y of the same shape with the brightness, contrast and saturation
// of each image changed, in this order, by its factors [N,3], f32 >= 0: 0 is black, the mean grey,
// and grey; 1 leaves the image as it is, bit by bit; more is more. Values are clamped to [0, 1].
// Formulas, those of torchvision, are in kernels/kernel_table.h. batch_norm with mean and std^2 as
// running statistics normalises afterwards. O(N H W C).
Tensor image_jitter(Context& ctx, const Tensor& x, const Tensor& factors, Tensor out = {});

}  // namespace lamella
