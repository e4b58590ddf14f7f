// Ops that work element by element or only move elements. Their lines give pixels and C; operands
// are [1, 1, pixels, C], and slices where a pitch is given.
#include "kernels/ref/pointwise.h"
#include "tests/ops/op_case.h"

namespace lamella::test {
namespace {

SliceShape dense_shape(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  return {line.get("pixels"), C, C, C, DType::F32};
}

std::int64_t pitch(const KernelLine& line, const std::string& key) {
  return line.get(key, line.get("C")) == line.get("C") ? 0 : line.get(key);
}

// A case of one differentiable operand x and an output of the same shape.
OpCase map_case(const KernelLine& line, Fill fill) {
  const SliceShape s = dense_shape(line);
  OpCase made;
  made.y = {1, 1, s.pixels, s.C};
  made.operands = {{"x", made.y, fill, Role::Differentiable, pitch(line, "x_pitch")}};
  made.y_pitch = pitch(line, "y_pitch");
  made.work = static_cast<double>(made.y.count());
  return made;
}

OpCase relu_case(const KernelLine& line) {
  OpCase made = map_case(line, Fill::AwayFromZero);
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return relu(ctx, in[0], out);
  };
  made.ref = [s = dense_shape(line)](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::relu_fwd(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

OpCase copy_case(const KernelLine& line) {
  OpCase made = map_case(line, Fill::Uniform);
  if (made.y_pitch == 0) made.y_pitch = line.get("C");
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return copy_into(ctx, in[0], out);
  };
  made.ref = [s = dense_shape(line)](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::copy(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

OpCase add_case(const KernelLine& line) {
  OpCase made = map_case(line, Fill::Uniform);
  made.operands = {{"a", made.y, Fill::Uniform, Role::Differentiable, pitch(line, "a_pitch")},
                   {"b", made.y, Fill::Uniform, Role::Differentiable, pitch(line, "b_pitch")}};
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return add(ctx, in[0], in[1], out);
  };
  const std::int64_t C = line.get("C");
  made.ref = [s = AddShape{line.get("pixels"), C, C, C, C, DType::F32}](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::add_fwd(s, in[0].data(), in[1].data(), y.data());
    return y;
  };
  return made;
}

OpCase mul_case(const KernelLine& line) {
  OpCase made = add_case(line);
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return mul(ctx, in[0], in[1], out);
  };
  const std::int64_t C = line.get("C");
  made.ref = [s = AddShape{line.get("pixels"), C, C, C, C, DType::F32}](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::mul(s, in[0].data(), in[1].data(), y.data());
    return y;
  };
  return made;
}

// Extra key: alpha in percent.
OpCase scale_case(const KernelLine& line) {
  const auto alpha = static_cast<float>(line.number("alpha", -37)) / 100.0F;
  OpCase made = map_case(line, Fill::Uniform);
  made.apply = [alpha](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return scale(ctx, in[0], alpha, out);
  };
  made.ref = [s = dense_shape(line), alpha](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::scale(s, double{alpha}, in[0].data(), y.data());
    return y;
  };
  return made;
}

OpCase bias_case(const KernelLine& line) {
  OpCase made = map_case(line, Fill::Uniform);
  made.operands.push_back({"bias", {line.get("C")}});
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return add_bias(ctx, in[0], in[1], out);
  };
  made.ref = [s = dense_shape(line)](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::bias_fwd(s, in[0].data(), in[1].data(), y.data());
    return y;
  };
  return made;
}

// Extra key: to, the type of y. It always writes into `out`: a cast to x's own type is x.
OpCase cast_case(const KernelLine& line) {
  const DType to = line.dtype("to");
  OpCase made = map_case(line, Fill::Uniform);
  if (made.y_pitch == 0) made.y_pitch = line.get("C");
  made.y_dtype = to;
  made.apply = [to](Context& ctx, const std::vector<Tensor>& in, const Tensor& out) {
    return cast(ctx, in[0], to, out);
  };
  const std::int64_t C = line.get("C");
  made.ref = [s = CastShape{line.get("pixels"), C, C, C}](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::cast(s, in[0].data(), y.data());
    return y;
  };
  return made;
}

// Extra keys: p in percent, seed, step and layer of the mask.
OpCase dropout_case(const KernelLine& line) {
  OpCase made = map_case(line, Fill::Uniform);
  const auto p = static_cast<float>(line.number("p", 30)) / 100.0F;
  const auto seed = static_cast<std::uint64_t>(line.get("seed", 5));
  const auto step = static_cast<std::uint32_t>(line.get("step", 3));
  const auto layer = static_cast<std::uint32_t>(line.get("layer", 2));
  made.apply = [p, seed, step, layer](Context& ctx, const std::vector<Tensor>& in,
                                      const Tensor& out) {
    ctx.training = true;
    ctx.seed = seed;
    ctx.step = step;
    return dropout(ctx, in[0], p, layer, out);
  };
  const double keep = 1.0 - double{p};
  DropoutKey key{seed, step, layer, 0, static_cast<float>(1.0 / keep)};
  key.keep_below = static_cast<std::uint32_t>(std::min(keep * 0x1p32 + 0.5, 0x1p32 - 1));
  made.ref = [s = dense_shape(line), key](std::vector<Values>& in) {
    Values y(in[0].size());
    ref::dropout_fwd(s, key, in[0].data(), y.data());
    return y;
  };
  return made;
}

// Three parts of C, C + 1 and 2 channels.
OpCase concat_case(const KernelLine& line) {
  const std::int64_t pixels = line.get("pixels"), C = line.get("C");
  OpCase made;
  const std::int64_t widths[] = {C, C + 1, 2};
  for (const std::int64_t width : widths) {
    const std::int64_t wide = line.get("x_pitch", 0) == 0 ? 0 : width + line.get("x_pitch") - C;
    made.operands.push_back(
        {"part", {1, pixels, 1, width}, Fill::Uniform, Role::Differentiable, wide});
  }
  made.y = {1, pixels, 1, 2 * C + 3};
  made.work = static_cast<double>(made.y.count());
  made.apply = [](Context& ctx, const std::vector<Tensor>& in, const Tensor&) {
    return concat(ctx, in);
  };
  made.ref = [pixels, C](std::vector<Values>& in) {
    Values y(static_cast<std::size_t>(pixels * (2 * C + 3)));
    const std::int64_t joined = 2 * C + 3;
    ref::copy({pixels, C, C, joined, DType::F32}, in[0].data(), y.data());
    ref::copy({pixels, C + 1, C + 1, joined, DType::F32}, in[1].data(), y.data() + C);
    ref::copy({pixels, 2, 2, joined, DType::F32}, in[2].data(), y.data() + 2 * C + 1);
    return y;
  };
  return made;
}

const std::vector<std::string> kSlices = {
    "pixels=1 C=1", "pixels=7 C=3", "pixels=5 C=8", "pixels=64 C=4", "pixels=257 C=1",
    "pixels=129 C=17", "pixels=1031 C=8", "pixels=3 C=1030", "pixels=13 C=5 x_pitch=9",
    "pixels=13 C=5 y_pitch=8", "pixels=11 C=8 x_pitch=24 y_pitch=16",
    "pixels=11 C=8 x_pitch=24 y_pitch=24",
    // What alone rules out accesses of 16 bytes: a pitch (15), or an address (12).
    "pixels=9 C=8 x_pitch=15", "pixels=9 C=8 y_pitch=15", "pixels=9 C=8 x_pitch=12",
    "pixels=9 C=8 y_pitch=12", "pixels=67 C=12 x_pitch=20", "pixels=67 C=12 y_pitch=20",
    "pixels=300 C=6 x_pitch=7 y_pitch=11",
    "pixels=1100001 C=1",  // more than one grid: its threads come back for more
};

const OpFamily relu_family{{"relu_fwd"}, kSlices, relu_case};
const OpFamily copy_family{{"copy"}, kSlices, copy_case};
const OpFamily concat_family{{"concat"},
                             {"pixels=1 C=1", "pixels=37 C=5", "pixels=20 C=8",
                              "pixels=20 C=8 x_pitch=16", "pixels=31 C=3 x_pitch=4"},
                             concat_case};

const std::vector<std::string> kThreeSlices = {
    "pixels=1 C=1",
    "pixels=7 C=3",
    "pixels=64 C=4",
    "pixels=259 C=16",
    "pixels=1031 C=5",
    "pixels=13 C=5 a_pitch=9",
    "pixels=13 C=5 b_pitch=7",
    "pixels=13 C=5 y_pitch=8",
    "pixels=19 C=8 a_pitch=16 b_pitch=24 y_pitch=32",
    "pixels=9 C=8 a_pitch=15",
    "pixels=9 C=8 b_pitch=15",
    "pixels=9 C=8 y_pitch=15",
    "pixels=9 C=8 a_pitch=12",
    "pixels=9 C=8 b_pitch=12",
    "pixels=9 C=8 y_pitch=12",
    "pixels=100 C=6 a_pitch=7 b_pitch=8 y_pitch=11",
    "pixels=1100001 C=1",
};

const OpFamily add_family{{"add_fwd"}, kThreeSlices, add_case};
const OpFamily mul_family{{"mul"}, kThreeSlices, mul_case};
const OpFamily scale_family{{"scale"}, kSlices, scale_case};

const std::vector<std::string> kBiasSlices = {
    "pixels=1 C=1",
    "pixels=7 C=3",
    "pixels=64 C=64",
    "pixels=5 C=300",
    "pixels=1031 C=17",
    "pixels=4099 C=8",
    "pixels=13 C=5 x_pitch=9",
    "pixels=13 C=5 y_pitch=8",
    "pixels=90 C=8 x_pitch=24 y_pitch=16",
    "pixels=9 C=8 x_pitch=15",
    "pixels=9 C=8 y_pitch=15",
    "pixels=9 C=8 x_pitch=12",
    "pixels=9 C=8 y_pitch=12",
    "pixels=270001 C=1",
};
const OpFamily bias_family{{"bias_fwd"}, kBiasSlices, bias_case};

// To each type from each, since every line runs in three; slices and what rules out wide accesses.
const std::vector<std::string> kCasts = {
    "pixels=1 C=1 to=bf16",
    "pixels=7 C=3 to=f16",
    "pixels=7 C=3 to=f32",
    "pixels=129 C=17 to=bf16",
    "pixels=1031 C=8 to=bf16",
    "pixels=1031 C=8 to=f16",
    "pixels=1031 C=8 to=f32",
    "pixels=3 C=1032 to=bf16",
    "pixels=13 C=5 x_pitch=9 to=bf16",
    "pixels=13 C=5 y_pitch=8 to=f16",
    "pixels=11 C=8 x_pitch=24 y_pitch=16 to=f16",
    "pixels=11 C=8 x_pitch=24 y_pitch=24 to=f32",
    "pixels=67 C=12 x_pitch=20 to=bf16",
    "pixels=67 C=12 y_pitch=20 to=f32",
    "pixels=9 C=8 x_pitch=15 to=bf16",
    "pixels=9 C=8 y_pitch=15 to=f16",
    "pixels=9 C=8 x_pitch=12 to=f16",
    "pixels=9 C=8 y_pitch=12 to=bf16",
    "pixels=9 C=4 x_pitch=6 to=f16",
    "pixels=9 C=4 y_pitch=6 to=f32",
    "pixels=1100001 C=1 to=bf16",
};
const OpFamily cast_family{{"cast"}, kCasts, cast_case};

const OpFamily dropout_family{{"dropout_fwd", "dropout_bwd"},
                              {
                                  "pixels=1 C=1 p=50",
                                  "pixels=1 C=2 p=50 seed=1 layer=9",
                                  "pixels=7 C=3",
                                  "pixels=5 C=8 p=20",
                                  "pixels=129 C=17 p=90",
                                  "pixels=1031 C=8 p=35",
                                  "pixels=300 C=1 seed=77",
                                  "pixels=2 C=1030 step=1000",
                                  "pixels=13 C=5 x_pitch=9",
                                  "pixels=13 C=5 y_pitch=8",
                                  "pixels=11 C=8 x_pitch=24 y_pitch=16",
                                  "pixels=41 C=6 x_pitch=7 y_pitch=9 seed=4294967299",
                                  "pixels=9 C=8 x_pitch=15",
                                  "pixels=9 C=8 y_pitch=15",
                                  "pixels=9 C=8 x_pitch=12",
                                  "pixels=9 C=8 y_pitch=12",
                                  "pixels=1100001 C=1",
                              },
                              dropout_case};

}  // namespace
}  // namespace lamella::test
