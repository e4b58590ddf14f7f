// A tensor: a handle to shared storage, a shape whose last dim is the channels, and a pixel pitch.
// NHWC, logical and physical. Copying a Tensor copies the handle, not the elements.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "engine/shape.h"
#include "kernels/dtype.h"

namespace lamella {

class Allocator;
class Context;
class GradBuffer;
struct SharedStatistics;

// Owns one allocation; goes back to its allocator with the last handle.
class Storage {
 public:
  Storage(std::shared_ptr<Allocator> allocator, std::size_t bytes, bool lasting = false);
  ~Storage();
  Storage(const Storage&) = delete;
  Storage& operator=(const Storage&) = delete;
  char* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  const Allocator& allocator() const { return *allocator_; }

 private:
  std::shared_ptr<Allocator> allocator_;
  std::size_t bytes_;
  char* data_;
};

// Where the gradient of a tensor lives: a channel range of a GradBuffer.
struct GradRef {
  std::shared_ptr<GradBuffer> buffer;  // null or frozen: no gradient wanted
  std::int64_t first_channel = 0;
  Shape shape;  // of the tensor it belongs to
  explicit operator bool() const;
};

// Where the batch statistics of a tensor are: a channel range of a buffer's.
struct StatisticsRef {
  std::shared_ptr<SharedStatistics> of;  // null: none are shared
  std::int64_t first_channel = 0;
};

class Tensor;
// Makes a tensor's values a second time, from what its op keeps anyway.
using Remake = std::function<Tensor(Context&)>;

class Tensor {
 public:
  Tensor() = default;  // undefined: stands for "absent" where an argument is optional

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  std::int64_t dim(int i) const { return shape_[i]; }
  std::int64_t pixels() const { return shape_.pixels(); }
  std::int64_t channels() const { return shape_.channels(); }
  std::int64_t count() const { return shape_.count(); }
  std::int64_t pitch() const { return pitch_; }  // elements from one pixel to the next
  bool dense() const { return pitch_ == channels(); }
  DType dtype() const { return dtype_; }
  void* data() const;  // on the context's device
  template <class T>
  T* as() const {
    return static_cast<T*>(data());
  }

  // The channels [begin, end) of the same memory, of the same gradient, of the same statistics.
  Tensor slice(std::int64_t begin, std::int64_t end) const;
  // The same elements in another shape; dense tensors only. Leaves shared statistics behind.
  Tensor reshape(const Shape& shape) const;
  // The same elements without a gradient.
  Tensor detach() const;

  bool requires_grad() const { return static_cast<bool>(grad_); }
  // Makes this a leaf whose gradient is wanted (parameters). Returns *this.
  Tensor& require_grad();
  // A leaf whose gradient is not wanted for now, known to every handle of it: no op keeps anything
  // for it. Throws Error where require_grad was never called.
  void freeze(bool frozen) const;
  bool frozen() const;
  const GradRef& grad_ref() const { return grad_; }
  // The gradient as a tensor; undefined while nothing has written it.
  Tensor grad() const;
  // Forgets the gradient: the next backward sets it instead of adding.
  void zero_grad();

  // See share_statistics in engine/ops.h.
  const StatisticsRef& statistics() const { return statistics_; }
  void set_statistics(std::shared_ptr<SharedStatistics> of) { statistics_ = {std::move(of), 0}; }

  // Lets a backward that needs these values make them again instead of keeping them (see Saved).
  void set_remake(Remake remake) { remake_ = std::make_shared<const Remake>(std::move(remake)); }

 private:
  friend class Context;
  friend class GradBuffer;
  friend class Saved;
  std::shared_ptr<Storage> storage_;
  std::int64_t offset_ = 0;  // elements
  Shape shape_;
  std::int64_t pitch_ = 0;
  DType dtype_ = DType::F32;
  GradRef grad_;
  StatisticsRef statistics_;
  std::shared_ptr<const Remake> remake_;  // null: the values cannot be made again
};

}  // namespace lamella
