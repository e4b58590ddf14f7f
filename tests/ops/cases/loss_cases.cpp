// Softmax, cross-entropy and the L2 penalty. Extra key: large=1 spreads the logits over hundreds.
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

OpCase softmax_cross_entropy_case(const KernelLine& line) {
  const SoftmaxShape s = softmax_shape(line);
  OpCase made;
  made.operands = {logits(line, Role::Differentiable),
                   {"labels", {s.N}, Fill::Labels, Role::Constant}};
  made.classes = s.C;
  made.work = 4 * static_cast<double>(s.N * s.C);
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    return softmax_cross_entropy(ctx, in[0], in[1]);
  };
  made.ref = [s](std::vector<Values>& in) {
    const std::vector<std::int32_t> labels(in[1].begin(), in[1].end());
    return Values{ref::softmax_cross_entropy_fwd(s, in[0].data(), labels.data())};
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
    "N=130 C=5",
    "N=300 C=3",
    "N=6 C=257",
    "N=4 C=50 large=1",
    "N=5 C=14 x_pitch=17",
    "N=9 C=8 x_pitch=24",
    "N=260 C=14 large=1",
    "N=20001 C=2",
};

const OpFamily softmax_family{{"softmax_fwd"}, kRows, softmax_case};
const OpFamily softmax_cross_entropy_family{
    {"softmax_cross_entropy_fwd", "softmax_cross_entropy_bwd"}, kRows, softmax_cross_entropy_case};

const OpFamily l2_penalty_family{{"l2_penalty_fwd", "l2_penalty_bwd"},
                                 {"count=1", "count=7", "count=128 lambda=1", "count=257",
                                  "count=1031", "count=5000 lambda=1000", "count=300007"},
                                 l2_penalty_case};

}  // namespace
}  // namespace lamella::test
