#include "weights/pickle_globals.h"

#include <span>

namespace lamella {
namespace {

using enum GlobalKind;

constexpr PickleGlobal kBuilders[] = {
    {"collections", "OrderedDict", Mapping, ""},
    {"collections", "defaultdict", Mapping, ""},
    {"builtins", "dict", Mapping, ""},
    {"__builtin__", "dict", Mapping, ""},

    {"torch._utils", "_rebuild_tensor", Tensor, ""},
    {"torch._utils", "_rebuild_tensor_v2", Tensor, ""},
    {"torch._utils", "_rebuild_tensor_v3", TypedTensor, ""},
    {"torch._utils", "_rebuild_parameter", Parameter, ""},
    {"torch._utils", "_rebuild_parameter_with_state", Parameter, ""},
    {"torch", "Size", Size, ""},
};

constexpr PickleGlobal kTypes[] = {
    {"torch", "FloatStorage", Storage, "F32"},
    {"torch", "DoubleStorage", Storage, "F64"},
    {"torch", "HalfStorage", Storage, "F16"},
    {"torch", "BFloat16Storage", Storage, "BF16"},
    {"torch", "LongStorage", Storage, "I64"},
    {"torch", "IntStorage", Storage, "I32"},
    {"torch", "ShortStorage", Storage, "I16"},
    {"torch", "CharStorage", Storage, "I8"},
    {"torch", "ByteStorage", Storage, "U8"},
    {"torch", "BoolStorage", Storage, "BOOL"},
    {"torch.storage", "UntypedStorage", Storage, "U8"},
    {"torch", "UntypedStorage", Storage, "U8"},

    {"torch", "float32", Dtype, "F32"},
    {"torch", "float64", Dtype, "F64"},
    {"torch", "float16", Dtype, "F16"},
    {"torch", "bfloat16", Dtype, "BF16"},
    {"torch", "float8_e4m3fn", Dtype, "F8_E4M3"},
    {"torch", "float8_e5m2", Dtype, "F8_E5M2"},
    {"torch", "int64", Dtype, "I64"},
    {"torch", "int32", Dtype, "I32"},
    {"torch", "int16", Dtype, "I16"},
    {"torch", "int8", Dtype, "I8"},
    {"torch", "uint64", Dtype, "U64"},
    {"torch", "uint32", Dtype, "U32"},
    {"torch", "uint16", Dtype, "U16"},
    {"torch", "uint8", Dtype, "U8"},
    {"torch", "bool", Dtype, "BOOL"},
    {"torch", "complex64", Dtype, ""},
    {"torch", "complex128", Dtype, ""},
};

constexpr PickleGlobal kOpaque[] = {
    {"torch", "device", Opaque, ""},
    {"torch.serialization", "_get_layout", Opaque, ""},
    {"torch.torch_version", "TorchVersion", Opaque, ""},
    {"torch", "FloatTensor", Opaque, ""},
    {"torch", "DoubleTensor", Opaque, ""},
    {"torch", "HalfTensor", Opaque, ""},
    {"torch", "LongTensor", Opaque, ""},
    {"torch", "IntTensor", Opaque, ""},
    {"torch", "ShortTensor", Opaque, ""},
    {"torch", "CharTensor", Opaque, ""},
    {"torch", "ByteTensor", Opaque, ""},

    {"numpy", "dtype", Opaque, ""},
    {"numpy", "ndarray", Opaque, ""},
    {"numpy.core.multiarray", "scalar", Opaque, ""},
    {"numpy._core.multiarray", "scalar", Opaque, ""},
    {"numpy.core.multiarray", "_reconstruct", Opaque, ""},
    {"numpy._core.multiarray", "_reconstruct", Opaque, ""},
    {"_codecs", "encode", Opaque, ""},

    {"collections", "Counter", Opaque, ""},
    {"argparse", "Namespace", Opaque, ""},
    {"pathlib", "PosixPath", Opaque, ""},
    {"copy_reg", "_reconstructor", Opaque, ""},
    {"copyreg", "_reconstructor", Opaque, ""},
    {"builtins", "list", Opaque, ""},
    {"__builtin__", "list", Opaque, ""},
    {"builtins", "set", Opaque, ""},
    {"__builtin__", "set", Opaque, ""},
    {"builtins", "bytearray", Opaque, ""},
    {"__builtin__", "bytearray", Opaque, ""},
    {"builtins", "complex", Opaque, ""},
    {"__builtin__", "complex", Opaque, ""},
    {"builtins", "object", Opaque, ""},
    {"__builtin__", "object", Opaque, ""},
};

constexpr std::span<const PickleGlobal> kTables[] = {kBuilders, kTypes, kOpaque};

}  // namespace

const PickleGlobal* find_global(std::string_view module, std::string_view name) {
  // The same classes for tensors that were on a GPU.
  const bool cuda =
      module == "torch.cuda" && (name.ends_with("Storage") || name.ends_with("Tensor"));
  if (cuda) module = "torch";
  for (const std::span<const PickleGlobal> table : kTables) {
    for (const PickleGlobal& each : table) {
      if (each.module == module && each.name == name) return &each;
    }
  }
  return nullptr;
}

}  // namespace lamella
