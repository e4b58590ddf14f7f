// The shape structs that lines of text describe (kernel_line.h). Pitches that a line leaves out are
// dense; P and Q are worked out, and where the line has them too they must agree.
#pragma once

#include <array>
#include <vector>

#include "kernels/calls/kernel_line.h"
#include "kernels/shapes.h"

namespace lamella {

Conv2dShape conv2d_shape(const KernelLine& line);
NormConv2dShape norm_conv2d_shape(const KernelLine& line);
LinearShape linear_shape(const KernelLine& line);
BatchNormShape batch_norm_shape(const KernelLine& line);
// Extra key ceil=1. A line with P and Q of its own is believed: a trace does not say the mode.
Pool2dShape pool2d_shape(const KernelLine& line);
// P and Q are H and W where left out.
ResampleShape resample_shape(const KernelLine& line);
// The matrix of image_resample that leads from the centre of the result to the centre of the image,
// shift_h= and shift_w= pixels off: a turn
// counter-clockwise by angle= degrees, flip=1 of left and right before it, zoom= percent (100), and
// stretch=1 from P x Q to H x W.
std::array<float, 6> resample_matrix(const KernelLine& line);

// The sizes of tensors=1 to 65536 tensors of count= elements in all, as those of a network: two of
// three are short vectors, as behind a convolution the scale and the shift of its batch norm. Some
// are empty where there are more tensors than elements.
std::vector<std::int64_t> tensor_sizes(const KernelLine& line);

}  // namespace lamella
