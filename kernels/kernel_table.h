// Every kernel of the engine: one function pointer and one contract each. A backend is a filled
// copy of this table; a null entry means "not in this backend" and the op that needs it says so.
// To study a kernel, copy a table, put your own function into one entry, and run the same tests
// and benches on it.
//
// Contracts that hold for all entries:
//  - Pointers belong to the backend's device. `void*` operands have the type `shape.dtype`;
//    `float*` operands (statistics, biases, scalars, optimiser state) are always f32, and so is
//    every accumulation (or wider).
//  - Outputs never alias inputs, except where a contract says "in place".
//  - A gradient output says `Write`: Set overwrites whatever is there, NaN poison included;
//    Add adds to it. All other outputs are overwritten.
//  - Only the C channels of a slice are touched, never the gap up to its pitch.
//  - Deterministic: same inputs, same threads and same instruction set give the same bits.
//  - Counts may be zero where that is meaningful (no pixels, no elements): the call does nothing.
//  - A kernel that cannot do what is asked throws std::runtime_error with a sentence.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/shapes.h"

namespace lamella {

// What a kernel may use besides its operands.
struct KernelContext {
  void* stream = nullptr;  // cudaStream_t on cuda, unused elsewhere
  int threads = 1;         // CPU threads
  void* workspace_owner = nullptr;
  // Scratch on the device, 64-byte aligned, undefined contents, valid until the next call of it.
  void* (*workspace)(void* owner, std::size_t bytes) = nullptr;
  // Where set, told how a call is done where a backend has the choice, and why: one line.
  void (*note)(void* owner, const char* line) = nullptr;

  template <class T>
  T* scratch(std::int64_t count) const {
    return static_cast<T*>(workspace(workspace_owner, static_cast<std::size_t>(count) * sizeof(T)));
  }
};

struct KernelTable {
  using Ctx = const KernelContext&;

  // --- pointwise ------------------------------------------------------------------------------
  // y[i] = value, `count` elements.
  void (*fill)(Ctx, const FlatShape&, float value, void* y);
  // y (=|+=) x, between pitches. In place is not allowed.
  void (*copy)(Ctx, const SliceShape&, const void* x, void* y, Write);
  // y = max(x, 0).  Backward: dx (=|+=) y > 0 ? dy : 0; shape.x_pitch is dx's pitch,
  // shape.y_pitch that of y and dy_pitch that of dy.
  void (*relu_fwd)(Ctx, const SliceShape&, const void* x, void* y);
  void (*relu_bwd)(Ctx, const SliceShape&, const void* y, const void* dy, std::int64_t dy_pitch,
                   void* dx, Write);
  // y = a + b.
  void (*add_fwd)(Ctx, const AddShape&, const void* a, const void* b, void* y);
  // y (=|+=) a * b.  Backward is the same map: da (=|+=) dy * b, and db (=|+=) dy * a.
  void (*mul)(Ctx, const AddShape&, const void* a, const void* b, void* y, Write);
  // y (=|+=) alpha * x.  Backward is the same map, from dy to dx.
  void (*scale)(Ctx, const SliceShape&, float alpha, const void* x, void* y, Write);
  // y (=|+=) x in another floating type (or the same), rounded to nearest, ties to even; a sum is
  // made in f32 and rounded once. Backward is the same map, from dy to dx.
  void (*cast)(Ctx, const CastShape&, const void* x, void* y, Write);
  // y = x + bias[c].  Backward: dx is dy, and db is bias_bwd of it.
  void (*bias_fwd)(Ctx, const SliceShape&, const void* x, const float* bias, void* y);
  // y = keep ? x * scale : 0.  Backward is the same map from dy to dx: x is dy at x_pitch, y is dx
  // at y_pitch.
  void (*dropout_fwd)(Ctx, const SliceShape&, const DropoutKey&, const void* x, void* y);
  void (*dropout_bwd)(Ctx, const SliceShape&, const DropoutKey&, const void* dy, void* dx, Write);

