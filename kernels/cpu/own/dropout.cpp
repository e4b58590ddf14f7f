// Dropout with Philox4x32-10 (kernels/philox.h gives the scalar definition; this is the same
// function on one counter per 64-bit lane). A product of two 32-bit words fills a lane, so only the
// low half of each lane is meaningful; the multiply ignores the rest.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr int kGroups = kLanes / 2;  // counters per call; each gives four words
constexpr int kWords = 4 * kGroups;
typedef std::uint64_t Wide __attribute__((vector_size(4 * kLanes)));

Wide multiply_low_words(Wide a, Wide b) {
#if defined(__AVX512F__)
  return reinterpret_cast<Wide>(
      _mm512_maskz_mul_epu32(0xFF, reinterpret_cast<__m512i>(a), reinterpret_cast<__m512i>(b)));
#elif defined(__AVX2__)
  return reinterpret_cast<Wide>(
      _mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
#elif defined(__SSE2__)
  return reinterpret_cast<Wide>(
      _mm_mul_epu32(reinterpret_cast<__m128i>(a), reinterpret_cast<__m128i>(b)));
#else
  return (a & 0xFFFFFFFFU) * (b & 0xFFFFFFFFU);
#endif
}

// a[0], b[0], a[1], b[1], ... to words.
void store_in_turn(Wide a, Wide b, std::uint32_t* words) {
  typedef std::uint64_t WideWords __attribute__((vector_size(4 * kLanes), aligned(4), may_alias));
#if defined(__AVX512F__)
  const Wide first = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
  const Wide second = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#elif defined(__AVX2__)
  const Wide first = __builtin_shufflevector(a, b, 0, 4, 1, 5);
  const Wide second = __builtin_shufflevector(a, b, 2, 6, 3, 7);
#else
  const Wide first = __builtin_shufflevector(a, b, 0, 2);
  const Wide second = __builtin_shufflevector(a, b, 1, 3);
#endif
  *reinterpret_cast<WideWords*>(words) = first;
  *reinterpret_cast<WideWords*>(words + 2 * kGroups) = second;
}

// The words of counters first, first + 1, ..., first + kGroups - 1, four each, in order.
void philox_words(std::uint64_t first, const DropoutKey& key, std::uint32_t* words) {
  Wide counter{};
  for (int i = 0; i < kGroups; ++i) counter[i] = first + static_cast<std::uint64_t>(i);
  Wide c0 = counter, c1 = counter >> 32, c2 = Wide{} + key.step, c3 = Wide{} + key.layer;
  auto k0 = static_cast<std::uint32_t>(key.seed);
  auto k1 = static_cast<std::uint32_t>(key.seed >> 32U);
  const Wide mul0 = Wide{} + 0xD2511F53U, mul1 = Wide{} + 0xCD9E8D57U;
  for (int round = 0; round < 10; ++round) {
    const Wide p0 = multiply_low_words(mul0, c0), p1 = multiply_low_words(mul1, c2);
    c0 = (p1 >> 32) ^ c1 ^ (Wide{} + k0);
    c2 = (p0 >> 32) ^ c3 ^ (Wide{} + k1);
    c1 = p1;
    c3 = p0;
    k0 += 0x9E3779B9U;
    k1 += 0xBB67AE85U;
  }
  const Wide low = Wide{} + 0xFFFFFFFFU;
  store_in_turn((c0 & low) | (c1 << 32), (c2 & low) | (c3 << 32), words);
}

// Elements first .. first + count of the logical tensor, at x and y.
template <Write kWrite>
void drop_run(const DropoutKey& key, std::int64_t first, std::int64_t count, const float* x,
              float* y) {
  constexpr std::int64_t kRun = 512;
  const std::uint32_t keep_below = key.keep_below;
  const float scale = key.scale;  // copies: y might alias key
  std::uint32_t words[kRun + 2 * kWords];
  for (std::int64_t done = 0; done < count; done += kRun) {
    const std::int64_t n = smaller(kRun, count - done);
    const std::int64_t skip = (first + done) % 4;
    const auto group = static_cast<std::uint64_t>((first + done) / 4);
    for (std::int64_t w = 0; w < skip + n; w += kWords)
      philox_words(group + static_cast<std::uint64_t>(w / 4), key, words + w);
    for (std::int64_t i = 0; i < n; ++i) {
      const float kept = words[skip + i] < keep_below ? x[done + i] * scale : 0.0F;
      y[done + i] = kWrite == Write::Add ? y[done + i] + kept : kept;
    }
  }
}

template <Write kWrite>
void drop(Ctx ctx, const SliceShape& shape, const DropoutKey& key, const void* x, void* y) {
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  const bool dense = shape.x_pitch == shape.C && shape.y_pitch == shape.C;
  for_row_pieces(ctx, shape.pixels, shape.C, dense,
                 [&](std::int64_t row, std::int64_t from, std::int64_t n) {
                   drop_run<kWrite>(key, row * shape.C + from, n, in + row * shape.x_pitch + from,
                                    out + row * shape.y_pitch + from);
                 });
}

void dropout_fwd(Ctx ctx, const SliceShape& shape, const DropoutKey& key, const void* x, void* y) {
  require_f32("dropout_fwd", shape.dtype);
  drop<Write::Set>(ctx, shape, key, x, y);
}

void dropout_bwd(Ctx ctx, const SliceShape& shape, const DropoutKey& key, const void* dy, void* dx,
                 Write write) {
  require_f32("dropout_bwd", shape.dtype);
  if (write == Write::Add)
    drop<Write::Add>(ctx, shape, key, dy, dx);
  else
    drop<Write::Set>(ctx, shape, key, dy, dx);
}

}  // namespace

void add_dropout(KernelTable& table) {
  table.dropout_fwd = dropout_fwd;
  table.dropout_bwd = dropout_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
