// Which kernels a choice means, with both vendors' libraries there.
#include "kernels/cuda/choice.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

namespace lamella::cuda {
namespace {

const KernelTable& own() {
  static const KernelTable table = [] {
    KernelTable made;
    made.conv2d_fwd = [](const KernelContext&, const Conv2dShape&, const void*, const void*,
                         const float*, void*) {};
    made.linear_fwd = [](const KernelContext&, const LinearShape&, const void*, const void*,
                         const float*, void*) {};
    return made;
  }();
  return table;
}

struct Who {
  bool own_convolution, own_product;
  bool operator==(const Who&) const = default;
};

Who of(const char* convolution, const char* product) {
  const KernelTable& table = chosen_kernels(own(), {convolution, product});
  return {table.conv2d_fwd == own().conv2d_fwd, table.linear_fwd == own().linear_fwd};
}

TEST(KernelChoice, EachHalfIsChosenByItself) {
  EXPECT_EQ(of("own", "own"), (Who{true, true}));
  EXPECT_EQ(of("own", "cublaslt"), (Who{true, false}));
  EXPECT_EQ(of("cudnn", "own"), (Who{false, true}));
  EXPECT_EQ(of("cudnn", "cublaslt"), (Who{false, false}));
  EXPECT_EQ(of("", "own"), (Who{false, true}));
  EXPECT_EQ(of("own", ""), (Who{true, false}));
  EXPECT_EQ(of("", ""), (Who{false, false}));
}

TEST(KernelChoice, IsRefusedWithTheWayOut) {
  const auto refusal = [](const char* convolution, const char* product) -> std::string {
    try {
      of(convolution, product);
      return "";
    } catch (const std::runtime_error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(refusal("cublaslt", ""),
            "convolution by 'cublaslt' is nothing that device cuda has; use cudnn or own");
  EXPECT_EQ(refusal("own", "cudnn"),
            "product by 'cudnn' is nothing that device cuda has; use cublaslt or own");
}

TEST(KernelChoice, TheDefaultIsToldInWords) {
  EXPECT_EQ(chosen_by_default(),
            "convolutions by cuDNN 9.99.0; products by cuBLASLt where it is found");
}

}  // namespace
}  // namespace lamella::cuda
