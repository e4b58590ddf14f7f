#include "engine/shape.h"

#include "engine/errors.h"

namespace lamella {

Shape::Shape(std::initializer_list<std::int64_t> dims) : rank_(static_cast<int>(dims.size())) {
  if (dims.size() > kMaxRank) {
    fail("a shape has at most ", kMaxRank, " dims, not ", dims.size(), "; flatten some of them");
  }
  constexpr std::int64_t kMaxCount = std::int64_t{1} << 62;
  std::int64_t count = 1;
  int i = 0;
  for (const std::int64_t dim : dims) {
    if (dim < 0) fail("dim ", i, " of a shape is ", dim, "; dims must be >= 0");
    if (dim > 0 && count > kMaxCount / dim) fail("a shape has more than 2^62 elements");
    count *= dim == 0 ? 1 : dim;
    dims_[static_cast<std::size_t>(i++)] = dim;
  }
}

std::int64_t Shape::pixels() const {
  std::int64_t product = 1;
  for (int i = 0; i + 1 < rank_; ++i) product *= (*this)[i];
  return product;
}

std::string Shape::str() const {
  if (rank_ == 0) return "scalar";
  std::string out;
  for (int i = 0; i < rank_; ++i) out += (i == 0 ? "" : "x") + std::to_string((*this)[i]);
  return out;
}

}  // namespace lamella
