// The logical extents of a tensor: up to four, the last one being the channels.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>

namespace lamella {

class Shape {
 public:
  static constexpr int kMaxRank = 4;

  Shape() = default;
  Shape(std::initializer_list<std::int64_t> dims);  // every dim >= 0, product below 2^62

  int rank() const { return rank_; }
  std::int64_t operator[](int i) const { return dims_[static_cast<std::size_t>(i)]; }
  std::int64_t channels() const { return rank_ == 0 ? 1 : (*this)[rank_ - 1]; }
  std::int64_t pixels() const;  // product of all dims but the last
  std::int64_t count() const { return pixels() * channels(); }
  std::string str() const;  // "2x256x256x1"; "scalar" at rank 0

  bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  int rank_ = 0;
};

}  // namespace lamella
