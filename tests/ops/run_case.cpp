#include "tests/ops/run_case.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "engine/errors.h"
#include "tests/ops/fill.h"
#include "tests/ops/gradient.h"
#include "tests/ops/guarded_backend.h"
#include "tests/ops/precision.h"

namespace lamella::test {
namespace {

constexpr std::uint32_t kCotangentStream = 2000;
using Bytes = std::vector<char>;

Values widened(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

std::vector<float> narrowed(const Values& values) {
  std::vector<float> narrow;
  for (const double value : values) narrow.push_back(static_cast<float>(value));
  return narrow;
}

// What one execution leaves behind, one entry per operand where it says so.
struct Outcome {
  Values y;
  DType y_dtype = DType::F32;
  std::vector<Values> states;  // after one forward; empty for other roles
  std::vector<Values> once;    // gradients after one backward
  std::vector<Values> twice;   // and after two
};

// A slice in the middle of a wider buffer, or a dense tensor.
struct Placed {
  Tensor buffer, view;
  Bytes before;  // the buffer's bytes before the op
};

class Execution {
 public:
  Execution(const OpCase& test_case, const Device& device, const std::vector<Values>& values,
            const Values& dy)
      : case_(test_case), ctx_(options(device)), dy_(dy) {
    ctx_.grad_enabled = true;
    if (device.kernels != nullptr) ctx_.replace_kernels(*device.kernels);
    for (std::size_t i = 0; i < values.size(); ++i) place(case_.operands[i], values[i]);
  }

  Outcome run() {
    Outcome outcome;
    const Tensor y = forward();
    if (case_.has_y) outcome.y = widened(ctx_.to_host(y)), outcome.y_dtype = y.dtype();
    for (std::size_t i = 0; i < placed_.size(); ++i) {
      const bool state = case_.operands[i].role == Role::State;
      outcome.states.push_back(state ? widened(ctx_.to_host(placed_[i].view)) : Values());
    }
    if (y.requires_grad()) {
      outcome.once = backward(y);
      outcome.twice = backward(forward());
    }
    check_memory();
    return outcome;
  }

  const std::string& problems() const { return problems_; }

 private:
  static Context::Options options(const Device& device) {
    Context::Options options;
    options.backend = &backend_of(device);
    options.threads = device.threads;
    options.cache_memory = false;
    return options;
  }

  void place(const Operand& operand, const Values& values) {
    if (operand.fill == Fill::Labels) {
      const std::vector<std::int32_t> labels(values.begin(), values.end());
      const Tensor tensor = ctx_.from_host(labels, operand.shape);
      placed_.push_back({tensor, tensor, bytes_of(tensor)});
      return;
    }
    if (operand.fill == Fill::Bytes) {
      placed_.push_back(place_bytes(operand, values));
      return;
    }
    const bool with_grad = operand.role == Role::Differentiable;
    const DType dtype = dtype_of(case_, operand);
    Placed placed = place_empty(operand.shape, operand.pitch, dtype, with_grad);
    ctx_.copy_from_host(narrowed(values), placed.view);
    placed.before = bytes_of(placed.buffer);
    placed_.push_back(placed);
  }

  // Fresh memory is poisoned, by the guarded backend and here, gaps included.
  Placed place_empty(const Shape& shape, std::int64_t pitch, DType dtype, bool with_grad) {
    Placed placed;
    const Shape whole = wide(shape, pitch);
    const std::vector<float> poison(static_cast<std::size_t>(whole.count()),
                                    std::numeric_limits<float>::quiet_NaN());
    placed.buffer = with_grad ? ctx_.empty_with_grad(whole, dtype) : ctx_.empty(whole, dtype);
    ctx_.copy_from_host(poison, placed.buffer);
    placed.view = within(placed.buffer, shape);
    placed.before = bytes_of(placed.buffer);
    return placed;
  }

  // No backend copies bytes between pitches, so that the gap is filled here.
  Placed place_bytes(const Operand& operand, const Values& values) {
    const auto channels = static_cast<std::size_t>(operand.shape.channels());
    const auto pitch = operand.pitch == 0 ? channels : static_cast<std::size_t>(operand.pitch);
    const std::size_t first = (pitch - channels + 1) / 2;
    std::vector<std::uint8_t> bytes(values.size() / channels * pitch, 0xA5);
    for (std::size_t i = 0; i < values.size(); ++i) {
      bytes[i / channels * pitch + first + i % channels] = static_cast<std::uint8_t>(values[i]);
    }
    const Tensor buffer = ctx_.from_host(bytes, wide(operand.shape, operand.pitch));
    return {buffer, within(buffer, operand.shape), bytes_of(buffer)};
  }

  static Shape wide(const Shape& shape, std::int64_t pitch) {
    if (shape.rank() == 4 && pitch != 0) return {shape[0], shape[1], shape[2], pitch};
    if (shape.rank() == 2 && pitch != 0) return {shape[0], pitch};
    return shape;
  }

  // The middle channels of a buffer; where it is dense, all of it. A gap that is a multiple of 8
  // leaves the slice aligned to 16 bytes.
  static Tensor within(const Tensor& buffer, const Shape& shape) {
    if (buffer.shape() == shape) return buffer;
    const std::int64_t first = (buffer.channels() - shape.channels() + 1) / 2;
    return buffer.slice(first, first + shape.channels());
  }

  Tensor forward() {
    std::vector<Tensor> in;
    for (const Placed& placed : placed_) in.push_back(placed.view);
    Tensor out;
    if (case_.y_pitch != 0) {
      outs_.push_back(place_empty(case_.y, case_.y_pitch, dtype_of_y(case_), true));
      out = outs_.back().view;
    }
    return case_.apply(ctx_, in, out);
  }

  std::vector<Values> backward(const Tensor& y) {
    ctx_.tape.backward(ctx_, y, ctx_.from_host(narrowed(dy_), y.shape(), y.dtype()));
    std::vector<Values> gradients;
    for (std::size_t i = 0; i < placed_.size(); ++i) {
      const bool wanted = case_.operands[i].role == Role::Differentiable;
      gradients.push_back(wanted ? gradient(case_.operands[i], placed_[i]) : Values());
    }
    return gradients;
  }

  // The gradient of a slice; the buffer's gradient must stay zero beside it.
  Values gradient(const Operand& operand, const Placed& placed) {
    if (!placed.view.grad().defined()) {
      report("gradient of ", operand.name, " was never written");
      return Values(static_cast<std::size_t>(operand.shape.count()));
    }
    const Values whole = widened(ctx_.to_host(placed.buffer.grad()));
    const Values part = widened(ctx_.to_host(placed.view.grad()));
    const auto not_zero = [](const Values& values) {
      return values.size() -
             static_cast<std::size_t>(std::count(values.begin(), values.end(), 0.0));
    };
    if (not_zero(whole) != not_zero(part)) {
      report("gradient of ", operand.name, " was written beside its slice");
    }
    return part;
  }

  Bytes bytes_of(const Tensor& buffer) {
    Bytes bytes(static_cast<std::size_t>(buffer.count()) * size_of(buffer.dtype()));
    ctx_.backend().copy_to_host(bytes.data(), buffer.data(), bytes.size(),
                                ctx_.kernel_context().stream);
    return bytes;
  }

  void check_memory() {
    for (std::size_t i = 0; i < placed_.size(); ++i) {
      const bool state = case_.operands[i].role == Role::State;
      check_bytes(case_.operands[i].name, placed_[i], state);
    }
    for (const Placed& out : outs_) check_bytes("y", out, true);
  }

  // The bytes of an operand must be what they were; of one that is written, those in the gaps.
  void check_bytes(const std::string& name, const Placed& placed, bool written) {
    const Bytes after = bytes_of(placed.buffer);
    const std::size_t element = size_of(placed.buffer.dtype());
    const auto pitch = static_cast<std::size_t>(placed.buffer.channels());
    const auto first =
        static_cast<std::size_t>(placed.view.as<char>() - placed.buffer.as<char>()) / element;
    const std::size_t last = first + static_cast<std::size_t>(placed.view.channels());
    for (std::size_t i = 0; i < after.size(); ++i) {
      const std::size_t channel = i / element % pitch;
      if (after[i] == placed.before[i]) continue;
      if (written && channel >= first && channel < last) continue;
      report(name, written ? ": the gap beside the slice" : ": an operand that is only read",
             " was written, at element ", i / element);
      return;
    }
  }

  template <class... Parts>
  void report(const Parts&... parts) {
    problems_ += text(parts..., "\n");
  }

  const OpCase& case_;
  Context ctx_;
  const Values dy_;
  std::vector<Placed> placed_, outs_;
  std::string problems_;
};

// Runs the case once more and returns what it leaves; memory problems are added to `problems`.
Outcome execute(const OpCase& test_case, const Device& device, const std::vector<Values>& in,
                const Values& dy, std::string& problems) {
  Outcome outcome;
  findings(device);  // those of a case that ended by an exception
  {
    Execution execution(test_case, device, in, dy);
    outcome = execution.run();
    problems += execution.problems();
  }
  const std::string damage = device.guards ? guard_damage() : "";
  if (!damage.empty()) problems += damage + "\n";
  problems += findings(device);
  return outcome;
}

// The gradients of the same operands on the CPU in f32, which the cases without dtype= hold to
// differences: what gradients in a 16-bit type are compared with, element by element.
std::vector<Values> gradients_in_f32(const OpCase& test_case, const std::vector<Values>& in,
                                     const Values& dy, std::string& problems) {
  OpCase single = test_case;
  single.dtype = DType::F32;
  Device cpu;
  cpu.guards = false;  // they are on the device under test
  return execute(single, cpu, in, dy, problems).once;
}

std::string check_outcome(const OpCase& test_case, const Outcome& outcome,
                          const std::vector<Values>& in, const Values& dy) {
  std::vector<Values> updated = in;
  const Values y = test_case.ref(updated);
  std::string problems = compare(test_case, "y", outcome.y, y, outcome.y_dtype);
  const bool narrow = test_case.dtype != DType::F32 && !outcome.once.empty();
  const std::vector<Values> expected =
      narrow ? gradients_in_f32(test_case, in, dy, problems) : std::vector<Values>();
  for (std::size_t i = 0; i < in.size(); ++i) {
    const Operand& operand = test_case.operands[i];
    const DType dtype = dtype_of(test_case, operand);
    if (operand.role == Role::State) {
      problems += compare(test_case, operand.name, outcome.states[i], updated[i], dtype);
    }
    if (operand.role != Role::Differentiable) continue;
    if (outcome.once.empty()) return problems + "y has no gradient to start backward from\n";
    const std::string name = "gradient of " + operand.name;
    problems += narrow ? compare(test_case, name, outcome.once[i], expected[i], dtype)
                       : check_gradient(test_case, in, dy, i, outcome.once[i]);
    Values doubled = outcome.once[i];
    for (double& value : doubled) value *= 2;
    problems += compare(test_case, name + " after a second backward, which must add",
                        outcome.twice[i], doubled, dtype);
  }
  return problems;
}

// Bit for bit, NaN payloads apart: widening floats to double loses nothing.
bool same_bits(const std::vector<Values>& a, const std::vector<Values>& b) {
  const auto same_bit = [](double x, double y) {
    return std::bit_cast<std::uint64_t>(x) == std::bit_cast<std::uint64_t>(y);
  };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Values& x, const Values& y) {
    return std::equal(x.begin(), x.end(), y.begin(), y.end(), same_bit);
  });
}

bool same_outcome(const Outcome& a, const Outcome& b) {
  const std::vector<Values> ya{a.y}, yb{b.y};
  return same_bits(ya, yb) && same_bits(a.states, b.states) && same_bits(a.once, b.once) &&
         same_bits(a.twice, b.twice);
}

}  // namespace

std::string run_case(const OpCase& test_case, const Device& device) {
  const std::vector<Values> in = make_operands(test_case);
  const std::int64_t outputs = test_case.has_y ? test_case.y.count() : 0;
  Values dy = random_values(outputs, hash_of(test_case.line), kCotangentStream);
  round_to(dtype_of_y(test_case), dy);
  std::string problems;
  set_order_seed(device, device.order_seed);
  const Outcome first = execute(test_case, device, in, dy, problems);
  problems += check_outcome(test_case, first, in, dy);
  for (int i = 1; i < device.order_seeds && problems.empty(); ++i) {
    const std::uint64_t seed = device.order_seed + static_cast<std::uint64_t>(i);
    set_order_seed(device, seed);
    const Outcome again = execute(test_case, device, in, dy, problems);
    if (!same_outcome(first, again)) {
      problems += text("a rerun", device.emulated() ? text(" with order seed ", seed) : "",
                       " gives other bits\n");
    }
  }
  return problems;
}

}  // namespace lamella::test
