#include "engine/autograd.h"

#include "engine/context.h"

namespace lamella {

// A reference is either a channel range of the buffer at the buffer's pitch, or the whole buffer
// under another shape (flatten); `value` is then read densely.
Tensor GradBuffer::tensor(const GradRef& ref) const {
  if (!value_.defined()) return {};
  if (ref.shape.count() == shape_.count()) return value_.reshape(ref.shape);
  return value_.slice(ref.first_channel, ref.first_channel + ref.shape.channels());
}

GradSlot GradBuffer::writable(Context& ctx, const GradRef& ref) {
  Write write = Write::Add;
  if (!value_.defined()) {
    const bool whole = ref.shape.count() == shape_.count();
    value_ = whole ? ctx.empty(shape_, dtype_) : ctx.zeros(shape_, dtype_);
    write = whole ? Write::Set : Write::Add;
  }
  const Tensor part = tensor(ref);
  return {part.data(), part.pitch(), write};
}

GradSlot GradBuffer::readable(const GradRef& ref) const {
  const Tensor part = tensor(ref);
  return {part.data(), part.defined() ? part.pitch() : 0, Write::Set};
}

void Tape::record(const char* op, const GradRef& y, Backward backward) {
  nodes_.push_back({op, y, std::move(backward)});
}

void Tape::backward(Context& ctx, const Tensor& loss, float seed) {
  if (loss.count() != 1) {
    fail("backward starts from a loss of one element, this tensor is ", loss.shape().str(),
         "; pass a gradient dy of that shape as well");
  }
  backward(ctx, loss, ctx.from_host(std::span<const float>(&seed, 1), loss.shape(), loss.dtype()));
}

void Tape::backward(Context& ctx, const Tensor& y, const Tensor& dy) {
  if (!y.requires_grad()) {
    fail(
        "backward from a tensor without gradient: set ctx.grad_enabled before the forward, and "
        "require_grad on what is trained");
  }
  if (dy.shape() != y.shape()) {
    fail("backward: dy is ", dy.shape().str(), " but y is ", y.shape().str());
  }
  const GradSlot slot = y.grad_ref().buffer->writable(ctx, y.grad_ref());
  const SliceShape shape{dy.pixels(), dy.channels(), dy.pitch(), slot.pitch, dy.dtype()};
  ctx.call("copy", &KernelTable::copy, shape, dy.data(), slot.data, slot.write);
  run(ctx);
}

void Tape::run(Context& ctx) {
  const GradScope no_recording(ctx, false);
  // The nodes leave the tape even when one of them throws: a failed step leaves no half-run tape.
  std::vector<Node> nodes;
  nodes.swap(nodes_);
  while (!nodes.empty()) {
    const Node node = std::move(nodes.back());
    nodes.pop_back();
    const GradSlot dy = node.y.buffer->readable(node.y);
    if (dy.data != nullptr) node.backward(dy);
  }
}

}  // namespace lamella
