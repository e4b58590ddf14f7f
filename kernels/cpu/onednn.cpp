// Long file: only one may see oneDNN. Convolution by oneDNN, 2.6 and 3.x.
//
// It is fast on dense NHWC activations and filters in a layout of its own choice; channel slices
// and filters in a fixed layout make it fall to reference code, 300 times slower. So filters are
// reordered on each call, or once for inference, slices packed into scratch, and the rest goes to
// the own kernels.
#include "kernels/cpu/onednn.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/lru_cache.h"
#include "kernels/cpu/thread_scope.h"

namespace lamella::cpu {
namespace {

using Memory = dnnl::memory;
using Tag = Memory::format_tag;
constexpr auto kF32 = Memory::data_type::f32;
constexpr std::size_t kPlansKept = 512;

// A primitive and the layouts it wants; no primitive: oneDNN has only reference code.
struct Plan {
  bool turned = false;  // backward-data run as a forward convolution of dy, taps in reverse
  std::string implementation;
  dnnl::primitive primitive;
  Memory::desc x, w, y, bias, scratchpad;
  dnnl::primitive reorder_w;  // between ours and the primitive's; empty where they are the same
  Memory::desc own_w, reorder_scratchpad;
};

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// --- plans --------------------------------------------------------------------------------------

dnnl::primitive_attr scratchpad_attr(bool relu = false) {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (!relu) return attr;
  dnnl::post_ops after;
#if DNNL_VERSION_MAJOR >= 3
  after.append_eltwise(dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#else
  after.append_eltwise(1.0F, dnnl::algorithm::eltwise_relu, 0.0F, 0.0F);
#endif
  attr.set_post_ops(after);
  return attr;
}

// What stands behind a convolution.
struct Epilogue {
  bool bias = false, relu = false;
};

// The operands as oneDNN names them, and the differences between its two interfaces.
struct ConvDescription {
  ConvDescription(const Conv2dShape& s, Epilogue epilogue)
      : x({s.N, s.C, s.H, s.W}, kF32, Tag::nhwc),
        w({s.K, s.C, s.R, s.S}, kF32, Tag::any),
        y({s.N, s.K, s.P, s.Q}, kF32, Tag::nhwc),
        own_w({s.K, s.C, s.R, s.S}, kF32, Tag::ohwi),
        strides({s.stride_h, s.stride_w}),
        padding({s.pad_h, s.pad_w}),
        // What the windows do not reach at the far edge is padding left out.
        padding_end({(s.P - 1) * s.stride_h + s.R - s.H - s.pad_h,
                     (s.Q - 1) * s.stride_w + s.S - s.W - s.pad_w}),
        relu(epilogue.relu) {
    if (epilogue.bias) bias = Memory::desc({s.K}, kF32, Tag::x);
  }

  static constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  static constexpr auto kTraining = dnnl::prop_kind::forward_training;

  auto forward() const {
    using Forward = dnnl::convolution_forward;
#if DNNL_VERSION_MAJOR >= 3
    return Forward::primitive_desc(cpu_engine(), kTraining, kDirect, x, w, bias, y, strides,
                                   padding, padding_end, scratchpad_attr(relu));
#else
    return Forward::primitive_desc(
        Forward::desc(kTraining, kDirect, x, w, bias, y, strides, padding, padding_end),
        scratchpad_attr(relu), cpu_engine());
#endif
  }

  template <class Backward>
  auto backward() const {
#if DNNL_VERSION_MAJOR >= 3
    return typename Backward::primitive_desc(cpu_engine(), kDirect, x, w, y, strides, padding,
                                             padding_end, forward(), scratchpad_attr());
#else
    return typename Backward::primitive_desc(
        typename Backward::desc(kDirect, x, w, y, strides, padding, padding_end), scratchpad_attr(),
        cpu_engine(), forward());
#endif
  }

  Memory::desc x, w, y, own_w, bias;
  Memory::dims strides, padding, padding_end;
  bool relu;
};

template <class Description>
bool is_reference(const Description& description) {
  return std::strstr(description.impl_info_str(), "ref") != nullptr;
}

void add_filter_reorder(Plan& plan, bool to_own) {
  if (plan.w == plan.own_w) return;
  const Memory::desc& from = to_own ? plan.w : plan.own_w;
  const Memory::desc& to = to_own ? plan.own_w : plan.w;
  const dnnl::reorder::primitive_desc description(cpu_engine(), from, cpu_engine(), to,
                                                  scratchpad_attr());
  plan.reorder_scratchpad = description.scratchpad_desc();
  plan.reorder_w = dnnl::reorder(description);
}

// Backward-data of stride 1 is a forward convolution of dy with the filters turned by 180 degrees,
// which oneDNN's forward code does 10-20 % faster. Its filters are w with the taps reversed, read
// with K and C exchanged.
std::optional<Plan> plan_turned(const Conv2dShape& s) {
  constexpr std::int64_t kLeastChannels = 16;
  if (s.stride_h != 1 || s.stride_w != 1 || s.pad_h >= s.R || s.pad_w >= s.S) return {};
  if (s.C < kLeastChannels || s.K < kLeastChannels) return {};
  Conv2dShape forward = s;
  forward.H = s.P, forward.W = s.Q, forward.C = s.K;
  forward.P = s.H, forward.Q = s.W, forward.K = s.C;
  forward.pad_h = s.R - 1 - s.pad_h, forward.pad_w = s.S - 1 - s.pad_w;
  const ConvDescription conv(forward, {});
  const auto description = conv.forward();
  if (std::strncmp(description.impl_info_str(), "brg", 3) != 0) return {};
  Plan plan;
  plan.turned = true;
  plan.implementation = description.impl_info_str();
  plan.primitive = dnnl::convolution_forward(description);
  plan.x = conv.y, plan.y = conv.x, plan.w = description.weights_desc();
  plan.own_w = Memory::desc({s.C, s.K, s.R, s.S}, kF32, {1, s.R * s.S * s.C, s.S * s.C, s.C});
  plan.scratchpad = description.scratchpad_desc();
  add_filter_reorder(plan, false);
  return plan;
}

Plan make_plan(ConvKind kind, const Conv2dShape& shape, Epilogue epilogue) {
  if (kind == ConvKind::BackwardData)
    if (std::optional<Plan> turned = plan_turned(shape)) return *turned;
  const ConvDescription conv(shape, epilogue);
  Plan plan;
  plan.x = conv.x, plan.y = conv.y, plan.bias = conv.bias, plan.own_w = conv.own_w;
  const auto use = [&](const auto& description, const Memory::desc& w, auto primitive) {
    if (is_reference(description)) return;
    plan.implementation = description.impl_info_str();
    plan.scratchpad = description.scratchpad_desc();
    plan.w = w;
    plan.primitive = primitive(description);
    add_filter_reorder(plan, kind == ConvKind::BackwardWeight);
  };
  using Data = dnnl::convolution_backward_data;
  using Weights = dnnl::convolution_backward_weights;
  if (kind == ConvKind::Forward) {
    const auto d = conv.forward();
    use(d, d.weights_desc(), [](const auto& pd) { return dnnl::convolution_forward(pd); });
  } else if (kind == ConvKind::BackwardData) {
    const auto d = conv.backward<Data>();
    use(d, d.weights_desc(), [](const auto& pd) { return Data(pd); });
  } else {
    const auto d = conv.backward<Weights>();
    use(d, d.diff_weights_desc(), [](const auto& pd) { return Weights(pd); });
  }
  return plan;
}

Plan plan_or_none(ConvKind kind, const Conv2dShape& shape, Epilogue epilogue) {
  try {
    return make_plan(kind, shape, epilogue);
  } catch (const dnnl::error&) {  // not implemented: the own kernels take the shape
    return {};
  }
}

// Plans are kept by everything that decides them. A primitive keeps the number of threads that it
// was made for.
std::shared_ptr<const Plan> find_plan(ConvKind kind, const Conv2dShape& s, Epilogue epilogue,
                                      int threads) {
  using Key = std::array<std::int64_t, 17>;
  static LruCache<Key, Plan> cache(kPlansKept);
  const Key key = {static_cast<std::int64_t>(kind),
                   s.N,
                   s.H,
                   s.W,
                   s.C,
                   s.K,
                   s.R,
                   s.S,
                   s.P,
                   s.Q,
                   s.stride_h,
                   s.stride_w,
                   s.pad_h,
                   s.pad_w,
                   epilogue.bias,
                   epilogue.relu,
                   threads};
  return cache.get(key, [&] {
    const ThreadScope scope(threads);
    return plan_or_none(kind, s, epilogue);
  });
}

// --- one call -----------------------------------------------------------------------------------

// A run of one plan: its scratch, cut into pieces, and its arguments.
class Run {
 public:
  Run(const KernelContext& ctx, const Plan& plan) : ctx_(ctx), plan_(plan), threads_(ctx.threads) {}

  // Reserves room for `bytes` in the workspace; at() gives it after allocate().
  std::size_t reserve(std::size_t bytes) {
    const std::size_t offset = used_;
    used_ += (bytes + 255) / 256 * 256;
    return offset;
  }
  void allocate() { base_ = ctx_.scratch<char>(static_cast<std::int64_t>(used_)); }
  void* at(std::size_t offset) const { return base_ + offset; }

  Memory memory(const Memory::desc& desc, const void* data) const {
    return Memory(desc, cpu_engine(), const_cast<void*>(data));
  }
  void execute(const dnnl::primitive& primitive, std::unordered_map<int, Memory> arguments) const {
    dnnl::stream stream(cpu_engine());
    primitive.execute(stream, arguments);
    stream.wait();
  }
  void reorder_filters(const Memory::desc& from, const void* source, const Memory::desc& to,
                       void* target, void* scratchpad) const {
    execute(plan_.reorder_w, {{DNNL_ARG_FROM, memory(from, source)},
                              {DNNL_ARG_TO, memory(to, target)},
                              {DNNL_ARG_SCRATCHPAD, memory(plan_.reorder_scratchpad, scratchpad)}});
  }

 private:
  const KernelContext& ctx_;
  const Plan& plan_;
  ThreadScope threads_;
  char* base_ = nullptr;
  std::size_t used_ = 0;
};

SliceShape input_slice(const Conv2dShape& s) {
  return {s.N * s.H * s.W, s.C, s.x_pitch, s.C, DType::F32};
}
SliceShape output_slice(const Conv2dShape& s) {
  return {s.N * s.P * s.Q, s.K, s.y_pitch, s.K, DType::F32};
}
SliceShape reversed(SliceShape s) {
  std::swap(s.x_pitch, s.y_pitch);
  return s;
}

// The operand itself when it is dense, else a dense copy in scratch.
const void* dense(const KernelContext& ctx, const SliceShape& slice, const void* data, void* room) {
  if (slice.x_pitch == slice.C) return data;
  cpu_own_table().copy(ctx, slice, data, room, Write::Set);
  return room;
}

// w with its taps in reverse, written to `room`.
const void* reverse_taps(const Conv2dShape& s, const void* w, void* room) {
  const std::int64_t taps = s.R * s.S;
  for (std::int64_t i = 0; i < s.K * taps; ++i) {
    const std::int64_t to = i / taps * taps + taps - 1 - i % taps;
    std::copy_n(static_cast<const float*>(w) + i * s.C, s.C, static_cast<float*>(room) + to * s.C);
  }
  return room;
}

bool nothing_to_do(const Conv2dShape& s) {
  return s.N * s.P * s.Q * s.C * s.K == 0;
}

// The plan of a call, or null where the own kernels must do it.
std::shared_ptr<const Plan> usable_plan(const KernelContext& ctx, ConvKind kind,
                                        const Conv2dShape& shape, Epilogue epilogue) {
  if (shape.dtype != DType::F32 || nothing_to_do(shape)) return nullptr;
  auto plan = find_plan(kind, shape, epilogue, ctx.threads);
  return plan->primitive ? plan : nullptr;
}

// What goes in and comes out of a forward or backward-data call.
struct Pixels {
  SliceShape in_slice, out_slice;
  Memory::desc in_desc, out_desc;
  int in_argument, out_argument;
  const void* in;
  void* out;
  Write write;
};

// w as the engine has it or, `packed`, as the plan wants it.
void apply_filters(const KernelContext& ctx, const Conv2dShape& shape, const Plan& plan,
                   const Pixels& pixels, const void* w, const float* bias, bool packed = false) {
  const SliceShape &in = pixels.in_slice, &out = pixels.out_slice;
  const bool direct = out.x_pitch == out.C && pixels.write == Write::Set;
  Run run(ctx, plan);
  const std::size_t scratchpad = run.reserve(plan.scratchpad.get_size());
  const std::size_t reorder_scratchpad = run.reserve(plan.reorder_scratchpad.get_size());
  const bool reorder = plan.reorder_w && !packed;
  const std::size_t filters = run.reserve(reorder ? plan.w.get_size() : 0);
  const std::size_t turned = run.reserve(plan.turned ? plan.own_w.get_size() : 0);
  const std::size_t packed_in = run.reserve(in.x_pitch == in.C ? 0 : pixels.in_desc.get_size());
  const std::size_t packed_out = run.reserve(direct ? 0 : pixels.out_desc.get_size());
  run.allocate();
  if (plan.turned) w = reverse_taps(shape, w, run.at(turned));
  if (reorder)
    run.reorder_filters(plan.own_w, w, plan.w, run.at(filters), run.at(reorder_scratchpad));
  void* result = direct ? pixels.out : run.at(packed_out);
  const void* source = dense(ctx, in, pixels.in, run.at(packed_in));
  std::unordered_map<int, Memory> arguments = {
      {pixels.in_argument, run.memory(pixels.in_desc, source)},
      {DNNL_ARG_WEIGHTS, run.memory(plan.w, reorder ? run.at(filters) : w)},
      {pixels.out_argument, run.memory(pixels.out_desc, result)},
      {DNNL_ARG_SCRATCHPAD, run.memory(plan.scratchpad, run.at(scratchpad))}};
  if (bias != nullptr) arguments.emplace(DNNL_ARG_BIAS, run.memory(plan.bias, bias));
  run.execute(plan.primitive, std::move(arguments));
  if (!direct) cpu_own_table().copy(ctx, reversed(out), result, pixels.out, pixels.write);
}

void conv2d_fwd(const KernelContext& ctx, const Conv2dShape& shape, const void* x, const void* w,
                const float* bias, void* y) {
  const auto plan = usable_plan(ctx, ConvKind::Forward, shape, {bias != nullptr, false});
  if (plan == nullptr) return cpu_own_table().conv2d_fwd(ctx, shape, x, w, bias, y);
  apply_filters(ctx, shape, *plan,
                {input_slice(shape), output_slice(shape), plan->x, plan->y, DNNL_ARG_SRC,
                 DNNL_ARG_DST, x, y, Write::Set},
                w, bias);
}

void conv2d_bwd_data(const KernelContext& ctx, const Conv2dShape& shape, const void* dy,
                     const void* w, void* dx, Write write) {
  const auto plan = usable_plan(ctx, ConvKind::BackwardData, shape, {});
  if (plan == nullptr) return cpu_own_table().conv2d_bwd_data(ctx, shape, dy, w, dx, write);
  apply_filters(ctx, shape, *plan,
                {output_slice(shape), input_slice(shape), plan->y, plan->x,
                 plan->turned ? DNNL_ARG_SRC : DNNL_ARG_DIFF_DST,
                 plan->turned ? DNNL_ARG_DST : DNNL_ARG_DIFF_SRC, dy, dx, write},
                w, nullptr);
}

void conv2d_bwd_weight(const KernelContext& ctx, const Conv2dShape& shape, const void* x,
                       const void* dy, void* dw, Write write) {
  const auto plan = usable_plan(ctx, ConvKind::BackwardWeight, shape, {});
  if (plan == nullptr) return cpu_own_table().conv2d_bwd_weight(ctx, shape, x, dy, dw, write);
  const SliceShape in = input_slice(shape), out = output_slice(shape);
  Run run(ctx, *plan);
  const std::size_t scratchpad = run.reserve(plan->scratchpad.get_size());
  const std::size_t reorder_scratchpad = run.reserve(plan->reorder_scratchpad.get_size());
  const std::size_t filters = run.reserve(plan->w.get_size());
  const std::size_t own_filters = run.reserve(plan->own_w.get_size());
  const std::size_t packed_x = run.reserve(in.x_pitch == in.C ? 0 : plan->x.get_size());
  const std::size_t packed_y = run.reserve(out.x_pitch == out.C ? 0 : plan->y.get_size());
  run.allocate();
  void* own = write == Write::Set ? dw : run.at(own_filters);
  void* result = plan->reorder_w ? run.at(filters) : own;
  run.execute(plan->primitive,
              {{DNNL_ARG_SRC, run.memory(plan->x, dense(ctx, in, x, run.at(packed_x)))},
               {DNNL_ARG_DIFF_DST, run.memory(plan->y, dense(ctx, out, dy, run.at(packed_y)))},
               {DNNL_ARG_DIFF_WEIGHTS, run.memory(plan->w, result)},
               {DNNL_ARG_SCRATCHPAD, run.memory(plan->scratchpad, run.at(scratchpad))}});
  if (plan->reorder_w)
    run.reorder_filters(plan->w, result, plan->own_w, own, run.at(reorder_scratchpad));
  const std::int64_t count = shape.K * shape.R * shape.S * shape.C;
  if (own != dw) cpu_own_table().copy(ctx, {1, count, count, count}, own, dw, Write::Add);
}

// --- inference ----------------------------------------------------------------------------------

// Always with a bias: what batch norm leaves behind where it is folded into the filters.
std::shared_ptr<const Plan> fused_plan(const KernelContext& ctx, const FusedConv2dShape& shape) {
  if (shape.normalised) return nullptr;
  return usable_plan(ctx, ConvKind::Forward, shape.norm.conv, {true, shape.relu});
}

// Layouts of filters are numbered as they are met.
std::uint64_t number_of(const Memory::desc& layout) {
  constexpr std::uint64_t kFirst = 16;
  static std::mutex mutex;
  static std::vector<Memory::desc> known;
  const std::lock_guard lock(mutex);
  const auto found = std::find(known.begin(), known.end(), layout);
  const auto index = static_cast<std::uint64_t>(found - known.begin());
  if (found == known.end()) known.push_back(layout);
  return kFirst + index;
}

std::uint64_t fused_layout(const KernelContext& ctx, const FusedConv2dShape& shape) {
  const auto plan = fused_plan(ctx, shape);
  return plan == nullptr ? 0 : number_of(plan->w);
}

std::int64_t fused_bytes(const KernelContext& ctx, const FusedConv2dShape& shape) {
  return static_cast<std::int64_t>(fused_plan(ctx, shape)->w.get_size());
}

void fused_pack(const KernelContext& ctx, const FusedConv2dShape& shape, const void* w,
                void* packed) {
  const auto plan = fused_plan(ctx, shape);
  Run run(ctx, *plan);
  const std::size_t scratchpad = run.reserve(plan->reorder_scratchpad.get_size());
  run.allocate();
  if (plan->reorder_w) {
    run.reorder_filters(plan->own_w, w, plan->w, packed, run.at(scratchpad));
  } else {
    std::memcpy(packed, w, plan->w.get_size());
  }
}

void fused_run(const KernelContext& ctx, const FusedConv2dShape& shape, const void* x, const float*,
               const float*, const float*, const float*, const void* packed, const float* bias,
               void* y) {
  const Conv2dShape& conv = shape.norm.conv;
  const auto plan = fused_plan(ctx, shape);
  apply_filters(ctx, conv, *plan,
                {input_slice(conv), output_slice(conv), plan->x, plan->y, DNNL_ARG_SRC,
                 DNNL_ARG_DST, x, y, Write::Set},
                packed, bias, true);
}

void limit_isa(const char* isa) {
  if (std::getenv("DNNL_MAX_CPU_ISA") != nullptr || std::getenv("ONEDNN_MAX_CPU_ISA") != nullptr)
    return;
  // A refusal means that oneDNN has already run in this process: its choice stands.
  if (std::strcmp(isa, "v2") == 0) static_cast<void>(dnnl_set_max_cpu_isa(dnnl_cpu_isa_sse41));
  if (std::strcmp(isa, "v3") == 0) static_cast<void>(dnnl_set_max_cpu_isa(dnnl_cpu_isa_avx2));
}

}  // namespace

std::string onednn_implementation(ConvKind kind, const Conv2dShape& shape, int threads) {
  cpu_onednn_table();  // the first call of it bounds the instruction set
  return find_plan(kind, shape, {kind == ConvKind::Forward, false}, threads)->implementation;
}

const KernelTable* onednn_table(const char* isa) {
  static const KernelTable table = [&] {
    limit_isa(isa);
    KernelTable entries{};
    entries.conv2d_fwd = conv2d_fwd;
    entries.conv2d_bwd_data = conv2d_bwd_data;
    entries.conv2d_bwd_weight = conv2d_bwd_weight;
    return entries;
  }();
  return &table;
}

const FusedConvolution* onednn_fused() {
  static const FusedConvolution fused{fused_layout, fused_bytes, fused_pack, fused_run};
  return &fused;
}

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace lamella::cpu
