#include "weights/filter_layout.h"

#include <cstring>

#include "engine/errors.h"
#include "weights/model_io.h"

namespace lamella {
namespace {

// [K, rows, columns] -> [K, columns, rows].
std::vector<std::byte> transposed(const StoredTensor& tensor, std::int64_t rows,
                                  std::int64_t columns) {
  const std::size_t element = dtype_bytes(tensor.dtype), r = static_cast<std::size_t>(rows),
                    c = static_cast<std::size_t>(columns);
  std::vector<std::byte> data(tensor.data.size());
  const std::byte* from = tensor.data.data();
  for (std::size_t at = 0; at < data.size(); at += r * c * element) {
    for (std::size_t i = 0; i < r; ++i) {
      for (std::size_t j = 0; j < c; ++j, from += element) {
        std::memcpy(data.data() + at + (j * r + i) * element, from, element);
      }
    }
  }
  return data;
}

// Whether the layer that a parameter belongs to is called fc, fc1, ...
bool is_linear(const std::string& parameter) {
  const std::string layer = parameter.substr(0, parameter.rfind('.'));
  return layer.substr(layer.rfind('.') + 1).starts_with("fc");
}

void check_filters(const StoredTensor& tensor) {
  if (tensor.shape.size() != 4) fail("filters have 4 dimensions, not ", tensor.shape.size());
}

}  // namespace

bool has_krsc_filters(const TensorFile& file, const std::string& name) {
  const auto said = file.metadata.find(kFiltersKey);
  if (said == file.metadata.end()) return has_card(file);
  if (said->second != "KRSC" && said->second != "KCRS") {
    fail(name, ": its metadata has filters '", said->second, "'; KRSC and KCRS can be read");
  }
  return said->second == "KRSC";
}

StoredTensor kcrs_to_krsc(const StoredTensor& filters) {
  check_filters(filters);
  const auto& s = filters.shape;
  return {filters.dtype, {s[0], s[2], s[3], s[1]}, transposed(filters, s[1], s[2] * s[3])};
}

StoredTensor krsc_to_kcrs(const StoredTensor& filters) {
  check_filters(filters);
  const auto& s = filters.shape;
  return {filters.dtype, {s[0], s[3], s[1], s[2]}, transposed(filters, s[1] * s[2], s[3])};
}

void to_pytorch(TensorFile& file, const std::string& name) {
  if (has_card(file)) {
    std::erase_if(file.tensors,
                  [](const auto& named) { return named.first.starts_with(kOptimiserPrefix); });
  }
  if (has_krsc_filters(file, name)) {
    for (auto& [key, tensor] : file.tensors) {
      if (tensor.shape.size() == 4) tensor = krsc_to_kcrs(tensor);
    }
  }
  for (auto& [key, tensor] : file.tensors) {
    if (tensor.shape.size() == 4 && is_linear(key)) {
      tensor.shape = {tensor.shape[0], tensor.shape[1] * tensor.shape[2] * tensor.shape[3]};
    }
  }
  file.metadata = {{"format", "pt"}};  // what libraries around PyTorch ask for
}

}  // namespace lamella
