// Matrix instructions of a warp, for 16-bit types (sm_80 and newer). Every lane of the warp calls
// them together.
//   load_matrices(row)             four 8 x 8 matrices from shared memory: lanes 0-7 point to the
//                                  rows of the first, 8-15 to those of the second, and so on; 16
//                                  bytes each, 16-byte aligned (ldmatrix.x4)
//   load_matrices_transposed(row)  the same, and every matrix transposed
//   multiply_add<T>(a, b0, b1, d)  d [16 x 8] += a [16 x 16] * b [16 x 8], f32 sums (mma m16n8k16).
//     The matrices of a: rows 0-7 and depth 0-7; rows 8-15; then the same for depth 8-15. Those of
//     b, transposed as load_matrices brings them from columns in a row each: depth 0-7, 8-15.
//     Lane l holds d[l / 4 + 8 (i / 2)][2 (l % 4) + i % 2] in d[i].
#pragma once

#include "kernels/cuda/device/half.h"
#include "kernels/cuda/device/memory.h"

#if defined(__CUDACC__)
namespace lamella {

// Of each matrix a lane holds elements 2 (l % 4) and 2 (l % 4) + 1 of row l / 4 in one register.
struct Matrices {
  unsigned v[4];
};

template <class T>
__device__ __forceinline__ Matrices load_matrices(const T* row) {
  Matrices m;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m.v[0]), "=r"(m.v[1]), "=r"(m.v[2]), "=r"(m.v[3])
               : "r"(shared_address(row))
               : "memory");
  return m;
}

template <class T>
__device__ __forceinline__ Matrices load_matrices_transposed(const T* row) {
  Matrices m;
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(m.v[0]), "=r"(m.v[1]), "=r"(m.v[2]), "=r"(m.v[3])
               : "r"(shared_address(row))
               : "memory");
  return m;
}

template <class T>
__device__ __forceinline__ void multiply_add(const Matrices& a, unsigned b0, unsigned b1,
                                             float (&d)[4]) {
  if constexpr (std::is_same_v<T, Bf16>) {
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b0), "r"(b1));
  } else {
    static_assert(std::is_same_v<T, F16>);
    asm volatile(
        "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, "
        "{%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b0), "r"(b1));
  }
}

}  // namespace lamella
#else
#include "kernels/simt/matrix.h"
#endif
