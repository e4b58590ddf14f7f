// Wide accesses, shared memory and large parameters. Everything here has one spelling in kernel
// files, because other spellings become accesses of different widths in different compilers.
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

#include "kernels/cuda/device/language.h"
#if !defined(__CUDACC__)
#include "kernels/simt/shared_memory.h"
#endif

namespace lamella {

// 16 bytes of storage type T in registers.
template <class T>
struct alignas(16) Vec16 {
  static_assert(std::is_trivially_copyable_v<T> && 16 % sizeof(T) == 0);
  static constexpr int kCount = 16 / static_cast<int>(sizeof(T));
  T v[kCount];
  __device__ __forceinline__ T& operator[](int i) { return v[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return v[i]; }
};

// One 16-byte access. p must be 16-byte aligned.
template <class T>
__device__ __forceinline__ Vec16<T> load16(const T* __restrict__ p) {
  require_aligned<16>(p);
  const Loaded16 raw = *reinterpret_cast<const Loaded16*>(p);
  Vec16<T> values;
  std::memcpy(&values, &raw, sizeof(raw));
  return values;
}

// As one number. Elements of less than a word are put together by arithmetic: copied as bytes, nvcc
// sends them through local memory or takes the store apart.
template <class T>
__device__ __forceinline__ unsigned __int128 bits_of(const Vec16<T>& values) {
  unsigned __int128 bits = 0;
  if constexpr (sizeof(T) < 4) {
    UNROLL for (int i = Vec16<T>::kCount; i > 0; --i) {
      std::conditional_t<sizeof(T) == 1, std::uint8_t, std::uint16_t> element;
      std::memcpy(&element, &values.v[i - 1], sizeof(element));
      bits = bits << (8 * sizeof(T)) | element;
    }
  } else {
    std::memcpy(&bits, &values, sizeof(bits));
  }
  return bits;
}

template <class T>
__device__ __forceinline__ void store16(T* __restrict__ p, const Vec16<T>& values) {
  require_aligned<16>(p);
  const unsigned __int128 bits = bits_of(values);
  Stored16 raw;
  std::memcpy(&raw, &bits, sizeof(raw));
  *reinterpret_cast<Stored16*>(p) = raw;
}

// The same with 8 bytes: four elements of a 16-bit type beside four of f32. p must be 8-byte
// aligned.
template <class T>
struct alignas(8) Vec8 {
  static_assert(std::is_trivially_copyable_v<T> && 8 % sizeof(T) == 0);
  static constexpr int kCount = 8 / static_cast<int>(sizeof(T));
  T v[kCount];
  __device__ __forceinline__ T& operator[](int i) { return v[i]; }
  __device__ __forceinline__ const T& operator[](int i) const { return v[i]; }
};

template <class T>
__device__ __forceinline__ Vec8<T> load8(const T* __restrict__ p) {
  require_aligned<8>(p);
  const Stored8 raw = *reinterpret_cast<const Stored8*>(p);
  Vec8<T> values;
  std::memcpy(&values, &raw, sizeof(raw));
  return values;
}

template <class T>
__device__ __forceinline__ void store8(T* __restrict__ p, const Vec8<T>& values) {
  static_assert(sizeof(T) == 2 || sizeof(T) == 4);
  require_aligned<8>(p);
  Stored8 raw = 0;
  UNROLL for (int i = Vec8<T>::kCount; i > 0; --i) {  // by arithmetic, as in bits_of
    std::conditional_t<sizeof(T) == 2, std::uint16_t, std::uint32_t> element;
    std::memcpy(&element, &values.v[i - 1], sizeof(element));
    raw = raw << (8 * sizeof(T)) | element;
  }
  *reinterpret_cast<Stored8*>(p) = raw;
}

}  // namespace lamella

// GRID_CONSTANT(Params) params: a kernel parameter that all threads read in place, however large
// (32 KiB for all parameters together), instead of each having a copy.
#if defined(__CUDACC__)
#define GRID_CONSTANT(type) const __grid_constant__ type
#else
#define GRID_CONSTANT(type) const type&
#endif

// SHARED(float, tile, [32][33]);  one variable per block, as `__shared__ float tile[32][33]`.
// float* row = dynamic_shared<float>();  the dynamic shared memory of the launch, 16-byte aligned.
#if defined(__CUDACC__)
#define SHARED(type, name, ...) __shared__ type name __VA_ARGS__

namespace lamella {
// An address in shared memory as instructions take it.
__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}

template <class T>
__device__ __forceinline__ T* dynamic_shared() {
  extern __shared__ uint4 lamella_dynamic_shared[];
  return reinterpret_cast<T*>(lamella_dynamic_shared);
}
}  // namespace lamella
#else
#define SHARED(type, name, ...)                                            \
  using name##_shared_type = type __VA_ARGS__;                             \
  static constexpr ::lamella::simt::SharedVariable name##_shared_variable{ \
      #name, sizeof(name##_shared_type), alignof(name##_shared_type)};     \
  name##_shared_type& name =                                               \
      *static_cast<name##_shared_type*>(::lamella::simt::shared_variable(name##_shared_variable))

namespace lamella {
template <class T>
T* dynamic_shared() {
  return static_cast<T*>(simt::dynamic_shared_memory());
}
}  // namespace lamella
#endif
