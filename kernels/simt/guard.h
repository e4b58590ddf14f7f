// Guards: known bytes around memory that kernels write, looked at afterwards.
#pragma once

#include <cstddef>
#include <cstring>

namespace lamella::simt {

constexpr unsigned char kGuardByte = 0xA5;

inline void fill_guard(char* begin, const char* end) {
  std::memset(begin, kGuardByte, static_cast<std::size_t>(end - begin));
}

// The first byte of [begin, end) that is no longer the guard's, or null.
inline const char* find_damage(const char* begin, const char* end) {
  // Equal to its neighbour everywhere, and right at the start: one fast comparison.
  const auto bytes = static_cast<std::size_t>(end - begin);
  if (bytes == 0) return nullptr;
  const auto right = [](char byte) { return static_cast<unsigned char>(byte) == kGuardByte; };
  if (right(*begin) && std::memcmp(begin, begin + 1, bytes - 1) == 0) return nullptr;
  while (right(*begin)) ++begin;
  return begin;
}

}  // namespace lamella::simt
