// Folders, splits, groups, the manifest and the fingerprint.
#include "io/dataset.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "fixtures.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::TempDir;

std::vector<std::string> paths(const Dataset& dataset) {
  std::vector<std::string> list;
  for (const Sample& sample : dataset.samples) list.push_back(sample.path);
  return list;
}

TEST(Dataset, ReadsClassFoldersAndSkipsWhatIsNoData) {
  const TempDir dir;
  for (const char* name : {"b/2.png", "b/1.png", "a/x/3.png", "a/.hidden.png",
                           "a/crop_outlines/4.png", "_EXCLUDED/c/5.png", ".git/6.png"}) {
    dir.add_image(name);
  }
  fixtures::write_text(dir.path("a/notes.txt"), "no image");
  const Dataset dataset = read_dataset(dir.path());
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(paths(dataset), (std::vector<std::string>{"a/x/3.png", "b/1.png", "b/2.png"}));
  EXPECT_EQ(dataset.samples[1].label, 1);
  EXPECT_EQ(dataset.samples[1].split, Split::None);
  EXPECT_EQ(dataset.samples[1].group, "b/1.png");
  EXPECT_EQ(dataset.group_source, "each image alone");
  EXPECT_FALSE(dataset.has_splits);
  EXPECT_EQ(dataset.class_counts(), (std::vector<std::int64_t>{1, 2}));
}

TEST(Dataset, ReadsReadyMadeSplits) {
  const TempDir dir;
  for (const char* name : {"train/a/1.png", "train/b/2.png", "val/a/3.png", "val/b/4.png",
                           "augmented_train/c/5.png"}) {
    dir.add_image(name);
  }
  const Dataset dataset = read_dataset(dir.path());
  EXPECT_TRUE(dataset.has_splits);
  EXPECT_EQ(paths(dataset.subset(Split::Validation)),
            (std::vector<std::string>{"val/a/3.png", "val/b/4.png"}));
  EXPECT_TRUE(dataset.subset(Split::Test).samples.empty());
  EXPECT_TRUE(dataset.notes.empty());
}

TEST(Dataset, RefusesInSentences) {
  const TempDir dir;
  const auto error = [&](const std::string& sub) {
    return error_of([&] { read_dataset(dir.path(sub)); });
  };
  EXPECT_EQ(error("none"), dir.path("none") + ": there is no such folder");
  dir.add_image("flat/1.png");
  EXPECT_EQ(error("flat"),
            dir.path("flat") +
                "/: there are no class folders; put the images of each class into one folder");
  dir.add_image("empty/a/1.png");
  std::filesystem::create_directories(dir.path("empty/b"));
  EXPECT_EQ(error("empty"),
            dir.path("empty") + "/b: the class has no images (.png, .jpg, .jpeg, .tif, .tiff)");
  dir.add_image("differ/train/a/1.png");
  dir.add_image("differ/train/b/1.png");
  dir.add_image("differ/test/a/1.png");
  EXPECT_EQ(error("differ"),
            dir.path("differ") + "/test/: class b is in one split and not in another");
  for (const char* split : {"train", "val", "validation"}) {
    dir.add_image(std::string("twice/") + split + "/a/1.png");
  }
  EXPECT_EQ(error("twice"),
            dir.path("twice") + ": there are both a folder validation and a folder val; keep one");
}

TEST(Dataset, GroupsFromTheManifest) {
  const TempDir dir;
  dir.add_image("a/1.png");
  dir.add_image("b/2.png");
  const auto manifest = [&](const std::string& text) {
    fixtures::write_text(dir.path("manifest.csv"), text);
    return error_of([&] { read_dataset(dir.path()); });
  };
  EXPECT_EQ(manifest("path,class,micrograph\na/1.png,a,m1\n./b/2.png,b,m2\nc/9.png,c,m3\n"), "");
  const Dataset dataset = read_dataset(dir.path());
  EXPECT_EQ(dataset.samples[1].group, "m2");
  EXPECT_EQ(dataset.group_source, "column micrograph of manifest.csv");
  EXPECT_EQ(manifest("path,class,day\na/1.png,a,m1\nb/2.png,b,m2\n"), "");
  DatasetOptions by_day;
  by_day.group_column = "day";
  EXPECT_EQ(read_dataset(dir.path(), by_day).samples[0].group, "m1");
  by_day.group_column = "hour";
  EXPECT_EQ(error_of([&] { read_dataset(dir.path(), by_day); }),
            dir.path("manifest.csv") + " has no column hour; its columns are path, class, day");

  const std::string name = dir.path("manifest.csv");
  EXPECT_EQ(manifest("path,class\na/1.png,b\nb/2.png,b\n"),
            name + " line 2: a/1.png is called b but lies in the folder of a");
  EXPECT_EQ(manifest("path\na/1.png\n"), name + " does not name the image b/2.png");
  EXPECT_EQ(manifest("path\na/1.png\na//1.png\n"), name + " line 3: a/1.png is named twice");
  EXPECT_EQ(manifest("path,group\na/1.png,\nb/2.png,g\n"), name + " line 2: group is empty");
}

