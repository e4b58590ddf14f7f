// Tensors as PyTorch stores them: views of storages. Private to weights/.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "weights/pickle_heap.h"
#include "weights/safetensors.h"
#include "weights/zip_archive.h"

namespace lamella {

struct TensorView {
  std::string_view dtype;                    // as in safetensors
  Extent storage;                            // the bytes of the file it is a view of
  std::uint64_t offset;                      // elements into it
  std::vector<std::int64_t> shape, strides;  // strides in elements, at least 0
};

// Checks that the view lies within its storage and copies its elements in order of the shape. What
// is copied, and while it lasts the run of bytes that strides step through, comes from the budget.
// `name` is the tensor's, for errors.
StoredTensor copy_tensor(const ByteSource& source, const TensorView& view, std::string_view name,
                         MemoryBudget& budget);

// A storage as tensors name it: ("storage", class, key, device, elements, view), where `view` is
// None or (key, offset, elements) and only the older form of files has it.
struct StorageName {
  std::string_view key, dtype;
  std::uint64_t elements;                // of the whole storage
  std::uint64_t view_begin, view_count;  // elements of it that are meant
  std::uint64_t bytes() const;
};
// Throws Error that names `file` where it is none.
StorageName storage_name(const PickleHeap& heap, const PickleValue& identification,
                         const std::string& file);

// What a checkpoint's values mean; the oldest files say it otherwise than the rest.
class TensorValues {
 public:
  TensorValues() = default;
  TensorValues(const TensorValues&) = delete;
  TensorValues& operator=(const TensorValues&) = delete;
  virtual ~TensorValues() = default;
  virtual bool is_tensor(const PickleValue& value) const = 0;
  // Of a value that is one. Throws Error where its parts make no sense.
  virtual TensorView view(const PickleValue& value, std::string_view name) const = 0;
};

// torch._utils._rebuild_tensor_v2(storage, offset, size, strides, ...), perhaps as a parameter.
class RebuiltTensors : public TensorValues {
 public:
  using Find = std::function<Extent(const StorageName&)>;  // Error where it is not there
  RebuiltTensors(const PickleHeap& heap, std::string file, Find find);
  bool is_tensor(const PickleValue& value) const override;
  TensorView view(const PickleValue& value, std::string_view name) const override;

 private:
  const PickleValue& data_of(const PickleValue& value) const;

  const PickleHeap& heap_;
  std::string file_;
  Find find_;
};

}  // namespace lamella
