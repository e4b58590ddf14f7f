// The convolutions of the kernel table by cuDNN. Plans are made once for each shape and kept; where
// there is none, that is remembered too.
#include "kernels/cuda/cudnn/plan.h"

#ifdef LAMELLA_HAS_CUDNN
#include <array>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "kernels/lru_cache.h"

namespace lamella::cuda {
namespace {
// Of the process: cuDNN and the current device.
struct Device {
  cudnnHandle_t handle = nullptr;
  std::optional<Descriptor> description;
  std::mutex launching;  // a handle has one stream at a time

  Device() {
    check(cudnn().create(&handle), "opening the device");
    description.emplace(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
    description->set(CUDNN_ATTR_DEVICEPROP_HANDLE, handle);
    description->finalize();
  }
};

Device& device() {
  static Device opened;
  return opened;
}

KernelTable& own() {
  static KernelTable table;
  return table;
}

// A plan, or why there is none.
struct Choice {
  std::optional<Plan> plan;
  std::string note;
};

Choice choose(ConvKind kind, const Conv2dShape& s, Write write) {
  Choice choice;
  try {
    choice.plan.emplace(best_plan(kind, s, write, *device().description));
    choice.note = cudnn_version() + " " + choice.plan->facts.engine +
                  " workspace=" + std::to_string(choice.plan->facts.workspace);
  } catch (const std::runtime_error& error) {
    choice.note = std::string("own kernel: ") + error.what();
  }
  return choice;
}

std::shared_ptr<const Choice> find_choice(ConvKind kind, const Conv2dShape& s, Write write) {
  constexpr std::size_t kChoicesKept = 4096;
  using Key = std::array<std::int64_t, 16>;
  static LruCache<Key, Choice> cache(kChoicesKept);
  const Key key{static_cast<std::int64_t>(kind),
                static_cast<std::int64_t>(write),
                static_cast<std::int64_t>(s.dtype),
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
                s.pad_w};
  return cache.get(key, [&] { return choose(kind, s, write); });
}

// What cuDNN takes as it is.
bool suits(const Conv2dShape& s, std::initializer_list<const void*> operands) {
  const bool whole = s.P == (s.H + 2 * s.pad_h - s.R) / s.stride_h + 1 &&
                     s.Q == (s.W + 2 * s.pad_w - s.S) / s.stride_w + 1;
  bool aligned = true;
  for (const void* operand : operands) {
    aligned = aligned && reinterpret_cast<std::uintptr_t>(operand) % kAlignment == 0;
  }
  return s.N > 0 && s.x_pitch == s.C && s.y_pitch == s.K && whole && aligned;
}

// False: nothing was done. Of the three operands, one is written.
bool run(const KernelContext& ctx, ConvKind kind, const Conv2dShape& s, Write write, const void* x,
         const void* w, const void* y) {
  if (!suits(s, {x, w, y})) return false;
  const std::shared_ptr<const Choice> choice = find_choice(kind, s, write);
  if (ctx.note != nullptr) ctx.note(ctx.workspace_owner, choice->note.c_str());
  if (!choice->plan) return false;
  const Plan& plan = *choice->plan;
  const std::array<std::int64_t, 3> uids{kX, kW, kY};
  const std::array<void*, 3> operands{const_cast<void*>(x), const_cast<void*>(w),
                                      const_cast<void*>(y)};
  const auto bytes = static_cast<std::size_t>(plan.facts.workspace);
  void* const workspace = bytes > 0 ? ctx.workspace(ctx.workspace_owner, bytes) : nullptr;
  Descriptor pack(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
  pack.set(CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, std::span<const std::int64_t>(uids));
  pack.set_pointers(CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, operands);
  pack.set_pointers(CUDNN_ATTR_VARIANT_PACK_WORKSPACE, std::span(&workspace, 1));
  pack.finalize();
  const std::lock_guard lock(device().launching);
  check(cudnn().set_stream(device().handle, static_cast<cudaStream_t>(ctx.stream)),
        "choosing a stream");
  check(cudnn().execute(device().handle, plan.descriptor.raw(), pack.raw()), "a convolution");
  return true;
}

void conv2d_fwd(const KernelContext& ctx, const Conv2dShape& s, const void* x, const void* w,
                const float* bias, void* y) {
  if (bias == nullptr && run(ctx, ConvKind::Forward, s, Write::Set, x, w, y)) return;
  own().conv2d_fwd(ctx, s, x, w, bias, y);
}

void conv2d_bwd_data(const KernelContext& ctx, const Conv2dShape& s, const void* dy, const void* w,
                     void* dx, Write write) {
  if (run(ctx, ConvKind::BackwardData, s, write, dx, w, dy)) return;
  own().conv2d_bwd_data(ctx, s, dy, w, dx, write);
}

void conv2d_bwd_weight(const KernelContext& ctx, const Conv2dShape& s, const void* x,
                       const void* dy, void* dw, Write write) {
  if (run(ctx, ConvKind::BackwardWeight, s, write, x, dw, dy)) return;
  own().conv2d_bwd_weight(ctx, s, x, dy, dw, write);
}

}  // namespace

KernelTable with_cudnn(const KernelTable& table) {
  if (!cudnn().problem.empty()) throw std::runtime_error(cudnn().problem);
  own() = table;
  KernelTable chosen = table;
  chosen.conv2d_fwd = conv2d_fwd;
  chosen.conv2d_bwd_data = conv2d_bwd_data;
  chosen.conv2d_bwd_weight = conv2d_bwd_weight;
  return chosen;
}

}  // namespace lamella::cuda
#endif
