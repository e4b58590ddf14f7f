// The `cuda` backend: device memory, copies, and the answer to "can this machine run it?". The only
// file beside runtime.cpp that calls the CUDA runtime, which is linked statically: the library
// loads, and says what is missing, on a machine without any part of CUDA.
#include "kernels/backend.h"

#include <cuda_runtime.h>

#include <exception>
#include <stdexcept>
#include <string>

#include "kernels/cuda/choice.h"
#include "kernels/cuda/table.h"

namespace lamella {
namespace {

constexpr int kLeastCapability = 80;  // 10 * major + minor; README of kernels/cuda

void check(cudaError_t status, const std::string& what) {
  if (status == cudaSuccess) return;
  cudaGetLastError();  // clears it: the next call shall not report this one
  throw std::runtime_error("cuda: " + what + " failed: " + cudaGetErrorString(status) + " (" +
                           cudaGetErrorName(status) + ")");
}

cudaStream_t stream_of(void* stream) {
  return static_cast<cudaStream_t>(stream);
}

void* allocate(std::size_t bytes) {
  void* data = nullptr;
  const cudaError_t status = cudaMalloc(&data, bytes);
  if (status == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    return nullptr;
  }
  check(status, "allocating " + std::to_string(bytes) + " bytes");
  return data;
}

// Runs in destructors, so it does not throw; a failed kernel is reported by the next copy.
void release(void* data, std::size_t) {
  if (cudaFree(data) != cudaSuccess) cudaGetLastError();
}

// Waits, because CUDA only says that it may: where a device reads the pages of the host itself, the
// copy could still be reading what the caller frees.
void copy_to_device(void* dst, const void* src, std::size_t bytes, void* stream) {
  check(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyHostToDevice, stream_of(stream)),
        "copying " + std::to_string(bytes) + " bytes to the device");
  check(cudaStreamSynchronize(stream_of(stream)), "waiting for a copy to the device");
}

void copy_to_host(void* dst, const void* src, std::size_t bytes, void* stream) {
  check(cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDeviceToHost, stream_of(stream)),
        "copying " + std::to_string(bytes) + " bytes to the host");
  check(cudaStreamSynchronize(stream_of(stream)), "waiting for a copy to the host");
}

void synchronize(void* stream) {
  check(cudaStreamSynchronize(stream_of(stream)), "waiting for the device");
}

std::string version_text(int version) {
  return std::to_string(version / 1000) + "." + std::to_string(version % 1000 / 10);
}

// Runs one kernel and looks at its result: the only proof that this library has code for the
// device.
void run_one_kernel() {
  KernelContext ctx;
  void* data = allocate(sizeof(float));
  if (data == nullptr) throw std::runtime_error("the device has no free memory");
  float value = 0;
  try {
    cuda_kernel_table().fill(ctx, {1, DType::F32}, 1.0F, data);
    copy_to_host(&value, data, sizeof(float), nullptr);
  } catch (...) {
    release(data, sizeof(float));
    throw;
  }
  release(data, sizeof(float));
  if (value != 1.0F) throw std::runtime_error("a first kernel gave a wrong result");
}

std::string find_problem() {
  int driver = 0;
  cudaDriverGetVersion(&driver);
  if (driver == 0) {
    return "the NVIDIA driver library (libcuda.so.1) cannot be loaded; install the NVIDIA driver, "
           "or use --device cpu";
  }
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  if (status == cudaErrorInsufficientDriver) {
    return "the NVIDIA driver supports CUDA " + version_text(driver) +
           ", this library was built with CUDA " + version_text(CUDART_VERSION) +
           "; update the driver, or use --device cpu";
  }
  if (status == cudaErrorNoDevice || (status == cudaSuccess && devices == 0)) {
    return "the NVIDIA driver (CUDA " + version_text(driver) +
           ") is there but sees no device; is a GPU installed and CUDA_VISIBLE_DEVICES right?";
  }
  check(status, "counting the devices");
  int device = 0, major = 0, minor = 0;
  check(cudaGetDevice(&device), "choosing a device");
  check(cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device),
        "asking a device");
  check(cudaDeviceGetAttribute(&minor, cudaDevAttrComputeCapabilityMinor, device),
        "asking a device");
  if (10 * major + minor < kLeastCapability) {
    return "the GPU has compute capability " + std::to_string(major) + "." + std::to_string(minor) +
           ", at least 8.0 is needed; use --device cpu";
  }
  run_one_kernel();
  return "";
}

const char* unavailable() {
  static const std::string problem = []() -> std::string {
    std::string found;
    try {
      found = find_problem();
    } catch (const std::exception& error) {
      found = std::string("the GPU does not run this library's kernels (built for ") +
              LAMELLA_CUDA_BUILT_FOR + "): " + error.what();
    }
    cudaGetLastError();  // what there was is told
    return found;
  }();
  return problem.empty() ? nullptr : problem.c_str();
}

const KernelTable& kernels_with(const KernelChoice& choice) {
  return cuda::chosen_kernels(cuda_kernel_table(), choice);
}

const char* description() {
  static const std::string text =
      "hand-written CUDA kernels, machine code for " LAMELLA_CUDA_BUILT_FOR "; " +
      cuda::chosen_by_default();
  return text.c_str();
}

}  // namespace
}  // namespace lamella

extern "C" __attribute__((visibility("default"))) const lamella::Backend* lamella_backend() {
  static const lamella::Backend backend{
      lamella::kBackendAbi,
      "cuda",
      lamella::description(),
      &lamella::kernels_with({}),
      lamella::allocate,
      lamella::release,
      lamella::copy_to_device,
      lamella::copy_to_host,
      lamella::synchronize,
      lamella::unavailable,
      nullptr,
      nullptr,
      lamella::kernels_with,
  };
  return &backend;
}
