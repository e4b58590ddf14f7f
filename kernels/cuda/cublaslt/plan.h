// The plan of one product. Private to this folder.
//
// Which algorithm: the first of cuBLASLt's own order that takes at most kWorkspaceCap, gives the
// same bits every time and rounds once. So the depth is summed in one piece, or in pieces whose f32
// sums lie in the workspace and are added by a step of its own; not in the result, where they come
// one after another in an order that nothing promises, and not in 16 bits. f32 is multiplied in
// f32: CUBLAS_COMPUTE_32F has no TF32.
//
// cuBLASLt reads matrices by columns, so that a row-major one is its transpose there, and pitches
// are what it calls leading dimensions.
#pragma once

#include "kernels/cuda/cublaslt/cublaslt.h"
#include "kernels/cuda/cublaslt/library.h"

#ifdef LAMELLA_HAS_CUBLASLT
#include <array>

namespace lamella::cuda::cublaslt {

constexpr std::int64_t kWorkspaceCap = std::int64_t{64} << 20;
constexpr std::int64_t kAlignment = 256;  // the best that algorithms may ask of an operand

// All that decides a plan, but for the device, of which a process has one. Whether the result is
// set or added to does not: that is a factor of the launch.
struct Product {
  ProductKind kind = ProductKind::Forward;
  LinearShape shape;
  // Bytes, up to kAlignment; of the bias 0 where there is none.
  std::int64_t x_alignment = kAlignment, w_alignment = kAlignment, y_alignment = kAlignment;
  std::int64_t bias_alignment = 0;

  bool has_bias() const { return bias_alignment > 0; }
  // cuBLASLt adds a bias in the type of the result only. One of f32 to a result of 16 bits makes
  // that result f32 first, dense, in the workspace.
  bool casts() const { return has_bias() && shape.dtype != DType::F32; }
  std::int64_t cast_bytes() const { return casts() ? shape.N * shape.K * 4 : 0; }
  std::array<std::int64_t, 11> key() const {
    return {static_cast<std::int64_t>(kind),
            static_cast<std::int64_t>(shape.dtype),
            shape.N,
            shape.C,
            shape.K,
            shape.x_pitch,
            shape.y_pitch,
            x_alignment,
            w_alignment,
            y_alignment,
            bias_alignment};
  }
};

// `d` (=|+=) `a` `b`, of which each is x, w or y (or their gradients).
template <class T>
struct Roles {
  T a, b, d;
};
template <class T>
Roles<T> roles_of(ProductKind kind, T x, T w, T y) {
  switch (kind) {
    case ProductKind::Forward:
      return {w, x, y};
    case ProductKind::BackwardData:
      return {w, y, x};
    case ProductKind::BackwardWeight:
      break;
  }
  return {x, y, w};
}

struct Plan {
  Operation operation;
  Layout a, b, d;
  cublasLtMatmulAlgo_t algorithm;
  CublasLtPlan facts;
};

// The device of the process, opened with the first call.
cublasLtHandle_t device();

// Throws std::runtime_error where there is none.
Plan best_plan(const Product& product);

}  // namespace lamella::cuda::cublaslt
#endif
