#include "bench/measured_call.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <map>

#include "bench/formula_values.h"
#include "engine/errors.h"

namespace lamella::bench {
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kBatchSeconds = 1e-3;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// The entries behind a name, in order; those of `before` run once, untimed.
struct Plan {
  std::vector<std::string> before, timed;
};

Plan plan_of(const std::string& name) {
  static const std::map<std::string, Plan> plans = {
      {"relu_bwd", {{"relu_fwd"}, {"relu_bwd"}}},
      {"max_pool2d_bwd", {{"max_pool2d_fwd"}, {"max_pool2d_bwd"}}},
      {"softmax_cross_entropy_bwd", {{"softmax_cross_entropy_fwd"}, {"softmax_cross_entropy_bwd"}}},
      {"batch_norm_fwd", {{}, {"batch_norm_stats", "batch_norm_apply", "batch_norm_update"}}},
      {"batch_norm_bwd", {{"batch_norm_stats"}, {"batch_norm_bwd_reduce", "batch_norm_bwd_apply"}}},
  };
  const auto found = plans.find(name);
  return found == plans.end() ? Plan{{}, {name}} : found->second;
}

// A slice of a buffer as wide as the operand's pitch.
Tensor make_tensor(Context& ctx, const CallOperand& operand) {
  return ctx.empty({operand.rows, operand.pitch}, operand.dtype).slice(0, operand.columns);
}

void fill(Context& ctx, const CallOperand& operand, const KernelLine& line, Tensor& tensor) {
  if (is_floating(operand.dtype)) {
    ctx.copy_from_host(formula_values(operand.name, operand.elements(), operand.initial), tensor);
  } else if (operand.dtype == DType::I32) {
    std::vector<std::int32_t> labels;
    const std::int64_t classes = line.get("C");
    for (std::int64_t i = 0; i < operand.elements(); ++i) {
      labels.push_back(static_cast<std::int32_t>(i % classes));
    }
    tensor = ctx.from_host(labels, {operand.rows, operand.columns});
  } else {
    fail("the bench has no values for ", operand.name, " of \"", line.text(), "\"");
  }
}

}  // namespace

MeasuredCall::MeasuredCall(Context& ctx, const KernelLine& line) : ctx_(ctx) {
  const Plan plan = plan_of(line.kernel());
  for (const std::string& entry : plan.before) add_step(line, entry, false);
  for (const std::string& entry : plan.timed) add_step(line, entry, true);
  ctx_.synchronize();
}

// Operands of the same name are one, but for those of one entry, which may take lists of them.
std::size_t MeasuredCall::place(const CallOperand& operand, const KernelLine& line,
                                std::size_t others) {
  for (std::size_t i = 0; i < others; ++i) {
    const CallOperand& other = placed_[i].operand;
    if (other.name != operand.name) continue;
    if (other.elements() != operand.elements() || other.pitch != operand.pitch ||
        other.dtype != operand.dtype) {
      fail(operand.name, " of \"", line.text(), "\" differs between the entries of one step");
    }
    return i;
  }
  Placed placed{operand, make_tensor(ctx_, operand)};
  if (operand.use != CallOperand::Use::Out) fill(ctx_, operand, line, placed.tensor);
  placed_.push_back(std::move(placed));
  return placed_.size() - 1;
}

void MeasuredCall::add_step(const KernelLine& line, const std::string& entry, bool timed) {
  Step step{make_call(KernelLine(entry + line.text().substr(line.kernel().size()))), {}, {}};
  const std::size_t others = placed_.size();
  for (const CallOperand& operand : step.call.operands) {
    const std::size_t at = place(operand, line, others);
    // What is timed says how an operand is used: that which an entry before wrote is read.
    if (timed && !placed_[at].timed) placed_[at].operand.use = operand.use;
    placed_[at].timed = placed_[at].timed || timed;
    step.operands.push_back(at);
    step.data.push_back(placed_[at].tensor.data());
  }
  if (timed) {
    timed_.push_back(std::move(step));
  } else {
    run(step);
  }
}

void MeasuredCall::run(const Step& step) {
  step.call.run(ctx_.kernels(), ctx_.kernel_context(), step.data);
}

void MeasuredCall::run() {
  for (const Step& step : timed_) run(step);
}

double MeasuredCall::run_batch(std::int64_t calls) {
  const auto start = Clock::now();
  for (std::int64_t i = 0; i < calls; ++i) run();
  ctx_.synchronize();
  return seconds_since(start);
}

double MeasuredCall::seconds_of_a_call(double seconds) {
  const auto start = Clock::now();
  double least = std::numeric_limits<double>::infinity();
  while (std::isinf(least) || seconds_since(start) < seconds) {
    const double batch = run_batch(calls_of_a_batch_);
    if (batch < kBatchSeconds) {
      calls_of_a_batch_ *= 2;
    } else {
      least = std::min(least, batch / static_cast<double>(calls_of_a_batch_));
    }
  }
  return least;
}

std::vector<MeasuredCall::Output> MeasuredCall::outputs() {
  std::vector<Output> all;
  for (const Placed& placed : placed_) {
    const CallOperand& operand = placed.operand;
    if (!placed.timed || operand.use == CallOperand::Use::In || !is_floating(operand.dtype)) {
      continue;
    }
    const std::vector<float> values = ctx_.to_host(placed.tensor);
    Output& output = all.emplace_back(Output{operand.name});
    output.projection = formula_projection(values);
    for (const float value : values) output.norm += static_cast<double>(value) * value;
    output.norm = std::sqrt(output.norm);
  }
  return all;
}

double MeasuredCall::flops() const {
  double sum = 0;
  for (const Step& step : timed_) sum += step.call.flops;
  return sum;
}

double MeasuredCall::least_bytes() const {
  double sum = 0;
  for (const Placed& placed : placed_) {
    if (!placed.timed) continue;
    const double passes = placed.operand.use == CallOperand::Use::InOut ? 2 : 1;
    sum += passes * static_cast<double>(placed.operand.bytes());
  }
  return sum;
}

}  // namespace lamella::bench
