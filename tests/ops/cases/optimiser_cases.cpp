// Optimiser steps, the norm of gradients and the average of weights, by their entries in the table:
// each on a list of tensors (keys count and tensors, see tensor_sizes in kernels/calls).
#include <cmath>

#include "kernels/calls/line_shapes.h"
#include "kernels/ref/optim.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

// Of a case without an output. Tensors of one element have no others that a cancelled sum of theirs
// could be small beside.
OpCase in_place_case(const std::vector<std::int64_t>& sizes) {
  OpCase made;
  made.has_y = false;
  if (sizes.size() > 100) made.tolerance = 1e-4;
  return made;
}

// Where the operands of tensor i begin, and what they are. gap=3 and the like makes g and w slices
// whose addresses are no multiples of 16.
struct TensorOperands {
  std::vector<std::int64_t> sizes;
  std::int64_t gap = 0;  // elements between the size of g and w and their pitch
  bool master = false;
  int states = 0;  // m, then v

  explicit TensorOperands(const KernelLine& line)
      : sizes(tensor_sizes(line)), gap(line.get("gap", 0)), master(line.get("master", 0) != 0) {}

  std::size_t each() const { return 2U + (master ? 1U : 0U) + static_cast<std::size_t>(states); }
  std::size_t g(std::size_t tensor) const { return tensor * each(); }
  std::size_t w(std::size_t tensor) const { return g(tensor) + 1; }
  std::size_t weights(std::size_t tensor) const { return w(tensor) + (master ? 1 : 0); }
  std::size_t m(std::size_t tensor) const { return weights(tensor) + 1; }
  std::size_t v(std::size_t tensor) const { return m(tensor) + 1; }

  void add_to(OpCase& made) const {
    for (const std::int64_t size : sizes) {
      const std::int64_t pitch = gap == 0 ? 0 : size + gap;
      made.operands.push_back({"g", {1, size}, Fill::Uniform, Role::Constant, pitch});
      made.operands.push_back(
          {"w", {1, size}, master ? Fill::Poison : Fill::Uniform, Role::State, pitch});
      if (master) made.operands.push_back({"master", {size}, Fill::Uniform, Role::State});
      if (states > 0) made.operands.push_back({"m", {size}, Fill::Uniform, Role::State});
      if (states > 1) made.operands.push_back({"v", {size}, Fill::Positive, Role::State});
      made.work += static_cast<double>(size) * static_cast<double>(each());
    }
  }
  std::vector<UpdateTensor> tensors(const std::vector<Tensor>& in, float decay) const {
    std::vector<UpdateTensor> list;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      UpdateTensor t{sizes[i], in[g(i)].data(), in[w(i)].data()};
      if (master) t.master = in[weights(i)].as<float>();
      if (states > 0) t.m = in[m(i)].as<float>();
      if (states > 1) t.v = in[v(i)].as<float>();
      t.weight_decay = i % 3 == 0 ? decay : 0;
      list.push_back(t);
    }
    return list;
  }
};

UpdateList list_of(const std::vector<UpdateTensor>& tensors, const std::vector<Tensor>& in) {
  return {tensors.data(), static_cast<std::int64_t>(tensors.size()), in[0].dtype()};
}

float percent(const KernelLine& line, const char* key) {
  return static_cast<float>(line.number(key, 0)) / 100.0F;
}

// The control that a step is given, its last operand. Key norm: inf=1 says that gradients were not
// finite, clip in percent.
struct Control {
  bool given = false;
  double norm = 3, clip = 1;

  explicit Control(const KernelLine& line)
      : given(line.has("clip") || line.has("skip")),
        norm(line.get("skip", 0) != 0 ? INFINITY : 3),
        clip(line.number("clip", 100) / 100) {}
  void add_to(OpCase& made, double correction1, double correction2) const {
    if (!given) return;
    made.operands.push_back({"control", {4}, Fill::Uniform, Role::Constant});
    made.adjust = [values = Values{norm, clip, correction1, correction2}](std::vector<Values>& in) {
      in.back() = values;
    };
  }
  const float* of(const std::vector<Tensor>& in) const {
    return given ? in.back().as<const float>() : nullptr;
  }
  // What the step makes of gradient values.
  Values scaled(const Values& g, float grad_scale) const {
    Values all = g;
    for (double& value : all) value *= double{grad_scale} * (given ? clip : 1);
    return all;
  }
  bool skips() const { return given && !std::isfinite(norm); }
};

