// The instructions of a whole warp mean what they do on the device, and asynchronous copies arrive
// when they are waited for.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/simt/library.h"

namespace lamella::simt {
namespace {

const Library& library() {
  static const Library loaded(LAMELLA_TEST_LIBRARY);
  return loaded;
}

std::vector<float> run(const char* kernel, int n, const std::vector<float>& x, std::size_t count) {
  Buffer in(library(), x.size()), out(library(), count);
  in.write(x);
  library().run(kernel, n, in.data(), out.data());
  return out.read<float>();
}

// Small multiples of 1/4: exact in both types, and so are their products and sums.
std::vector<float> exact_values(std::size_t count) {
  std::vector<float> values(count);
  for (std::size_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(i * 37 % 23) / 4.0F - 2.5F;
  }
  return values;
}

TEST(Warp, MultipliesMatrices) {
  const std::vector<float> x = exact_values(384);
  for (const int form : {0, 1, 2, 3}) {  // bf16 and f16, as they lie and transposed
    const std::vector<float> y = run("matrix_product", form, x, 128);
    for (std::size_t row = 0; row < 16; ++row) {
      for (std::size_t column = 0; column < 8; ++column) {
        float sum = 0;
        for (std::size_t k = 0; k < 16; ++k) sum += x[row * 16 + k] * x[256 + k * 8 + column];
        EXPECT_EQ(y[row * 8 + column], sum) << "form " << form << " at " << row << "," << column;
      }
    }
  }
}

TEST(Warp, InstructionsNeedAllLanes) {
  Buffer y(library(), 32);
  const std::string error = error_of(library(), "half_a_warp", 0, nullptr, y.data());
  EXPECT_NE(error.find("needs all 32 lanes, but only 0-15 came"), std::string::npos) << error;
  EXPECT_NE(error.find("warp_kernels.cu"), std::string::npos) << error;
}

TEST(AsyncCopies, BringBytesOrZeros) {
  const std::vector<float> x = exact_values(128);
  const std::vector<float> y = run("async_copy", 0, x, 256);
  for (std::size_t i = 0; i < 128; ++i) {
    EXPECT_EQ(y[i], x[(31 - i / 4) * 4 + i % 4]);
    EXPECT_EQ(y[128 + i], 0.0F);
  }
}

TEST(AsyncCopies, AreNotThereBeforeTheWait) {
  const std::vector<float> y = run("async_copy", 1, exact_values(128), 256);
  for (std::size_t i = 0; i < 128; ++i) {
    EXPECT_FALSE(std::isnan(y[i]));
    EXPECT_TRUE(std::isnan(y[128 + i]));
  }
}

}  // namespace
}  // namespace lamella::simt
