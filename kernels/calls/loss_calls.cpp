// Softmax, cross-entropy and the L2 penalty.
#include "kernels/calls/families.h"

namespace lamella::calls {
namespace {

SoftmaxShape softmax_shape(const KernelLine& line) {
  const std::int64_t C = line.get("C");
  return {line.get("N"), C, line.get("x_pitch", C), line.dtype()};
}

CallOperand logits(const SoftmaxShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, s.N, s.C, s.x_pitch, use);
}
CallOperand rows_f32(const SoftmaxShape& s, const char* name, Use use) {
  return matrix(name, DType::F32, s.N, s.C, s.C, use);
}
CallOperand labels(const SoftmaxShape& s) {
  return {"labels", DType::I32, 1, s.N, s.N, Use::In, 0};
}
double flops(const SoftmaxShape& s, double of_each) {
  return of_each * static_cast<double>(s.N * s.C);
}

KernelCall softmax_fwd(const KernelLine& line) {
  const SoftmaxShape s = softmax_shape(line);
  KernelCall call;
  call.operands = {logits(s, "x", Use::In), rows_f32(s, "probs", Use::Out)};
  call.flops = flops(s, 6);
  call.run = [s](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    table.softmax_fwd(ctx, s, data[0], as<float>(data[1]));
  };
  return call;
}

// Extra keys: soft=1 for probabilities instead of labels, weights=1, smoothing, residual=0.
KernelCall softmax_cross_entropy_fwd(const KernelLine& line) {
  const SoftmaxShape s = softmax_shape(line);
  const bool soft = line.get("soft", 0) != 0, weights = line.get("weights", 0) != 0;
  const bool residual = line.get("residual", 1) != 0;
  const auto smoothing = static_cast<float>(line.number("smoothing", 0));
  KernelCall call;
  call.operands = {logits(s, "x", Use::In), vector("loss", 1, Use::Out),
                   vector("total", 1, Use::Out),
                   soft ? rows_f32(s, "probabilities", Use::In) : labels(s)};
  if (residual) call.operands.push_back(rows_f32(s, "residual", Use::Out));
  if (weights) call.operands.push_back(vector("class_weights", s.C, Use::In, 1));
  call.flops = flops(s, 9);
  call.run = [=](const KernelTable& table, const KernelContext& ctx,
                 const std::vector<void*>& data) {
    LossTargets targets;
    if (soft) targets.probabilities = as<const float>(data[3]);
    if (!soft) targets.labels = as<const std::int32_t>(data[3]);
    if (weights) targets.class_weights = as<const float>(data.back());
    targets.label_smoothing = smoothing;
    table.softmax_cross_entropy_fwd(ctx, s, targets, data[0], as<float>(data[1]),
                                    as<float>(data[2]), residual ? as<float>(data[4]) : nullptr);
  };
  return call;
}

KernelCall softmax_cross_entropy_bwd(const KernelLine& line) {
  const SoftmaxShape s = softmax_shape(line);
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {rows_f32(s, "residual", Use::In), vector("total", 1, Use::In, 1),
                   vector("dloss", 1, Use::In, 1), logits(s, "dx", use_of(line))};
  call.flops = flops(s, 1);
  call.run = [s, write](const KernelTable& table, const KernelContext& ctx,
                        const std::vector<void*>& data) {
    table.softmax_cross_entropy_bwd(ctx, s, as<const float>(data[0]), as<const float>(data[1]),
                                    as<const float>(data[2]), data[3], write);
  };
  return call;
}

FlatShape flat_shape(const KernelLine& line) {
  return {line.get("count"), line.dtype()};
}

CallOperand flat(const FlatShape& s, const char* name, Use use) {
  return matrix(name, s.dtype, 1, s.count, s.count, use);
}

KernelCall l2_penalty_fwd(const KernelLine& line) {
  const FlatShape s = flat_shape(line);
  const auto lambda = static_cast<float>(line.number("lambda", 0.1));
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {flat(s, "w", Use::In), vector("loss", 1, use_of(line))};
  call.flops = 2 * static_cast<double>(s.count);
  call.run = [s, lambda, write](const KernelTable& table, const KernelContext& ctx,
                                const std::vector<void*>& data) {
    table.l2_penalty_fwd(ctx, s, lambda, data[0], as<float>(data[1]), write);
  };
  return call;
}

KernelCall l2_penalty_bwd(const KernelLine& line) {
  const FlatShape s = flat_shape(line);
  const auto lambda = static_cast<float>(line.number("lambda", 0.1));
  const Write write = write_of(line);
  KernelCall call;
  call.operands = {flat(s, "w", Use::In), vector("dloss", 1, Use::In, 1),
                   flat(s, "dw", use_of(line))};
  call.flops = static_cast<double>(s.count);
  call.run = [s, lambda, write](const KernelTable& table, const KernelContext& ctx,
                                const std::vector<void*>& data) {
    table.l2_penalty_bwd(ctx, s, lambda, data[0], as<const float>(data[1]), data[2], write);
  };
  return call;
}

}  // namespace

const std::vector<Entry>& loss_entries() {
  static const std::vector<Entry> entries = {
      {"softmax_fwd", softmax_fwd},
      {"softmax_cross_entropy_fwd", softmax_cross_entropy_fwd},
      {"softmax_cross_entropy_bwd", softmax_cross_entropy_bwd},
      {"l2_penalty_fwd", l2_penalty_fwd},
      {"l2_penalty_bwd", l2_penalty_bwd}};
  return entries;
}

}  // namespace lamella::calls
