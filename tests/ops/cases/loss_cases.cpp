// Softmax, cross-entropy and the L2 penalty. Extra key: large=1 spreads the logits over hundreds.
#include <algorithm>
#include <numeric>

#include "kernels/ref/loss.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

SoftmaxShape softmax_shape(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  return {line.get("N"), C, C, DType::F32};
}

Operand logits(const KernelLine& line, Role role) {
  const std::int64_t C = line.get("C");
  // The grid of Distinct reaches far beyond what exp can hold, in steps of 0.01.
  const Fill fill = line.get("large", 0) != 0 ? Fill::Distinct : Fill::Uniform;
  const std::int64_t pitch = line.get("x_pitch", C) == C ? 0 : line.get("x_pitch");
  return {"x", {line.get("N"), C}, fill, role, pitch};
}

OpCase softmax_case(const KernelLine& line) {
  OpCase made;
  made.operands = {logits(line, Role::Constant)};
  made.y = made.operands[0].shape;
  made.work = 4 * static_cast<double>(made.y.count());
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    return softmax(ctx, in[0]);
  };
  made.ref = [s = softmax_shape(line)](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::softmax_fwd(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

// Rows of probabilities that add to one.
void normalise_rows(Values& values, std::int64_t C) {
  for (auto row = values.begin(); row < values.end(); row += C) {
    const double sum = std::accumulate(row, row + C, 0.0);
    std::transform(row, row + C, row, [sum](double value) { return value / sum; });
  }
}

// Extra keys: soft=1, targets are probabilities, not labels; weights=1, classes have weights;
// smoothing in percent.
OpCase softmax_cross_entropy_case(const KernelLine& line) {
  const SoftmaxShape s = softmax_shape(line);
  const bool soft = line.get("soft", 0) != 0, weights = line.get("weights", 0) != 0;
  const float smoothing = static_cast<float>(line.number("smoothing", 0)) / 100.0F;
  OpCase made;
  made.operands = {logits(line, Role::Differentiable)};
  if (soft) {
    made.operands.push_back({"probabilities", {s.N * s.C}, Fill::Positive, Role::Constant});
    made.adjust = [C = s.C](std::vector<Values>& in) { normalise_rows(in[1], C); };
  } else {
    made.operands.push_back({"labels", {s.N}, Fill::Labels, Role::Constant});
  }
  if (weights) made.operands.push_back({"weights", {s.C}, Fill::Positive, Role::Constant});
  made.classes = s.C;
  made.work = 4 * static_cast<double>(s.N * s.C);
  made.apply = [=](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const Tensor targets = soft ? in[1].reshape({s.N, s.C}) : in[1];
    return softmax_cross_entropy(ctx, in[0], targets, {weights ? in[2] : Tensor(), smoothing});
  };
  made.ref = [=](std::vector<Values>& in) {
    const std::vector<std::int32_t> labels(in[1].begin(), in[1].end());
    ref::Targets targets;
    if (soft) targets.probabilities = in[1].data();
    if (!soft) targets.labels = labels.data();
    if (weights) targets.class_weights = in[2].data();
    targets.label_smoothing = double{smoothing};
    return Values{ref::softmax_cross_entropy_fwd(s, targets, in[0].data())};
  };
  return made;
}

// Two weights, of `count` and of 3 elements. Extra key: lambda in thousandths.
OpCase l2_penalty_case(const KernelLine& line) {
  const std::int64_t count = line.get("count");
  const auto lambda = static_cast<float>(line.number("lambda", 100)) / 1000.0F;
  OpCase made;
  made.operands = {{"w", {count}}, {"w2", {3}}};
  made.work = static_cast<double>(count);
  made.apply = [lambda](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    return l2_penalty(ctx, in, lambda);
  };
  made.ref = [count, lambda](std::vector<Values>& in) {
    return Values{ref::l2_penalty_fwd({count, DType::F32}, double{lambda}, in[0].data()) +
                  ref::l2_penalty_fwd({3, DType::F32}, double{lambda}, in[1].data())};
  };
  return made;
}

const std::vector<std::string> kRows = {
    "N=1 C=1",
    "N=1 C=2",
    "N=3 C=14",
    "N=12 C=14",
    "N=7 C=31",
    "N=5 C=32",
    "N=4 C=33",
    "N=2 C=1000",
    "N=3 C=1031",
    "N=130 C=5",
    "N=300 C=3",
    "N=6 C=257",
    "N=4 C=50 large=1",
    "N=5 C=14 x_pitch=17",
    "N=9 C=8 x_pitch=24",
    "N=5 C=8 x_pitch=15",
    "N=260 C=14 large=1",
    "N=20001 C=2",
};

// Rows in registers and rows of too many classes, with each kind of target.
const std::vector<std::string> kTargets = {
    "N=7 C=14 smoothing=10",
    "N=7 C=14 weights=1",
    "N=13 C=33 weights=1 smoothing=20",
    "N=7 C=14 soft=1",
    "N=5 C=100 soft=1 weights=1",
    "N=3 C=300 soft=1 smoothing=10",
    "N=2 C=1031 soft=1 weights=1 smoothing=30",
    "N=3 C=1100 weights=1 smoothing=5",
    "N=5 C=12 x_pitch=20 soft=1",
    "N=4 C=50 large=1 smoothing=100 weights=1",
};

std::vector<std::string> both(std::vector<std::string> lines,
                              const std::vector<std::string>& more) {
  lines.insert(lines.end(), more.begin(), more.end());
  return lines;
}

const OpFamily softmax_family{{"softmax_fwd"}, kRows, softmax_case};
const OpFamily softmax_cross_entropy_family{
    {"softmax_cross_entropy_fwd", "softmax_cross_entropy_bwd"},
    both(kRows, kTargets),
    softmax_cross_entropy_case};

const OpFamily l2_penalty_family{{"l2_penalty_fwd", "l2_penalty_bwd"},
                                 {"count=1", "count=7", "count=128 lambda=1", "count=257",
                                  "count=1031", "count=5000 lambda=1000", "count=300007"},
                                 l2_penalty_case};

}  // namespace
}  // namespace lamella::test
