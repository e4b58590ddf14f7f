// Batch norm forward: statistics (one read of x) and application (one read, one write).
//
// Variance where |mean| >> std: inside a block of pixels, sums are taken about a shift near the
// block's own mean, so f32 loses nothing; blocks are then combined in double about one origin per
// channel (the first pixel), by the parallel formula of Chan, Golub and LeVeque (1979).
#include "kernels/cpu/own/column_sums.h"
#include "kernels/cpu/own/families.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

constexpr std::int64_t kShiftSamples = 8;

inline Vec normal_input(Vec x, bool relu_in) {
  return relu_in ? relu(x) : x;
}

struct Statistics {
  const BatchNormShape& shape;
  const float* x;

  Vec at(std::int64_t pixel, std::int64_t c, auto lanes) const {
    return normal_input(lanes.load(x + pixel * shape.x_pitch + c), shape.relu_in);
  }

  // Adds pixels [begin, end) of the strip at c: sums[c] += n (m - origin),
  // sums[C + c] += M2 + n (m - origin)^2 with m the block's mean and M2 its squared deviations.
  template <class Lanes, int kVectors>
  void add_block(std::int64_t begin, std::int64_t end, std::int64_t c, Lanes lanes, Strip<kVectors>,
                 double* sums) const {
    Vec shift[kVectors] = {}, first[kVectors] = {}, second[kVectors] = {};
    const std::int64_t count = end - begin, samples = smaller(kShiftSamples, count);
    for (std::int64_t i = 0; i < samples; ++i)
      for (int v = 0; v < kVectors; ++v)
        shift[v] += at(begin + i * count / samples, c + v * kLanes, lanes);
    for (int v = 0; v < kVectors; ++v) shift[v] /= static_cast<float>(samples);
    for (std::int64_t pixel = begin; pixel < end; ++pixel)
      LAMELLA_UNROLL for (int v = 0; v < kVectors; ++v) {
        const Vec d = at(pixel, c + v * kLanes, lanes) - shift[v];
        first[v] += d;
        second[v] += d * d;
      }
    for (int v = 0; v < kVectors; ++v)
      combine(static_cast<double>(count), c + v * kLanes, lanes.size(), shift[v], first[v],
              second[v], sums);
  }

  void combine(double n, std::int64_t c, int lanes, Vec shift, Vec first, Vec second,
               double* sums) const {
    float shifts[kLanes], firsts[kLanes], seconds[kLanes];
    store(shifts, shift);
    store(firsts, first);
    store(seconds, second);
    for (int i = 0; i < lanes; ++i) {
      const double d = static_cast<double>(firsts[i]);
      const double off = static_cast<double>(shifts[i]) - origin(c + i) + d / n;
      sums[c + i] += n * off;
      sums[shape.C + c + i] += static_cast<double>(seconds[i]) - d * d / n + n * off * off;
    }
  }

  double origin(std::int64_t c) const {
    const float value = x[c];
    return static_cast<double>(shape.relu_in && value < 0 ? 0.0F : value);
  }
};

void batch_norm_stats(Ctx ctx, const BatchNormShape& shape, const void* x, float* mean,
                      float* var) {
  require_f32("batch_norm_stats", shape.dtype);
  if (shape.pixels == 0) return;
  const Statistics statistics{shape, static_cast<const float*>(x)};
  const int parts = column_parts(ctx, shape.pixels, shape.C);
  auto* partial = reinterpret_cast<double*>(scratch_bytes(ctx, parts * 2 * shape.C * 8));
  const auto block = [&](std::int64_t begin, std::int64_t end, double* sums) {
    for_strips(shape.C, [&](std::int64_t c, auto lanes, auto strip) {
      statistics.add_block(begin, end, c, lanes, strip, sums);
    });
  };
  const auto finish = [&](std::int64_t c, const double* totals) {
    const auto n = static_cast<double>(shape.pixels);
    const double off = totals[0] / n, spread = totals[1] / n - off * off;
    mean[c] = static_cast<float>(statistics.origin(c) + off);
    var[c] = static_cast<float>(spread < 0 ? 0.0 : spread);
  };
  sum_columns<2>(ctx, shape.pixels, shape.C, partial, parts, block, finish);
}

// Two passes over x: rows are cut otherwise for the statistics than for the copy.
void batch_norm_copy_stats(Ctx ctx, const BatchNormShape& shape, const void* x, void* y,
                           float* mean, float* var) {
  require_f32("batch_norm_copy_stats", shape.dtype);
  copy_rows(ctx, shape.pixels, shape.C, static_cast<const float*>(x), shape.x_pitch,
            static_cast<float*>(y), shape.y_pitch);
  batch_norm_stats(ctx, shape, x, mean, var);
}

void batch_norm_apply(Ctx ctx, const BatchNormShape& shape, const void* x, const float* mean,
                      const float* var, const float* gamma, const float* beta, void* y) {
  require_f32("batch_norm_apply", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  auto* out = static_cast<float*>(y);
  float* scale = scratch_floats(ctx, shape.C);
  for (std::int64_t c = 0; c < shape.C; ++c)
    scale[c] = gamma[c] / __builtin_sqrtf(var[c] + shape.eps);
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    const float* a = in + row * shape.x_pitch;
    float* b = out + row * shape.y_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Vec z = normal_input(lanes.load(a + c), shape.relu_in);
      const Vec t = (z - lanes.load(mean + c)) * lanes.load(scale + c) + lanes.load(beta + c);
      lanes.store(b + c, shape.relu_out ? relu(t) : t);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, false, body);
}

void batch_norm_update(Ctx, const BatchNormShape& shape, float momentum, const float* mean,
                       const float* var, float* running_mean, float* running_var) {
  const double n = static_cast<double>(shape.pixels);
  const auto unbiased = static_cast<float>(n > 1 ? n / (n - 1) : 1.0);
  for (std::int64_t c = 0; c < shape.C; ++c) {
    running_mean[c] += momentum * (mean[c] - running_mean[c]);
    running_var[c] += momentum * (var[c] * unbiased - running_var[c]);
  }
}

}  // namespace

void add_batch_norm(KernelTable& table) {
  table.batch_norm_stats = batch_norm_stats;
  table.batch_norm_copy_stats = batch_norm_copy_stats;
  table.batch_norm_apply = batch_norm_apply;
  table.batch_norm_update = batch_norm_update;
}

}  // namespace lamella::cpu::LAMELLA_ISA
