// The plain structs that describe one kernel call. A kernel sees these and raw pointers, nothing
// else, so that a student or a bench can call it without a tensor.
//
// Letters, everywhere: N C H W input, K R S filter, P Q output. Layout is NHWC; filters are
// [K,R,S,C]. A *pitch* is the number of elements from one pixel to the next (>= channels), so an
// operand may be a channel slice of a wider buffer. All counts are elements, never bytes.
#pragma once

#include <cstdint>

#include "kernels/dtype.h"

namespace lamella {

// Whether a kernel overwrites its gradient output or adds to it.
enum class Write : std::uint8_t { Set, Add };

// A matrix of `pixels` rows and C channels, read at x_pitch and written at y_pitch.
struct SliceShape {
  std::int64_t pixels = 0, C = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// y = a + b or a * b; all three may be slices.
struct AddShape {
  std::int64_t pixels = 0, C = 0;
  std::int64_t a_pitch = 0, b_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// A matrix of `pixels` rows and C channels of one type, written in another.
struct CastShape {
  std::int64_t pixels = 0, C = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType x_dtype = DType::F32, y_dtype = DType::F32;
};

// Cross-correlation of x [N,H,W,C] with w [K,R,S,C] into y [N,P,Q,K];
// P = (H + 2 pad_h - R) / stride_h + 1, Q likewise.
struct Conv2dShape {
  std::int64_t N = 0, H = 0, W = 0, C = 0;
  std::int64_t K = 0, R = 0, S = 0;
  std::int64_t P = 0, Q = 0;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// y [N,K] = x [N,C] w[K,C]^T + bias [K]. x and y may be slices; w is dense.
struct LinearShape {
  std::int64_t N = 0, C = 0, K = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// Batch norm over `pixels` = N*H*W rows, with ReLU fused on either side:
//   z = relu_in ? max(x, 0) : x
//   t = gamma * (z - mean) / sqrt(var + eps) + beta
//   y = relu_out ? max(t, 0) : t
// The statistics are those of z. `training` says whether mean and var were computed from this
// batch: it decides the backward formula, nothing else.
struct BatchNormShape {
  std::int64_t pixels = 0, C = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  float eps = 1e-5F;
  bool relu_in = false, relu_out = false;
  bool training = true;
  DType dtype = DType::F32;
};

// A convolution of the normalised image: x goes through batch norm and its ReLUs (BatchNormShape)
// on the way into conv; padding is zero after them.
struct NormConv2dShape {
  Conv2dShape conv;
  float eps = 1e-5F;
  bool relu_in = false, relu_out = false;
};

// Pooling of x [N,H,W,C] with an R x S window into y [N,P,Q,C]. P and Q are given (ceil mode is the
// caller's arithmetic); windows are clipped to the padded input.
// Adaptive, for average pooling only: P x Q windows that cover x evenly. Window p reads the rows
// from p H / P, rounded down, to (p + 1) H / P, rounded up, columns likewise; R, S, strides and
// pads mean nothing then, and count_include_pad is false.
struct Pool2dShape {
  std::int64_t N = 0, H = 0, W = 0, C = 0;
  std::int64_t R = 0, S = 0;
  std::int64_t P = 0, Q = 0;
  std::int64_t stride_h = 1, stride_w = 1;
  std::int64_t pad_h = 0, pad_w = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  bool count_include_pad = true;  // average pooling only
  bool adaptive = false;
  DType dtype = DType::F32;
};

// x [N,pixels,C] -> y [N,C], the mean over the pixels of one image.
struct GlobalPoolShape {
  std::int64_t N = 0, pixels = 0, C = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// Images x [N,H,W,C] -> y [N,P,Q,C].
struct ResampleShape {
  std::int64_t N = 0, H = 0, W = 0, C = 0;
  std::int64_t P = 0, Q = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// N images of `pixels` pixels each, x and y [N,pixels,C].
struct ImageShape {
  std::int64_t N = 0, pixels = 0, C = 0;
  std::int64_t x_pitch = 0, y_pitch = 0;
  DType dtype = DType::F32;
};

// Softmax over C classes of N rows; rows are x_pitch apart, probabilities dense [N,C].
struct SoftmaxShape {
  std::int64_t N = 0, C = 0;
  std::int64_t x_pitch = 0;
  DType dtype = DType::F32;
};

// What the rows of a cross-entropy loss are to be, in device memory. The target t[n,c] is 1 at
// labels[n] and 0 elsewhere, or probabilities[n,c]; then (1 - label_smoothing) * t +
// label_smoothing / C, times class_weights[c].
struct LossTargets {
  const std::int32_t* labels = nullptr;  // [N]
  const float* probabilities = nullptr;  // [N,C] dense; used where there are no labels
  const float* class_weights = nullptr;  // [C]; null: all 1
  float label_smoothing = 0;             // in [0, 1]
};

// A flat run of `count` elements: parameters, gradients, optimiser state.
struct FlatShape {
  std::int64_t count = 0;
  DType dtype = DType::F32;
};

// Addresses one dropout mask. Element e of the logical NHWC tensor is kept iff
// philox(counter = {e / 4, step, layer}, key = seed)[e % 4] < keep_below: an integer comparison,
// the same on every backend and for every pitch (kernels/philox.h).
struct DropoutKey {
  std::uint64_t seed = 0;
  std::uint32_t step = 0, layer = 0;
  std::uint32_t keep_below = 0;  // round(keep_probability * 2^32), at most 2^32 - 1
  float scale = 1.0F;            // 1 / keep_probability
};

// --- lists of tensors, each worked on by one launch ---------------------------------------------
// The structs lie in host memory, the arrays they point to on the device: dense, `count` elements.

// One trained tensor. A step leaves out what its formula does not name: sgd_step v.
struct UpdateTensor {
  std::int64_t count = 0;
  const void* g = nullptr;  // gradient, of the list's dtype
  void* w = nullptr;        // weights, of the list's dtype
  float* master = nullptr;  // the weights in f32, of which w is a rounded copy; null: w is all
  float* m = nullptr;
  float* v = nullptr;
  float weight_decay = 0;
};

struct UpdateList {
  const UpdateTensor* tensors = nullptr;
  std::int64_t tensor_count = 0;
  DType dtype = DType::F32;
};

// Tensors of several types.
struct UpdateLists {
  const UpdateList* lists = nullptr;
  std::int64_t list_count = 0;
};

// One tensor whose values over time are averaged.
struct AverageTensor {
  std::int64_t count = 0;
  const void* w = nullptr;  // of the list's dtype
  float* average = nullptr;
};

struct AverageList {
  const AverageTensor* tensors = nullptr;
  std::int64_t tensor_count = 0;
  DType dtype = DType::F32;
};

// With d = grad_scale * clip * g + weight_decay * w (clip: gradient_control in kernel_table.h):
//   m <- momentum * m + d;  w <- w - lr * (nesterov ? d + momentum * m : m).
struct SgdParams {
  float lr = 0, momentum = 0;
  bool nesterov = false;
  float grad_scale = 1;  // one over the factor that the loss was scaled by
};

// Adam, Kingma & Ba 2015, algorithm 1, with d = grad_scale * clip * g + weight_decay * w:
//   m <- b1 m + (1-b1) d;  v <- b2 v + (1-b2) d^2;
//   w <- w - lr * (m / correction1) / (sqrt(v / correction2) + eps).
// Decoupled (AdamW, Loshchilov & Hutter 2019): d has no weight_decay; w <- w - lr * weight_decay *
// w comes first.
struct AdamParams {
  float lr = 0, beta1 = 0.9F, beta2 = 0.999F, eps = 1e-8F;
  float correction1 = 1, correction2 = 1;  // 1 - beta^step
  bool decoupled = false;
  float grad_scale = 1;
};

// What gradient_control needs to know besides the gradients.
struct GradientParams {
  float grad_scale = 1;
  float clip_norm = 0;         // the largest norm that is not clipped; 0: none is
  float beta1 = 0, beta2 = 0;  // of Adam
  std::int64_t step = 1;       // steps begun, this one included
};

}  // namespace lamella
