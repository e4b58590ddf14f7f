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

Tensor softmax_cross_entropy(Context& ctx, const Tensor& logits, const Tensor& labels) {
  detail::require_rank("softmax_cross_entropy", "logits", logits, 2);
  detail::require_dtype("softmax_cross_entropy", "labels", labels, DType::I32);
  if (labels.shape() != Shape{logits.dim(0)}) {
    fail("softmax_cross_entropy: ", labels.shape().str(), " labels for ", logits.dim(0),
         " rows of logits; there must be one label per row");
  }
  if (logits.count() == 0) {
    fail("softmax_cross_entropy: logits are ", logits.shape().str(), ", there is nothing to learn");
  }
  const Tensor loss =
      detail::output(ctx, "softmax_cross_entropy", {}, Shape{}, DType::F32, {&logits});
  const Tensor probs = ctx.empty(logits.shape());
  SoftmaxShape shape{logits.dim(0), logits.dim(1), logits.pitch(), logits.dtype()};
  ctx.call("softmax_cross_entropy_fwd", &KernelTable::softmax_cross_entropy_fwd, shape,
           logits.data(), labels.as<const std::int32_t>(), loss.as<float>(), probs.as<float>());

  if (loss.requires_grad()) {
    ctx.tape.record(
        "softmax_cross_entropy", loss.grad_ref(),
        [&ctx, shape, probs, labels, dx_ref = logits.grad_ref()](const GradSlot& dloss) mutable {
          const GradSlot dx = detail::gradient_of(ctx, dx_ref);
          shape.x_pitch = dx.pitch;
          ctx.call("softmax_cross_entropy_bwd", &KernelTable::softmax_cross_entropy_bwd, shape,
                   probs.as<const float>(), labels.as<const std::int32_t>(),
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
