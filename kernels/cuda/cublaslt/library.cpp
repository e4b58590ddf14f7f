#include "kernels/cuda/cublaslt/library.h"

#include <stdexcept>

#include "kernels/cuda/cublaslt/cublaslt.h"

#ifdef LAMELLA_HAS_CUBLASLT
#include "kernels/cuda/vendor_library.h"

namespace lamella::cuda {
namespace cublaslt {
namespace {

// The major version of the headers: another one may lay descriptors out otherwise.
const std::string kMajor = std::to_string(CUBLAS_VER_MAJOR);

Library load() {
  Library library;
  VendorLibrary file("libcublasLt.so." + kMajor, "cuBLASLt " + kMajor);
  file.find("cublasLtGetVersion", library.version);
  file.find("cublasLtGetStatusString", library.status_string);
  file.find("cublasLtCreate", library.create);
  file.find("cublasLtMatrixLayoutCreate", library.create_layout);
  file.find("cublasLtMatrixLayoutDestroy", library.destroy_layout);
  file.find("cublasLtMatmulDescCreate", library.create_operation);
  file.find("cublasLtMatmulDescDestroy", library.destroy_operation);
  file.find("cublasLtMatmulDescSetAttribute", library.set_operation);
  file.find("cublasLtMatmulPreferenceCreate", library.create_preference);
  file.find("cublasLtMatmulPreferenceDestroy", library.destroy_preference);
  file.find("cublasLtMatmulPreferenceSetAttribute", library.set_preference);
  file.find("cublasLtMatmulAlgoGetHeuristic", library.choose);
  file.find("cublasLtMatmulAlgoConfigGetAttribute", library.get_algorithm);
  file.find("cublasLtMatmul", library.multiply);
  library.problem = file.problem();
  return library;
}

}  // namespace

const Library& library() {
  static const Library loaded = load();
  return loaded;
}

void check(cublasStatus_t status, const char* what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  throw std::runtime_error(std::string("cuBLASLt: ") + what +
                           " failed: " + library().status_string(status));
}

}  // namespace cublaslt

const std::string& cublaslt_problem() {
  return cublaslt::library().problem;
}

std::string cublaslt_version() {
  const std::size_t version = cublaslt::library().version();
  return "cuBLASLt " + std::to_string(version / 10000) + "." + std::to_string(version / 100 % 100) +
         "." + std::to_string(version % 100);
}

const char* cublaslt_in_words() {
  return "cuBLASLt where it is found";
}

}  // namespace lamella::cuda

#else  // built without cuBLASLt

namespace lamella::cuda {

const std::string& cublaslt_problem() {
  static const std::string problem = "this library was built without cuBLASLt";
  return problem;
}

std::string cublaslt_version() {
  return "";
}

const char* cublaslt_in_words() {
  return "hand-written kernels too, for this library was built without cuBLASLt";
}

CublasLtPlan cublaslt_plan(ProductKind, const LinearShape&, bool) {
  throw std::runtime_error(cublaslt_problem());
}

KernelTable with_cublaslt(const KernelTable& own) {
  return own;
}

}  // namespace lamella::cuda
#endif