  // --- convolution ----------------------------------------------------------------------------
  // y = x * w + bias; bias may be null.
  void (*conv2d_fwd)(Ctx, const Conv2dShape&, const void* x, const void* w, const float* bias,
                     void* y);
  // dx (=|+=) gradient of <y, dy> by x; dx has x's pitch, dy has y's.
  void (*conv2d_bwd_data)(Ctx, const Conv2dShape&, const void* dy, const void* w, void* dx, Write);
  // dw (=|+=) gradient of <y, dy> by w, dense [K,R,S,C].
  void (*conv2d_bwd_weight)(Ctx, const Conv2dShape&, const void* x, const void* dy, void* dw,
                            Write);
  // y = n(x) * w, where n is batch norm with the given statistics and its ReLUs; n(x) never lies in
  // memory. May be null where a backend normalises first: then both are.
  void (*norm_conv2d_fwd)(Ctx, const NormConv2dShape&, const void* x, const float* mean,
                          const float* var, const float* gamma, const float* beta, const void* w,
                          void* y);
  // dw (=|+=) gradient of <y, dy> by w, dense [K,R,S,C]. (By n(x) it is that of conv2d.)
  void (*norm_conv2d_bwd_weight)(Ctx, const NormConv2dShape&, const void* x, const float* mean,
                                 const float* var, const float* gamma, const float* beta,
                                 const void* dy, void* dw, Write);
  // db[c] (=|+=) sum over pixels of dy[., c] at x_pitch. Bias gradient of convolution and linear.
  void (*bias_bwd)(Ctx, const SliceShape&, const void* dy, float* db, Write);

  // --- product --------------------------------------------------------------------------------
  void (*linear_fwd)(Ctx, const LinearShape&, const void* x, const void* w, const float* bias,
                     void* y);
  void (*linear_bwd_data)(Ctx, const LinearShape&, const void* dy, const void* w, void* dx, Write);
  void (*linear_bwd_weight)(Ctx, const LinearShape&, const void* x, const void* dy, void* dw,
                            Write);

  // --- batch norm -----------------------------------------------------------------------------
  // mean[C] and biased variance var[C] of z = relu_in ? max(x,0) : x. Sound where |mean| >> std.
  void (*batch_norm_stats)(Ctx, const BatchNormShape&, const void* x, float* mean, float* var);
  // y = x, and mean and var as above: what a slice of a wide buffer gets when it is produced, so
  // that all who normalise it later share its statistics.
  void (*batch_norm_copy_stats)(Ctx, const BatchNormShape&, const void* x, void* y, float* mean,
                                float* var);
  // y from x with the given statistics: of the batch, or running ones (inference). They may be part
  // of longer arrays, of any alignment, as a slice's are.
  void (*batch_norm_apply)(Ctx, const BatchNormShape&, const void* x, const float* mean,
                           const float* var, const float* gamma, const float* beta, void* y);
  // With g = relu_out && t <= 0 ? 0 : dy (t is recomputed from x) and zhat =
  // (z-mean)/sqrt(var+eps): sums[0..C) = sum g, sums[C..2C) = sum g * zhat. They are dbeta and
  // dgamma. dy has y_pitch.
  void (*batch_norm_bwd_reduce)(Ctx, const BatchNormShape&, const void* x, const void* dy,
                                const float* mean, const float* var, const float* gamma,
                                const float* beta, float* sums);
  // training:  dz = gamma/sqrt(var+eps) * (g - sums_g/pixels - zhat * sums_gz/pixels)
  // otherwise: dz = gamma/sqrt(var+eps) * g.      dx (=|+=) relu_in && x <= 0 ? 0 : dz.
  // dx has pitch dx_pitch.
  void (*batch_norm_bwd_apply)(Ctx, const BatchNormShape&, const void* x, const void* dy,
                               const float* mean, const float* var, const float* gamma,
                               const float* beta, const float* sums, std::int64_t dx_pitch,
                               void* dx, Write);
  // Backward where several layers normalise the same x with the statistics that were made once
  // (relu_in is not for these two). With g, zhat and sums as above, each layer calls
  //   dx (=|+=) gamma/sqrt(var+eps) * g;   shared[c] += gamma/sqrt(var+eps) * sums[c];
  //   shared[shared_pitch + c] += gamma/(var+eps) * sums[C + c]
  // which is its gradient but for what comes through the statistics,
  void (*batch_norm_bwd_shared)(Ctx, const BatchNormShape&, const void* x, const void* dy,
                                const float* mean, const float* var, const float* gamma,
                                const float* beta, float* sums, std::int64_t shared_pitch,
                                float* shared, std::int64_t dx_pitch, void* dx, Write);
  // and that follows once, when all layers have called: dy being what they added up in dx,
  //   dx (=|+=) dy - (shared[c] + (x - mean[c]) * shared[shared_pitch + c]) / pixels.
  // dx may be dy.
  void (*batch_norm_stats_bwd)(Ctx, const BatchNormShape&, const void* x, const void* dy,
                               const float* mean, std::int64_t shared_pitch, const float* shared,
                               std::int64_t dx_pitch, void* dx, Write);
  // running_mean += momentum * (mean - running_mean);
  // running_var  += momentum * (var * pixels/(pixels-1) - running_var)   (unbiased).
  void (*batch_norm_update)(Ctx, const BatchNormShape&, float momentum, const float* mean,
                            const float* var, float* running_mean, float* running_var);

