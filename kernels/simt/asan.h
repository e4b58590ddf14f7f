// Tells AddressSanitizer which bytes may be touched; empty functions without it.
#pragma once

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace lamella::simt {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kAddressSanitizer = true;
inline void forbid(const void* data, std::size_t bytes) {
  __asan_poison_memory_region(data, bytes);
}
inline void permit(const void* data, std::size_t bytes) {
  __asan_unpoison_memory_region(data, bytes);
}
#else
constexpr bool kAddressSanitizer = false;
inline void forbid(const void*, std::size_t) {}
inline void permit(const void*, std::size_t) {}
#endif

}  // namespace lamella::simt
