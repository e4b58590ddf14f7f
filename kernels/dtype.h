// Element types of tensors, as run-time values.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamella {

enum class DType : std::uint8_t { F32, BF16, F16, I32, U8 };

constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
    case DType::I32:
      return 4;
    case DType::BF16:
    case DType::F16:
      return 2;
    case DType::U8:
      return 1;
  }
  return 0;
}

// Whether tensors of it hold real numbers: activations, weights, gradients.
constexpr bool is_floating(DType dtype) {
  return dtype == DType::F32 || dtype == DType::BF16 || dtype == DType::F16;
}

constexpr const char* name_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return "f32";
    case DType::BF16:
      return "bf16";
    case DType::F16:
      return "f16";
    case DType::I32:
      return "i32";
    case DType::U8:
      return "u8";
  }
  return "?";
}

}  // namespace lamella
