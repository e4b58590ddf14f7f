#include "kernels/cuda/cudnn/library.h"

#include "kernels/cuda/cudnn/cudnn.h"

#ifdef LAMELLA_HAS_CUDNN
#include <dlfcn.h>

#include <stdexcept>
#include <type_traits>

namespace lamella::cuda {
namespace {

Library load() {
  Library library;
  void* file = dlopen("libcudnn.so.9", RTLD_NOW | RTLD_LOCAL);
  if (file == nullptr) {
    library.problem = std::string("cuDNN 9 cannot be loaded (") + dlerror() + ")";
    return library;
  }
  const auto find = [&](const char* name, auto& function) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(dlsym(file, name));
    if (function == nullptr) library.problem = std::string("libcudnn.so.9 has no ") + name;
  };
  find("cudnnGetVersion", library.version);
  find("cudnnGetErrorString", library.error_string);
  find("cudnnGetLastErrorString", library.last_error);
  find("cudnnCreate", library.create);
  find("cudnnSetStream", library.set_stream);
  find("cudnnBackendCreateDescriptor", library.create_descriptor);
  find("cudnnBackendDestroyDescriptor", library.destroy_descriptor);
  find("cudnnBackendSetAttribute", library.set_attribute);
  find("cudnnBackendGetAttribute", library.get_attribute);
  find("cudnnBackendFinalize", library.finalize);
  find("cudnnBackendExecute", library.execute);
  if (library.problem.empty() && library.version() < 90800) {
    library.problem = "cuDNN is older than 9.8";
  }
  return library;
}

}  // namespace

const Library& cudnn() {
  static const Library library = load();
  return library;
}

void check(cudnnStatus_t status, const char* what) {
  if (status == CUDNN_STATUS_SUCCESS) return;
  char words[512] = "";
  cudnn().last_error(words, sizeof words);
  throw std::runtime_error(std::string("cuDNN: ") + what + " failed: " +
                           cudnn().error_string(status) + (words[0] != '\0' ? ": " : "") + words);
}

const std::string& cudnn_problem() {
  return cudnn().problem;
}

std::string cudnn_version() {
  const std::size_t version = cudnn().version();
  return "cuDNN " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         "." + std::to_string(version % 100);
}

}  // namespace lamella::cuda

#else  // built without cuDNN
#include <stdexcept>

namespace lamella::cuda {

const std::string& cudnn_problem() {
  static const std::string problem = "this library was built without cuDNN 9.8 or newer";
  return problem;
}

std::string cudnn_version() {
  return "";
}

CudnnPlan cudnn_plan(ConvKind, const Conv2dShape&, Write, const std::string&) {
  throw std::runtime_error(cudnn_problem());
}

KernelTable with_cudnn(const KernelTable&) {
  throw std::runtime_error(cudnn_problem());
}

}  // namespace lamella::cuda
#endif