TEST(Dataset, GroupsFromAPattern) {
  const TempDir dir;
  for (const char* name : {"a/7_1.png", "a/7_2.png", "b/8_1.png"}) dir.add_image(name);
  DatasetOptions options;
  options.group_pattern = "([^/]+)_\\d+\\.";
  const Dataset dataset = read_dataset(dir.path(), options);
  EXPECT_EQ(dataset.samples[0].group, "7");
  EXPECT_EQ(dataset.samples[1].group, "7");
  EXPECT_EQ(dataset.samples[2].group, "8");
  EXPECT_EQ(dataset.group_source, "pattern ([^/]+)_\\d+\\.");
  options.group_pattern = "x(\\d)";
  EXPECT_EQ(error_of([&] { read_dataset(dir.path(), options); }),
            "group pattern 'x(\\d)' does not match a/7_1.png");
  options.group_pattern = "(";
  EXPECT_NE(error_of([&] { read_dataset(dir.path(), options); }).find("no regular expression"),
            std::string::npos);
}

TEST(Dataset, NotesGroupsAcrossReadyMadeSplits) {
  const TempDir dir;
  for (const char* name : {"train/a/7_1.png", "test/a/7_2.png", "test/a/8_1.png"}) {
    dir.add_image(name);
  }
  DatasetOptions options;
  options.group_pattern = "(\\d)_";
  const Dataset dataset = read_dataset(dir.path(), options);
  ASSERT_EQ(dataset.notes.size(), 1U);
  EXPECT_EQ(dataset.notes[0].rfind("1 of 2 groups have images in more than one split", 0), 0U);
}

// `sizes[c]` are the group sizes of class c.
Dataset made_up(const std::vector<std::vector<int>>& sizes) {
  Dataset dataset;
  for (std::size_t c = 0; c < sizes.size(); ++c) {
    dataset.classes.push_back("c" + std::to_string(c));
    for (std::size_t g = 0; g < sizes[c].size(); ++g) {
      const std::string group = dataset.classes.back() + "g" + std::to_string(g);
      for (int i = 0; i < sizes[c][g]; ++i) {
        dataset.samples.push_back(
            {group + "_" + std::to_string(i), static_cast<std::int32_t>(c), group, Split::None});
      }
    }
  }
  return dataset;
}

TEST(Split, KeepsGroupsTogetherAndReachesEverySplit) {
  for (std::uint64_t seed = 0; seed < 50; ++seed) {
    Dataset dataset = made_up({{1, 1}, {90, 1, 1}, {5, 5, 5, 5, 5, 5, 5, 5, 5, 5}, {3}});
    split(dataset, {0.6, 0.2, 0.2}, seed);
    std::map<std::string, std::set<Split>> of_group;
    std::map<std::pair<int, Split>, int> images;
    for (const Sample& sample : dataset.samples) {
      of_group[sample.group].insert(sample.split);
      ++images[{sample.label, sample.split}];
    }
    for (const auto& [group, splits] : of_group) EXPECT_EQ(splits.size(), 1U) << group;
    EXPECT_EQ((images[{0, Split::Train}]), 1);
    EXPECT_EQ((images[{0, Split::Validation}]), 1);
    for (const Split s : {Split::Train, Split::Validation, Split::Test}) {
      EXPECT_GE((images[{1, s}]), 1);
    }
    EXPECT_EQ((images[{2, Split::Train}]), 30);
    EXPECT_EQ((images[{2, Split::Validation}]), 10);
    EXPECT_EQ((images[{2, Split::Test}]), 10);
    EXPECT_EQ((images[{3, Split::Train}]), 3);
  }
}

