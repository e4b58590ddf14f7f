// The 16-bit floating-point types as the host stores them, with conversions that round to nearest,
// ties to even, as the device does. Arithmetic is never done in them.
//   Bf16: sign, 8 exponent bits, 7 of fraction; the range of f32.
//   F16:  sign, 5 exponent bits, 10 of fraction; IEEE 754 binary16, up to 65504.
// A NaN becomes the one quiet NaN with all other bits set, as in CUDA's conversions.
#pragma once

#include <bit>
#include <cstdint>

namespace lamella {

struct Bf16 {
  std::uint16_t bits;
  Bf16() = default;
  explicit Bf16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const bool nan = (word & 0x7FFFFFFFU) > 0x7F800000U;
    const std::uint32_t rounded = word + 0x7FFFU + (word >> 16U & 1U);
    bits = nan ? std::uint16_t{0x7FFF} : static_cast<std::uint16_t>(rounded >> 16U);
  }
  explicit operator float() const {
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16U);
  }
};

struct F16 {
  std::uint16_t bits;
  F16() = default;
  explicit F16(float value) {
    const auto word = std::bit_cast<std::uint32_t>(value);
    const std::uint32_t size = magnitude(word & 0x7FFFFFFFU);
    const std::uint32_t sign = size == kNaN ? 0 : word >> 16U & 0x8000U;
    bits = static_cast<std::uint16_t>(sign | size);
  }
  explicit operator float() const {
    const std::uint32_t sign = (bits & 0x8000U) << 16U;
    const std::uint32_t exponent = bits >> 10U & 31U, fraction = bits & 0x3FFU;
    if (exponent == 0) {  // a multiple of 2^-24
      const float value = static_cast<float>(fraction) * 0x1p-24F;
      return std::bit_cast<float>(std::bit_cast<std::uint32_t>(value) | sign);
    }
    const std::uint32_t high = exponent == 31 ? 0xFFU : exponent + 112;
    return std::bit_cast<float>(sign | high << 23U | fraction << 13U);
  }

 private:
  static constexpr std::uint32_t kNaN = 0x7FFF;
  static std::uint32_t magnitude(std::uint32_t word) {
    if (word > 0x7F800000U) return kNaN;
    if (word >= 0x477FF000U) return 0x7C00;  // 65520 and more round to infinity
    if (word < 0x38800000U) {                // below 2^-14: a multiple of 2^-24, which is
      const float shifted = std::bit_cast<float>(word) + 0.5F;  // the last place of 0.5
      return std::bit_cast<std::uint32_t>(shifted) - 0x3F000000U;
    }
    const std::uint32_t rebased = word - (112U << 23U);
    return (rebased + 0xFFFU + (rebased >> 13U & 1U)) >> 13U;
  }
};

}  // namespace lamella
