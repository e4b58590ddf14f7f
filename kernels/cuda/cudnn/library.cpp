#include "kernels/cuda/cudnn/library.h"

#include "kernels/cuda/cudnn/cudnn.h"

#ifdef LAMELLA_HAS_CUDNN
#include <stdexcept>

#include "kernels/cuda/vendor_library.h"

namespace lamella::cuda {
namespace {

Library load() {
  Library library;
  VendorLibrary file("libcudnn.so.9", "cuDNN 9");
  file.find("cudnnGetVersion", library.version);
  file.find("cudnnGetErrorString", library.error_string);
  file.find("cudnnGetLastErrorString", library.last_error);
  file.find("cudnnCreate", library.create);
  file.find("cudnnSetStream", library.set_stream);
  file.find("cudnnBackendCreateDescriptor", library.create_descriptor);
  file.find("cudnnBackendDestroyDescriptor", library.destroy_descriptor);
  file.find("cudnnBackendSetAttribute", library.set_attribute);
  file.find("cudnnBackendGetAttribute", library.get_attribute);
  file.find("cudnnBackendFinalize", library.finalize);
  file.find("cudnnBackendExecute", library.execute);
  library.problem = file.problem();
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
