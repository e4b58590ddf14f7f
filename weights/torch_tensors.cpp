#include "weights/torch_tensors.h"

#include <algorithm>
#include <cstring>

#include "engine/errors.h"

namespace lamella {
namespace {

using Kind = PickleValue::Kind;

constexpr std::uint64_t kMost = std::uint64_t{1} << 62U;
constexpr std::size_t kLongestKey = 256;
constexpr std::uint64_t kPerTensor = 512;  // bytes of a TensorFile's entry beside name and data

// a * b, or kMost where that is less.
std::uint64_t product(std::uint64_t a, std::uint64_t b) {
  return b != 0 && a > kMost / b ? kMost : a * b;
}

struct Layout {
  std::uint64_t count = 1;  // elements of the tensor
  std::uint64_t reach = 1;  // elements from its first to its last in the storage, both included
  bool contiguous = true;
};

Layout layout_of(const TensorView& view) {
  Layout layout;
  for (std::size_t i = view.shape.size(); i-- > 0;) {
    const auto dim = static_cast<std::uint64_t>(view.shape[i]);
    const auto stride = static_cast<std::uint64_t>(view.strides[i]);
    if (dim != 1 && stride != layout.count) layout.contiguous = false;
    layout.count = product(layout.count, dim);
    if (dim != 0) layout.reach = std::min(kMost, layout.reach + product(dim - 1, stride));
  }
  for (const std::int64_t dim : view.shape) {
    if (dim == 0) layout = {0, 0, true};
  }
  return layout;
}

// Calls copy(i, at) for each element in order of the shape: its number, and how far it is from the
// view's first element in the storage.
template <class Copy>
void each_element(const TensorView& view, std::uint64_t count, Copy copy) {
  std::vector<std::int64_t> index(view.shape.size(), 0), strides = view.strides;
  for (std::size_t i = 0; i < strides.size(); ++i) {
    if (view.shape[i] == 1) strides[i] = 0;  // never stepped: it may be any number
  }
  std::int64_t at = 0;
  for (std::size_t element = 0; element < count; ++element) {
    copy(element, static_cast<std::size_t>(at));
    for (std::size_t i = index.size(); i-- > 0;) {
      at += strides[i];
      if (++index[i] < view.shape[i]) break;
      at -= view.shape[i] * strides[i];
      index[i] = 0;
    }
  }
}

// Copies a view that is not contiguous: from one run of bytes, or, where most of that would not be
// used, element by element, so that time is linear in what is copied.
void gather(const ByteSource& source, const TensorView& view, const Layout& layout,
            std::span<std::byte> into, MemoryBudget& budget) {
  const std::size_t bytes = dtype_bytes(view.dtype);
  const std::uint64_t begin = view.storage.offset + view.offset * bytes;
  if (layout.reach / 8 > layout.count) {
    return each_element(view, layout.count, [&](std::size_t element, std::size_t at) {
      source.read(begin + at * bytes, into.subspan(element * bytes, bytes));
    });
  }
  budget.take(layout.reach * bytes);
  std::vector<std::byte> run(static_cast<std::size_t>(layout.reach) * bytes);
  source.read(begin, run);
  each_element(view, layout.count, [&](std::size_t element, std::size_t at) {
    std::memcpy(into.data() + element * bytes, run.data() + at * bytes, bytes);
  });
  budget.give(layout.reach * bytes);
}

[[noreturn]] void damaged(const std::string& file, std::string_view tensor, const char* what) {
  fail(file, ": damaged: tensor '", tensor, "' ", what);
}

std::uint64_t natural(const PickleValue& value, const std::string& file, std::string_view tensor) {
  if (!value.is(Kind::Int) || value.integer < 0) {
    damaged(file, tensor, "has a size, stride or position that is no natural number");
  }
  return static_cast<std::uint64_t>(value.integer);
}

}  // namespace

StoredTensor copy_tensor(const ByteSource& source, const TensorView& view, std::string_view name,
                         MemoryBudget& budget) {
  const std::size_t element = dtype_bytes(view.dtype);
  const Layout layout = layout_of(view);
  const std::uint64_t elements = view.storage.bytes / element;
  if (view.shape.size() > kMaxRank) {
    fail(source.name(), ": tensor '", name, "' has ", view.shape.size(), " dimensions; at most ",
         kMaxRank, " can be read");
  }
  if (layout.count != 0 && (view.offset > elements || layout.reach > elements - view.offset)) {
    fail(source.name(), ": damaged: tensor '", name, "' reaches from element ", view.offset,
         " over ", layout.reach, " of a storage of ", elements);
  }
  const std::uint64_t bytes = product(layout.count, element);
  budget.take(bytes + kPerTensor + name.size());
  StoredTensor tensor{std::string(view.dtype), view.shape, {}};
  tensor.data.resize(static_cast<std::size_t>(bytes));
  if (layout.count == 0) return tensor;
  if (layout.contiguous) {
    source.read(view.storage.offset + view.offset * element, tensor.data);
  } else {
    gather(source, view, layout, tensor.data, budget);
  }
  return tensor;
}

std::uint64_t StorageName::bytes() const {
  return product(elements, dtype_bytes(dtype));
}

StorageName storage_name(const PickleHeap& heap, const PickleValue& identification,
                         const std::string& file) {
  const auto refuse = [&] { fail(file, ": damaged: it refers to a storage by no storage's name"); };
  if (!identification.is(Kind::Tuple)) refuse();
  const std::span<const PickleValue> items = heap.items(identification);
  if (items.empty() || !items[0].is(Kind::Text)) refuse();
  if (heap.text(items[0]) != "storage") {
    fail(file, ": holds a whole ", heap.text(items[0]).substr(0, kLongestKey),
         ", source code included, not only weights; ",
         "save the weights alone: torch.save(model.state_dict(), FILE)");
  }
  if (items.size() < 5 || !items[1].is_global(GlobalKind::Storage) || !items[2].is(Kind::Text)) {
    refuse();
  }
  if (items[2].length > kLongestKey) refuse();
  StorageName name{heap.text(items[2]), items[1].global->dtype, 0, 0, 0};
  name.elements = natural(items[4], file, name.key);
  name.view_count = name.elements;
  if (items.size() > 5 && !items[5].is(Kind::None)) {
    if (!items[5].is(Kind::Tuple) || items[5].length != 3) refuse();
    const std::span<const PickleValue> part = heap.items(items[5]);
    name.view_begin = natural(part[1], file, name.key);
    name.view_count = natural(part[2], file, name.key);
    if (name.view_begin > name.elements || name.view_count > name.elements - name.view_begin) {
      damaged(file, name.key, "is a part that lies outside of its storage");
    }
  }
  return name;
}

RebuiltTensors::RebuiltTensors(const PickleHeap& heap, std::string file, Find find)
    : heap_(heap), file_(std::move(file)), find_(std::move(find)) {}

// A parameter stands for its tensor; one of parameters does not occur.
const PickleValue& RebuiltTensors::data_of(const PickleValue& value) const {
  if (!value.is(Kind::Object) || heap_.callee(value).kind != GlobalKind::Parameter) return value;
  const PickleValue& arguments = heap_.arguments(value);
  return arguments.length == 0 ? value : heap_.items(arguments)[0];
}

bool RebuiltTensors::is_tensor(const PickleValue& value) const {
  const PickleValue& data = data_of(value);
  return data.is(Kind::Object) && heap_.callee(data).kind != GlobalKind::Parameter;
}

TensorView RebuiltTensors::view(const PickleValue& value, std::string_view name) const {
  const PickleValue& data = data_of(value);
  const std::span<const PickleValue> items = heap_.items(heap_.arguments(data));
  if (items.size() < 4 || !items[0].is(Kind::Persistent) || !items[2].is(Kind::Tuple) ||
      !items[3].is(Kind::Tuple) || items[2].length != items[3].length) {
    damaged(file_, name, "is not made of storage, offset, size and strides");
  }
  const StorageName storage = storage_name(heap_, heap_.identification(items[0]), file_);
  TensorView view{storage.dtype, find_(storage), natural(items[1], file_, name), {}, {}};
  const std::size_t element = dtype_bytes(storage.dtype);
  view.storage.offset += storage.view_begin * element;
  view.storage.bytes = storage.view_count * element;
  if (heap_.callee(data).kind == GlobalKind::TypedTensor) {
    if (items.size() < 7 || !items[6].is_global(GlobalKind::Dtype)) {
      damaged(file_, name, "has no element type");
    }
    view.dtype = items[6].global->dtype;
    if (view.dtype.empty()) {
      fail(file_, ": tensor '", name, "' has elements of ", items[6].global->name,
           ", which no network here has");
    }
  }
  if (items[2].length > kMaxRank) damaged(file_, name, "has more dimensions than tensors have");
  for (std::size_t i = 0; i < items[2].length; ++i) {
    const std::uint64_t dim = natural(heap_.items(items[2])[i], file_, name);
    const std::uint64_t stride = natural(heap_.items(items[3])[i], file_, name);
    view.shape.push_back(static_cast<std::int64_t>(dim));
    view.strides.push_back(static_cast<std::int64_t>(stride));
  }
  return view;
}

}  // namespace lamella
