// Where cuBLASLt cannot be loaded: what stands for it in LD_LIBRARY_PATH is no library.
#include <gtest/gtest.h>

#include "kernels/cuda/cublaslt/cublaslt.h"
#include "tests/cublaslt/own_products.h"
#include "tests/stand_in/host.h"

namespace lamella::cuda {
namespace {

TEST(CublasLtMissing, LeavesEverythingToTheOwnKernels) {
  const KernelTable table = with_cublaslt(counting_products());
  stand_in::Host host;
  const LinearShape s{1, 1, 1, 1, 1, DType::F32};
  const float operand[1] = {};
  float result[1] = {};
  table.linear_fwd(host.ctx, s, operand, operand, nullptr, result);
  table.linear_bwd_data(host.ctx, s, operand, operand, result, Write::Set);
  table.linear_bwd_weight(host.ctx, s, operand, operand, result, Write::Set);
  EXPECT_EQ(own_calls, 3);
  EXPECT_EQ(host.note, "own kernel: " + cublaslt_problem());
  EXPECT_NE(cublaslt_problem().find("cannot be loaded ("), std::string::npos);
  EXPECT_THROW(cublaslt_plan(ProductKind::Forward, s, false), std::runtime_error);
}

}  // namespace
}  // namespace lamella::cuda
