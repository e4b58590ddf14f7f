// argmax, top-k hits, sum and all_finite, by their entries in the table. What they say in integers
// is compared as f32.
#include <cmath>

#include "kernels/ref/ranking.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

SoftmaxShape shape_of(const Tensor& x) {
  return {x.dim(0), x.dim(1), x.pitch(), x.dtype()};
}

// The integers of a tensor as an f32 tensor.
Tensor as_floats(Context& ctx, const Tensor& integers) {
  std::vector<std::int32_t> host(static_cast<std::size_t>(integers.count()));
  ctx.backend().copy_to_host(host.data(), integers.data(), host.size() * sizeof(std::int32_t),
                             ctx.kernel_context().stream);
  return ctx.from_host(std::vector<float>(host.begin(), host.end()), integers.shape());
}

// Extra keys: ties=1 leaves few different values in a row; nan=1 puts NaN into every second row.
OpCase rows_case(const KernelLine& line) {
  const std::int64_t N = line.get("N"), C = line.get("C"), pitch = line.get("x_pitch", C);
  const bool ties = line.get("ties", 0) != 0, nan = line.get("nan", 0) != 0;
  OpCase made;
  made.operands = {{"x", {N, C}, Fill::Uniform, Role::Constant, pitch == C ? 0 : pitch}};
  made.tolerance = 0;
  made.work = static_cast<double>(N * C);
  made.adjust = [=](std::vector<Values>& in) {
    for (std::size_t i = 0; i < in[0].size(); ++i) {
      if (ties) in[0][i] = std::floor(in[0][i] * 3) / 2;
      const auto row = static_cast<std::int64_t>(i) / C, c = static_cast<std::int64_t>(i) % C;
      if (nan && row % 2 == 0 && (c == C / 2 || c == C - 1)) in[0][i] = NAN;
    }
  };
  return made;
}

OpCase argmax_case(const KernelLine& line) {
  OpCase made = rows_case(line);
  const SoftmaxShape s{line.get("N"), line.get("C"), line.get("C"), DType::F32};
  made.y = {s.N};
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const Tensor index = ctx.empty({in[0].dim(0)}, DType::I32);
    ctx.call("argmax", &KernelTable::argmax, shape_of(in[0]), in[0].data(),
             index.as<std::int32_t>());
    return as_floats(ctx, index);
  };
  made.ref = [s](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(s.N));
    ref::argmax(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

// Extra key: classes, of the labels; more than C makes some that no row has.
OpCase top_k_case(const KernelLine& line) {
  OpCase made = rows_case(line);
  const SoftmaxShape s{line.get("N"), line.get("C"), line.get("C"), DType::F32};
  const std::int64_t k = line.get("k", 5);
  made.classes = line.get("classes", s.C);
  made.operands.push_back({"labels", {s.N}, Fill::Labels, Role::Constant});
  made.y = {1};
  made.apply = [k](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const Tensor hits = ctx.empty({1}, DType::I32);
    ctx.call("top_k_hits", &KernelTable::top_k_hits, shape_of(in[0]), k, in[0].data(),
             in[1].as<const std::int32_t>(), hits.as<std::int32_t>());
    return as_floats(ctx, hits);
  };
  made.ref = [s, k](std::vector<Values>& in) {
    return Values{ref::top_k_hits(s, k, in[0].data(), in[1].data())};
  };
  return made;
}

OpCase flat_case(std::int64_t count, Fill fill) {
  OpCase made;
  made.operands = {{"x", {1, count}, fill, Role::Constant}};
  made.y = {1};
  made.work = static_cast<double>(count);
  return made;
}

FlatShape flat_of(const Tensor& x) {
  return {x.count(), x.dtype()};
}

OpCase sum_case(const KernelLine& line) {
  const FlatShape s{line.get("count"), DType::F32};
  OpCase made = flat_case(s.count, Fill::Positive);
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const Tensor result = ctx.empty({1});
    ctx.call("sum", &KernelTable::sum, flat_of(in[0]), in[0].data(), result.as<float>());
    return result;
  };
  made.ref = [s](std::vector<Values>& in) { return Values{ref::sum(s, in[0].data())}; };
  return made;
}

// Extra keys: at, the element that is not finite; inf=1 makes it infinite, otherwise it is NaN.
OpCase all_finite_case(const KernelLine& line) {
  const FlatShape s{line.get("count"), DType::F32};
  const std::int64_t at = line.get("at", -1);
  const double wrong = line.get("inf", 0) != 0 ? -INFINITY : NAN;
  OpCase made = flat_case(s.count, Fill::Uniform);
  made.adjust = [at, wrong](std::vector<Values>& in) {
    if (at >= 0) in[0].at(static_cast<std::size_t>(at)) = wrong;
  };
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const Tensor finite = ctx.empty({1}, DType::I32);
    ctx.call("all_finite", &KernelTable::all_finite, flat_of(in[0]), in[0].data(),
             finite.as<std::int32_t>());
    return as_floats(ctx, finite);
  };
  made.ref = [s](std::vector<Values>& in) { return Values{ref::all_finite(s, in[0].data())}; };
  return made;
}

const OpFamily argmax_family{
    {"argmax"},
    {"N=1 C=1", "N=7 C=14", "N=5 C=33", "N=130 C=5 ties=1", "N=3 C=1000 ties=1", "N=6 C=257 nan=1",
     "N=5 C=14 x_pitch=17", "N=4 C=70 nan=1 ties=1", "N=20001 C=2"},
    argmax_case};
const OpFamily top_k_family{{"top_k_hits"},
                            {"N=1 C=1 k=1", "N=7 C=14", "N=50 C=33 k=10", "N=130 C=7 k=3 ties=1",
                             "N=30 C=100 k=40 ties=1", "N=60 C=25 nan=1 k=2 ties=1",
                             "N=5 C=14 x_pitch=17", "N=40 C=9 classes=14 k=8", "N=20001 C=2 k=1"},
                            top_k_case};
const OpFamily sum_family{
    {"sum"},
    {"count=1", "count=7", "count=128", "count=1031", "count=300007", "count=1100000"},
    sum_case};
const OpFamily all_finite_family{
    {"all_finite"},
    {"count=1", "count=7 at=6", "count=128 at=0 inf=1", "count=128", "count=1031 at=1030",
     "count=5000 at=4321 inf=1", "count=1100000", "count=1100000 at=1099999"},
    all_finite_case};

}  // namespace
}  // namespace lamella::test
