// A safetensors file of any bytes.
#include <cstdint>

#include "engine/errors.h"
#include "weights/safetensors.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    lamella::parse_safetensors(reinterpret_cast<const std::byte*>(data), size, "fuzz");
  } catch (const lamella::Error&) {  // the only thing that may come
  }
  return 0;
}
