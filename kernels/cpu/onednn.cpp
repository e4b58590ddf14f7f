// Convolution by oneDNN, 2.6 and 3.x; the only file that sees it.
//
// oneDNN is fast on dense NHWC activations and on filters in a layout of its own choice; channel
// slices and filters given in a fixed layout make it fall back to reference code, 300 times slower.
// So filters are reordered on each call (7-20 us), slices are packed into scratch, and a shape for
// which it still offers only reference code goes to the own kernels.
#include "kernels/cpu/onednn.h"

#include <omp.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <dnnl.hpp>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>

#include "kernels/cpu/backend.h"

namespace lamella::cpu {
namespace {

using Memory = dnnl::memory;
using Tag = Memory::format_tag;
constexpr auto kF32 = Memory::data_type::f32;
constexpr std::size_t kPlansKept = 512;

// A primitive and the layouts it wants; no primitive: oneDNN has only reference code.
struct Plan {
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

// oneDNN takes its number of threads from OpenMP.
class ThreadScope {
 public:
  explicit ThreadScope(int threads) : before_(omp_get_max_threads()) {
    omp_set_num_threads(threads);
  }
  ~ThreadScope() { omp_set_num_threads(before_); }
  ThreadScope(const ThreadScope&) = delete;
  ThreadScope& operator=(const ThreadScope&) = delete;

