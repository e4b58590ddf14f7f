// Data sets that are lists or IDX files.
#include <gtest/gtest.h>

#include "fixtures.h"
#include "io/data_check.h"
#include "io/loader.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::gzipped;
using fixtures::make_idx;
using fixtures::TempDir;

class ListTest : public testing::Test {
 protected:
  ListTest() {
    for (const char* name : {"x/1.png", "x/2.png", "3.png"}) dir_.add_image(name, name[0]);
  }
  Dataset read(const std::string& text) const {
    fixtures::write_text(list(), text);
    return read_dataset(list());
  }
  std::string error(const std::string& text) const {
    return error_of([&] { read(text); });
  }
  std::string list() const { return dir_.path("list.csv"); }

  TempDir dir_;
};

TEST_F(ListTest, NamesImagesClassesSplitsAndGroups) {
  const Dataset plain = read("class,path\nb,x/1.png\na,./3.png\n");
  EXPECT_EQ(plain.classes, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(plain.samples.size(), 2U);
  EXPECT_EQ(plain.samples[0].path, "3.png");
  EXPECT_EQ(plain.samples[1].label, 1);
  EXPECT_EQ(plain.file(plain.samples[1]), dir_.path("x/1.png"));
  EXPECT_EQ(plain.read(plain.samples[1]).width, 8);
  EXPECT_FALSE(plain.has_splits);
  EXPECT_EQ(plain.group_source, "each image alone");

  const Dataset whole =
      read("path,class,split,group\nx/2.png,a,val,g2\nx/1.png,b,train,g1\n3.png,a,train,g2\n");
  EXPECT_TRUE(whole.has_splits);
  EXPECT_EQ(whole.split_source, "column split of list.csv");
  EXPECT_EQ(whole.samples[0].split, Split::Train);
  EXPECT_EQ(whole.samples[2].split, Split::Validation);
  EXPECT_EQ(whole.samples[2].group, "g2");
  EXPECT_EQ(whole.group_source, "column group of list.csv");
  ASSERT_EQ(whole.notes.size(), 1U);
  EXPECT_NE(whole.notes[0].find("1 of 2 groups have images in more than one split"),
            std::string::npos);
  const Dataset lacking = read("path,class,split\nx/2.png,a,test\nx/1.png,b,train\n");
  EXPECT_EQ(lacking.notes, (std::vector<std::string>{"class a has no training images"}));
}

TEST_F(ListTest, RefusesByLine) {
  EXPECT_EQ(error("path,label\nx/1.png,a\n"),
            list() + " has no column class; its columns are path, label");
  EXPECT_EQ(error("file,class\nx/1.png,a\n"),
            list() + " has no column path; its columns are file, class");
  EXPECT_EQ(error("path,class\n"), list() + " names no image");
  EXPECT_EQ(error("path,class\nx/1.png,a\nx/7.png,a\n"),
            list() + " line 3: there is no file " + dir_.path("x/7.png"));
  EXPECT_NE(error("path,class\nx,a\n").find("line 2: there is no file"), std::string::npos);
  EXPECT_EQ(error("path,class\n,a\n"), list() + " line 2: path is empty");
  EXPECT_EQ(error("path,class\nx/1.png,\n"), list() + " line 2: class is empty");
  EXPECT_NE(error("path,class\nx/1.png,\"a\nb\"\n").find("line 2: class holds a line break"),
            std::string::npos);
  EXPECT_EQ(error("path,class\nx/1.png,a\n3.png,b\nx/../x//1.png,b\n"),
            list() + " line 4: x/1.png is named twice, first in line 2");
  for (const char* split : {"", "none", "Train", "holdout"}) {
    EXPECT_EQ(error(std::string("path,class,split\nx/1.png,a,") + split + "\n"),
              list() + " line 2: there is no split called '" + split +
                  "'; there are train, validation (val) and test");
  }
  EXPECT_EQ(error("path,class,group\nx/1.png,a,\n"), list() + " line 2: group is empty");
  for (const std::string& outside :
       {std::string("../x/1.png"), dir_.path("x/1.png"), std::string("x/../../1.png")}) {
    EXPECT_EQ(error("path,class\n" + outside + ",a\n"),
              list() + " line 2: " + outside +
                  " lies outside the folder of the list; put the list above its images and name "
                  "them from there");
  }
  EXPECT_NE(error_of([&] { read_dataset(dir_.path("no.csv")); }).find("cannot read"),
            std::string::npos);
  EXPECT_EQ(error_of([&] { read_dataset(dir_.path("3.png")); }),
            dir_.path("3.png") + ": this is neither a folder nor a list (.csv)");
}

TEST_F(ListTest, TheFingerprintSeesClassesButNoSplits) {
  const std::string before = fingerprint(read("path,class\nx/1.png,a\n3.png,b\n"));
  EXPECT_EQ(fingerprint(read("path,class,split\n3.png,b,train\nx/1.png,a,test\n")), before);
  EXPECT_NE(fingerprint(read("path,class\nx/1.png,b\n3.png,a\n")), before);
}

// 8 images of 2 x 3 for training, of which image i is all 10 * i, and 2 for the test.
class IdxFolderTest : public testing::Test {
 protected:
  IdxFolderTest() {
    std::vector<std::uint8_t> pixels;
    for (std::uint8_t i = 0; i < 8; ++i) {
      for (int p = 0; p < 6; ++p) pixels.push_back(static_cast<std::uint8_t>(10 * i));
    }
    write("train-images-idx3-ubyte.gz", gzipped(make_idx({8, 2, 3}, pixels)));
    write("train-labels-idx1-ubyte.gz", gzipped(make_idx({8}, {2, 10, 2, 10, 2, 10, 2, 10})));
    write("t10k-images-idx3-ubyte", make_idx({2, 2, 3}, std::vector<std::uint8_t>(12, 255)));
    write("t10k-labels-idx1-ubyte", make_idx({2}, {10, 2}));
  }
  void write(const std::string& name, const std::vector<std::uint8_t>& bytes) const {
    fixtures::write_bytes(dir_.path(name), bytes);
  }
  std::string error() const {
    return error_of([&] { read_dataset(dir_.path()); });
  }
  void remove(const std::string& name) const { std::filesystem::remove(dir_.path(name)); }

  TempDir dir_;
};

TEST_F(IdxFolderTest, HasClassesByNumberAndSplitsByFile) {
  const Dataset dataset = read_dataset(dir_.path());
  EXPECT_EQ(dataset.classes, (std::vector<std::string>{"2", "10"}));
  ASSERT_EQ(dataset.samples.size(), 10U);
  EXPECT_EQ(dataset.samples[3].path, "train-images-idx3-ubyte.gz#3");
  EXPECT_EQ(dataset.samples[3].label, 1);
  EXPECT_EQ(dataset.samples[3].split, Split::Train);
  EXPECT_EQ(dataset.samples[8].path, "t10k-images-idx3-ubyte#0");
  EXPECT_EQ(dataset.samples[8].split, Split::Test);
  EXPECT_EQ(dataset.split_source, "IDX file");
  EXPECT_EQ(dataset.read(dataset.samples[3]).samples, std::vector<std::uint16_t>(6, 30));
  const DataCheck check = check_data(dataset);
  EXPECT_TRUE(check.unreadable.empty());
  EXPECT_EQ(check.sizes.at("2x3"), 10);
  ASSERT_FALSE(check.twins.empty());
  EXPECT_EQ(check.twins.back(), (Twins{8, 9, true}));
}

TEST_F(IdxFolderTest, TheLoaderGivesItsImages) {
  Preprocess preprocess;
  preprocess.height = 2, preprocess.width = 3;
  preprocess.normalise = Normalise::Fixed;
  preprocess.mean = {0}, preprocess.std = {1};
  LoaderOptions options;
  options.batch = 8;
  options.cache_bytes = 0;
  options.threads = 3;
  Loader loader(read_dataset(dir_.path()).subset(Split::Train), preprocess, options);
  Batch batch;
  loader.start(0, 0);
  ASSERT_TRUE(loader.next(batch));
  for (std::size_t i = 0; i < 8; ++i) {
    EXPECT_FLOAT_EQ(batch.pixels[6 * i], static_cast<float>(batch.indices[i]) / 25.5F);
    EXPECT_EQ(batch.labels[i], batch.indices[i] % 2);
  }
}

TEST_F(IdxFolderTest, ValidationIsSplitOffTrain) {
  Dataset dataset = read_dataset(dir_.path());
  EXPECT_TRUE(split_validation_off(dataset, 0.25, 1));
  EXPECT_EQ(dataset.subset(Split::Train).class_counts(), (std::vector<std::int64_t>{3, 3}));
  EXPECT_EQ(dataset.subset(Split::Validation).class_counts(), (std::vector<std::int64_t>{1, 1}));
  EXPECT_EQ(dataset.subset(Split::Test).samples.size(), 2U);
  EXPECT_FALSE(split_validation_off(dataset, 0.5, 1)) << "there is one already";
  EXPECT_NE(error_of([&] { split_validation_off(dataset, 1, 1); }).find("below 1"),
            std::string::npos);
}

TEST_F(IdxFolderTest, TheFingerprintSeesPixelsAndLabels) {
  const std::string before = fingerprint(read_dataset(dir_.path()));
  EXPECT_EQ(fingerprint(read_dataset(dir_.path())), before);
  write("t10k-labels-idx1-ubyte", make_idx({2}, {2, 10}));
  EXPECT_NE(fingerprint(read_dataset(dir_.path())), before);
  write("t10k-labels-idx1-ubyte", make_idx({2}, {10, 2}));
  write("t10k-images-idx3-ubyte", make_idx({2, 2, 3}, std::vector<std::uint8_t>(12, 254)));
  EXPECT_NE(fingerprint(read_dataset(dir_.path())), before);
}

TEST_F(IdxFolderTest, RefusesInSentences) {
  write("t10k-labels-idx1-ubyte", make_idx({3}, {1, 2, 3}));
  EXPECT_EQ(error(), dir_.path("t10k-labels-idx1-ubyte") +
                         " holds 3 labels for the 2 images of t10k-images-idx3-ubyte");
  remove("t10k-labels-idx1-ubyte");
  EXPECT_EQ(error(),
            dir_.path() + ": there is t10k-images-idx3-ubyte, but no t10k-labels-idx1-ubyte");
  write("train-images-idx3-ubyte", make_idx({1, 1, 1}, {1}));
  EXPECT_EQ(error(), dir_.path() +
                         ": there are both train-images-idx3-ubyte and "
                         "train-images-idx3-ubyte.gz; keep one");
  remove("train-images-idx3-ubyte");
  write("train-images-idx3-ubyte.gz", {1, 2, 3});
  EXPECT_EQ(error(), dir_.path("train-images-idx3-ubyte.gz") + ": this is no IDX file");
}

}  // namespace
}  // namespace lamella