// Extra keys: momentum, decay and clip in percent, nesterov, scale, master, gap, skip.
OpCase sgd_case(const KernelLine& line) {
  TensorOperands at(line);
  at.states = 1;
  SgdParams p;
  p.lr = 0.125F;
  p.momentum = static_cast<float>(line.number("momentum", 90)) / 100.0F;
  p.nesterov = line.get("nesterov", 0) != 0;
  p.grad_scale = static_cast<float>(line.number("scale", 1));
  const float decay = percent(line, "decay");
  const Control control(line);
  OpCase made = in_place_case(at.sizes);
  at.add_to(made);
  control.add_to(made, 7, 7);
  made.apply = [=](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const auto tensors = at.tensors(in, decay);
    ctx.call("sgd_step", &KernelTable::sgd_step, list_of(tensors, in), p, control.of(in));
    return Tensor();
  };
  made.ref = [=](std::vector<Values>& in) {
    for (std::size_t i = 0; i < at.sizes.size() && !control.skips(); ++i) {
      Values& weights = in[at.weights(i)];
      ref::sgd_step(at.sizes[i], p, i % 3 == 0 ? double{decay} : 0,
                    control.scaled(in[at.g(i)], p.grad_scale).data(), in[at.m(i)].data(),
                    weights.data());
      in[at.w(i)] = weights;
    }
    return Values();
  };
  return made;
}

// Extra keys: step, decay and clip in percent, eps, decoupled, scale, master, gap, skip.
OpCase adam_case(const KernelLine& line) {
  TensorOperands at(line);
  at.states = 2;
  const double step = line.number("step", 1);
  AdamParams p;
  p.lr = 0.01F;
  p.eps = static_cast<float>(line.number("eps", 1e-8));
  p.decoupled = line.get("decoupled", 0) != 0;
  p.grad_scale = static_cast<float>(line.number("scale", 1));
  p.correction1 = static_cast<float>(1 - std::pow(double{p.beta1}, step));
  p.correction2 = static_cast<float>(1 - std::pow(double{p.beta2}, step));
  const float decay = percent(line, "decay");
  const Control control(line);
  OpCase made = in_place_case(at.sizes);
  at.add_to(made);
  control.add_to(made, double{p.correction1}, double{p.correction2});
  AdamParams given = p;  // a control's corrections count, not these
  if (control.given) given.correction1 = given.correction2 = 7;
  made.apply = [=](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const auto tensors = at.tensors(in, decay);
    ctx.call("adam_step", &KernelTable::adam_step, list_of(tensors, in), given, control.of(in));
    return Tensor();
  };
  made.ref = [=](std::vector<Values>& in) {
    for (std::size_t i = 0; i < at.sizes.size() && !control.skips(); ++i) {
      Values& weights = in[at.weights(i)];
      ref::adam_step(at.sizes[i], p, i % 3 == 0 ? double{decay} : 0,
                     control.scaled(in[at.g(i)], p.grad_scale).data(), in[at.m(i)].data(),
                     in[at.v(i)].data(), weights.data());
      in[at.w(i)] = weights;
    }
    return Values();
  };
  return made;
}

// Extra keys: clip, the norm allowed, in thousandths; scale; step; skipped, steps skipped before;
// f32_count, of one more gradient, which is of f32.
OpCase gradient_control_case(const KernelLine& line) {
  const std::vector<std::int64_t> sizes = tensor_sizes(line);
  const std::int64_t gap = line.get("gap", 0);
  GradientParams p;
  p.clip_norm = static_cast<float>(line.number("clip", 0)) / 1000.0F;
  p.grad_scale = static_cast<float>(line.number("scale", 1));
  p.beta1 = 0.9F, p.beta2 = 0.999F;
  p.step = line.get("step", 1);
  const double skipped = line.number("skipped", 0);
  const std::int64_t more = line.get("f32_count", 0);
  OpCase made = in_place_case(sizes);
  for (const std::int64_t size : sizes) {
    const std::int64_t pitch = gap == 0 ? 0 : size + gap;
    made.operands.push_back({"g", {1, size}, Fill::Uniform, Role::Constant, pitch});
    made.work += static_cast<double>(size);
  }
  if (more > 0) made.operands.push_back({"f32 g", {more}, Fill::Uniform, Role::Constant});
  made.operands.push_back({"skipped", {1}, Fill::Uniform, Role::State});
  made.operands.push_back({"control", {4}, Fill::Poison, Role::State});
  made.adjust = [skipped](std::vector<Values>& in) { in[in.size() - 2] = {skipped}; };
  made.apply = [=](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    std::vector<UpdateTensor> tensors;
    for (std::size_t i = 0; i < sizes.size(); ++i) tensors.push_back({sizes[i], in[i].data()});
    const UpdateTensor of_f32{more, in[sizes.size()].data()};
    const UpdateList lists[] = {list_of(tensors, in), {&of_f32, 1, DType::F32}};
    ctx.call("gradient_control", &KernelTable::gradient_control,
             UpdateLists{lists, more > 0 ? 2 : 1}, p, in[in.size() - 2].as<float>(),
             in.back().as<float>());
    return Tensor();
  };
  made.ref = [=](std::vector<Values>& in) {
    std::vector<const double*> g;
    std::vector<std::int64_t> counts;
    for (std::size_t i = 0; i + 2 < in.size(); ++i) {
      g.push_back(in[i].data());
      counts.push_back(static_cast<std::int64_t>(in[i].size()));
    }
    ref::gradient_control(p, g, counts, in[in.size() - 2][0], in.back().data());
    return Values();
  };
  return made;
}