  // --- pooling --------------------------------------------------------------------------------
  // y = max over the window; padding never wins. Ties go to the first element in row-major window
  // order; NaN wins. argmax [N,P,Q,C] dense u8 = r*S+s of the winner; may be null at inference.
  // R*S <= 255.
  void (*max_pool2d_fwd)(Ctx, const Pool2dShape&, const void* x, void* y, std::uint8_t* argmax);
  // Gathers, no atomics: dx[h,w] (=|+=) sum of dy of the windows whose winner is (h,w).
  void (*max_pool2d_bwd)(Ctx, const Pool2dShape&, const void* dy, const std::uint8_t* argmax,
                         void* dx, Write);
  // y = sum over the window inside the image / divisor; divisor = cells of the window inside the
  // padded image (count_include_pad) or inside the image. Adaptive windows: see Pool2dShape.
  void (*avg_pool2d_fwd)(Ctx, const Pool2dShape&, const void* x, void* y);
  void (*avg_pool2d_bwd)(Ctx, const Pool2dShape&, const void* dy, void* dx, Write);
  void (*global_avg_pool_fwd)(Ctx, const GlobalPoolShape&, const void* x, void* y);
  void (*global_avg_pool_bwd)(Ctx, const GlobalPoolShape&, const void* dy, void* dx, Write);

  // --- images ---------------------------------------------------------------------------------
  // What a trainer does with images once they are decoded. Images need no gradient: there is no
  // backward.
  //
  // y = scale[c] * x + shift[c], of bytes: (x / 255 - mean[c]) / std[c] where scale is
  // 1 / (255 * std) and shift -mean / std. x at x_pitch; y, of the shape's dtype, at y_pitch.
  void (*image_normalise)(Ctx, const SliceShape&, const std::uint8_t* x, const float* scale,
                          const float* shift, void* y);
  // An affine map of each image, bilinear: flip, crop, turn, scale and shear in one pass. Pixel
  // (row i, column j) is the square [j, j+1) x [i, i+1), its centre (j + 1/2, i + 1/2), as of
  // torch's grid_sample with align_corners=False. The matrix [N,2,3] leads from the centres of the
  // result to where the image is read:
  //   u = m[0] * (q + 1/2) + m[1] * (p + 1/2) + m[2],   v = m[3] * (q + 1/2) + m[4] * (p + 1/2) +
  //   m[5].
  // y[n,p,q] is the mean of the four pixels whose centres lie around (u, v), weighted by nearness;
  // a pixel outside the image has the value fill[c] (fill may be null: 0). Pixels of weight zero
  // are not read, so that identity, shifts by whole pixels, flips and quarter turns move bits. A
  // (u, v) that is not finite gives fill.
  void (*image_resample)(Ctx, const ResampleShape&, const void* x, const float* matrix,
                         const float* fill, void* y);
  // Brightness b, contrast k and saturation s of each image, factors [N,3], one after the other, as
  // torchvision's adjust_brightness, _contrast and _saturation of floats:
  //   x1 = clamp(b * x),   x2 = clamp(k * x1 + (1 - k) * mean over the pixels of grey(x1)),
  //   y = clamp(s * x2 + (1 - s) * grey(x2)),   clamp to [0, 1].
  // The grey of a pixel is 0.2989 R + 0.587 G + 0.114 B (ITU-R BT.601) where there are three
  // channels, else the mean over its channels. A factor of 1 leaves its step and its clamp out, one
  // channel that of saturation: three factors of 1 move bits. NaN stays NaN.
  void (*image_jitter)(Ctx, const ImageShape&, const void* x, const float* factors, void* y);

