// Reverse-mode automatic differentiation on a tape. Each op records one closure that turns the
// gradient of its output into gradients of its inputs; backward() runs the closures in reverse,
// dropping each one, and the memory it kept, as soon as it is done. Iterative: depth costs no
// stack.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/tensor.h"
#include "kernels/shapes.h"

namespace lamella {

// Memory to write or read a gradient: `data` at `pitch`, and whether to set or to add.
struct GradSlot {
  void* data = nullptr;
  std::int64_t pitch = 0;
  Write write = Write::Set;
};

// The gradient of one buffer, shared by all its channel slices. Nothing is allocated until the
// first consumer asks: a consumer of the whole buffer then sets it; a consumer of a slice finds it
// zeroed and adds; later consumers add.
class GradBuffer {
 public:
  GradBuffer(const Shape& shape, DType dtype) : shape_(shape), dtype_(dtype) {}
  const Shape& shape() const { return shape_; }
  GradSlot writable(Context& ctx, const GradRef& ref);
  GradSlot readable(const GradRef& ref) const;  // data is null when nothing was written
  Tensor tensor(const GradRef& ref) const;      // undefined when nothing was written
  void reset() { value_ = Tensor(); }
  void freeze(bool frozen) { frozen_ = frozen; }
  bool frozen() const { return frozen_; }

 private:
  Shape shape_;
  DType dtype_;
  Tensor value_;
  bool frozen_ = false;
};

// An input whose values a closure needs in backward: its memory is kept, unless its op can make
// the values again (Tensor::set_remake); then only what that takes is kept.
class Saved {
 public:
  Saved() = default;
  explicit Saved(const Tensor& x) : remake_(x.remake_) {
    if (remake_ == nullptr) kept_ = x.detach();
  }
  // Dense or a slice, as x was; dense where it is made again. Undefined when nothing was saved.
  Tensor values(Context& ctx) const { return remake_ ? (*remake_)(ctx) : kept_; }

 private:
  Tensor kept_;
  std::shared_ptr<const Remake> remake_;
};

class Tape {
 public:
  using Backward = std::function<void(const GradSlot& dy)>;

  // Called by ops. `y` is the output; the closure is skipped when no gradient reached y.
  void record(const char* op, const GradRef& y, Backward backward);

  // Sets the gradient of `loss` (one element) to `seed` and runs the tape backwards, emptying it.
  void backward(Context& ctx, const Tensor& loss, float seed = 1.0F);
  // The same from a given cotangent dy of y's shape.
  void backward(Context& ctx, const Tensor& y, const Tensor& dy);

  void clear() { nodes_.clear(); }
  std::size_t size() const { return nodes_.size(); }

 private:
  struct Node {
    const char* op;
    GradRef y;
    Backward backward;
  };
  void run(Context& ctx);
  std::vector<Node> nodes_;
};

}  // namespace lamella
