// The only names a pickle may hold: what checkpoints of PyTorch contain. Private to weights/.
// Nothing is imported or called for them; each stands for what this reader does.
#pragma once

#include <string_view>

namespace lamella {

enum class GlobalKind {
  Mapping,      // calling it gives a dictionary
  Tensor,       // torch._utils._rebuild_tensor*(storage, offset, size, stride, ...)
  TypedTensor,  // the same with the element type as its seventh argument
  Parameter,    // torch._utils._rebuild_parameter*(tensor, ...)
  Size,         // torch.Size(tuple): the tuple
  Storage,      // a class of storages; `dtype` is that of its elements
  Dtype,        // an element type; `dtype` is empty where tensors cannot have it here
  Opaque        // something that is not a tensor: kept as a name alone
};

struct PickleGlobal {
  std::string_view module, name;
  GlobalKind kind;
  std::string_view dtype;  // as in safetensors
};

// nullptr where the name is not allowed.
const PickleGlobal* find_global(std::string_view module, std::string_view name);

}  // namespace lamella
