// Convolution at inference: filters are brought once into the layout that the backend computes
// with, and batch norm and ReLU before it, bias and ReLU behind it are part of the same call.
// Nothing here is differentiated.
#pragma once

#include "engine/ops.h"

namespace lamella {

struct PackedConv2d {
  Tensor w, bias;  // as the layer has them; bias defined
  Conv2dOptions options;
  bool relu = false;  // max(., 0) of the result
  // What the backend made of w, in which layout, and for which images and threads; undefined where
  // it has nothing better.
  Tensor packed;
  std::uint64_t layout = 0;
  Shape images = {};
  int threads = 0;
};

// Packs for images of shape x, which may be several; `normalised`: batch norm stands before. Other
// shapes work too, as fast where they want the same layout. An undefined bias becomes zeros.
PackedConv2d pack_conv2d(Context& ctx, const Tensor& w, const Tensor& bias,
                         const Conv2dOptions& options, bool relu, const Shape& x,
                         bool normalised = false);

// y = r(x * w + bias), r as the filters say.
Tensor packed_conv2d(Context& ctx, const Tensor& x, const PackedConv2d& filters, Tensor out = {});
// The same of batch norm of x, with its running statistics.
Tensor norm_packed_conv2d(Context& ctx, const Tensor& x, const BatchNormTensors& bn,
                          const BatchNormOptions& bn_options, const PackedConv2d& filters,
                          Tensor out = {});

}  // namespace lamella
