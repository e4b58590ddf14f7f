// The functions of the CUDA runtime that the host code of the backend calls; one that is missing
// here fails the link, by its name.
#include "tests/cuda_host/stand_in.h"

#include <cuda_runtime_api.h>
#include <sys/mman.h>

#include <cstring>
#include <exception>

namespace lamella::cuda_host {
namespace {

constexpr std::size_t kSharedWithoutAsking = 48 << 10, kMostShared = 227 << 10;

StandIn stand_in;
std::map<const void*, std::size_t> granted;  // dynamic shared memory, by kernel

// Device memory: addresses that only rise, so that the host's choices among them repeat, and what
// is freed can be neither read nor written. Zeros at first, so that sums over what no kernel wrote
// are finite.
class Memory {
 public:
  char* take(std::size_t bytes) {
    const std::size_t room = pages(bytes);
    if (begin_ == MAP_FAILED || room > kRoom - used_) return nullptr;
    char* taken = static_cast<char*>(begin_) + used_;
    if (mprotect(taken, room, PROT_READ | PROT_WRITE) != 0) return nullptr;
    used_ += room;
    return taken;
  }
  void give(char* data, std::size_t bytes) { reserve(data, pages(bytes), MAP_FIXED); }
  void start_anew() { used_ = 0; }

 private:
  static constexpr std::size_t kRoom = std::size_t{1} << 38U, kPage = 4096;
  static std::size_t pages(std::size_t bytes) { return (bytes + kPage - 1) / kPage * kPage; }
  static void* reserve(void* at, std::size_t bytes, int flags) {
    return mmap(at, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0);
  }

  void* begin_ = reserve(nullptr, kRoom, 0);
  std::size_t used_ = 0;
};

Memory& memory() {
  static Memory all;
  return all;
}

cudaError_t say(cudaError_t status) {
  if (status != cudaSuccess) stand_in.last_error = status;
  return status;
}

cudaError_t refuse(cudaError_t status, const std::string& why) {
  stand_in.misuse.push_back(why);
  return say(status);
}

// Whether this call is one that the test wants to fail.
bool fails(const char* function) {
  StandIn& s = stand_in;
  const bool now = ++s.calls == s.failing_call;
  if (now) s.failed = function;
  if (now && s.failure_stays) s.lost = true;
  if (now || s.lost) say(static_cast<cudaError_t>(s.failure));
  return now || s.lost;
}
cudaError_t failure() {
  return static_cast<cudaError_t>(stand_in.failure);
}

// -1 for what is no stream.
int number_of(cudaStream_t stream) {
  const void* handle = stream;
  for (int i = 1; i < static_cast<int>(stand_in.streams.size()); ++i) {
    if (handle == stand_in.stream(i)) return i;
  }
  return stream == nullptr ? 0 : -1;
}

void note(const std::string& text, int stream = -1) {
  stand_in.record.push_back({text, stream});
}

bool in_live_memory(const void* data, std::size_t bytes) {
  const auto* begin = static_cast<const char*>(data);
  for (const auto& [address, size] : stand_in.live) {
    if (begin >= address && begin + bytes <= address + size) return true;
  }
  return false;
}

std::string text(dim3 d) {
  return std::to_string(d.x) + "x" + std::to_string(d.y) + "x" + std::to_string(d.z);
}

// Empty, or what a device would say.
std::string problem_of(const void* kernel, dim3 grid, dim3 block, std::size_t shared) {
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  if (threads == 0 || block.z > 64 || threads > 1024) return "a block of " + text(block);
  const bool empty = grid.x == 0 || grid.y == 0 || grid.z == 0;
  if (empty || grid.x > 0x7FFFFFFFU || grid.y > 0xFFFFU || grid.z > 0xFFFFU) {
    return "a grid of " + text(grid);
  }
  const auto asked = granted.find(kernel);
  const std::size_t most = asked == granted.end() ? kSharedWithoutAsking : asked->second;
  if (shared > most) return "dynamic shared memory of " + std::to_string(shared);
  return "";
}

}  // namespace
}  // namespace lamella::cuda_host

using namespace lamella;
using namespace lamella::cuda_host;

extern "C" __attribute__((visibility("default"))) StandIn* lamella_cuda_stand_in() {
  stand_in.launch_kernel = cuda::launch_kernel;
  return &stand_in;
}

