#include "kernels/cuda/cublaslt/plan.h"

#ifdef LAMELLA_HAS_CUBLASLT
#include <algorithm>
#include <optional>
#include <stdexcept>

namespace lamella::cuda {
namespace cublaslt {
namespace {

cudaDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return CUDA_R_32F;
    case DType::BF16:
      return CUDA_R_16BF;
    case DType::F16:
      return CUDA_R_16F;
    default:
      throw std::runtime_error(std::string("cuBLASLt: no product of ") + name_of(dtype));
  }
}

// As it lies in memory, by columns.
struct Matrix {
  std::int64_t rows, columns, pitch;
};

Layout layout(const Matrix& matrix, cudaDataType_t type) {
  cublasLtMatrixLayout_t made = nullptr;
  check(library().create_layout(&made, type, static_cast<std::uint64_t>(matrix.rows),
                                static_cast<std::uint64_t>(matrix.columns), matrix.pitch),
        "describing a matrix");
  return Layout(made);
}

// y^T = w x^T, where w lies transposed; dx^T = w^T dy^T; dw^T = x^T dy, where dy lies transposed.
Operation operation_of(const Product& product) {
  cublasLtMatmulDesc_t raw = nullptr;
  check(library().create_operation(&raw, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
  Operation made(raw);
  if (product.kind == ProductKind::Forward) {
    set(made, CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
  } else if (product.kind == ProductKind::BackwardWeight) {
    set(made, CUBLASLT_MATMUL_DESC_TRANSB, CUBLAS_OP_T);
  }
  if (product.has_bias()) {
    set(made, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_BIAS);
    // Only looked at for its alignment, until the launch sets the real one.
    set(made, CUBLASLT_MATMUL_DESC_BIAS_POINTER,
        reinterpret_cast<const void*>(static_cast<std::uintptr_t>(product.bias_alignment)));
  }
  return made;
}

Preference preference_of(const Product& product) {
  cublasLtMatmulPreference_t raw = nullptr;
  check(library().create_preference(&raw), "making preferences");
  Preference made(raw);
  const auto alignment = roles_of(product.kind, product.x_alignment, product.w_alignment,
                                  product.casts() ? kAlignment : product.y_alignment);
  const auto d_alignment = static_cast<std::uint32_t>(alignment.d);
  const std::uint32_t schemes =
      CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  set(made, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, schemes);
  set(made, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES,
      static_cast<std::uint64_t>(kWorkspaceCap - product.cast_bytes()));
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<std::uint32_t>(alignment.a));
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<std::uint32_t>(alignment.b));
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, d_alignment);
  set(made, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, d_alignment);
  return made;
}

template <class T>
T get(const cublasLtMatmulAlgo_t& algorithm, cublasLtMatmulAlgoConfigAttributes_t name) {
  T value{};
  std::size_t written = 0;
  check(library().get_algorithm(&algorithm, name, &value, sizeof value, &written),
        "reading an algorithm");
  return value;
}

// Nothing where the algorithm breaks a rule. The heuristics know them; this is the proof.
std::optional<CublasLtPlan> facts_of(const cublasLtMatmulHeuristicResult_t& result,
                                     std::int64_t most_workspace) {
  if (result.state != CUBLAS_STATUS_SUCCESS) return std::nullopt;
  CublasLtPlan facts;
  facts.algorithm = get<std::int32_t>(result.algo, CUBLASLT_ALGO_CONFIG_ID);
  facts.splits = get<std::int32_t>(result.algo, CUBLASLT_ALGO_CONFIG_SPLITK_NUM);
  facts.workspace = static_cast<std::int64_t>(result.workspaceSize);
  const auto scheme = get<std::uint32_t>(result.algo, CUBLASLT_ALGO_CONFIG_REDUCTION_SCHEME);
  const bool sums_alike =
      scheme == CUBLASLT_REDUCTION_SCHEME_NONE || scheme == CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
  return sums_alike && facts.workspace <= most_workspace ? std::optional(facts) : std::nullopt;
}

}  // namespace

cublasLtHandle_t device() {
  static const cublasLtHandle_t opened = [] {
    cublasLtHandle_t handle = nullptr;
    check(library().create(&handle), "opening the device");
    return handle;
  }();
  return opened;
}

Plan best_plan(const Product& product) {
  if (!library().problem.empty()) throw std::runtime_error(library().problem);
  const LinearShape& s = product.shape;
  if (product.cast_bytes() > kWorkspaceCap) {
    throw std::runtime_error("cuBLASLt: the result in f32 does not fit the workspace");
  }
  const cudaDataType_t type = type_of(s.dtype);
  const auto matrices = roles_of(product.kind, Matrix{s.C, s.N, s.x_pitch}, Matrix{s.C, s.K, s.C},
                                 Matrix{s.K, s.N, product.casts() ? s.K : s.y_pitch});
  Plan plan{operation_of(product),
            layout(matrices.a, type),
            layout(matrices.b, type),
            layout(matrices.d, product.casts() ? CUDA_R_32F : type),
            {},
            {}};
  const Preference preference = preference_of(product);
  constexpr int kMost = 8;
  std::array<cublasLtMatmulHeuristicResult_t, kMost> results{};
  int count = 0;
  check(library().choose(device(), plan.operation.get(), plan.a.get(), plan.b.get(), plan.d.get(),
                         plan.d.get(), preference.get(), kMost, results.data(), &count),
        "choosing an algorithm");
  for (int i = 0; i < count; ++i) {
    const auto& result = results[static_cast<std::size_t>(i)];
    if (const auto facts = facts_of(result, kWorkspaceCap - product.cast_bytes())) {
      plan.algorithm = result.algo;
      plan.facts = *facts;
      return plan;
    }
  }
  throw std::runtime_error("cuBLASLt: none of " + std::to_string(count) +
                           " algorithms is deterministic, exact enough and small enough");
}

}  // namespace cublaslt

CublasLtPlan cublaslt_plan(ProductKind kind, const LinearShape& shape, bool bias) {
  cublaslt::Product product{kind, shape};
  if (bias) product.bias_alignment = cublaslt::kAlignment;
  return cublaslt::best_plan(product).facts;
}

}  // namespace lamella::cuda
#endif
