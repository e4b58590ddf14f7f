// Vectors as wide as the instruction set this file is compiled for. The files of this folder are
// compiled once per instruction set, each time into its own namespace (LAMELLA_ISA: v2, v3, v4).
// The trap to avoid: an inline function or template that lives outside that namespace (std::max,
// a lambda given to std::sort, ...) may be emitted with AVX-512 code under a shared name, and the
// linker may keep that copy for everyone. So these files call nothing inline from outside.
#pragma once

#include <cstdint>

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#if defined(__clang__)
#define LAMELLA_UNROLL _Pragma("unroll")
#else
#define LAMELLA_UNROLL _Pragma("GCC unroll 16")
#endif

namespace lamella::cpu::LAMELLA_ISA {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Vec __attribute__((vector_size(4 * kLanes)));
typedef std::int32_t IntVec __attribute__((vector_size(4 * kLanes)));
typedef float UnalignedVec __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));

inline Vec splat(float x) {
  return x - Vec{};
}
inline Vec load(const float* p) {
  return *reinterpret_cast<const UnalignedVec*>(p);
}
inline void store(float* p, Vec v) {
  *reinterpret_cast<UnalignedVec*>(p) = v;
}
inline Vec select(IntVec mask, Vec yes, Vec no) {
  return mask ? yes : no;
}
inline Vec relu(Vec x) {
  return select(x < 0.0F, Vec{}, x);
}  // keeps NaN

inline Vec square_root(Vec x) {
#if defined(__AVX512F__)
  return _mm512_maskz_sqrt_ps(0xFFFF, x);  // the unmasked one warns in GCC 12
#elif defined(__AVX2__)
  return _mm256_sqrt_ps(x);
#elif defined(__SSE2__)
  return _mm_sqrt_ps(x);
#else
  for (int i = 0; i < kLanes; ++i) x[i] = __builtin_sqrtf(x[i]);
  return x;
#endif
}

inline float sum_of_lanes(Vec v) {
  float sum = 0;
  for (int i = 0; i < kLanes; ++i) sum += v[i];
  return sum;
}

// Which lanes of a vector a memory access touches: all, or the first `count`.
struct AllLanes {
  Vec load(const float* p) const { return LAMELLA_ISA::load(p); }
  void store(float* p, Vec v) const { LAMELLA_ISA::store(p, v); }
  static constexpr int size() { return kLanes; }
};

struct FirstLanes {
  int count;
  int size() const { return count; }

#if defined(__AVX512F__)
  __mmask16 mask() const {
    return static_cast<__mmask16>((1U << count) - 1U);
  }
  Vec load(const float* p) const {
    return _mm512_maskz_loadu_ps(mask(), p);
  }
  void store(float* p, Vec v) const {
    _mm512_mask_storeu_ps(p, mask(), v);
  }
#elif defined(__AVX2__)
  __m256i mask() const {
    const IntVec lane = {0, 1, 2, 3, 4, 5, 6, 7};
    return reinterpret_cast<__m256i>(lane < count);
  }
  Vec load(const float* p) const {
    return _mm256_maskload_ps(p, mask());
  }
  void store(float* p, Vec v) const {
    _mm256_maskstore_ps(p, mask(), v);
  }
#else
  Vec load(const float* p) const {
    Vec v{};
    for (int i = 0; i < count; ++i) v[i] = p[i];
    return v;
  }
  void store(float* p, Vec v) const {
    for (int i = 0; i < count; ++i) p[i] = v[i];
  }
#endif
};

// body(first element, lanes) over [0, count) in steps of one vector.
template <class Body>
inline void for_vectors(std::int64_t count, const Body& body) {
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) body(i, AllLanes{});
  if (i < count) body(i, FirstLanes{static_cast<int>(count - i)});
}

inline std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}
inline std::int64_t larger(std::int64_t a, std::int64_t b) {
  return a > b ? a : b;
}
inline std::int64_t ceil_div(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}
inline std::int64_t round_up(std::int64_t a, std::int64_t b) {
  return ceil_div(a, b) * b;
}

}  // namespace lamella::cpu::LAMELLA_ISA