  // --- loss -----------------------------------------------------------------------------------
  // probs[N,C] f32 dense = softmax of the rows of x.
  void (*softmax_fwd)(Ctx, const SoftmaxShape&, const void* x, float* probs);
  // loss[0] = sum over n, c of -t[n,c] log softmax(x)[n,c] / total[0], with the targets t of
  // LossTargets; total[0] = sum over n of the weight of labels[n], or N with probabilities: the
  // mean that torch's cross_entropy takes. residual[N,C] f32 dense = total[0] * gradient of loss[0]
  // by x = (sum over c' of t[n,c']) * softmax(x)[n,c] - t[n,c]; may be null. A label outside [0,C)
  // gives a NaN loss, never a read outside the row.
  void (*softmax_cross_entropy_fwd)(Ctx, const SoftmaxShape&, const LossTargets&, const void* x,
                                    float* loss, float* total, float* residual);
  // dx (=|+=) dloss[0] / total[0] * residual, at x_pitch.
  void (*softmax_cross_entropy_bwd)(Ctx, const SoftmaxShape&, const float* residual,
                                    const float* total, const float* dloss, void* dx, Write);
  // loss[0] (=|+=) lambda * sum w^2.    dw (=|+=) dloss[0] * 2 * lambda * w.
  void (*l2_penalty_fwd)(Ctx, const FlatShape&, float lambda, const void* w, float* loss, Write);
  void (*l2_penalty_bwd)(Ctx, const FlatShape&, float lambda, const void* w, const float* dloss,
                         void* dw, Write);

  // --- what a few numbers say of many ---------------------------------------------------------
  // index[n] = the class that comes first in row n: NaN counts as the largest, as in torch, and of
  // equal classes the lower index comes first.
  void (*argmax)(Ctx, const SoftmaxShape&, const void* x, std::int32_t* index);
  // hits[0] = the number of rows with fewer than k classes before their label, in the same order
  // (torch's topk leaves the order of equals open). A label outside [0,C) is no hit.
  void (*top_k_hits)(Ctx, const SoftmaxShape&, std::int64_t k, const void* x,
                     const std::int32_t* labels, std::int32_t* hits);
  // sum[0] = sum of x. The sum of squares is l2_penalty_fwd with lambda 1; of many tensors,
  // gradient_control.
  void (*sum)(Ctx, const FlatShape&, const void* x, float* sum);
  // finite[0] = 1 where no element is infinite or NaN, else 0.
  void (*all_finite)(Ctx, const FlatShape&, const void* x, std::int32_t* finite);

  // --- optimisers, over all tensors of a list at once -----------------------------------------
  // What the steps below take from the gradients as a whole, worked out on the device:
  //   control[0] = norm = grad_scale * sqrt(sum of g^2 over all tensors)
  //   control[1] = clip = min(1, clip_norm / (norm + 1e-6)), 1 where clip_norm is 0
  //   control[2], control[3] = 1 - beta1^t, 1 - beta2^t with t = step - skipped[0]
  // A norm that is not finite (some gradient is not, or their squares pass the range of f32) adds
  // one to skipped[0]: the step that is given this control will change nothing. Only g is read.
  void (*gradient_control)(Ctx, const UpdateLists&, const GradientParams&, float* skipped,
                           float* control);
  // In place on w, master and the state; formulas in shapes.h. `control` may be null: clip is 1 and
  // Adam's corrections are those of the params. Where there is one, its corrections count, and
  // nothing is written if its norm is not finite.
  void (*sgd_step)(Ctx, const UpdateList&, const SgdParams&, const float* control);
  void (*adam_step)(Ctx, const UpdateList&, const AdamParams&, const float* control);
  // average <- decay * average + (1 - decay) * w.
  void (*average_weights)(Ctx, const AverageList&, float decay);
};

}  // namespace lamella
