// Makes plans, and keeps them; the differences between oneDNN 2.6 and 3.x are here.
#include "kernels/cpu/onednn_plans.h"

#include <array>
#include <cstring>
#include <optional>

#include "kernels/cpu/thread_scope.h"
#include "kernels/lru_cache.h"

namespace lamella::cpu {
namespace {

using Memory = dnnl::memory;
using Tag = Memory::format_tag;
constexpr auto kF32 = Memory::data_type::f32;
constexpr std::size_t kPlansKept = 512;

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

}  // namespace

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

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

}  // namespace lamella::cpu
