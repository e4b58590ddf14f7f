#include "engine/tensor.h"

#include "engine/allocator.h"
#include "engine/autograd.h"
#include "engine/errors.h"

namespace lamella {

Storage::Storage(std::shared_ptr<Allocator> allocator, std::size_t bytes, bool lasting)
    : allocator_(std::move(allocator)),
      bytes_(bytes),
      data_(static_cast<char*>(allocator_->allocate(bytes, lasting))) {}

Storage::~Storage() {
  allocator_->release(data_);
}

void* Tensor::data() const {
  if (!defined()) return nullptr;
  return storage_->data() + offset_ * static_cast<std::int64_t>(size_of(dtype_));
}

Tensor Tensor::slice(std::int64_t begin, std::int64_t end) const {
  if (begin < 0 || end < begin || end > channels()) {
    fail("slice [", begin, ", ", end, ") does not lie within the ", channels(),
         " channels of a tensor of ", shape_.str());
  }
  const auto with_channels = [&](const Shape& shape) {
    switch (shape.rank()) {
      case 1:
        return Shape{end - begin};
      case 2:
        return Shape{shape[0], end - begin};
      case 3:
        return Shape{shape[0], shape[1], end - begin};
      case 4:
        return Shape{shape[0], shape[1], shape[2], end - begin};
      default:
        fail("a scalar has no channels to slice");
    }
  };
  Tensor part = *this;
  part.offset_ += begin;
  part.remake_ = nullptr;  // it makes the whole tensor
  part.shape_ = with_channels(shape_);
  part.grad_.first_channel += begin;
  part.statistics_.first_channel += begin;
  part.grad_.shape = part.shape_;
  return part;
}

Tensor Tensor::reshape(const Shape& shape) const {
  if (!dense()) {
    fail("reshape of a channel slice (", shape_.str(), " at pitch ", pitch_,
         "): copy it into a dense tensor first");
  }
  if (shape.count() != count()) {
    fail("reshape from ", shape_.str(), " (", count(), " elements) to ", shape.str(), " (",
         shape.count(), " elements): the counts must be equal");
  }
  Tensor view = *this;
  view.shape_ = shape;
  view.pitch_ = shape.channels();
  view.grad_.shape = shape;
  view.remake_ = nullptr;  // it makes the former shape
  view.statistics_ = {};
  return view;
}

Tensor Tensor::detach() const {
  Tensor plain = *this;
  plain.grad_ = GradRef{};
  return plain;
}

Tensor& Tensor::require_grad() {
  if (!dense()) fail("require_grad on a channel slice (", shape_.str(), "): ask the whole tensor");
  grad_ = GradRef{std::make_shared<GradBuffer>(shape_, dtype_), 0, shape_};
  return *this;
}

GradRef::operator bool() const {
  return buffer != nullptr && !buffer->frozen();
}

void Tensor::freeze(bool frozen) const {
  if (grad_.buffer == nullptr) {
    fail("freeze: this tensor (", shape_.str(), ") has no gradient; call require_grad before");
  }
  grad_.buffer->reset();
  grad_.buffer->freeze(frozen);
}

bool Tensor::frozen() const {
  return grad_.buffer != nullptr && grad_.buffer->frozen();
}

Tensor Tensor::grad() const {
  return grad_ ? grad_.buffer->tensor(grad_) : Tensor();
}

void Tensor::zero_grad() {
  if (grad_) grad_.buffer->reset();
}

}  // namespace lamella
