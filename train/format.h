// Numbers as text, the same in every locale. Private to train/ and tools/.
#pragma once

#include <charconv>
#include <string>

namespace lamella {

// Fixed decimals: fixed(0.125, 2) is "0.12".
inline std::string fixed(double value, int decimals) {
  char digits[400];  // the longest double has 309 digits before the point
  const auto end =
      std::to_chars(digits, digits + sizeof digits, value, std::chars_format::fixed, decimals);
  return {digits, end.ptr};
}

}  // namespace lamella
