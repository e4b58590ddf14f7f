// Sums over millions of pixels, statistics far from zero, and dropout to the bit: what small shapes
// do not show.
#include <gtest/gtest.h>

#include "kernels/cpu/backend.h"
#include "kernels/philox.h"
#include "tests/cpu/harness.h"

namespace lamella::test {
namespace {

constexpr std::int64_t kPixels = 2'000'003, kChannels = 3;

TEST(Reductions, BiasGradientOverMillionsOfPixels) {
  const auto dy = random_floats(kPixels * kChannels, 5, 0.5F);
  std::vector<double> expected(kChannels);
  for (std::size_t i = 0; i < dy.size(); ++i) expected[i % kChannels] += static_cast<double>(dy[i]);
  Workspace workspace(2);
  std::vector<float> db(kChannels);
  cpu_own_table().bias_bwd(workspace.context(), {kPixels, kChannels, kChannels, kChannels},
                           dy.data(), db.data(), Write::Set);
  EXPECT_LE(relative_error(db, expected, 1, 1), 1e-6);
}

TEST(Reductions, StatisticsFarFromZero) {
  for (const float mean : {0.0F, 100.0F, 4096.0F}) {
    auto x = random_floats(kPixels * kChannels, 6, mean);
    for (int c = 0; c < kChannels; ++c) x[static_cast<std::size_t>(c)] = 0;  // an outlier up front
    std::vector<double> means(kChannels), variances(kChannels);
    for (std::size_t i = 0; i < x.size(); ++i) means[i % kChannels] += static_cast<double>(x[i]);
    for (double& value : means) value /= kPixels;
    for (std::size_t i = 0; i < x.size(); ++i)
      variances[i % kChannels] += std::pow(static_cast<double>(x[i]) - means[i % kChannels], 2);
    for (double& value : variances) value /= kPixels;
    BatchNormShape shape;
    shape.pixels = kPixels, shape.C = shape.x_pitch = shape.y_pitch = kChannels;
    Workspace workspace(2);
    std::vector<float> mean_out(kChannels), var_out(kChannels);
    cpu_own_table().batch_norm_stats(workspace.context(), shape, x.data(), mean_out.data(),
                                     var_out.data());
    EXPECT_LE(relative_error(mean_out, means, 1, 1), 1e-5) << "mean " << mean;
    EXPECT_LE(relative_error(var_out, variances, 1, 1), 1e-5) << "mean " << mean;
  }
}

TEST(Dropout, KeepsExactlyTheElementsOfTheDefinition) {
  const DropoutKey key{0x0123456789ABCDEFU, 7, 3, 0xB0000000U, 1.5F};
  for (const std::int64_t C : {1, 3, 64, 130})
    for (const std::int64_t pitch : {C, C + 5}) {
      const std::int64_t pixels = 1031;
      const auto x = random_floats(pixels * pitch, 8);
      std::vector<float> y(x.size(), 0.0F);
      Workspace workspace(2);
      cpu_own_table().dropout_fwd(workspace.context(), {pixels, C, pitch, pitch}, key, x.data(),
                                  y.data());
      for (std::int64_t e = 0; e < pixels * C; ++e) {
        const auto counter = static_cast<std::uint64_t>(e / 4);
        const bool keep =
            philox(counter, key.step, key.layer, key.seed).word[e % 4] < key.keep_below;
        const auto at = static_cast<std::size_t>(e / C * pitch + e % C);
        ASSERT_EQ(y[at], keep ? x[at] * key.scale : 0.0F) << "element " << e << ", C " << C;
      }
    }
}

TEST(Memory, BlocksAreAlignedAndWritable) {
  const Backend& backend = cpu_backend();
  for (const std::size_t bytes :
       {std::size_t{1}, std::size_t{5000}, std::size_t{2} << 20U, (std::size_t{9} << 20U) + 4097}) {
    auto* data = static_cast<unsigned char*>(backend.allocate(bytes));
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(data) % 256, 0U);
    data[0] = data[bytes - 1] = 1;
    backend.release(data, bytes);
  }
  EXPECT_EQ(backend.allocate(std::size_t{1} << 60U), nullptr);
}

TEST(InstructionSet, AnUnknownNameIsRefusedInASentence) {
  const char* wanted = std::getenv("LAMELLA_CPU_ISA");
  if (wanted == nullptr || std::string(wanted) != "v9") {
    EXPECT_EQ(cpu_backend().unavailable(), nullptr);
    return;
  }
  ASSERT_NE(cpu_backend().unavailable(), nullptr);
  EXPECT_NE(std::string(cpu_backend().unavailable()).find("LAMELLA_CPU_ISA=v9"), std::string::npos);
}

TEST(DType, OtherThanF32IsRefusedInASentence) {
  SliceShape shape{1, 1, 1, 1, DType::BF16};
  float x = 0, y = 0;
  try {
    Workspace workspace(1);
    cpu_own_table().relu_fwd(workspace.context(), shape, &x, &y);
    FAIL() << "no exception";
  } catch (const std::runtime_error& error) {
    EXPECT_NE(std::string(error.what()).find("bf16"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace lamella::test
