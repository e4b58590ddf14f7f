// The 16-bit types on the host, and what counts as equal in them.
#include "tests/ops/precision.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "kernels/half.h"

namespace lamella::test {
namespace {

template <class T>
T of_bits(int bits) {
  T value;
  value.bits = static_cast<std::uint16_t>(bits);
  return value;
}

// Every finite value comes back; halfway to the next one the even one is taken, and on either side
// of halfway the nearer. `infinity` has the bits after those of the largest value.
template <class T>
void check_rounding(int infinity) {
  for (int bits = 0; bits < infinity; ++bits) {
    const auto value = static_cast<float>(of_bits<T>(bits));
    ASSERT_EQ(T(value).bits, bits);
    ASSERT_EQ(T(-value).bits, bits | 0x8000);
    // The step after the largest value is as long as the one before it.
    const bool largest = bits + 1 == infinity;
    const float neighbour = static_cast<float>(of_bits<T>(largest ? bits - 1 : bits + 1));
    const float step = std::abs(neighbour - value);
    const float halfway = value + step / 2;
    const int even = bits % 2 == 0 ? bits : bits + 1;
    ASSERT_EQ(T(halfway).bits, even) << bits;
    ASSERT_EQ(T(std::nextafterf(halfway, 0)).bits, bits) << bits;
    ASSERT_EQ(T(std::nextafterf(halfway, INFINITY)).bits, bits + 1) << bits;
  }
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(T(inf).bits, infinity);
  EXPECT_EQ(T(-inf).bits, infinity | 0x8000);
  EXPECT_EQ(static_cast<float>(of_bits<T>(infinity)), inf);
  EXPECT_EQ(T(std::numeric_limits<float>::quiet_NaN()).bits, 0x7FFF);
  EXPECT_EQ(T(-std::numeric_limits<float>::quiet_NaN()).bits, 0x7FFF);
  EXPECT_TRUE(std::isnan(static_cast<float>(of_bits<T>(0x7FFF))));
  EXPECT_TRUE(std::isnan(static_cast<float>(of_bits<T>(infinity + 1))));
}

TEST(Half, Bf16RoundsToNearestTiesToEven) {
  check_rounding<Bf16>(0x7F80);
}

TEST(Half, F16RoundsToNearestTiesToEven) {
  check_rounding<F16>(0x7C00);
  EXPECT_EQ(F16(1e30F).bits, 0x7C00);
  EXPECT_EQ(F16(1e-30F).bits, 0);
}

TEST(Precision, UnitsInTheLastPlace) {
  EXPECT_EQ(unit_in_last_place(1.0, DType::BF16), 0x1p-7);
  EXPECT_EQ(unit_in_last_place(-3.9, DType::BF16), 0x1p-6);
  EXPECT_EQ(unit_in_last_place(1.0, DType::F16), 0x1p-10);
  EXPECT_EQ(unit_in_last_place(1e-7, DType::F16), 0x1p-24);  // subnormal
  EXPECT_EQ(unit_in_last_place(0.0, DType::F16), 0x1p-24);
}

class Compare : public testing::Test {
 protected:
  Compare() : expected(4000), found(4000) {
    test_case.dtype = DType::BF16;
    for (std::size_t i = 0; i < expected.size(); ++i) {
      expected[i] = 1.0 + static_cast<double>(i) / 4001;
      found[i] = rounded(expected[i], DType::BF16);
    }
  }
  std::string problem() const { return compare(test_case, "y", found, expected, DType::BF16); }

  OpCase test_case;
  Values expected, found;
};

TEST_F(Compare, TakesTheRoundedOracle) {
  EXPECT_EQ(problem(), "");
  for (std::size_t i = 0; i < found.size(); i += 100) found[i] += 0x1p-7;
  EXPECT_EQ(problem(), "");
}

TEST_F(Compare, TakesFourOfFourThousandTwoUnitsOff) {
  for (std::size_t i = 0; i < 4; ++i) found[i] += 0x1p-6;
  EXPECT_EQ(problem(), "");
  found[4] += 0x1p-6;
  EXPECT_NE(problem().find("5 of 4000 elements"), std::string::npos) << problem();
}

TEST_F(Compare, HoldsTheWholeToItsSize) {
  for (double& value : found) value += 0x1p-7;  // each within a unit
  EXPECT_NE(problem().find("relative L2"), std::string::npos) << problem();
  for (double& value : found) value = std::nan("");
  EXPECT_NE(problem(), "");
}

TEST_F(Compare, OneWrongElementOfFewIsNoExceptionToTheRule) {
  expected = found = {1.0, 2.0, 3.0};
  found[1] = 2.0 + 0x1p-5;
  EXPECT_NE(problem(), "");
}

}  // namespace
}  // namespace lamella::test
