// Softmax, cross-entropy and the L2 penalty. Rows are few and short, so the softmax is written for
// accuracy: sums and logarithms in double.
#include "kernels/cpu/own/families.h"
#include "kernels/cpu/own/parallel.h"

namespace lamella::cpu::LAMELLA_ISA {
namespace {

double softmax_of(const float* x, std::int64_t c, double log_sum) {
  return __builtin_exp(static_cast<double>(x[c]) - log_sum);
}

// log(sum exp x) of one row.
double log_sum_of(const float* x, std::int64_t C) {
  double most = static_cast<double>(x[0]), sum = 0;
  for (std::int64_t c = 1; c < C; ++c)
    if (static_cast<double>(x[c]) > most) most = static_cast<double>(x[c]);
  for (std::int64_t c = 0; c < C; ++c) sum += __builtin_exp(static_cast<double>(x[c]) - most);
  return most + __builtin_log(sum);
}

void softmax_fwd(Ctx, const SoftmaxShape& shape, const void* x, float* probs) {
  require_f32("softmax_fwd", shape.dtype);
  const auto* in = static_cast<const float*>(x);
  for (std::int64_t n = 0; n < shape.N; ++n) {
    const float* row = in + n * shape.x_pitch;
    const double log_sum = log_sum_of(row, shape.C);
    for (std::int64_t c = 0; c < shape.C; ++c)
      probs[n * shape.C + c] = static_cast<float>(softmax_of(row, c, log_sum));
  }
}

double weight_of(const LossTargets& targets, std::int64_t c) {
  return targets.class_weights != nullptr ? static_cast<double>(targets.class_weights[c]) : 1.0;
}

// The target of one class of row n, smoothed and weighted.
double target_of(const SoftmaxShape& shape, const LossTargets& targets, std::int64_t n,
                 std::int64_t c) {
  const double smoothing = static_cast<double>(targets.label_smoothing);
  const double given = targets.labels != nullptr
                           ? (targets.labels[n] == c ? 1.0 : 0.0)
                           : static_cast<double>(targets.probabilities[n * shape.C + c]);
  const double target = (1.0 - smoothing) * given + smoothing / static_cast<double>(shape.C);
  return target == 0.0 ? 0.0 : target * weight_of(targets, c);
}

// The loss of row n times its weight; its residual where one is wanted.
double row_loss(const SoftmaxShape& shape, const LossTargets& targets, std::int64_t n,
                const float* x, float* residual) {
  const double log_sum = log_sum_of(x, shape.C);
  double loss = 0, targets_of_row = 0;
  for (std::int64_t c = 0; c < shape.C; ++c) {
    const double target = target_of(shape, targets, n, c);
    targets_of_row += target;
    if (target != 0.0) loss += target * (log_sum - static_cast<double>(x[c]));
  }
  for (std::int64_t c = 0; residual != nullptr && c < shape.C; ++c) {
    residual[c] = static_cast<float>(targets_of_row * softmax_of(x, c, log_sum) -
                                     target_of(shape, targets, n, c));
  }
  return loss;
}

void softmax_cross_entropy_fwd(Ctx, const SoftmaxShape& shape, const LossTargets& targets,
                               const void* x, float* loss, float* total, float* residual) {
  require_f32("softmax_cross_entropy_fwd", shape.dtype);
  if (shape.N == 0) return;
  const auto* in = static_cast<const float*>(x);
  double sum = 0, weights = 0;
  for (std::int64_t n = 0; n < shape.N; ++n) {
    float* to = residual != nullptr ? residual + n * shape.C : nullptr;
    sum += row_loss(shape, targets, n, in + n * shape.x_pitch, to);
    const std::int64_t label = targets.labels != nullptr ? targets.labels[n] : 0;
    if (label < 0 || label >= shape.C)
      sum = __builtin_nan("");
    else
      weights += targets.labels != nullptr ? weight_of(targets, label) : 1.0;
  }
  total[0] = static_cast<float>(weights);
  loss[0] = static_cast<float>(sum / weights);
}

void softmax_cross_entropy_bwd(Ctx, const SoftmaxShape& shape, const float* residual,
                               const float* total, const float* dloss, void* dx, Write write) {
  require_f32("softmax_cross_entropy_bwd", shape.dtype);
  auto* grad = static_cast<float*>(dx);
  const float scale = dloss[0] / total[0];
  for (std::int64_t n = 0; n < shape.N; ++n)
    for (std::int64_t c = 0; c < shape.C; ++c) {
      float* to = grad + n * shape.x_pitch + c;
      const float g = scale * residual[n * shape.C + c];
      *to = write == Write::Add ? *to + g : g;
    }
}

// Sum of squares of one piece, f32 in lanes.
double sum_of_squares(const float* w, std::int64_t count) {
  Vec sum{};
  for_vectors(count, [&](std::int64_t i, auto lanes) {
    const Vec v = lanes.load(w + i);
    sum += v * v;
  });
  double total = 0;
  for (int i = 0; i < kLanes; ++i) total += static_cast<double>(sum[i]);
  return total;
}

void l2_penalty_fwd(Ctx ctx, const FlatShape& shape, float lambda, const void* w, float* loss,
                    Write write) {
  require_f32("l2_penalty_fwd", shape.dtype);
  constexpr std::int64_t kPiece = 4096;
  const auto* weights = static_cast<const float*>(w);
  const std::int64_t pieces = ceil_div(shape.count, kPiece);
  const int parts = parts_for(ctx, pieces, kPiece);
  auto* sums = reinterpret_cast<double*>(scratch_bytes(ctx, parts * 8));
  for_parts(ctx, parts, pieces, [&](int part, std::int64_t begin, std::int64_t end) {
    double sum = 0;
    for (std::int64_t i = begin; i < end; ++i)
      sum += sum_of_squares(weights + i * kPiece, smaller(kPiece, shape.count - i * kPiece));
    sums[part] = sum;
  });
  double total = 0;
  for (int part = 0; part < parts; ++part) total += sums[part];
  const double before = write == Write::Add ? static_cast<double>(loss[0]) : 0.0;
  loss[0] = static_cast<float>(before + static_cast<double>(lambda) * total);
}

void l2_penalty_bwd(Ctx ctx, const FlatShape& shape, float lambda, const void* w,
                    const float* dloss, void* dw, Write write) {
  require_f32("l2_penalty_bwd", shape.dtype);
  const auto* weights = static_cast<const float*>(w);
  auto* grad = static_cast<float*>(dw);
  const float factor = dloss[0] * 2.0F * lambda;
  const auto body = [&](std::int64_t, std::int64_t from, std::int64_t n) {
    for_vectors(n, [&](std::int64_t i, auto lanes) {
      const Vec g = lanes.load(weights + from + i) * factor;
      lanes.store(grad + from + i, write == Write::Add ? lanes.load(grad + from + i) + g : g);
    });
  };
  for_row_pieces(ctx, 1, shape.count, true, body);
}

}  // namespace

void add_loss(KernelTable& table) {
  table.softmax_fwd = softmax_fwd;
  table.softmax_cross_entropy_fwd = softmax_cross_entropy_fwd;
  table.softmax_cross_entropy_bwd = softmax_cross_entropy_bwd;
  table.l2_penalty_fwd = l2_penalty_fwd;
  table.l2_penalty_bwd = l2_penalty_bwd;
}

}  // namespace lamella::cpu::LAMELLA_ISA
