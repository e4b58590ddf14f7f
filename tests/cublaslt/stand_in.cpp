// Stands in for libcublasLt.so where there is no device: keeps what layouts, operations and
// preferences are told, and multiplies on the host, in double, from that and from the pointers of
// the call. So what the host says to cuBLASLt is tested by what comes out. Like the real one, it
// reads matrices by columns and a bias in the type of the result, and an algorithm works for
// pointers as aligned as was said when it was chosen. Algorithms: 1 adds pieces up in the result,
// 2 takes more workspace than was allowed, 3 is not supported; 4 may do everything.
#include <cublasLt.h>

#include <cstring>
#include <map>
#include <string>

#include "tests/stand_in/calls.h"
#include "tests/stand_in/numbers.h"

namespace {
using namespace lamella::stand_in;
using lamella::DType;

constexpr std::size_t kWorkspace = 192;

struct Layout : cublasLtMatrixLayoutOpaque_t {
  cudaDataType type;
  std::uint64_t rows, columns;
  std::int64_t pitch;
};
struct Operation : cublasLtMatmulDescOpaque_t {
  bool f32;  // computes and scales in it
  std::map<int, std::uint64_t> attributes;
};
struct Preference : cublasLtMatmulPreferenceOpaque_t {
  std::map<int, std::uint64_t> attributes;
};

// What cublasLtMatmulAlgo_t holds.
enum In { kId, kSplits, kScheme, kAlignmentA, kAlignmentB, kAlignmentD, kAlignmentBias };

std::string last_words;

cublasStatus_t say(cublasStatus_t status, const std::string& words) {
  last_words = words;
  return status;
}

std::uint64_t value_of(const std::map<int, std::uint64_t>& attributes, int name,
                       std::uint64_t otherwise) {
  const auto found = attributes.find(name);
  return found == attributes.end() ? otherwise : found->second;
}

cublasStatus_t keep(std::map<int, std::uint64_t>& attributes, int name, const void* value,
                    size_t bytes, size_t wanted_bytes) {
  if (fails()) return say(CUBLAS_STATUS_INVALID_VALUE, "an attribute is refused");
  if (bytes != wanted_bytes) return say(CUBLAS_STATUS_INVALID_VALUE, "an attribute of wrong size");
  attributes[name] = 0;
  std::memcpy(&attributes[name], value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

template <class Made>
cublasStatus_t made(Made* thing, Made** out) {
  if (fails()) {
    delete thing;
    return say(CUBLAS_STATUS_ALLOC_FAILED, "no memory for a descriptor");
  }
  ++live;
  *out = thing;
  return CUBLAS_STATUS_SUCCESS;
}
template <class Made>
cublasStatus_t destroyed(Made* thing) {
  delete thing;
  --live;
  return CUBLAS_STATUS_SUCCESS;
}

// --- the product ------------------------------------------------------------------------------

struct Matrix {
  const Layout* layout;
  bool transposed;
  void* data;

  DType dtype() const {
    if (layout->type == CUDA_R_32F) return DType::F32;
    return layout->type == CUDA_R_16BF ? DType::BF16 : DType::F16;
  }
  std::uint64_t rows() const { return transposed ? layout->columns : layout->rows; }
  std::uint64_t columns() const { return transposed ? layout->rows : layout->columns; }
  void* at(std::uint64_t row, std::uint64_t column) const {
    if (transposed) std::swap(row, column);
    const auto pitch = static_cast<std::uint64_t>(layout->pitch);
    return static_cast<char*>(data) + (column * pitch + row) * lamella::size_of(dtype());
  }
  double get(std::uint64_t row, std::uint64_t column) const {
    return number_at(at(row, column), dtype());
  }
};

void multiply(const Matrix& a, const Matrix& b, const Matrix& d, const char* bias, double alpha,
              double beta) {
  for (std::uint64_t row = 0; row < d.rows(); ++row) {
    for (std::uint64_t column = 0; column < d.columns(); ++column) {
      double sum = 0;
      for (std::uint64_t i = 0; i < a.columns(); ++i) sum += a.get(row, i) * b.get(i, column);
      double value = alpha * sum + (beta == 0 ? 0 : beta * d.get(row, column));
      if (bias != nullptr) value += number_at(bias + row * lamella::size_of(d.dtype()), d.dtype());
      put_number(d.at(row, column), d.dtype(), value);
    }
  }
}

// Empty where the types and dimensions of a product go together.
std::string nonsense(const Operation& operation, const Matrix& a, const Matrix& b,
                     const Matrix& d) {
  if (!operation.f32) return "not computed in f32";
  if (a.dtype() != b.dtype()) return "operands of two types";
  if (d.dtype() != a.dtype() && d.dtype() != DType::F32) return "no result of this type";
  for (const Matrix* m : {&a, &b, &d}) {
    if (m->layout->pitch < static_cast<std::int64_t>(m->layout->rows)) return "columns overlap";
  }
  const bool fits = a.rows() == d.rows() && b.columns() == d.columns() && a.columns() == b.rows();
  return fits ? "" : "dimensions that do not fit";
}

bool aligned(const void* p, std::uint64_t alignment) {
  return reinterpret_cast<std::uintptr_t>(p) % alignment == 0;
}

bool transposes(const Operation& operation, int name) {
  return value_of(operation.attributes, name, CUBLAS_OP_N) == CUBLAS_OP_T;
}

}  // namespace

// --- cuBLASLt ---------------------------------------------------------------------------------

extern "C" {

size_t cublasLtGetVersion() {
  return 139900;
}
const char* cublasLtGetStatusString(cublasStatus_t) {
  return last_words.c_str();
}
cublasStatus_t cublasLtCreate(cublasLtHandle_t* handle) {
  if (fails()) return say(CUBLAS_STATUS_NOT_INITIALIZED, "no device");
  static int device = 0;
  *handle = reinterpret_cast<cublasLtHandle_t>(&device);
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatrixLayoutCreate(cublasLtMatrixLayout_t* layout, cudaDataType type,
                                          uint64_t rows, uint64_t columns, int64_t pitch) {
  Layout* thing = nullptr;
  const cublasStatus_t status = made(new Layout{{}, type, rows, columns, pitch}, &thing);
  *layout = thing;
  return status;
}
cublasStatus_t cublasLtMatrixLayoutDestroy(cublasLtMatrixLayout_t layout) {
  return destroyed(static_cast<Layout*>(layout));
}

cublasStatus_t cublasLtMatmulDescCreate(cublasLtMatmulDesc_t* operation,
                                        cublasComputeType_t computed, cudaDataType_t scale) {
  Operation* thing = nullptr;
  const bool f32 = computed == CUBLAS_COMPUTE_32F && scale == CUDA_R_32F;
  const cublasStatus_t status = made(new Operation{{}, f32, {}}, &thing);
  *operation = thing;
  return status;
}
cublasStatus_t cublasLtMatmulDescDestroy(cublasLtMatmulDesc_t operation) {
  return destroyed(static_cast<Operation*>(operation));
}
cublasStatus_t cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation,
                                              cublasLtMatmulDescAttributes_t name,
                                              const void* value, size_t bytes) {
  return keep(static_cast<Operation*>(operation)->attributes, name, value, bytes,
              name == CUBLASLT_MATMUL_DESC_BIAS_POINTER ? 8 : 4);
}

cublasStatus_t cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t* preference) {
  Preference* thing = nullptr;
  const cublasStatus_t status = made(new Preference{{}, {}}, &thing);
  *preference = thing;
  return status;
}
cublasStatus_t cublasLtMatmulPreferenceDestroy(cublasLtMatmulPreference_t preference) {
  return destroyed(static_cast<Preference*>(preference));
}
cublasStatus_t cublasLtMatmulPreferenceSetAttribute(cublasLtMatmulPreference_t preference,
                                                    cublasLtMatmulPreferenceAttributes_t name,
                                                    const void* value, size_t bytes) {
  return keep(static_cast<Preference*>(preference)->attributes, name, value, bytes,
              name == CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES ? 8 : 4);
}

cublasStatus_t cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t, cublasLtMatmulDesc_t operation,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                                              cublasLtMatmulPreference_t preference, int most,
                                              cublasLtMatmulHeuristicResult_t* results,
                                              int* count) {
  if (fails()) return say(CUBLAS_STATUS_NOT_SUPPORTED, "not supported");
  const auto& wishes = static_cast<Preference*>(preference)->attributes;
  const auto allowed = value_of(wishes, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, 0);
  if (most < 4 || allowed < kWorkspace) return say(CUBLAS_STATUS_INVALID_VALUE, "too little room");
  const auto schemes =
      value_of(wishes, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, CUBLASLT_REDUCTION_SCHEME_MASK);
  if (schemes != CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE) {
    return say(CUBLAS_STATUS_INVALID_VALUE, "sums that are not the same every time");
  }
  const auto bias = value_of(static_cast<Operation*>(operation)->attributes,
                             CUBLASLT_MATMUL_DESC_BIAS_POINTER, 256);
  for (std::uint64_t id = 1; id <= 4; ++id) {
    cublasLtMatmulHeuristicResult_t& result = results[id - 1];
    auto& algorithm = result.algo.data;
    algorithm[kId] = id;
    algorithm[kSplits] = 2;
    algorithm[kScheme] =
        id == 1 ? CUBLASLT_REDUCTION_SCHEME_INPLACE : CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
    algorithm[kAlignmentA] = value_of(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, 256);
    algorithm[kAlignmentB] = value_of(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, 256);
    algorithm[kAlignmentD] = value_of(wishes, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, 256);
    algorithm[kAlignmentBias] = bias & (~bias + 1);
    result.workspaceSize = id == 2 ? allowed + 1 : kWorkspace;
    result.state = id == 3 ? CUBLAS_STATUS_NOT_SUPPORTED : CUBLAS_STATUS_SUCCESS;
  }
  *count = 4;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmulAlgoConfigGetAttribute(const cublasLtMatmulAlgo_t* algorithm,
                                                    cublasLtMatmulAlgoConfigAttributes_t name,
                                                    void* value, size_t bytes, size_t* written) {
  if (fails() || bytes != 4) return say(CUBLAS_STATUS_INVALID_VALUE, "no such attribute");
  const In at = name == CUBLASLT_ALGO_CONFIG_ID           ? kId
                : name == CUBLASLT_ALGO_CONFIG_SPLITK_NUM ? kSplits
                                                          : kScheme;
  std::memcpy(value, &algorithm->data[at], bytes);
  *written = bytes;
  return CUBLAS_STATUS_SUCCESS;
}

cublasStatus_t cublasLtMatmul(cublasLtHandle_t, cublasLtMatmulDesc_t what, const void* alpha,
                              const void* a, cublasLtMatrixLayout_t a_layout, const void* b,
                              cublasLtMatrixLayout_t b_layout, const void* beta, const void* c,
                              cublasLtMatrixLayout_t c_layout, void* d,
                              cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t* chosen,
                              void* workspace, size_t workspace_bytes, cudaStream_t) {
  if (fails()) return say(CUBLAS_STATUS_EXECUTION_FAILED, "the launch failed");
  const auto& operation = *static_cast<Operation*>(what);
  const Matrix left{static_cast<Layout*>(a_layout),
                    transposes(operation, CUBLASLT_MATMUL_DESC_TRANSA), const_cast<void*>(a)};
  const Matrix right{static_cast<Layout*>(b_layout),
                     transposes(operation, CUBLASLT_MATMUL_DESC_TRANSB), const_cast<void*>(b)};
  const Matrix out{static_cast<Layout*>(d_layout), false, d};
  const std::string problem = nonsense(operation, left, right, out);
  if (!problem.empty()) return say(CUBLAS_STATUS_NOT_SUPPORTED, problem);
  const auto epilogue =
      value_of(operation.attributes, CUBLASLT_MATMUL_DESC_EPILOGUE, CUBLASLT_EPILOGUE_DEFAULT);
  const char* bias = epilogue != CUBLASLT_EPILOGUE_BIAS
                         ? nullptr
                         : reinterpret_cast<const char*>(value_of(
                               operation.attributes, CUBLASLT_MATMUL_DESC_BIAS_POINTER, 0));
  const auto& promised = chosen->data;
  if (promised[kId] != 4 || c != d || c_layout != d_layout || workspace_bytes < kWorkspace ||
      !aligned(workspace, 256) || !aligned(a, promised[kAlignmentA]) ||
      !aligned(b, promised[kAlignmentB]) || !aligned(d, promised[kAlignmentD]) ||
      !aligned(bias, promised[kAlignmentBias])) {
    return say(CUBLAS_STATUS_INVALID_VALUE, "not what the algorithm was chosen for");
  }
  multiply(left, right, out, bias, *static_cast<const float*>(alpha),
           *static_cast<const float*>(beta));
  std::memset(workspace, 0xAB, workspace_bytes);
  ++executed;
  return CUBLAS_STATUS_SUCCESS;
}

}  // extern "C"
