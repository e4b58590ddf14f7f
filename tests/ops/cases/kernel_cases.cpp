// Kernels that no op of engine/ops.h stands for, called by their entry in the table: fill,
// bias_bwd, and relu_bwd at three pitches.
#include "kernels/ref/conv.h"
#include "kernels/ref/pointwise.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

// A case that writes only State operands.
OpCase in_place_case(std::vector<Operand> operands) {
  OpCase made;
  made.operands = std::move(operands);
  made.has_y = false;
  for (const Operand& operand : made.operands) {
    made.work += static_cast<double>(operand.shape.count());
  }
  return made;
}

std::int64_t pitch(const KernelLine& line, const std::string& key) {
  return line.get(key, line.get("C")) == line.get("C") ? 0 : line.get(key);
}

OpCase fill_case(const KernelLine& line) {
  const FlatShape s{line.get("count"), DType::F32};
  const auto value = static_cast<float>(line.number("value", 3));
  OpCase made = in_place_case({{"y", {s.count}, Fill::Poison, Role::State}});
  made.apply = [s, value](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    ctx.call("fill", &KernelTable::fill, s, value, in[0].data());
    return Tensor();
  };
  made.ref = [s, value](std::vector<Values>& in) {
    ref::fill(s, double{value}, in[0].data());
    return Values();
  };
  return made;
}

// Extra key: add=1 adds to db instead of setting it.
OpCase bias_bwd_case(const KernelLine& line) {
  SliceShape s{line.get("pixels"), line.get("C"), line.get("C"), line.get("C"), DType::F32};
  const bool add = line.get("add", 0) != 0;
  OpCase made = in_place_case(
      {{"dy", {1, 1, s.pixels, s.C}, Fill::Uniform, Role::Constant, pitch(line, "x_pitch")},
       {"db", {s.C}, add ? Fill::Uniform : Fill::Poison, Role::State}});
  made.apply = [s, add](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    SliceShape shape = s;
    shape.x_pitch = in[0].pitch(), shape.dtype = in[0].dtype();
    ctx.call("bias_bwd", &KernelTable::bias_bwd, shape, in[0].data(), in[1].as<float>(),
             add ? Write::Add : Write::Set);
    return Tensor();
  };
  made.ref = [s, add](std::vector<Values>& in) {
    Values sum(in[1].size());
    ref::bias_bwd(s, in[0].data(), sum.data());
    for (std::size_t c = 0; c < sum.size(); ++c) in[1][c] = sum[c] + (add ? in[1][c] : 0);
    return Values();
  };
  return made;
}

// dx, y and dy each at a pitch of its own; extra key: add=1.
OpCase relu_bwd_case(const KernelLine& line) {
  const Shape shape{1, 1, line.get("pixels"), line.get("C")};
  const bool add = line.get("add", 0) != 0;
  OpCase made = in_place_case(
      {{"y", shape, Fill::AwayFromZero, Role::Constant, pitch(line, "y_pitch")},
       {"dy", shape, Fill::Uniform, Role::Constant, pitch(line, "dy_pitch")},
       {"dx", shape, add ? Fill::Uniform : Fill::Poison, Role::State, pitch(line, "x_pitch")}});
  // The output of a ReLU has zeros where its input was negative.
  made.adjust = [](std::vector<Values>& in) {
    for (double& y : in[0]) y = y > 0 ? y : 0;
  };
  made.apply = [add](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    const SliceShape s{in[0].pixels(), in[0].channels(), in[2].pitch(), in[0].pitch(),
                       in[0].dtype()};
    ctx.call("relu_bwd", &KernelTable::relu_bwd, s, in[0].data(), in[1].data(), in[1].pitch(),
             in[2].data(), add ? Write::Add : Write::Set);
    return Tensor();
  };
  made.ref = [add](std::vector<Values>& in) {
    for (std::size_t i = 0; i < in[2].size(); ++i) {
      in[2][i] = (add ? in[2][i] : 0) + (in[0][i] > 0 ? in[1][i] : 0);
    }
    return Values();
  };
  return made;
}

const OpFamily fill_family{
    {"fill"},
    {"count=1", "count=7 value=-2", "count=64", "count=1031", "count=1100001"},
    fill_case};

const OpFamily bias_bwd_family{
    {"bias_bwd"},
    {"pixels=1 C=1", "pixels=7 C=3", "pixels=1031 C=2", "pixels=64 C=64 add=1", "pixels=5 C=300",
     "pixels=4099 C=7 add=1", "pixels=33 C=5 x_pitch=9", "pixels=40 C=8 x_pitch=24 add=1",
     "pixels=9 C=8 x_pitch=15"},
    bias_bwd_case};

const OpFamily relu_bwd_family{
    {"relu_bwd"},
    {"pixels=5 C=3 y_pitch=4 dy_pitch=5 x_pitch=7", "pixels=65 C=8 x_pitch=24",
     "pixels=65 C=8 dy_pitch=24", "pixels=65 C=8 y_pitch=24", "pixels=9 C=8 dy_pitch=15",
     "pixels=9 C=8 y_pitch=15", "pixels=9 C=8 x_pitch=15", "pixels=9 C=8 dy_pitch=12",
     "pixels=33 C=12 y_pitch=20 dy_pitch=28 x_pitch=36 add=1"},
    relu_bwd_case};

}  // namespace
}  // namespace lamella::test
