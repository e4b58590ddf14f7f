// How the families of kernel calls register their entries. Private to kernels/calls.
#pragma once

#include <utility>

#include "kernels/calls/kernel_call.h"
#include "kernels/calls/line_shapes.h"

namespace lamella::calls {

struct Entry {
  const char* name;
  KernelCall (*make)(const KernelLine&);
};

// The entries of each file.
const std::vector<Entry>& pointwise_entries();
const std::vector<Entry>& product_entries();
const std::vector<Entry>& batch_norm_entries();
const std::vector<Entry>& pooling_entries();
const std::vector<Entry>& loss_entries();
const std::vector<Entry>& image_entries();
const std::vector<Entry>& summary_entries();
const std::vector<Entry>& optimiser_entries();

using Use = CallOperand::Use;

inline CallOperand matrix(const char* name, DType dtype, std::int64_t rows, std::int64_t columns,
                          std::int64_t pitch, Use use, float initial = 0) {
  return {name, dtype, rows, columns, pitch, use, initial};
}

inline CallOperand vector(const char* name, std::int64_t count, Use use, float initial = 0) {
  return {name, DType::F32, 1, count, count, use, initial};
}

// What the key add=1 makes of an output.
inline Write write_of(const KernelLine& line) {
  return line.get("add", 0) != 0 ? Write::Add : Write::Set;
}
inline Use use_of(const KernelLine& line) {
  return write_of(line) == Write::Add ? Use::InOut : Use::Out;
}

template <class T>
T* as(void* data) {
  return static_cast<T*>(data);
}

}  // namespace lamella::calls
