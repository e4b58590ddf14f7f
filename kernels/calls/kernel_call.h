// Every entry of the kernel table as something that can be called by a line of text, without a
// tensor: its operands, the least that a call must move and compute, and the call itself. What
// benches kernels, counts their traffic, or puts a kernel of one's own in a table's place starts
// here.
//
// A line is `<entry> key=value ...` (kernel_line.h) with the keys that LAMELLA_TRACE=op prints for
// the entry's shape struct. Pitches may be left out: dense. Further keys: bias=1 (conv2d_fwd,
// linear_fwd), add=1 where the entry takes a Write, momentum, lambda, p (dropout, percent), alpha
// (scale), to (cast: the type of y), those of resample_matrix and fill=1 (image_resample),
// brightness, contrast and saturation (image_jitter, percent), and for the entries that take lists
// of tensors tensors, master=1 and control=1; softmax_cross_entropy_fwd has soft=1, weights=1,
// smoothing and residual=0.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "kernels/calls/kernel_line.h"
#include "kernels/kernel_table.h"

namespace lamella {

// One operand: `rows` rows of `columns` elements, each `pitch` elements from the one before.
struct CallOperand {
  enum class Use { In, Out, InOut };
  std::string name;
  DType dtype = DType::F32;
  std::int64_t rows = 0, columns = 0, pitch = 0;
  Use use = Use::In;
  float initial = 0;            // a value that the call can start from, for In and InOut
  std::vector<float> row = {};  // those of each row where one value is not enough: f32, dense

  std::int64_t elements() const { return rows * columns; }
  // From the first element to the last, gaps included.
  std::int64_t extent() const { return rows == 0 ? 0 : (rows - 1) * pitch + columns; }
  std::int64_t bytes() const { return elements() * static_cast<std::int64_t>(size_of(dtype)); }
};

struct KernelCall {
  std::string line;
  std::vector<CallOperand> operands;
  double flops = 0;  // multiply and add are two
  // Calls the entry of the table; `data` holds a pointer to each operand, on the table's device.
  std::function<void(const KernelTable&, const KernelContext&, const std::vector<void*>& data)> run;

  // Each operand once, an InOut operand twice (read and written).
  std::int64_t least_bytes() const;
};

// Throws std::runtime_error with a sentence for an entry it does not know or a key that is missing.
KernelCall make_call(const KernelLine& line);

// The names of all entries, in the order of the table.
std::vector<std::string> callable_kernels();
// A forward line and the lines of the entries that belong to it in a training step: conv2d_fwd
// stands for conv2d_bwd_data and conv2d_bwd_weight too. Other lines stand for themselves.
std::vector<KernelLine> with_backward(const KernelLine& line);

}  // namespace lamella
