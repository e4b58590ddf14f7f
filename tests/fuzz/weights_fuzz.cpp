// A weight file of any form and any bytes; each tensor's data must have the size its shape says.
#include <cstdint>
#include <cstdlib>

#include "engine/errors.h"
#include "weights/read_weights.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    const lamella::TensorFile file =
        lamella::parse_weights(std::as_bytes(std::span(data, size)), "fuzz");
    for (const auto& [name, tensor] : file.tensors) {
      const auto bytes =
          static_cast<std::size_t>(tensor.count()) * lamella::dtype_bytes(tensor.dtype);
      if (tensor.data.size() != bytes) std::abort();
    }
  } catch (const lamella::Error&) {  // the only thing that may come
  }
  return 0;
}
