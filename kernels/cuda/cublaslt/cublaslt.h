// Products by cuBLASLt: the linear layer and its gradients. The library is loaded with the first
// product, for that takes 0.3 s; where it is missing, the own kernels work as before.
#pragma once

#include <cstdint>
#include <string>

#include "kernels/kernel_table.h"

namespace lamella::cuda {

enum class ProductKind : std::uint8_t { Forward, BackwardData, BackwardWeight };

struct CublasLtPlan {
  int algorithm = 0;           // as cuBLASLt numbers it
  int splits = 1;              // of the depth
  std::int64_t workspace = 0;  // bytes
};

// Why cuBLASLt cannot be used in this process, as a sentence; empty where it can. Loads it.
const std::string& cublaslt_problem();
std::string cublaslt_version();  // "cuBLASLt 13.1.0"; only without a problem

// Who multiplies by the table below, in words, without loading anything.
const char* cublaslt_in_words();

// What cuBLASLt would run on the current device, of operands aligned as the allocator does. Throws
// std::runtime_error where it has nothing that keeps to the rules (plan.h).
CublasLtPlan cublaslt_plan(ProductKind kind, const LinearShape& shape, bool bias);

// `own` with cuBLASLt before its products, which go on to do what cuBLASLt does not: empty ones,
// whatever it has no plan for, and all of them where it cannot be used. The own products of all
// calls in a process must be the same.
KernelTable with_cublaslt(const KernelTable& own);

}  // namespace lamella::cuda
