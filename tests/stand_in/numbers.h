// Elements of the types that kernels store, read and written in double.
#pragma once

#include "kernels/dtype.h"
#include "kernels/half.h"

namespace lamella::stand_in {

inline double number_at(const void* p, DType dtype) {
  if (dtype == DType::F32) return *static_cast<const float*>(p);
  if (dtype == DType::BF16) return float(*static_cast<const Bf16*>(p));
  return float(*static_cast<const F16*>(p));
}

inline void put_number(void* p, DType dtype, double value) {
  const auto rounded = static_cast<float>(value);
  if (dtype == DType::F32) {
    *static_cast<float*>(p) = rounded;
  } else if (dtype == DType::BF16) {
    *static_cast<Bf16*>(p) = Bf16(rounded);
  } else {
    *static_cast<F16*>(p) = F16(rounded);
  }
}

}  // namespace lamella::stand_in
