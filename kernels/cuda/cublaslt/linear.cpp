// The products of the kernel table by cuBLASLt. Plans are made once for each product and kept;
// where there is none, that is remembered too. The gradient of the bias stays with the own kernel:
// one in cuBLASLt would be of the type of the weights' gradient, the table's is f32.
#include "kernels/cuda/cublaslt/plan.h"

#ifdef LAMELLA_HAS_CUBLASLT
#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>

#include "kernels/lru_cache.h"

namespace lamella::cuda {
namespace cublaslt {
namespace {

// That of the first call of with_cublaslt.
const KernelTable& own(const KernelTable* given = nullptr) {
  static const KernelTable table = *given;
  return table;
}

// A plan, or why there is none.
struct Choice {
  std::optional<Plan> plan;
  std::string note;
};

std::string reason(const std::runtime_error& error) {
  return std::string("own kernel: ") + error.what();
}

Choice choose(const Product& product) {
  Choice choice;
  try {
    choice.plan.emplace(best_plan(product));
    const CublasLtPlan& facts = choice.plan->facts;
    choice.note = cublaslt_version() + " algorithm " + std::to_string(facts.algorithm) +
                  " splits=" + std::to_string(facts.splits) +
                  " workspace=" + std::to_string(facts.workspace);
  } catch (const std::runtime_error& error) {
    choice.note = reason(error);
  }
  return choice;
}

std::shared_ptr<const Choice> find_choice(const Product& product) {
  library();  // before the plans, so that at the end of the process it is there to destroy them
  constexpr std::size_t kChoicesKept = 4096;
  static LruCache<decltype(product.key()), Choice> cache(kChoicesKept);
  return cache.get(product.key(), [&] { return choose(product); });
}

void note(const KernelContext& ctx, const std::string& line) {
  if (ctx.note != nullptr) ctx.note(ctx.workspace_owner, line.c_str());
}

// The power of two that an address is a multiple of, up to kAlignment; 0 where there is no operand.
std::int64_t alignment_of(const void* p) {
  const auto address = reinterpret_cast<std::uintptr_t>(p);
  const std::uintptr_t lowest_bit = address & (~address + 1);
  return static_cast<std::int64_t>(std::min<std::uintptr_t>(lowest_bit, kAlignment));
}

struct Operands {
  const void *x, *w, *y;  // or their gradients; one is written
  const float* bias = nullptr;
};

// Into `result`, which is one of the operands or what is to be cast. `scratch` is null where the
// plan takes none, else aligned to kAlignment.
void multiply(const KernelContext& ctx, ProductKind kind, Write write, const Plan& plan,
              const Operands& operands, void* result, char* scratch) {
  static std::mutex launching;  // an operation has one bias at a time
  const std::lock_guard lock(launching);
  if (operands.bias != nullptr) {
    set(plan.operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, static_cast<const void*>(operands.bias));
  }
  const float alpha = 1, beta = write == Write::Add ? 1 : 0;
  const auto role = roles_of(kind, operands.x, operands.w, operands.y);
  check(library().multiply(device(), plan.operation.get(), &alpha, role.a, plan.a.get(), role.b,
                           plan.b.get(), &beta, result, plan.d.get(), result, plan.d.get(),
                           &plan.algorithm, scratch, static_cast<std::size_t>(plan.facts.workspace),
                           static_cast<cudaStream_t>(ctx.stream)),
        "a product");
}

// `bytes` of the workspace of a call, aligned to kAlignment; null where there are none.
char* workspace(const KernelContext& ctx, std::int64_t bytes) {
  if (bytes == 0) return nullptr;
  char* const start = ctx.scratch<char>(bytes + kAlignment);
  const auto past = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(start) %
                                              static_cast<std::uintptr_t>(kAlignment));
  return start + (kAlignment - past) % kAlignment;
}

// False: nothing was done.
bool run(const KernelContext& ctx, ProductKind kind, const LinearShape& s, Write write,
         const Operands& operands) {
  if (s.N == 0 || s.C == 0 || s.K == 0) return false;
  const Product product{kind,
                        s,
                        alignment_of(operands.x),
                        alignment_of(operands.w),
                        alignment_of(operands.y),
                        alignment_of(operands.bias)};
  const std::shared_ptr<const Choice> choice = find_choice(product);
  note(ctx, choice->note);
  if (!choice->plan) return false;
  const Plan& plan = *choice->plan;
  // The workspace of the algorithm, then the result that is to be cast.
  const std::int64_t algorithm_bytes =
      (plan.facts.workspace + kAlignment - 1) / kAlignment * kAlignment;
  char* const scratch = workspace(ctx, algorithm_bytes + product.cast_bytes());
  void* const written = const_cast<void*>(roles_of(kind, operands.x, operands.w, operands.y).d);
  try {
    multiply(ctx, kind, write, plan, operands,
             product.casts() ? scratch + algorithm_bytes : written, scratch);
  } catch (const std::runtime_error& error) {
    note(ctx, reason(error));
    return false;
  }
  if (product.casts()) {
    own().cast(ctx, {s.N, s.K, s.K, s.y_pitch, DType::F32, s.dtype}, scratch + algorithm_bytes,
               written, Write::Set);
  }
  return true;
}

void linear_fwd(const KernelContext& ctx, const LinearShape& s, const void* x, const void* w,
                const float* bias, void* y) {
  if (run(ctx, ProductKind::Forward, s, Write::Set, {x, w, y, bias})) return;
  own().linear_fwd(ctx, s, x, w, bias, y);
}

void linear_bwd_data(const KernelContext& ctx, const LinearShape& s, const void* dy, const void* w,
                     void* dx, Write write) {
  if (run(ctx, ProductKind::BackwardData, s, write, {dx, w, dy})) return;
  own().linear_bwd_data(ctx, s, dy, w, dx, write);
}

void linear_bwd_weight(const KernelContext& ctx, const LinearShape& s, const void* x,
                       const void* dy, void* dw, Write write) {
  if (run(ctx, ProductKind::BackwardWeight, s, write, {x, dw, dy})) return;
  own().linear_bwd_weight(ctx, s, x, dy, dw, write);
}

}  // namespace
}  // namespace cublaslt

KernelTable with_cublaslt(const KernelTable& own) {
  cublaslt::own(&own);
  KernelTable chosen = own;
  chosen.linear_fwd = cublaslt::linear_fwd;
  chosen.linear_bwd_data = cublaslt::linear_bwd_data;
  chosen.linear_bwd_weight = cublaslt::linear_bwd_weight;
  return chosen;
}

}  // namespace lamella::cuda
#endif
