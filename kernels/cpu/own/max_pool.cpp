// Max pooling: forward reads each window once from the first-level cache; backward gathers, so no
// two threads write the same element and the order of additions is fixed.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"
#include "kernels/cpu/own/window.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

typedef std::uint8_t ByteVec __attribute__((vector_size(kLanes)));

// Bytes to the lanes of integers and back. GCC 12 converts between such unlike widths lane by lane,
// which made the backward pass four times slower.
inline IntVec widened(ByteVec bytes) {
#if defined(__AVX512F__)
  return reinterpret_cast<IntVec>(
      _mm512_maskz_cvtepu8_epi32(0xFFFF, reinterpret_cast<__m128i>(bytes)));
#elif defined(__AVX2__)
  std::int64_t eight;
  __builtin_memcpy(&eight, &bytes, 8);
  return reinterpret_cast<IntVec>(_mm256_cvtepu8_epi32(_mm_cvtsi64_si128(eight)));
#elif defined(__SSE4_1__)
  std::int32_t four;
  __builtin_memcpy(&four, &bytes, 4);
  return reinterpret_cast<IntVec>(_mm_cvtepu8_epi32(_mm_cvtsi32_si128(four)));
#else
  return __builtin_convertvector(bytes, IntVec);
#endif
}

inline ByteVec narrowed(IntVec values) {
#if defined(__AVX512F__)
  return reinterpret_cast<ByteVec>(
      _mm512_maskz_cvtepi32_epi8(0xFFFF, reinterpret_cast<__m512i>(values)));
#else
  return __builtin_convertvector(values, ByteVec);
#endif
}

template <class Lanes>
inline IntVec load_winners(const std::uint8_t* p, Lanes lanes) {
  ByteVec bytes{};
  __builtin_memcpy(&bytes, p, static_cast<std::size_t>(lanes.size()));
  return widened(bytes);
}

template <class Lanes>
inline void store_winners(std::uint8_t* p, IntVec winners, Lanes lanes) {
  const ByteVec bytes = narrowed(winners);
  __builtin_memcpy(p, &bytes, static_cast<std::size_t>(lanes.size()));
}

struct Best {
  Vec value;
  IntVec winner;
};

// The first largest element of the window whose cells are given; NaN beats all but an earlier NaN.
template <class Lanes>
inline Best best_of_window(const Pool2dShape& shape, const Window& window, const float* x,
                           Lanes lanes) {
  Best best{splat(-__builtin_inff()), IntVec{} + 255};
  bool first = true;
  for (std::int64_t h = window.h.begin; h < window.h.end; ++h)
    for (std::int64_t w = window.w.begin; w < window.w.end; ++w) {
      const Vec value = lanes.load(x + (h * shape.W + w) * shape.x_pitch);
      const auto cell = static_cast<int>((h - window.h.origin) * shape.S + w - window.w.origin);
      const IntVec wins =
          first ? IntVec{} - 1 : ~(value <= best.value) & (best.value == best.value);
      best.value = select(wins, value, best.value);
      best.winner = wins ? IntVec{} + cell : best.winner;
      first = false;
    }
  return best;
}

void max_pool2d_fwd(Ctx ctx, const Pool2dShape& shape, const void* x, void* y,
                    std::uint8_t* argmax) {
  require_f32("max_pool2d_fwd", shape.dtype);
  if (shape.R * shape.S > 255) refuse_window("max_pool2d_fwd", shape.R, shape.S);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  for_output_pixels(ctx, shape, [&](std::int64_t n, std::int64_t p, std::int64_t q) {
    const Window window = window_at(shape, p, q);
    const std::int64_t pixel = (n * shape.P + p) * shape.Q + q;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Best best =
          best_of_window(shape, window, in + n * shape.H * shape.W * shape.x_pitch + c, lanes);
      lanes.store(out + pixel * shape.y_pitch + c, best.value);
      if (argmax != nullptr) store_winners(argmax + pixel * shape.C + c, best.winner, lanes);
    });
  });
}

void max_pool2d_bwd(Ctx ctx, const Pool2dShape& shape, const void* dy, const std::uint8_t* argmax,
                    void* dx, Write write) {
  require_f32("max_pool2d_bwd", shape.dtype);
  const auto* grad_out = static_cast<const float*>(dy);
  auto* grad_in = static_cast<float*>(dx);
  const auto pixel = [&](std::int64_t at, std::int64_t n, std::int64_t h, std::int64_t w,
                         Covering rows, Covering columns) {
    float* to = grad_in + at * shape.x_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      Vec sum = write == Write::Add ? lanes.load(to + c) : Vec{};
      for (std::int64_t p = rows.begin; p < rows.end; ++p)
        for (std::int64_t q = columns.begin; q < columns.end; ++q) {
          const std::int64_t from = (n * shape.P + p) * shape.Q + q;
          const auto cell = static_cast<int>((h + shape.pad_h - p * shape.stride_h) * shape.S + w +
                                             shape.pad_w - q * shape.stride_w);
          const IntVec won = load_winners(argmax + from * shape.C + c, lanes) == cell;
          sum += select(won, lanes.load(grad_out + from * shape.y_pitch + c), Vec{});
        }
      lanes.store(to + c, sum);
    });
  };
  for_input_pixels(ctx, shape, pixel);
}

}  // namespace

void add_max_pool(KernelTable& table) {
  table.max_pool2d_fwd = max_pool2d_fwd;
  table.max_pool2d_bwd = max_pool2d_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
