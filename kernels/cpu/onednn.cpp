// Runs convolutions by oneDNN, as planned (onednn_plans.h).
//
// It is fast on dense NHWC activations and filters in a layout of its own choice; channel slices
// and filters in a fixed layout make it fall to reference code, 300 times slower. So filters are
// reordered on each call, or once for inference, slices packed into scratch, and the rest goes to
// the own kernels.
#include "kernels/cpu/onednn.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <utility>
#include <vector>

#include "kernels/cpu/backend.h"
#include "kernels/cpu/onednn_plans.h"
#include "kernels/cpu/thread_scope.h"

namespace lamella::cpu {
namespace {

using Memory = dnnl::memory;

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
  static std::mutex mutex;
  static std::vector<Memory::desc> known;
  const std::lock_guard lock(mutex);
  const auto found = std::find(known.begin(), known.end(), layout);
  const auto index = static_cast<std::uint64_t>(found - known.begin());
  if (found == known.end()) known.push_back(layout);
  return kFirstOnednnLayout + index;
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
               const float*, const float*, const float*, std::uint64_t, const void* packed,
               const float* bias, void* y) {
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
