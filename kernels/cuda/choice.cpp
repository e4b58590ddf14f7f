#include "kernels/cuda/choice.h"

#include <stdexcept>
#include <string_view>

#include "kernels/cuda/cublaslt/cublaslt.h"
#include "kernels/cuda/cudnn/cudnn.h"

namespace lamella::cuda {
namespace {

const KernelTable& table_of(const KernelTable& own, bool cudnn, bool cublaslt) {
  if (!cudnn) {
    static const KernelTable multiplying = with_cublaslt(own);
    return cublaslt ? multiplying : own;
  }
  static const KernelTable convolving = with_cudnn(own);
  static const KernelTable both = with_cublaslt(convolving);
  return cublaslt ? both : convolving;
}

[[noreturn]] void refuse(const char* what, std::string_view choice, const char* vendor) {
  throw std::runtime_error(std::string(what) + " by '" + std::string(choice) +
                           "' is nothing that device cuda has; use " + vendor + " or own");
}

}  // namespace

const KernelTable& chosen_kernels(const KernelTable& own, const KernelChoice& choice) {
  const std::string_view convolution = choice.convolution, product = choice.product;
  if (!convolution.empty() && convolution != "cudnn" && convolution != "own") {
    refuse("convolution", convolution, "cudnn");
  }
  if (!product.empty() && product != "cublaslt" && product != "own") {
    refuse("product", product, "cublaslt");
  }
  if (product == "cublaslt" && !cublaslt_problem().empty()) {
    throw std::runtime_error(cublaslt_problem());
  }
  const bool cudnn = convolution.empty() ? cudnn_problem().empty() : convolution == "cudnn";
  return table_of(own, cudnn, product != "own");
}

std::string chosen_by_default() {
  return "convolutions by " +
         (cudnn_problem().empty() ? cudnn_version()
                                  : "hand-written kernels too, for " + cudnn_problem()) +
         "; products by " + cublaslt_in_words();
}

}  // namespace lamella::cuda
