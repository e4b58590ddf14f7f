// The image kernels at the edges of their domain, and beside torch.
#include <bit>
#include <cmath>

#include "tests/ops/contracts.h"

namespace lamella {
namespace {

std::vector<std::uint32_t> bits_of(const std::vector<float>& values) {
  std::vector<std::uint32_t> bits;
  for (const float value : values) bits.push_back(std::bit_cast<std::uint32_t>(value));
  return bits;
}

// The types that the device under test computes in.
std::vector<DType> dtypes(const std::string& device) {
  if (device == "cpu") return {DType::F32};
  return {DType::F32, DType::BF16, DType::F16};
}

// 3 x 4 pixels of 2 channels: numbers of every type, both zeros, both infinities, a NaN.
std::vector<float> unlike_pixels() {
  std::vector<float> values;
  for (int i = 0; i < 24; ++i) values.push_back(static_cast<float>(i) * 0.375F - 3);
  values[3] = -0.0F, values[7] = kInf, values[12] = -kInf, values[17] = kNaN;
  return values;
}

TEST_F(Contracts, ImageNormaliseTakesMeanAndStandardDeviation) {
  Context& ctx = *context;
  std::vector<std::uint8_t> x;
  for (int i = 0; i < 256 * 3; ++i) x.push_back(static_cast<std::uint8_t>(i / 3));
  const std::vector<float> mean{0.485F, 0.456F, 0.406F}, std{0.229F, 0.224F, 0.225F};
  const Tensor images = ctx.from_host(x, {1, 16, 16, 3});
  for (const DType dtype : dtypes(device())) {
    const auto y = host(image_normalise(ctx, images, image_scale(ctx, mean, std), dtype));
    for (std::size_t i = 0; i < y.size(); ++i) {
      const double expected = (x[i] / 255.0 - double{mean[i % 3]}) / double{std[i % 3]};
      const double most = dtype == DType::F32 ? 1e-6 : dtype == DType::F16 ? 2e-3 : 1e-2;
      EXPECT_NEAR(y[i], expected, most) << name_of(dtype) << ", byte " << int{x[i]};
    }
  }
}

// Where the pixel (p, q) of a result of P x Q is read, of an image of 3 x 4.
struct Map {
  const char* name;
  std::int64_t P, Q;
  std::vector<float> matrix;
  std::int64_t (*h)(std::int64_t p, std::int64_t q);
  std::int64_t (*w)(std::int64_t p, std::int64_t q);
};

const Map kMaps[] = {
    {"identity",
     3,
     4,
     {1, 0, 0, 0, 1, 0},
     [](auto p, auto) { return p; },
     [](auto, auto q) { return q; }},
    {"crop",
     2,
     2,
     {1, 0, 2, 0, 1, 1},
     [](auto p, auto) { return p + 1; },
     [](auto, auto q) { return q + 2; }},
    {"shift beyond the image",
     5,
     6,
     {1, 0, -2, 0, 1, -1},
     [](auto p, auto) { return p - 1; },
     [](auto, auto q) { return q - 2; }},
    {"flip left and right",
     3,
     4,
     {-1, 0, 4, 0, 1, 0},
     [](auto p, auto) { return p; },
     [](auto, auto q) { return 3 - q; }},
    {"flip top and bottom",
     3,
     4,
     {1, 0, 0, 0, -1, 3},
     [](auto p, auto) { return 2 - p; },
     [](auto, auto q) { return q; }},
    {"turn counter-clockwise",
     4,
     3,
     {0, -1, 4, 1, 0, 0},
     [](auto, auto q) { return q; },
     [](auto p, auto) { return 3 - p; }},
    {"half a turn",
     3,
     4,
     {-1, 0, 4, 0, -1, 3},
     [](auto p, auto) { return 2 - p; },
     [](auto, auto q) { return 3 - q; }},
    {"turn clockwise",
     4,
     3,
     {0, 1, 0, -1, 0, 3},
     [](auto, auto q) { return 2 - q; },
     [](auto p, auto) { return p; }},
};

// What is next to a pixel that is moved may be anything.
TEST_F(Contracts, ImageResampleMovesTheBitsOfFlipsCropsAndTurns) {
  Context& ctx = *context;
  const std::vector<float> fill{5, -0.0F};
  for (const DType dtype : dtypes(device())) {
    const Tensor x = ctx.from_host(unlike_pixels(), {1, 3, 4, 2}, dtype);
    const std::vector<float> pixels = host(x);
    for (const Map& map : kMaps) {
      const auto y =
          host(image_resample(ctx, x, tensor(map.matrix, {1, 6}), map.P, map.Q, tensor(fill, {2})));
      std::vector<float> expected;
      for (std::int64_t i = 0; i < map.P * map.Q * 2; ++i) {
        const std::int64_t p = i / 2 / map.Q, q = i / 2 % map.Q, c = i % 2;
        const std::int64_t h = map.h(p, q), w = map.w(p, q);
        const bool inside = h >= 0 && h < 3 && w >= 0 && w < 4;
        const std::int64_t from = inside ? (h * 4 + w) * 2 + c : 0;
        expected.push_back(inside ? pixels[static_cast<std::size_t>(from)]
                                  : fill[static_cast<std::size_t>(c)]);
      }
      EXPECT_EQ(bits_of(y), bits_of(expected)) << map.name << ", " << name_of(dtype);
    }
  }
}

TEST_F(Contracts, ImageResampleOfAPlaceThatIsNoNumberIsFill) {
  Context& ctx = *context;
  const Tensor x = tensor(std::vector<float>(9, 1.0F), {1, 3, 3, 1});
  for (const float wrong : {kNaN, kInf, -kInf, 1e30F, -1e30F, 3e9F, -3e9F}) {
    for (std::size_t at = 0; at < 6; ++at) {
      std::vector<float> matrix{0.5F, 0, 0.25F, 0, 0.5F, 0.25F};
      matrix[at] = wrong;
      const Tensor m = tensor(matrix, {1, 6});
      EXPECT_EQ(host(image_resample(ctx, x, m, 2, 2, tensor({0.3F}, {1}))),
                (std::vector<float>(4, 0.3F)))
          << wrong << " at " << at;
      EXPECT_EQ(bits_of(host(image_resample(ctx, x, m, 2, 2))), std::vector<std::uint32_t>(4))
          << wrong << " at " << at;
    }
  }
}

// Values of torch 2.15's grid_sample in float64: bilinear, zeros, align_corners=False, with
// (2 u / W - 1, 2 v / H - 1) as its grid.
TEST_F(Contracts, ImageResampleReadsWhereTorchReads) {
  std::vector<float> x;
  for (int i = 0; i < 12; ++i) x.push_back(static_cast<float>(7 * i % 13) / 8 - 0.5F);
  const std::vector<float> matrix{0.75F, -0.5F, 0.625F, 0.25F, 1.125F, -0.375F};
  const auto y =
      host(image_resample(*context, tensor(x, {1, 3, 4, 1}), tensor(matrix, {1, 6}), 3, 3));
  const double expected[] = {-0.2285156, 0.390625, -0.109375, -0.1992188, 0.234375,
                             0.546875,   0,        0,         0.2871094};
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(y[i], expected[i], 1e-6) << i;
}

// Values of torchvision 0.29's adjust_brightness, adjust_contrast and adjust_saturation in float64.
TEST_F(Contracts, ImageJitterIsThatOfTorchvision) {
  std::vector<float> x;
  for (int i = 0; i < 12; ++i) x.push_back(static_cast<float>(5 * i % 17) / 16);
  for (int i = 0; i < 12; ++i) x.push_back(x[static_cast<std::size_t>(i)]);
  const auto y = host(image_jitter(*context, tensor(x, {2, 2, 2, 3}),
                                   tensor({1.4F, 0.5F, 1.75F, 0.7F, 1.6F, 0.25F}, {2, 3})));
  const double expected[] = {0.1430665, 0.525879,  0.9086915, 0.9519822, 0.3066697, 0.6894822,
                             0.9979853, 0.1995478, 0.5823603, 0.7759933, 0.8088058, 0.2400558,
                             0.1120724, 0.1511345, 0.2386345, 0.4444789, 0.2344789, 0.3219789,
                             0.3589712, 0.1799091, 0.2364712, 0.6883974, 0.7758974, 0.5658974};
  for (std::size_t i = 0; i < 24; ++i) EXPECT_NEAR(y[i], expected[i], 1e-6) << i;
  const auto grey = host(image_jitter(*context, tensor({0, 0.25F, 0.5F, 1}, {1, 2, 2, 1}),
                                      tensor({0.8F, 1.5F, 0.3F}, {1, 3})));
  const double expected_grey[] = {0, 0.125, 0.425, 1};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(grey[i], expected_grey[i], 1e-6) << i;
}

TEST_F(Contracts, ImageJitterByOneMovesBits) {
  Context& ctx = *context;
  for (const DType dtype : dtypes(device())) {
    for (const Shape& shape : {Shape{1, 3, 8, 1}, Shape{2, 2, 2, 3}, Shape{1, 1, 3, 8}}) {
      const Tensor x = ctx.from_host(unlike_pixels(), shape, dtype);
      const std::vector<float> ones(static_cast<std::size_t>(3 * shape[0]), 1.0F);
      EXPECT_EQ(bits_of(host(image_jitter(ctx, x, tensor(ones, {shape[0], 3})))), bits_of(host(x)))
          << shape.str() << " " << name_of(dtype);
    }
  }
}

// A diverged image stays visible; images beside it are not touched by it.
TEST_F(Contracts, ImageJitterKeepsNaNInItsImage) {
  const Tensor x = tensor({0.5F, kNaN, 0.25F, 0.5F, 0.5F, 0.75F}, {2, 3, 1, 1});
  const auto y = host(image_jitter(*context, x, tensor({1, 0.5F, 1, 1, 0.5F, 1}, {2, 3})));
  for (std::size_t i = 0; i < 3; ++i) EXPECT_TRUE(std::isnan(y[i]));
  for (std::size_t i = 3; i < 6; ++i) EXPECT_TRUE(std::isfinite(y[i]));
}

TEST_F(Contracts, ImagesOfNothing) {
  Context& ctx = *context;
  const ImageScale scale = image_scale(ctx, {0, 0}, {1, 1});
  EXPECT_TRUE(host(image_normalise(ctx, ctx.empty({0, 3, 3, 2}, DType::U8), scale)).empty());
  EXPECT_TRUE(host(image_resample(ctx, ctx.empty({0, 3, 3, 2}), ctx.empty({0, 6}), 2, 2)).empty());
  EXPECT_TRUE(host(image_jitter(ctx, ctx.empty({0, 3, 3, 2}), ctx.empty({0, 3}))).empty());
  EXPECT_TRUE(host(image_jitter(ctx, ctx.empty({1, 0, 3, 2}), tensor({1, 2, 3}, {1, 3}))).empty());
  // Without pixels everything lies outside.
  const Tensor identity = tensor({1, 0, 0, 0, 1, 0}, {1, 6});
  EXPECT_EQ(host(image_resample(ctx, ctx.empty({1, 0, 3, 1}), identity, 2, 1, tensor({4}, {1}))),
            (std::vector<float>{4, 4}));
}

// Images need no gradient: nothing is recorded, even where the image asks for one.
TEST_F(Contracts, ImageOpsRecordNothing) {
  Context& ctx = *context;
  ctx.grad_enabled = true;
  Tensor x = tensor({1, 2, 3, 4}, {1, 2, 2, 1});
  x.require_grad();
  EXPECT_FALSE(image_resample(ctx, x, tensor({1, 0, 0, 0, 1, 0}, {1, 6}), 2, 2).requires_grad());
  EXPECT_FALSE(image_jitter(ctx, x, tensor({1, 1, 1}, {1, 3})).requires_grad());
  EXPECT_EQ(ctx.tape.size(), 0U);
}

}  // namespace
}  // namespace lamella
