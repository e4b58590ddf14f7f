// The functions of cuBLASLt that are used, and its descriptors. Private to this folder, the only
// one that sees cuBLASLt.
#pragma once

#if __has_include(<cublasLt.h>)
#include <cublasLt.h>
#define LAMELLA_HAS_CUBLASLT 1

#include <memory>
#include <string>

namespace lamella::cuda::cublaslt {

struct Library {
  decltype(&cublasLtGetVersion) version = nullptr;
  decltype(&cublasLtGetStatusString) status_string = nullptr;
  decltype(&cublasLtCreate) create = nullptr;
  decltype(&cublasLtMatrixLayoutCreate) create_layout = nullptr;
  decltype(&cublasLtMatrixLayoutDestroy) destroy_layout = nullptr;
  decltype(&cublasLtMatmulDescCreate) create_operation = nullptr;
  decltype(&cublasLtMatmulDescDestroy) destroy_operation = nullptr;
  decltype(&cublasLtMatmulDescSetAttribute) set_operation = nullptr;
  decltype(&cublasLtMatmulPreferenceCreate) create_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceDestroy) destroy_preference = nullptr;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference = nullptr;
  decltype(&cublasLtMatmulAlgoGetHeuristic) choose = nullptr;
  decltype(&cublasLtMatmulAlgoConfigGetAttribute) get_algorithm = nullptr;
  decltype(&cublasLtMatmul) multiply = nullptr;
  std::string problem;
};

// Loaded with the first call.
const Library& library();

// Throws std::runtime_error with cuBLASLt's words.
void check(cublasStatus_t status, const char* what);

struct Destroy {
  void operator()(cublasLtMatrixLayoutOpaque_t* layout) const { library().destroy_layout(layout); }
  void operator()(cublasLtMatmulDescOpaque_t* made) const { library().destroy_operation(made); }
  void operator()(cublasLtMatmulPreferenceOpaque_t* made) const {
    library().destroy_preference(made);
  }
};
using Layout = std::unique_ptr<cublasLtMatrixLayoutOpaque_t, Destroy>;
using Operation = std::unique_ptr<cublasLtMatmulDescOpaque_t, Destroy>;
using Preference = std::unique_ptr<cublasLtMatmulPreferenceOpaque_t, Destroy>;

template <class T>
void set(const Operation& operation, cublasLtMatmulDescAttributes_t name, const T& value) {
  check(library().set_operation(operation.get(), name, &value, sizeof value),
        "setting an attribute of a product");
}
template <class T>
void set(const Preference& preference, cublasLtMatmulPreferenceAttributes_t name, const T& value) {
  check(library().set_preference(preference.get(), name, &value, sizeof value),
        "setting a preference");
}

}  // namespace lamella::cuda::cublaslt
#endif
