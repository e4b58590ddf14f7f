// Looking through a data set: what cannot be read, what the images are, and which are twins.
#include "io/data_check.h"

#include <gtest/gtest.h>

#include <cmath>

#include "engine/rng.h"
#include "fixtures.h"
#include "io/augment_steps.h"
#include "io/resize.h"

namespace lamella {
namespace {

using fixtures::TempDir;

// Smooth random blobs, unlike any others with another seed.
Image blobs(std::uint64_t seed, std::int64_t side = 64, std::int64_t channels = 1) {
  Image image{side, side, channels, 8, {}};
  Rng rng(seed, RngStream::Test);
  double phase[12];
  for (double& p : phase) p = rng.uniform(0, 6.28);
  for (std::int64_t y = 0; y < side; ++y) {
    for (std::int64_t x = 0; x < side; ++x) {
      const double u = static_cast<double>(x) / static_cast<double>(side);
      const double v = static_cast<double>(y) / static_cast<double>(side);
      double value = 0;
      for (int k = 0; k < 6; ++k) {
        value += std::sin(6.28 * (k % 3 + 1) * u + phase[k]) *
                 std::cos(6.28 * (k / 2 + 1) * v + phase[k + 6]);
      }
      for (std::int64_t c = 0; c < channels; ++c) {
        image.samples.push_back(static_cast<std::uint16_t>(127.5 + 20 * value));
      }
    }
  }
  return image;
}

void add(const TempDir& folder, const std::string& name, const Image& image) {
  std::filesystem::create_directories(std::filesystem::path(folder.path(name)).parent_path());
  write_png(folder.path(name), image);
}

TEST(DataCheck, FindsTwins) {
  const TempDir folder;
  for (int i = 0; i < 20; ++i) {
    add(folder, "a/" + std::to_string(10 + i) + ".png", blobs(static_cast<std::uint64_t>(i)));
  }
  add(folder, "b/copy.png", blobs(3));
  add(folder, "b/large.png", resize(blobs(5), 150, 150));
  Augmentation brighter;
  brighter.brightness = 1.15;
  add(folder, "b/tone.png", change_tone(blobs(7), brighter));
  add(folder, "b/unlike.png", blobs(100));
  const Dataset dataset = read_dataset(folder.path());
  const DataCheck check = check_data(dataset);
  EXPECT_EQ(check.twins, (std::vector<Twins>{{3, 20, true}, {5, 21, false}, {7, 22, false}}));
  EXPECT_EQ(check.sizes.at("64x64"), 23);
  EXPECT_EQ(check.kinds.at("8-bit gray"), 24);
  const std::vector<std::string> doubts = doubts_of(dataset, check);
  ASSERT_EQ(doubts.size(), 3U);
  EXPECT_EQ(doubts[0], "a/13.png and b/copy.png are the same and are in different classes");
  EXPECT_EQ(doubts[1], "a/15.png and b/large.png look the same and are in different classes");
}

TEST(DataCheck, DoubtsWhatStraddlesSplits) {
  const TempDir folder;
  std::uint64_t seed = 10;
  for (const char* name : {"train/a/1.png", "train/b/1.png", "val/a/1.png", "val/b/1.png"}) {
    add(folder, name, blobs(++seed));
  }
  add(folder, "train/a/2.png", blobs(1));
  add(folder, "train/a/3.png", blobs(1));  // in the same split: no harm
  add(folder, "val/a/2.png", blobs(1));
  const Dataset dataset = read_dataset(folder.path());
  const DataCheck check = check_data(dataset);
  EXPECT_EQ(check.twins.size(), 2U);
  EXPECT_EQ(doubts_of(dataset, check),
            (std::vector<std::string>{"train/a/2.png and val/a/2.png are the same and are in "
                                      "different splits"}));
}

TEST(DataCheck, LeavesOutWhatCannotBeRead) {
  const TempDir folder;
  add(folder, "a/1.png", blobs(1));
  add(folder, "b/3.png", blobs(2, 32, 3));
  fixtures::write_text(folder.path("a/2.png"), "no image");
  fixtures::write_text(folder.path("b/4.png"), "");
  Dataset dataset = read_dataset(folder.path());
  std::int64_t told = 0;
  const DataCheck check = check_data(dataset, {}, [&](std::int64_t done) { told = done; });
  EXPECT_EQ(told, 4);
  ASSERT_EQ(check.unreadable.size(), 2U);
  EXPECT_EQ(check.unreadable[0].first, 1);
  EXPECT_NE(check.unreadable[0].second.find("a/2.png"), std::string::npos);
  EXPECT_EQ(doubts_of(dataset, check).size(), 2U);
  EXPECT_EQ(check.mean.size(), 3U);
  drop_unreadable(dataset, check);
  ASSERT_EQ(dataset.samples.size(), 2U);
  EXPECT_EQ(dataset.samples[0].path, "a/1.png");
  EXPECT_EQ(dataset.samples[1].path, "b/3.png");
}

TEST(DataCheck, MeanAndDeviationAreThoseOfAllSamples) {
  const TempDir folder;
  add(folder, "a/1.png", Image{1, 3, 1, 8, {0, 255, 51}});
  add(folder, "b/1.png", Image{1, 1, 1, 16, {65535}});
  const DataCheck check = check_data(read_dataset(folder.path()));
  const double mean = (0 + 1 + 0.2 + 1) / 4;
  const double squares = (0 + 1 + 0.04 + 1) / 4;
  ASSERT_EQ(check.mean.size(), 1U);
  EXPECT_NEAR(check.mean[0], mean, 1e-12);
  EXPECT_NEAR(check.std[0], std::sqrt(squares - mean * mean), 1e-12);
}

TEST(DataCheck, ConstantImagesLookTheSameOnlyWhereTheyAre) {
  const TempDir folder;
  add(folder, "a/1.png", Image{4, 4, 1, 8, std::vector<std::uint16_t>(16, 9)});
  add(folder, "b/1.png", Image{4, 4, 1, 8, std::vector<std::uint16_t>(16, 10)});
  add(folder, "b/2.png", Image{4, 4, 1, 8, std::vector<std::uint16_t>(16, 10)});
  const DataCheck check = check_data(read_dataset(folder.path()));
  EXPECT_EQ(check.twins, (std::vector<Twins>{{1, 2, true}}));
}

}  // namespace
}  // namespace lamella
