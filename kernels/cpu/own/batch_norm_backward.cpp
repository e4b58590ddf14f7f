// Batch norm backward: the two sums over pixels (one read of x and dy), then dx (one more read of
// both, one write). With shared statistics: a layer's sums and its part of dx in one read of x and
// dy, then once for all layers what comes through the statistics. t is computed by the very
// expression of the forward pass, so that the ReLU mask is the forward's to the last bit.
#include "kernels/cpu/own/column_sums.h"
#include "kernels/cpu/own/families.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

// Per-channel factors of the backward pass, C floats each.
struct Factors {
  const float *mean, *scale, *beta;  // t = (z - mean) * scale + beta
  const float *offset, *slope;       // dz = scale * (g - offset - (z - mean) * slope)
};

struct Backward {
  const BatchNormShape& shape;
  const float *x, *dy;

  // g and z - mean of one vector.
  template <class Lanes>
  void read(std::int64_t pixel, std::int64_t c, Lanes lanes, Vec mean, Vec scale, Vec beta, Vec& g,
            Vec& centred) const {
    const Vec value = lanes.load(x + pixel * shape.x_pitch + c);
    centred = (shape.relu_in ? relu(value) : value) - mean;
    g = lanes.load(dy + pixel * shape.y_pitch + c);
    if (shape.relu_out) g = select(centred * scale + beta <= 0.0F, Vec{}, g);
  }

  // Adds the sums of g and g * (z - mean) over pixels [begin, end) of a strip to sums[c] and
  // sums[C + c], and calls each(pixel, c, lanes, scale * g) on the way.
  template <class Lanes, int kVectors, class Each>
  void add_block(std::int64_t begin, std::int64_t end, std::int64_t c, Lanes lanes, Strip<kVectors>,
                 const Factors& factors, double* sums, const Each& each) const {
    Vec mean[kVectors], scale[kVectors], beta[kVectors], first[kVectors] = {},
                                                         second[kVectors] = {};
    for (int v = 0; v < kVectors; ++v) {
      mean[v] = lanes.load(factors.mean + c + v * kLanes);
      scale[v] = lanes.load(factors.scale + c + v * kLanes);
      beta[v] = lanes.load(factors.beta + c + v * kLanes);
    }
    for (std::int64_t pixel = begin; pixel < end; ++pixel)
      LAMELLA_UNROLL for (int v = 0; v < kVectors; ++v) {
        Vec g, centred;
        read(pixel, c + v * kLanes, lanes, mean[v], scale[v], beta[v], g, centred);
        first[v] += g;
        second[v] += g * centred;
        each(pixel, c + v * kLanes, lanes, scale[v] * g);
      }
    for (int v = 0; v < kVectors; ++v) {
      add_lanes(sums + c + v * kLanes, first[v], lanes);
      add_lanes(sums + shape.C + c + v * kLanes, second[v], lanes);
    }
  }

  template <class Lanes>
  Vec gradient(std::int64_t pixel, std::int64_t c, Lanes lanes, const Factors& factors) const {
    Vec g, centred;
    const Vec scale = lanes.load(factors.scale + c);
    read(pixel, c, lanes, lanes.load(factors.mean + c), scale, lanes.load(factors.beta + c), g,
         centred);
    if (shape.training)
      g = g - lanes.load(factors.offset + c) - centred * lanes.load(factors.slope + c);
    const Vec dz = scale * g;
    if (!shape.relu_in) return dz;
    return select(lanes.load(x + pixel * shape.x_pitch + c) <= 0.0F, Vec{}, dz);
  }
};

float inverse_std(const BatchNormShape& shape, const float* var, std::int64_t c) {
  return 1.0F / __builtin_sqrtf(var[c] + shape.eps);
}

void write_scale(const BatchNormShape& shape, const float* var, const float* gamma, float* scale) {
  for (std::int64_t c = 0; c < shape.C; ++c)
    scale[c] = gamma[c] / __builtin_sqrtf(var[c] + shape.eps);
}

void batch_norm_bwd_reduce(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                           const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums) {
  require_f32("batch_norm_bwd_reduce", shape.dtype);
  if (shape.pixels == 0) return;
  const Backward backward{shape, static_cast<const float*>(x), static_cast<const float*>(dy)};
  const int parts = column_parts(ctx, shape.pixels, shape.C);
  const std::int64_t partial_bytes = parts * 2 * shape.C * 8;
  char* scratch = scratch_bytes(ctx, partial_bytes + shape.C * 4);
  auto* scale = reinterpret_cast<float*>(scratch + partial_bytes);
  write_scale(shape, var, gamma, scale);
  const Factors factors{mean, scale, beta, nullptr, nullptr};
  const auto block = [&](std::int64_t begin, std::int64_t end, double* to) {
    for_strips(shape.C, [&](std::int64_t c, auto lanes, auto strip) {
      backward.add_block(begin, end, c, lanes, strip, factors, to,
                         [](std::int64_t, std::int64_t, auto, Vec) {});
    });
  };
  const auto finish = [&](std::int64_t c, const double* totals) {
    sums[c] = static_cast<float>(totals[0]);
    sums[shape.C + c] =
        static_cast<float>(totals[1] * static_cast<double>(inverse_std(shape, var, c)));
  };
  sum_columns<2>(ctx, shape.pixels, shape.C, reinterpret_cast<double*>(scratch), parts, block,
                 finish);
}