extern "C" {

// --- errors -----------------------------------------------------------------------------------

cudaError_t cudaGetLastError() {
  const auto last = static_cast<cudaError_t>(stand_in.last_error);
  if (!stand_in.lost) stand_in.last_error = cudaSuccess;
  return last;
}
const char* cudaGetErrorString(cudaError_t) {
  return "a failure of the stand-in";
}
const char* cudaGetErrorName(cudaError_t) {
  return "cudaErrorOfTheStandIn";
}

// --- the device -------------------------------------------------------------------------------

cudaError_t cudaDriverGetVersion(int* version) {
  if (fails("cudaDriverGetVersion")) return failure();
  *version = CUDART_VERSION;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceCount(int* count) {
  if (fails("cudaGetDeviceCount")) return failure();
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDevice(int* device) {
  if (fails("cudaGetDevice")) return failure();
  *device = 0;
  return cudaSuccess;
}
cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr attribute, int) {
  if (fails("cudaDeviceGetAttribute")) return failure();
  const bool major = attribute == cudaDevAttrComputeCapabilityMajor;
  *value = major ? stand_in.capability / 10 : stand_in.capability % 10;
  return cudaSuccess;
}

// --- memory -----------------------------------------------------------------------------------

cudaError_t cudaMalloc(void** data, std::size_t bytes) {
  if (fails("cudaMalloc")) return failure();
  char* taken = memory().take(bytes);
  if (taken == nullptr) return say(cudaErrorMemoryAllocation);
  stand_in.live[taken] = bytes;
  *data = taken;
  note("malloc " + std::to_string(bytes));
  return cudaSuccess;
}

// One that fails reports what came before: the memory is gone.
cudaError_t cudaFree(void* data) {
  const bool failed = fails("cudaFree");
  if (data == nullptr) return failed ? failure() : cudaSuccess;
  const auto found = stand_in.live.find(static_cast<char*>(data));
  if (found == stand_in.live.end()) {
    return refuse(cudaErrorInvalidValue, "cudaFree of what is not allocated");
  }
  note("free " + std::to_string(found->second));
  memory().give(found->first, found->second);
  stand_in.live.erase(found);
  if (stand_in.live.empty()) memory().start_anew();
  return failed ? failure() : cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* dst, const void* src, std::size_t bytes, cudaMemcpyKind kind,
                            cudaStream_t stream) {
  if (fails("cudaMemcpyAsync")) return failure();
  const int number = number_of(stream);
  if (number < 0) return refuse(cudaErrorInvalidResourceHandle, "a copy on what is no stream");
  const bool to_device = kind == cudaMemcpyHostToDevice;
  if (!to_device && kind != cudaMemcpyDeviceToHost) {
    return refuse(cudaErrorInvalidMemcpyDirection, "a copy that is neither to nor from the host");
  }
  const std::string what =
      (to_device ? "copy to device " : "copy to host ") + std::to_string(bytes);
  if (!in_live_memory(to_device ? dst : src, bytes)) {
    return refuse(cudaErrorInvalidValue, what + " outside of what is allocated");
  }
  std::memcpy(dst, src, bytes);
  note(what, number);
  ++stand_in.copies[static_cast<std::size_t>(number)];
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  if (fails("cudaStreamSynchronize")) return failure();
  const int number = number_of(stream);
  if (number < 0) return refuse(cudaErrorInvalidResourceHandle, "waiting for what is no stream");
  note("wait", number);
  stand_in.copies[static_cast<std::size_t>(number)] = 0;
  return cudaSuccess;
}

// --- launches ---------------------------------------------------------------------------------

cudaError_t cudaFuncSetAttribute(const void* kernel, cudaFuncAttribute attribute, int value) {
  if (fails("cudaFuncSetAttribute")) return failure();
  const auto bytes = static_cast<std::size_t>(value);
  if (attribute != cudaFuncAttributeMaxDynamicSharedMemorySize || value < 0 ||
      bytes > kMostShared) {
    return refuse(cudaErrorInvalidValue, "an attribute of " + std::to_string(value));
  }
  granted[kernel] = bytes;
  note("grant " + name_of_kernel(kernel) + " shared " + std::to_string(bytes));
  return cudaSuccess;
}

cudaError_t cudaLaunchKernel(const void* kernel, dim3 grid, dim3 block, void** arguments,
                             std::size_t shared, cudaStream_t stream) {
  if (fails("cudaLaunchKernel")) return failure();
  const std::string name = name_of_kernel(kernel);
  const int number = number_of(stream);
  if (number < 0) {
    return refuse(cudaErrorInvalidResourceHandle, name + ": a launch on what is no stream");
  }
  const std::string problem = problem_of(kernel, grid, block, shared);
  if (!problem.empty()) return refuse(cudaErrorInvalidConfiguration, name + ": " + problem);
  note("launch " + name + " grid " + text(grid) + " block " + text(block) + " shared " +
           std::to_string(shared),
       number);
  if (!stand_in.executing) return cudaSuccess;
  try {
    run_kernel({name.c_str(),
                kernel,
                {grid.x, grid.y, grid.z},
                {block.x, block.y, block.z},
                shared,
                stream,
                arguments});
  } catch (const std::exception& error) {
    return refuse(cudaErrorLaunchFailure, error.what());
  }
  return cudaSuccess;
}

}  // extern "C"