 private:
  int before_;
};

// --- plans --------------------------------------------------------------------------------------

dnnl::primitive_attr scratchpad_attr() {
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

// The operands as oneDNN names them, and the differences between its two interfaces.
struct ConvDescription {
  ConvDescription(const Conv2dShape& s, bool with_bias)
      : x({s.N, s.C, s.H, s.W}, kF32, Tag::nhwc),
        w({s.K, s.C, s.R, s.S}, kF32, Tag::any),
        y({s.N, s.K, s.P, s.Q}, kF32, Tag::nhwc),
        own_w({s.K, s.C, s.R, s.S}, kF32, Tag::ohwi),
        strides({s.stride_h, s.stride_w}),
        padding({s.pad_h, s.pad_w}),
        // What the windows do not reach at the far edge is padding left out.
        padding_end({(s.P - 1) * s.stride_h + s.R - s.H - s.pad_h,
                     (s.Q - 1) * s.stride_w + s.S - s.W - s.pad_w}) {
    if (with_bias) bias = Memory::desc({s.K}, kF32, Tag::x);
  }

  static constexpr auto kDirect = dnnl::algorithm::convolution_direct;
  static constexpr auto kTraining = dnnl::prop_kind::forward_training;

  auto forward() const {
    using Forward = dnnl::convolution_forward;
#if DNNL_VERSION_MAJOR >= 3
    return Forward::primitive_desc(cpu_engine(), kTraining, kDirect, x, w, bias, y, strides,
                                   padding, padding_end, scratchpad_attr());
#else
    return Forward::primitive_desc(
        Forward::desc(kTraining, kDirect, x, w, bias, y, strides, padding, padding_end),
        scratchpad_attr(), cpu_engine());
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

Plan make_plan(ConvKind kind, const Conv2dShape& shape, bool with_bias) {
  const ConvDescription conv(shape, with_bias);
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

// Plans by everything that decides them, least recently used dropped first.
class PlanCache {
 public:
  std::shared_ptr<const Plan> get(ConvKind kind, const Conv2dShape& s, bool with_bias,
                                  int threads) {
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
                     with_bias,
                     threads};
    const std::lock_guard lock(mutex_);
    if (const auto found = by_key_.find(key); found != by_key_.end()) {
      recent_.splice(recent_.begin(), recent_, found->second);
      return found->second->second;
    }
    const ThreadScope scope(threads);  // a primitive keeps the number it was made for
    recent_.emplace_front(key, std::make_shared<const Plan>(plan_or_none(kind, s, with_bias)));
    by_key_[key] = recent_.begin();
    if (recent_.size() > kPlansKept) {
      by_key_.erase(recent_.back().first);
      recent_.pop_back();
    }
    return recent_.front().second;
  }

 private:
  using Key = std::array<std::int64_t, 16>;
  using Entry = std::pair<Key, std::shared_ptr<const Plan>>;

  static Plan plan_or_none(ConvKind kind, const Conv2dShape& shape, bool with_bias) {
    try {
      return make_plan(kind, shape, with_bias);
    } catch (const dnnl::error&) {  // not implemented: the own kernels take the shape
      return {};
    }
  }

  std::mutex mutex_;
  std::list<Entry> recent_;
  std::map<Key, std::list<Entry>::iterator> by_key_;
};

std::shared_ptr<const Plan> find_plan(ConvKind kind, const Conv2dShape& shape, bool with_bias,
                                      int threads) {
  static PlanCache cache;
  return cache.get(kind, shape, with_bias, threads);
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

bool nothing_to_do(const Conv2dShape& s) {
  return s.N * s.P * s.Q * s.C * s.K == 0;
}

void conv2d_fwd(const KernelContext& ctx, const Conv2dShape& shape, const void* x, const void* w,
                const float* bias, void* y) {
  std::shared_ptr<const Plan> plan;
  if (shape.dtype == DType::F32 && !nothing_to_do(shape))
    plan = find_plan(ConvKind::Forward, shape, bias != nullptr, ctx.threads);
  if (plan == nullptr || !plan->primitive)
    return cpu_own_table().conv2d_fwd(ctx, shape, x, w, bias, y);
  const SliceShape in = input_slice(shape), out = output_slice(shape);
  Run run(ctx, *plan);
  const std::size_t scratchpad = run.reserve(plan->scratchpad.get_size());
  const std::size_t reorder_scratchpad = run.reserve(plan->reorder_scratchpad.get_size());
  const std::size_t filters = run.reserve(plan->reorder_w ? plan->w.get_size() : 0);
  const std::size_t packed_x = run.reserve(in.x_pitch == in.C ? 0 : plan->x.get_size());
  const std::size_t packed_y = run.reserve(out.x_pitch == out.C ? 0 : plan->y.get_size());
  run.allocate();
  if (plan->reorder_w)
    run.reorder_filters(plan->own_w, w, plan->w, run.at(filters), run.at(reorder_scratchpad));
  void* result = out.x_pitch == out.C ? y : run.at(packed_y);
  std::unordered_map<int, Memory> arguments = {
      {DNNL_ARG_SRC, run.memory(plan->x, dense(ctx, in, x, run.at(packed_x)))},
      {DNNL_ARG_WEIGHTS, run.memory(plan->w, plan->reorder_w ? run.at(filters) : w)},
      {DNNL_ARG_DST, run.memory(plan->y, result)},
      {DNNL_ARG_SCRATCHPAD, run.memory(plan->scratchpad, run.at(scratchpad))}};
  if (bias != nullptr) arguments.emplace(DNNL_ARG_BIAS, run.memory(plan->bias, bias));
  run.execute(plan->primitive, std::move(arguments));
  if (result != y) cpu_own_table().copy(ctx, reversed(out), result, y, Write::Set);
}

void conv2d_bwd_data(const KernelContext& ctx, const Conv2dShape& shape, const void* dy,
                     const void* w, void* dx, Write write) {
  std::shared_ptr<const Plan> plan;
  if (shape.dtype == DType::F32 && !nothing_to_do(shape))
    plan = find_plan(ConvKind::BackwardData, shape, false, ctx.threads);
  if (plan == nullptr || !plan->primitive)
    return cpu_own_table().conv2d_bwd_data(ctx, shape, dy, w, dx, write);
  const SliceShape in = input_slice(shape), out = output_slice(shape);
  const bool direct = in.x_pitch == in.C && write == Write::Set;
  Run run(ctx, *plan);
  const std::size_t scratchpad = run.reserve(plan->scratchpad.get_size());
  const std::size_t reorder_scratchpad = run.reserve(plan->reorder_scratchpad.get_size());
  const std::size_t filters = run.reserve(plan->reorder_w ? plan->w.get_size() : 0);
  const std::size_t packed_x = run.reserve(direct ? 0 : plan->x.get_size());
  const std::size_t packed_y = run.reserve(out.x_pitch == out.C ? 0 : plan->y.get_size());
  run.allocate();
  if (plan->reorder_w)
    run.reorder_filters(plan->own_w, w, plan->w, run.at(filters), run.at(reorder_scratchpad));
  void* result = direct ? dx : run.at(packed_x);
  run.execute(plan->primitive,
              {{DNNL_ARG_DIFF_DST, run.memory(plan->y, dense(ctx, out, dy, run.at(packed_y)))},
               {DNNL_ARG_WEIGHTS, run.memory(plan->w, plan->reorder_w ? run.at(filters) : w)},
               {DNNL_ARG_DIFF_SRC, run.memory(plan->x, result)},
               {DNNL_ARG_SCRATCHPAD, run.memory(plan->scratchpad, run.at(scratchpad))}});
  if (result != dx) cpu_own_table().copy(ctx, reversed(in), result, dx, write);
}

void conv2d_bwd_weight(const KernelContext& ctx, const Conv2dShape& shape, const void* x,
                       const void* dy, void* dw, Write write) {
  std::shared_ptr<const Plan> plan;
  if (shape.dtype == DType::F32 && !nothing_to_do(shape))
    plan = find_plan(ConvKind::BackwardWeight, shape, false, ctx.threads);
  if (plan == nullptr || !plan->primitive)
    return cpu_own_table().conv2d_bwd_weight(ctx, shape, x, dy, dw, write);
  const SliceShape in = input_slice(shape), out = output_slice(shape);
  const std::int64_t count = shape.K * shape.R * shape.S * shape.C;
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
  if (own != dw)
    cpu_own_table().copy(ctx, {1, count, count, count, DType::F32}, own, dw, Write::Add);
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
  return find_plan(kind, shape, kind == ConvKind::Forward, threads)->implementation;
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

std::string onednn_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace lamella::cpu
