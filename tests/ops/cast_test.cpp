// cast, bit by bit: every value of the 16-bit types, and every place where rounding to them turns,
// beside the conversions of kernels/half.h.
#include <bit>
#include <cmath>

#include "engine/rng.h"
#include "kernels/half.h"
#include "tests/ops/contracts.h"

namespace lamella {
namespace {

// All values of a 16-bit type, by their bits.
template <class T>
std::vector<float> all_values() {
  std::vector<float> values;
  for (std::uint32_t bits = 0; bits < 0x10000U; ++bits) {
    T value;
    value.bits = static_cast<std::uint16_t>(bits);
    values.push_back(static_cast<float>(value));
  }
  return values;
}

// How many differ in a bit; one NaN is as good as another.
std::size_t differences(const std::vector<float>& a, const std::vector<float>& b) {
  std::size_t count = a.size() == b.size() ? 0 : 1;
  for (std::size_t i = 0; i < a.size() && i < b.size(); ++i) {
    const bool same =
        std::isnan(a[i]) ? std::isnan(b[i])
                         : std::bit_cast<std::uint32_t>(a[i]) == std::bit_cast<std::uint32_t>(b[i]);
    count += same ? 0 : 1;
  }
  return count;
}

TEST_F(Contracts, CastWidensEveryValueExactly) {
  Context& ctx = *context;
  for (const DType dtype : {DType::BF16, DType::F16}) {
    const auto values = dtype == DType::BF16 ? all_values<Bf16>() : all_values<F16>();
    const Tensor narrow = ctx.from_host(values, {1, 16, 128, 32}, dtype);
    EXPECT_EQ(differences(host(cast(ctx, narrow, DType::F32)), values), 0U) << name_of(dtype);
    EXPECT_EQ(differences(host(cast(ctx, cast(ctx, narrow, DType::F32), dtype)), values), 0U)
        << name_of(dtype);
  }
}

TEST_F(Contracts, CastRoundsToNearestTiesToEven) {
  Context& ctx = *context;
  for (const DType dtype : {DType::BF16, DType::F16}) {
    const auto values = dtype == DType::BF16 ? all_values<Bf16>() : all_values<F16>();
    std::vector<float> x;
    for (std::size_t i = 0; i + 1 < values.size(); ++i) {
      const float middle = values[i] / 2 + values[i + 1] / 2;
      for (const float toward : {-kInf, middle, kInf}) x.push_back(std::nextafter(middle, toward));
    }
    Rng rng(3, RngStream::Test, 0);
    while (x.size() % 32 != 0 || x.size() < 400000) {
      x.push_back(std::bit_cast<float>(rng.below(0xFFFFFFFFU)));
    }
    const Shape shape{1, 1, static_cast<std::int64_t>(x.size() / 32), 32};
    const auto expected = host(ctx.from_host(x, shape, dtype));
    EXPECT_EQ(differences(host(cast(ctx, tensor(x, shape), dtype)), expected), 0U)
        << name_of(dtype);
  }
}

// 2^-8 + 2^-17 is no bf16: were it rounded before it is added, the sum would be a tie and become 1.
TEST_F(Contracts, CastAddsInF32AndRoundsOnce) {
  Context& ctx = *context;
  const Tensor y = ctx.from_host(std::vector<float>{1.0F}, {1, 1, 1, 1}, DType::BF16);
  const CastShape shape{1, 1, 1, 1, DType::F32, DType::BF16};
  ctx.call("cast", &KernelTable::cast, shape, tensor({0x1p-8F + 0x1p-17F}, {1, 1, 1, 1}).data(),
           y.data(), Write::Add);
  EXPECT_EQ(host(y)[0], 1.0F + 0x1p-7F);
}

}  // namespace
}  // namespace lamella
