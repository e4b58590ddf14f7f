// The synthetic crops: addressed by seed, labelled synthetic, and not told apart by intensities.
#include "io/synth_tem.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <set>

#include "fixtures.h"
#include "intensity_baseline.h"
#include "io/csv.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::TempDir;

TEST(Synth, RendersAddressedCropsOfAnySize) {
  SynthTemOptions options;
  ASSERT_GE(synth_tem_classes().size(), 6U);
  std::set<std::vector<std::uint16_t>> distinct;
  for (int shape = 0; shape < static_cast<int>(synth_tem_classes().size()); ++shape) {
    const Image image = render_synth_tem(options, shape, 3);
    EXPECT_EQ(image.height, 64);
    EXPECT_EQ(image.bit_depth, 16);
    EXPECT_EQ(image.samples, render_synth_tem(options, shape, 3).samples);
    distinct.insert(image.samples);
    distinct.insert(render_synth_tem(options, shape, 4).samples);
  }
  options.seed = 1;
  distinct.insert(render_synth_tem(options, 0, 3).samples);
  EXPECT_EQ(distinct.size(), 2 * synth_tem_classes().size() + 1);
  options.size = 100;
  EXPECT_EQ(render_synth_tem(options, 0, 0).samples.size(), 10000U);
}

TEST(Synth, WritesALabelledDataSet) {
  for (const SynthFormat format : {SynthFormat::Tiff, SynthFormat::Png}) {
    const TempDir dir;
    SynthTemOptions options;
    options.classes = 3;
    options.per_class = 5;
    options.per_micrograph = 2;
    options.size = 32;
    options.format = format;
    const auto files = write_synth_tem(dir.path("set"), options);
    EXPECT_EQ(files.size(), 15U);
    for (const auto& file : files) {
      EXPECT_NE(file.find("/synthetic_"), std::string::npos);
      EXPECT_EQ(read_image(dir.path("set/" + file)).bit_depth, 16);
    }
    const auto readme = fixtures::read_bytes(dir.path("set/README.txt"));
    EXPECT_EQ(std::string(readme.begin(), readme.begin() + 9), "SYNTHETIC");
    const Dataset dataset = read_dataset(dir.path("set"));
    EXPECT_EQ(dataset.classes.size(), 3U);
    EXPECT_EQ(dataset.samples.size(), 15U);
    EXPECT_EQ(dataset.group_source, "column micrograph of manifest.csv");
    std::set<std::string> groups;
    for (const Sample& sample : dataset.samples) groups.insert(sample.group);
    EXPECT_EQ(groups.size(), 9U);
    EXPECT_NE(error_of([&] { write_synth_tem(dir.path("set"), options); }).find("not an empty"),
              std::string::npos);
  }
}

TEST(Synth, RefusesInSentences) {
  SynthTemOptions options;
  options.classes = 9;
  EXPECT_EQ(error_of([&] { render_synth_tem(options, 0, 0); }),
            "synth tem: 9 classes were asked for; there are 2 to 8");
  options.classes = 6;
  options.size = 31;
  EXPECT_EQ(error_of([&] { render_synth_tem(options, 0, 0); }),
            "synth tem: the size is 31; it must be in 32..1024");
}

// Two made-up classes that differ in brightness: the baseline must see that.
TEST(IntensityBaseline, FindsWhatIntensitiesTell) {
  const TempDir dir;
  Image image = fixtures::pattern(16, 16, 1, 8);
  for (int i = 0; i < 40; ++i) {
    const bool bright = i % 2 == 1;
    for (std::size_t p = 0; p < image.samples.size(); ++p) {
      image.samples[p] = static_cast<std::uint16_t>((p * 7 + static_cast<std::size_t>(i)) % 128 +
                                                    (bright ? 100 : 0));
    }
    const std::string name = std::string(bright ? "b/" : "a/") + std::to_string(i) + ".png";
    std::filesystem::create_directories(dir.path(bright ? "b" : "a"));
    write_png(dir.path(name), image);
  }
  Dataset dataset = read_dataset(dir.path());
  split(dataset, {0.5, 0.5, 0.0}, 1);
  const auto result =
      intensity_baseline(dataset.subset(Split::Train), dataset.subset(Split::Validation));
  EXPECT_EQ(result.accuracy, 1.0);
  EXPECT_NEAR(result.chance, 0.5, 1e-9);
}

TEST(SynthSlow, IntensitiesDoNotTellTheClassesApart) {
  const TempDir dir;
  SynthTemOptions options;
  options.per_class = 160;
  write_synth_tem(dir.path("set"), options);
  Dataset dataset = read_dataset(dir.path("set"));
  split(dataset, {0.7, 0.3, 0.0}, 0);
  const auto result =
      intensity_baseline(dataset.subset(Split::Train), dataset.subset(Split::Validation));
  std::printf("logistic regression on intensities: %.1f %% of held-out crops (chance %.1f %%)\n",
              100.0 * result.accuracy, 100.0 * result.chance);
  EXPECT_LE(result.accuracy, 0.5);
  EXPECT_GE(result.accuracy, result.chance / 2.0);
}

}  // namespace
}  // namespace lamella
