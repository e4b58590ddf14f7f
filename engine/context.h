// A Context is everything a thread needs to compute: device, allocator, kernels, random seed,
// tape and trace. There are no globals; give each thread its own Context.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/allocator.h"
#include "engine/autograd.h"
#include "engine/errors.h"
#include "engine/profile.h"
#include "engine/tensor.h"
#include "engine/trace.h"
#include "kernels/backend.h"

namespace lamella {

// Finds a backend by name: "cpu", "cuda", "simt", or "auto" (cuda where it works, else cpu).
// Throws Error with the reason when the device cannot be used.
const Backend& find_backend(const std::string& device);
// Why find_backend(device) would fail; empty when it would not.
std::string why_unavailable(const std::string& device);

class Context {
 public:
  struct Options {
    std::string device = "cpu";
    const Backend* backend = nullptr;  // use this one (yours, or a wrapper) instead of `device`
    // Who convolves, and who multiplies matrices, where the backend leaves the choice: on cuda
    // cudnn or own, and cublaslt or own; empty: its default.
    std::string convolution, product;
    int threads = 0;             // CPU threads; 0: all that OpenMP offers
    std::uint64_t seed = 0;      // of dropout
    std::size_t memory_cap = 0;  // bytes held by the allocator; 0: no limit
    DType dtype = DType::F32;    // Context::dtype
    bool cache_memory = true;    // false: one device allocation per tensor, for memory checkers
    bool poison = false;         // fill new tensors with NaN, to find reads of unwritten memory
    bool trace_ops = false, trace_allocations = false;  // also switched on by LAMELLA_TRACE
    TraceSink trace;                                    // default: stderr, only when switched on
  };

  Context() : Context(Options{}) {}
  explicit Context(const Options& options);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // --- modes, set freely between steps ------------------------------------------------------
  bool training = false;      // batch statistics, dropout
  bool grad_enabled = false;  // record ops on the tape
  std::uint64_t seed = 0;     // dropout masks are addressed by (seed, step, layer)
  std::uint32_t step = 0;
  // What layers made from now on compute in; they are run with the same. Batch norm's and biases'
  // parameters, logits, losses and the weights that training changes stay f32. The cpu backend
  // computes in f32 only.
  DType dtype = DType::F32;

  // --- tensors ----------------------------------------------------------------------------------
  Tensor empty(const Shape& shape, DType dtype = DType::F32);
  Tensor zeros(const Shape& shape, DType dtype = DType::F32);
  // An empty buffer to be filled through slices (see concat); its gradient is shared by them.
  Tensor empty_with_grad(const Shape& shape, DType dtype = DType::F32);
  // Host memory <-> device. `values` is dense NHWC; slices are gathered and scattered.
  // bf16 and f16 are rounded to nearest, ties to even.
  Tensor from_host(std::span<const float> values, const Shape& shape, DType dtype = DType::F32);
  Tensor from_host(std::span<const std::int32_t> values, const Shape& shape);
  Tensor from_host(std::span<const std::uint8_t> values, const Shape& shape);
  void copy_from_host(std::span<const float> values, const Tensor& to);
  std::vector<float> to_host(const Tensor& tensor);
  float item(const Tensor& scalar);

  // --- kernels ----------------------------------------------------------------------------------
  // Calls one entry of the table; says so in a sentence when the backend lacks it.
  template <class Entry, class KernelShape, class... Args>
  void call(const char* name, Entry entry, const KernelShape& shape, Args... args) {
    const auto kernel = kernels_.*entry;
    if (kernel == nullptr) missing_kernel(name);
    invoke(name, kernel, shape, args...);
  }
  // Calls a kernel that need not be of the table, under this name in trace and profile.
  template <class Kernel, class KernelShape, class... Args>
  void invoke(const char* name, Kernel kernel, const KernelShape& shape, Args... args) {
    if (trace_ops_) trace(std::string(name) + " " + describe(shape));
    if (profile == nullptr) {
      kernel(kernel_context_, shape, args...);
    } else {
      timed(std::string(name) + " " + describe(shape),
            [&] { kernel(kernel_context_, shape, args...); });
    }
  }
  const KernelTable& kernels() const { return kernels_; }
  void replace_kernels(const KernelTable& kernels) { kernels_ = kernels; }
  const KernelContext& kernel_context() const { return kernel_context_; }

  // Where set, every kernel call is timed, alone: the device is idle before and after it.
  Profile* profile = nullptr;

  Tape tape;
  const Backend& backend() const { return backend_; }
  Allocator& allocator() { return *allocator_; }
  int threads() const { return kernel_context_.threads; }
  void synchronize();

 private:
  template <class T>
  Tensor from_host_integers(std::span<const T> values, const Shape& shape, DType dtype);
  [[noreturn]] void missing_kernel(const char* name) const;
  void trace(const std::string& line) const;
  template <class Call>
  void timed(const std::string& line, Call kernel_call) {
    synchronize();
    const auto start = Profile::Clock::now();
    kernel_call();
    synchronize();
    profile->add(line, std::chrono::duration<double>(Profile::Clock::now() - start).count());
  }
  static void* workspace(void* owner, std::size_t bytes);
  static void note(void* owner, const char* line);

  const Backend& backend_;
  KernelTable kernels_;
  KernelContext kernel_context_;
  std::shared_ptr<Allocator> allocator_;
  std::shared_ptr<Storage> workspace_;
  bool poison_, trace_ops_, trace_allocations_;
  TraceSink trace_;
};

// A pass of the allocator's plan (engine/memory_plan.h) for a scope: what is run in it again and
// again takes its memory from the device once.
class PassMemory {
 public:
  explicit PassMemory(Context& ctx) : allocator_(ctx.allocator()) { allocator_.begin_pass(); }
  ~PassMemory() { allocator_.end_pass(); }
  PassMemory(const PassMemory&) = delete;
  PassMemory& operator=(const PassMemory&) = delete;

 private:
  Allocator& allocator_;
};

// Switches gradient recording for a scope.
class GradScope {
 public:
  GradScope(Context& ctx, bool enabled) : ctx_(ctx), before_(ctx.grad_enabled) {
    ctx.grad_enabled = enabled;
  }
  ~GradScope() { ctx_.grad_enabled = before_; }
  GradScope(const GradScope&) = delete;
  GradScope& operator=(const GradScope&) = delete;

 private:
  Context& ctx_;
  bool before_;
};

// Changes the type that layers are made with, and run with, for a scope.
class DTypeScope {
 public:
  DTypeScope(Context& ctx, DType dtype) : ctx_(ctx), before_(ctx.dtype) { ctx.dtype = dtype; }
  ~DTypeScope() { ctx_.dtype = before_; }
  DTypeScope(const DTypeScope&) = delete;
  DTypeScope& operator=(const DTypeScope&) = delete;

 private:
  Context& ctx_;
  DType before_;
};

}  // namespace lamella