OpCase average_case(const KernelLine& line) {
  const std::vector<std::int64_t> sizes = tensor_sizes(line);
  const std::int64_t gap = line.get("gap", 0);
  constexpr float kDecay = 0.875F;
  OpCase made = in_place_case(sizes);
  for (const std::int64_t size : sizes) {
    const std::int64_t pitch = gap == 0 ? 0 : size + gap;
    made.operands.push_back({"w", {1, size}, Fill::Uniform, Role::Constant, pitch});
    made.operands.push_back({"average", {size}, Fill::Uniform, Role::State});
    made.work += 2 * static_cast<double>(size);
  }
  made.apply = [sizes](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    std::vector<AverageTensor> tensors;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      tensors.push_back({sizes[i], in[2 * i].data(), in[2 * i + 1].as<float>()});
    }
    const AverageList list{tensors.data(), static_cast<std::int64_t>(tensors.size()),
                           in[0].dtype()};
    ctx.call("average_weights", &KernelTable::average_weights, list, kDecay);
    return Tensor();
  };
  made.ref = [](std::vector<Values>& in) {
    for (std::size_t i = 0; i < in.size(); i += 2) {
      for (std::size_t j = 0; j < in[i].size(); ++j) {
        in[i + 1][j] = double{kDecay} * in[i + 1][j] + (1 - double{kDecay}) * in[i][j];
      }
    }
    return Values();
  };
  return made;
}

// More tensors than one launch takes (tensor_list.h) are in the last lines.
const OpFamily sgd_family{
    {"sgd_step"},
    {"count=1", "count=7 momentum=0", "count=64 nesterov=1", "count=259 decay=10",
     "count=1031 nesterov=1 decay=5", "count=4096 tensors=3", "count=4099 tensors=5 decay=10",
     "count=4097", "count=5 tensors=9", "count=9001 tensors=4 master=1 decay=10",
     "count=131 master=1 gap=2", "count=517 gap=3", "count=300 tensors=3 scale=0.125 clip=40",
     "count=64 clip=100 skip=1", "count=3000 tensors=700", "count=1100001 tensors=7"},
    sgd_case};

const OpFamily adam_family{
    {"adam_step"},
    {"count=1", "count=7 step=10", "count=64 eps=0.5", "count=259 decay=10 step=3",
     "count=1031 step=100000", "count=259 decay=10 decoupled=1", "count=4096 tensors=3 step=4",
     "count=4099 tensors=5 decay=10 decoupled=1 step=2", "count=5 tensors=9",
     "count=9001 tensors=4 master=1 decay=10", "count=131 master=1 gap=2 step=5", "count=517 gap=3",
     "count=300 tensors=3 scale=0.125 clip=40 step=7", "count=64 clip=100 skip=1",
     "count=3000 tensors=700", "count=1100001 tensors=7"},
    adam_case};

const OpFamily gradient_control_family{
    {"gradient_control"},
    {"count=1", "count=7 step=10", "count=64 clip=500", "count=1031 clip=1000000 step=1000",
     "count=4099 tensors=5 clip=100 scale=0.25", "count=517 gap=3 step=9 skipped=4",
     "count=5 tensors=9", "count=300 tensors=3 f32_count=5000 clip=500", "count=9000 tensors=1700",
     "count=1100001 tensors=7"},
    gradient_control_case};

const OpFamily average_family{
    {"average_weights"},
    {"count=1", "count=7", "count=64", "count=4099 tensors=5", "count=517 gap=3",
     "count=5 tensors=9", "count=5000 tensors=1300", "count=1100001 tensors=7"},
    average_case};

}  // namespace
}  // namespace lamella::test