void batch_norm_bwd_apply(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                          const float* mean, const float* var, const float* gamma,
                          const float* beta, const float* sums, std::int64_t dx_pitch, void* dx,
                          Write write) {
  require_f32("batch_norm_bwd_apply", shape.dtype);
  if (shape.pixels == 0) return;
  const Backward backward{shape, static_cast<const float*>(x), static_cast<const float*>(dy)};
  float* scale = scratch_floats(ctx, 3 * shape.C);
  float *offset = scale + shape.C, *slope = offset + shape.C;
  write_scale(shape, var, gamma, scale);
  const float share = 1.0F / static_cast<float>(shape.pixels);
  if (shape.training)  // sums may be null otherwise
    for (std::int64_t c = 0; c < shape.C; ++c) {
      offset[c] = sums[c] * share;
      slope[c] = sums[shape.C + c] * share * inverse_std(shape, var, c);
    }
  const Factors factors{mean, scale, beta, offset, slope};
  auto* out = static_cast<float*>(dx);
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    float* to = out + row * dx_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Vec dz = backward.gradient(row, c, lanes, factors);
      lanes.store(to + c, write == Write::Add ? lanes.load(to + c) + dz : dz);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, false, body);
}

void batch_norm_bwd_shared(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                           const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums, std::int64_t shared_pitch, float* shared,
                           std::int64_t dx_pitch, void* dx, Write write) {
  require_f32("batch_norm_bwd_shared", shape.dtype);
  if (shape.pixels == 0) return;
  const Backward backward{shape, static_cast<const float*>(x), static_cast<const float*>(dy)};
  const int parts = column_parts(ctx, shape.pixels, shape.C);
  const std::int64_t partial_bytes = parts * 2 * shape.C * 8;
  char* scratch = scratch_bytes(ctx, partial_bytes + shape.C * 4);
  auto* scale = reinterpret_cast<float*>(scratch + partial_bytes);
  write_scale(shape, var, gamma, scale);
  const Factors factors{mean, scale, beta, nullptr, nullptr};
  auto* out = static_cast<float*>(dx);
  const auto write_dx = [&](std::int64_t pixel, std::int64_t c, auto lanes, Vec value) {
    float* to = out + pixel * dx_pitch + c;
    lanes.store(to, write == Write::Add ? lanes.load(to) + value : value);
  };
  const auto block = [&](std::int64_t begin, std::int64_t end, double* to) {
    for_strips(shape.C, [&](std::int64_t c, auto lanes, auto strip) {
      backward.add_block(begin, end, c, lanes, strip, factors, to, write_dx);
    });
  };
  const auto finish = [&](std::int64_t c, const double* totals) {
    const auto inverse = static_cast<double>(inverse_std(shape, var, c));
    const double sum_g = totals[0], sum_gz = totals[1] * inverse;
    sums[c] = static_cast<float>(sum_g);
    sums[shape.C + c] = static_cast<float>(sum_gz);
    const double factor = static_cast<double>(gamma[c]) * inverse;
    shared[c] += static_cast<float>(factor * sum_g);
    shared[shared_pitch + c] += static_cast<float>(factor * inverse * sum_gz);
  };
  sum_columns<2>(ctx, shape.pixels, shape.C, reinterpret_cast<double*>(scratch), parts, block,
                 finish);
}

void batch_norm_stats_bwd(Ctx ctx, const BatchNormShape& shape, const void* x, const void* dy,
                          const float* mean, std::int64_t shared_pitch, const float* shared,
                          std::int64_t dx_pitch, void* dx, Write write) {
  require_f32("batch_norm_stats_bwd", shape.dtype);
  if (shape.pixels == 0) return;
  const auto *in = static_cast<const float*>(x), *grad = static_cast<const float*>(dy);
  auto* out = static_cast<float*>(dx);
  const float share = 1.0F / static_cast<float>(shape.pixels);
  const auto body = [&](std::int64_t row, std::int64_t, std::int64_t) {
    const float *x_row = in + row * shape.x_pitch, *dy_row = grad + row * shape.y_pitch;
    float* to = out + row * dx_pitch;
    for_vectors(shape.C, [&](std::int64_t c, auto lanes) {
      const Vec centred = lanes.load(x_row + c) - lanes.load(mean + c);
      const Vec through = lanes.load(shared + c) + centred * lanes.load(shared + shared_pitch + c);
      const Vec value = lanes.load(dy_row + c) - through * share;
      lanes.store(to + c, write == Write::Add ? lanes.load(to + c) + value : value);
    });
  };
  for_row_pieces(ctx, shape.pixels, shape.C, false, body);
}

}  // namespace

void add_batch_norm_backward(KernelTable& table) {
  table.batch_norm_bwd_reduce = batch_norm_bwd_reduce;
  table.batch_norm_bwd_apply = batch_norm_bwd_apply;
  table.batch_norm_bwd_shared = batch_norm_bwd_shared;
  table.batch_norm_stats_bwd = batch_norm_stats_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
