#include "engine/context.h"

#include <omp.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <type_traits>

#include "kernels/half.h"

namespace lamella {
namespace {

bool traced(const char* topic) {
  const char* topics = std::getenv("LAMELLA_TRACE");
  if (topics == nullptr) return false;
  return ("," + std::string(topics) + ",").find("," + std::string(topic) + ",") !=
         std::string::npos;
}

// Host memory to and from a dense tensor of storage type T.
template <class T>
void upload(const Backend& backend, std::span<const float> values, const Tensor& to, void* stream) {
  if constexpr (std::is_same_v<T, float>) {
    backend.copy_to_device(to.data(), values.data(), values.size_bytes(), stream);
  } else {
    const std::vector<T> stored(values.begin(), values.end());
    backend.copy_to_device(to.data(), stored.data(), stored.size() * sizeof(T), stream);
  }
}

template <class T>
std::vector<float> download(const Backend& backend, const Tensor& from, void* stream) {
  std::vector<T> stored(static_cast<std::size_t>(from.count()));
  backend.copy_to_host(stored.data(), from.data(), stored.size() * sizeof(T), stream);
  if constexpr (std::is_same_v<T, float>) {
    return stored;
  } else {
    std::vector<float> values(stored.size());
    std::transform(stored.begin(), stored.end(), values.begin(),
                   [](T value) { return static_cast<float>(value); });
    return values;
  }
}

const KernelTable& kernels_of(const Backend& backend, const Context::Options& options) {
  if (options.convolution.empty() && options.product.empty()) return *backend.kernels;
  if (backend.kernels_with == nullptr) {
    fail("device ", backend.name, " leaves no choice of who computes; convolution '",
         options.convolution, "' and product '", options.product, "' must be empty");
  }
  return backend.kernels_with({options.convolution.c_str(), options.product.c_str()});
}

std::size_t bytes_of(const Shape& shape, DType dtype) {
  return static_cast<std::size_t>(shape.count()) * size_of(dtype);
}

}  // namespace

Context::Context(const Options& options)
    : seed(options.seed),
      dtype(options.dtype),
      backend_(options.backend != nullptr ? *options.backend : find_backend(options.device)),
      kernels_(kernels_of(backend_, options)),
      allocator_(std::make_shared<Allocator>(backend_, options.memory_cap, options.cache_memory)),
      poison_(options.poison),
      trace_ops_(options.trace_ops || traced("op")),
      trace_allocations_(options.trace_allocations || traced("alloc")),
      trace_(options.trace) {
  if (options.threads < 0) {
    fail("threads = ", options.threads, "; use 0 for all processors, or a positive number");
  }
  kernel_context_.threads = options.threads > 0 ? options.threads : omp_get_max_threads();
  kernel_context_.workspace_owner = this;
  kernel_context_.workspace = &Context::workspace;
  if (trace_ops_) kernel_context_.note = &Context::note;
  if (!trace_ && (trace_ops_ || trace_allocations_)) {
    trace_ = [](const std::string& line) { std::fprintf(stderr, "%s\n", line.c_str()); };
  }
}

Context::~Context() = default;

Tensor Context::empty(const Shape& shape, DType dtype) {
  Tensor tensor;
  tensor.storage_ = std::make_shared<Storage>(allocator_, bytes_of(shape, dtype));
  tensor.shape_ = shape;
  tensor.pitch_ = shape.channels();
  tensor.dtype_ = dtype;
  if (trace_allocations_) {
    const AllocatorStats stats = allocator_->stats();
    trace(text("alloc shape=", shape.str(), " dtype=", name_of(dtype),
               " bytes=", bytes_of(shape, dtype), " live=", stats.live, " peak=", stats.peak,
               " held=", stats.held));
  }
  if (poison_ && dtype == DType::F32) {
    call("fill", &KernelTable::fill, FlatShape{shape.count(), dtype},
         std::numeric_limits<float>::quiet_NaN(), tensor.data());
  }
  return tensor;
}

Tensor Context::zeros(const Shape& shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  call("fill", &KernelTable::fill, FlatShape{shape.count(), dtype}, 0.0F, tensor.data());
  return tensor;
}

Tensor Context::empty_with_grad(const Shape& shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  if (grad_enabled) tensor.require_grad();
  return tensor;
}

Tensor Context::from_host(std::span<const float> values, const Shape& shape, DType dtype) {
  Tensor tensor = empty(shape, dtype);
  copy_from_host(values, tensor);
  return tensor;
}

Tensor Context::from_host(std::span<const std::int32_t> values, const Shape& shape) {
  return from_host_integers(values, shape, DType::I32);
}

Tensor Context::from_host(std::span<const std::uint8_t> values, const Shape& shape) {
  return from_host_integers(values, shape, DType::U8);
}

template <class T>
Tensor Context::from_host_integers(std::span<const T> values, const Shape& shape, DType dtype) {
  if (static_cast<std::int64_t>(values.size()) != shape.count()) {
    fail("from_host: ", values.size(), " values for a tensor of ", shape.str());
  }
  Tensor tensor = empty(shape, dtype);
  backend_.copy_to_device(tensor.data(), values.data(), values.size_bytes(),
                          kernel_context_.stream);
  return tensor;
}

void Context::copy_from_host(std::span<const float> values, const Tensor& to) {
  if (static_cast<std::int64_t>(values.size()) != to.count() || !is_floating(to.dtype())) {
    fail("copy_from_host: ", values.size(), " f32 values for a ", name_of(to.dtype()),
         " tensor of ", to.shape().str());
  }
  if (to.dense()) {
    if (to.dtype() == DType::BF16) {
      upload<Bf16>(backend_, values, to, kernel_context_.stream);
    } else if (to.dtype() == DType::F16) {
      upload<F16>(backend_, values, to, kernel_context_.stream);
    } else {
      upload<float>(backend_, values, to, kernel_context_.stream);
    }
    return;
  }
  const Tensor dense = from_host(values, to.shape(), to.dtype());
  const SliceShape shape{to.pixels(), to.channels(), dense.pitch(), to.pitch(), to.dtype()};
  call("copy", &KernelTable::copy, shape, dense.data(), to.data(), Write::Set);
}

std::vector<float> Context::to_host(const Tensor& tensor) {
  if (!tensor.defined()) fail("to_host of an undefined tensor");
  if (!is_floating(tensor.dtype())) {
    fail("to_host reads f32, bf16 and f16, not ", name_of(tensor.dtype()));
  }
  Tensor dense = tensor;
  if (!tensor.dense()) {
    dense = empty(tensor.shape(), tensor.dtype());
    const SliceShape shape{tensor.pixels(), tensor.channels(), tensor.pitch(), dense.pitch(),
                           tensor.dtype()};
    call("copy", &KernelTable::copy, shape, tensor.data(), dense.data(), Write::Set);
  }
  if (dense.dtype() == DType::BF16) return download<Bf16>(backend_, dense, kernel_context_.stream);
  if (dense.dtype() == DType::F16) return download<F16>(backend_, dense, kernel_context_.stream);
  return download<float>(backend_, dense, kernel_context_.stream);
}

float Context::item(const Tensor& scalar) {
  if (scalar.count() != 1) fail("item of a tensor of ", scalar.shape().str(), ", not one element");
  return to_host(scalar)[0];
}

void Context::synchronize() {
  backend_.synchronize(kernel_context_.stream);
}

void Context::missing_kernel(const char* name) const {
  fail(name, ": the ", backend_.name, " backend has no such kernel; use --device cpu");
}

void Context::trace(const std::string& line) const {
  trace_(line);
}

void Context::note(void* owner, const char* line) {
  static_cast<const Context*>(owner)->trace(std::string("  ") + line);
}

void* Context::workspace(void* owner, std::size_t bytes) {
  auto& ctx = *static_cast<Context*>(owner);
  if (ctx.workspace_ == nullptr || ctx.workspace_->bytes() < bytes) {
    ctx.workspace_.reset();  // before the new one, so that the two need not fit at once
    ctx.workspace_ = std::make_shared<Storage>(ctx.allocator_, bytes, /*lasting=*/true);
  }
  return ctx.workspace_->data();
}

}  // namespace lamella
