// The 16-bit types as memory holds them, and their conversions: those of kernels/half.h, without a
// branch so that loops over them become vector code, and in this namespace (simd.h says why).
#pragma once

#include <cstdint>

#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {

struct Bf16 {
  std::uint16_t bits;
};
struct F16 {
  std::uint16_t bits;
};

inline std::uint32_t bits_of(float value) {
  return __builtin_bit_cast(std::uint32_t, value);
}
inline float float_of(std::uint32_t bits) {
  return __builtin_bit_cast(float, bits);
}

inline float widened(float value) {
  return value;
}
inline float widened(Bf16 value) {
  return float_of(std::uint32_t{value.bits} << 16U);
}
inline float widened(F16 value) {
  const std::uint32_t sign = (value.bits & 0x8000U) << 16U, size = value.bits & 0x7FFFU;
  // As the bits of a float, `size` is 2^112 times too small, below 2^-14 too; infinities and NaN
  // lack the rest of their exponent.
  const std::uint32_t scaled = bits_of(float_of(size << 13U) * 0x1p112F);
  return float_of(sign | (size >= 0x7C00U ? size << 13U | 0x7F800000U : scaled));
}

// Rounds to nearest, ties to even; a NaN becomes 0x7FFF.
inline void narrow(float value, float* to) {
  *to = value;
}
inline void narrow(float value, Bf16* to) {
  const std::uint32_t word = bits_of(value);
  const std::uint32_t rounded = (word + 0x7FFFU + (word >> 16U & 1U)) >> 16U;
  const bool nan = (word & 0x7FFFFFFFU) > 0x7F800000U;
  to->bits = static_cast<std::uint16_t>(nan ? 0x7FFFU : rounded);
}
inline void narrow(float value, F16* to) {
  const std::uint32_t word = bits_of(value), size = word & 0x7FFFFFFFU;
  const std::uint32_t rebased = size - (112U << 23U);
  const std::uint32_t normal = (rebased + 0xFFFU + (rebased >> 13U & 1U)) >> 13U;
  // Below 2^-14 a multiple of 2^-24, which is the last place of 0.5.
  const std::uint32_t small = bits_of(float_of(size) + 0.5F) - 0x3F000000U;
  std::uint32_t rounded = size < 0x38800000U ? small : normal;
  rounded = size >= 0x477FF000U ? 0x7C00U : rounded;  // 65520 and more
  const std::uint32_t signed_bits = rounded | (word >> 16U & 0x8000U);
  to->bits = static_cast<std::uint16_t>(size > 0x7F800000U ? 0x7FFFU : signed_bits);
}

template <class T>
inline T narrowed(float value) {
  T result;
  narrow(value, &result);
  return result;
}

}  // namespace lamella::cpu::LAMELLA_ISA