TEST(Split, IsAddressedByTheSeed) {
  const auto groups_of = [](std::uint64_t seed) {
    Dataset dataset = made_up({{2, 2, 2, 2, 2, 2, 2, 2}, {3, 3, 3, 3, 3}});
    split(dataset, {0.5, 0.5, 0.0}, seed);
    std::string letters;
    for (const Sample& sample : dataset.samples) letters += name_of(sample.split)[0];
    return letters;
  };
  EXPECT_EQ(groups_of(1), groups_of(1));
  EXPECT_NE(groups_of(1), groups_of(2));
  EXPECT_EQ(groups_of(1).find("test"), std::string::npos);
  Dataset dataset = made_up({{1}});
  EXPECT_NE(error_of([&] {
              split(dataset, {0.9, 0.2, 0.2}, 0);
            }).find("their sum 1"),
            std::string::npos);
}

TEST(KeepFraction, IsNestedGroupedAndNearTheShare) {
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    std::set<std::string> smaller;
    std::vector<std::int64_t> counts;
    for (const double fraction : {0.1, 0.25, 0.5, 1.0}) {
      Dataset dataset = made_up({{7}, {2, 2, 2, 2, 2, 2, 2, 2, 2, 2}, {1, 1, 1, 1}});
      Dataset whole = dataset;
      keep_fraction(dataset, Split::None, fraction, seed);
      std::set<std::string> kept;
      std::map<std::string, int> of_group, of_group_whole;
      for (const Sample& sample : dataset.samples) {
        kept.insert(sample.path);
        ++of_group[sample.group];
      }
      for (const Sample& sample : whole.samples) ++of_group_whole[sample.group];
      for (const auto& [group, count] : of_group) EXPECT_EQ(count, of_group_whole[group]);
      for (const std::string& path : smaller) EXPECT_TRUE(kept.contains(path)) << path;
      smaller = kept;
      counts = dataset.class_counts();
      EXPECT_EQ(counts[0], 7);  // one group cannot be divided
      EXPECT_NEAR(static_cast<double>(counts[1]), 20 * fraction, 1.0);
      EXPECT_EQ(counts[2], fraction < 0.3 ? 1 : static_cast<std::int64_t>(4 * fraction));
    }
    EXPECT_EQ(counts, (std::vector<std::int64_t>{7, 20, 4}));
  }
}

TEST(KeepFraction, LeavesOtherSplitsAlone) {
  Dataset dataset = made_up({{2, 2, 2, 2, 2, 2, 2, 2}, {3, 3, 3, 3, 3, 3}});
  split(dataset, {0.5, 0.5, 0.0}, 1);
  const std::size_t validation = dataset.subset(Split::Validation).samples.size();
  const std::size_t train = dataset.subset(Split::Train).samples.size();
  keep_fraction(dataset, Split::Train, 0.5, 1);
  EXPECT_EQ(dataset.subset(Split::Validation).samples.size(), validation);
  EXPECT_LT(dataset.subset(Split::Train).samples.size(), train);
  EXPECT_NE(error_of([&] { keep_fraction(dataset, Split::Train, 0, 1); }).find("above 0"),
            std::string::npos);
}

TEST(Fingerprint, SeesNamesAndContents) {
  const TempDir dir;
  dir.add_image("a/1.png");
  dir.add_image("b/2.png");
  const std::string before = fingerprint(read_dataset(dir.path()));
  EXPECT_EQ(before.size(), 16U);
  EXPECT_EQ(fingerprint(read_dataset(dir.path())), before);
  dir.add_image("b/2.png", 1);
  EXPECT_NE(fingerprint(read_dataset(dir.path())), before);
  dir.add_image("b/2.png", 0);
  EXPECT_EQ(fingerprint(read_dataset(dir.path())), before);
  std::filesystem::rename(dir.path("b/2.png"), dir.path("b/3.png"));
  EXPECT_NE(fingerprint(read_dataset(dir.path())), before);
}

}  // namespace
}  // namespace lamella
