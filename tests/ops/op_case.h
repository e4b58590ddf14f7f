// One OpCase describes one op at one shape: its operands, how to run it, and its oracle in double.
// From it alone tests/ops/run_case.h derives every check. Families of cases register themselves, so
// a new op is one file in tests/ops/cases.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops.h"
#include "kernels/calls/kernel_line.h"

namespace lamella::test {

using Values = std::vector<double>;

enum class Fill {
  Uniform,       // [-1, 1)
  AwayFromZero,  // Uniform, at least 0.1 from zero: differences never step over the kink of ReLU
  Distinct,      // a shuffled grid of step 0.01: differences never change a maximum
  LargeMean,     // 100 + Uniform: where one-pass variances fail
  Positive,      // [0.5, 1.5)
  Labels,        // 0, 1, ... modulo `classes` of the case, i32
  Bytes,         // 0 .. 255, u8: of images
  Poison,        // NaN: an output
};

enum class Role {
  Differentiable,  // its gradient is checked
  Constant,        // must not change
  State,  // updated in place, or a plain output; compared with what the oracle leaves in it
};

struct Operand {
  std::string name;
  Shape shape;
  Fill fill = Fill::Uniform;
  Role role = Role::Differentiable;
  std::int64_t pitch = 0;  // 0: dense; otherwise a slice in the middle of that many channels

  // Vectors are f32 always: biases, scales, statistics, losses, optimiser state.
  bool has_dtype_of_case() const {
    return shape.rank() > 1 && fill != Fill::Labels && fill != Fill::Bytes;
  }
};

struct OpCase {
  std::string line;  // in the trace grammar: name of the case, and what --case takes
  std::vector<Operand> operands;
  Shape y;
  bool has_y = true;         // false for kernels that work in place
  std::int64_t y_pitch = 0;  // 0: the op makes its output; otherwise it writes a slice
  std::int64_t classes = 0;
  double work = 0;  // multiply-adds or so of one forward: slow devices leave large cases out
  double tolerance = 1e-5;       // relative L2, f32
  DType dtype = DType::F32;      // of every operand that is no vector
  std::optional<DType> y_dtype;  // where y has a type of its own

  // Runs the op on the operands; `out` is undefined unless y_pitch is set.
  std::function<Tensor(Context&, const std::vector<Tensor>& in, const Tensor& out)> apply;
  // Dense operands -> dense y, empty without y; updates State operands in place.
  std::function<Values(std::vector<Values>& in)> ref;
  // Optional: moves filled operands away from kinks that no Fill knows of.
  std::function<void(std::vector<Values>& in)> adjust;
};

// The cases of one op: the kernels whose trace lines describe it, the lines to test, and what makes
// a case of a line. Construct one at namespace scope.
struct OpFamily {
  OpFamily(std::vector<std::string> kernels, std::vector<std::string> lines,
           std::function<OpCase(const KernelLine&)> make);

  std::vector<std::string> kernels;
  std::vector<std::string> lines;  // without the kernel: the first one is meant
  std::function<OpCase(const KernelLine&)> make;
};

const std::vector<const OpFamily*>& op_families();
// Throws Error for a kernel that no family knows. The key dtype=bf16 or dtype=f16 asks for operands
// of that type; those cases are compared as tests/ops/precision.h says.
OpCase make_case(const std::string& line);

}  // namespace lamella::test
