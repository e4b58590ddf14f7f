// Softmax, cross-entropy and the L2 penalty.
#include "engine/ops_common.h"

namespace lamella {

Tensor softmax(Context& ctx, const Tensor& x) {
  detail::require_rank("softmax", "x", x, 2);
  const Tensor probs = ctx.empty(x.shape());
  const SoftmaxShape shape{x.dim(0), x.dim(1), x.pitch(), x.dtype()};
  ctx.call("softmax_fwd", &KernelTable::softmax_fwd, shape, x.data(), probs.as<float>());
  return probs;
}

namespace {

// The targets of softmax_cross_entropy as the kernel takes them; throws where they do not fit.
LossTargets targets_of(const Tensor& logits, const Tensor& targets,
                       const CrossEntropyOptions& options) {
  const char* op = "softmax_cross_entropy";
  LossTargets made;
  made.label_smoothing = options.label_smoothing;
  if (!(made.label_smoothing >= 0 && made.label_smoothing <= 1)) {
    fail(op, ": label_smoothing is ", made.label_smoothing, "; it must be in [0, 1]");
  }
  if (options.class_weights.defined()) {
    detail::require_vector(op, "class_weights", options.class_weights, logits.dim(1));
    made.class_weights = options.class_weights.as<const float>();
  }
  detail::require_defined(op, "targets", targets);
  if (targets.shape() == logits.shape() && targets.dense() && targets.dtype() == DType::F32) {
    made.probabilities = targets.as<const float>();
    return made;
  }
  if (targets.shape().rank() != 1 || targets.dtype() != DType::I32) {
    fail(op, ": targets are ", name_of(targets.dtype()), " ", targets.shape().str(),
         "; they must be i32 labels, one per row, or dense f32 probabilities of ",
         logits.shape().str());
  }
  if (targets.shape() != Shape{logits.dim(0)}) {
    fail(op, ": ", targets.shape().str(), " labels for ", logits.dim(0),
         " rows of logits; there must be one label per row");
  }
  made.labels = targets.as<const std::int32_t>();
  return made;
}

}  // namespace

Tensor softmax_cross_entropy(Context& ctx, const Tensor& logits, const Tensor& targets,
                             const CrossEntropyOptions& options) {
  detail::require_rank("softmax_cross_entropy", "logits", logits, 2);
  const LossTargets wanted = targets_of(logits, targets, options);
  if (logits.count() == 0) {
    fail("softmax_cross_entropy: logits are ", logits.shape().str(), ", there is nothing to learn");
  }
  const Tensor loss =
      detail::output(ctx, "softmax_cross_entropy", {}, Shape{}, DType::F32, {&logits});
  const Tensor total = ctx.empty(Shape{});
  const Tensor residual = loss.requires_grad() ? ctx.empty(logits.shape()) : Tensor();
  SoftmaxShape shape{logits.dim(0), logits.dim(1), logits.pitch(), logits.dtype()};
  ctx.call("softmax_cross_entropy_fwd", &KernelTable::softmax_cross_entropy_fwd, shape, wanted,
           logits.data(), loss.as<float>(), total.as<float>(),
           residual.defined() ? residual.as<float>() : nullptr);

  if (loss.requires_grad()) {
    ctx.tape.record(
        "softmax_cross_entropy", loss.grad_ref(),
        [&ctx, shape, residual, total, dx_ref = logits.grad_ref()](const GradSlot& dloss) mutable {
          const GradSlot dx = detail::gradient_of(ctx, dx_ref);
          shape.x_pitch = dx.pitch;
          ctx.call("softmax_cross_entropy_bwd", &KernelTable::softmax_cross_entropy_bwd, shape,
                   residual.as<const float>(), total.as<const float>(),
                   static_cast<const float*>(dloss.data), dx.data, dx.write);
        });
  }
  return loss;
}

Tensor l2_penalty(Context& ctx, const std::vector<Tensor>& weights, float lambda) {
  if (weights.empty()) fail("l2_penalty: there are no weights; pass at least one tensor");
  Tensor loss = ctx.empty(Shape{});
  Write write = Write::Set;
  bool wants_grad = false;
  for (const Tensor& w : weights) {
    detail::require_defined("l2_penalty", "a weight", w);
    if (!w.dense()) fail("l2_penalty: a weight is a channel slice; pass the whole tensor");
    ctx.call("l2_penalty_fwd", &KernelTable::l2_penalty_fwd, FlatShape{w.count(), w.dtype()},
             lambda, w.data(), loss.as<float>(), write);
    write = Write::Add;
    wants_grad = wants_grad || w.requires_grad();
  }
  if (!ctx.grad_enabled || !wants_grad) return loss;

  loss.require_grad();
  ctx.tape.record("l2_penalty", loss.grad_ref(), [&ctx, weights, lambda](const GradSlot& dloss) {
    for (const Tensor& w : weights) {
      if (!w.requires_grad()) continue;
      const GradSlot dw = detail::gradient_of(ctx, w.grad_ref());
      ctx.call("l2_penalty_bwd", &KernelTable::l2_penalty_bwd, FlatShape{w.count(), w.dtype()},
               lambda, w.data(), static_cast<const float*>(dloss.data), dw.data, dw.write);
    }
  });
  return loss;
}

}  // namespace lamella
