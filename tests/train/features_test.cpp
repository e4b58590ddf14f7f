// Features of a network, and the file they are kept in.
#include "train/features.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "engine/errors.h"
#include "tests/support/temporary_folder.h"
#include "tests/train/memory_source.h"
#include "weights/safetensors.h"

namespace lamella {
namespace {

FeatureSet example() {
  FeatureSet set;
  set.width = 2;
  set.values = {1, 2, 3, 4, 5, 6};
  set.samples = {{"train/a/1.png", "m1", "train", 0},
                 {"train/b/2.png", "m2", "train", 1},
                 {"validation/a/3.png", "m3", "validation", 0}};
  set.classes = {"a", "b"};
  set.origin = {{"layer", "features"}, {"weights", "0123"}};
  set.data = "/data";
  set.weights = "/weights";
  return set;
}

TEST(Features, ArePooledOutputsOfTheLayerInTheOrderOfTheSource) {
  Context ctx;
  Model model = make_model(ctx, kStripesNet);
  model.initialise(ctx, 3);
  StripesSource source(7, 3, 1, false);
  Model cut = make_model(ctx, kStripesNet);
  cut.initialise(ctx, 3);
  cut.cut_behind(model.layer_names().front());
  std::vector<std::int64_t> done;
  const std::vector<float> features = extract_features(ctx, cut, source, [&](std::int64_t n) {
    done.push_back(n);
    return true;
  });
  EXPECT_EQ(done, (std::vector<std::int64_t>{3, 6, 7}));
  source.start(0, 0);
  std::vector<float> expected;
  for (Batch batch; source.next(batch);) {
    const Tensor x = ctx.from_host(batch.pixels, {batch.N, 32, 32, 1});
    const Tensor y = model.forward(ctx, x, model.layer_names().front());
    ASSERT_EQ(y.shape().rank(), 4);
    const std::vector<float> rows = ctx.to_host(global_avg_pool(ctx, y));
    expected.insert(expected.end(), rows.begin(), rows.end());
  }
  EXPECT_EQ(features, expected);
  EXPECT_THROW(extract_features(ctx, cut, source, [](std::int64_t) { return false; }), Error);
}

TEST(Features, ComeBackFromTheirFile) {
  const TemporaryFolder folder;
  const FeatureSet set = example();
  write_features(folder.file("f.safetensors"), set);
  const FeatureSet back = read_features(folder.file("f.safetensors"));
  EXPECT_EQ(back.width, 2);
  EXPECT_EQ(back.values, set.values);
  EXPECT_EQ(back.classes, set.classes);
  EXPECT_EQ(back.origin, set.origin);
  EXPECT_EQ(back.data, "/data");
  EXPECT_EQ(back.weights, "/weights");
  ASSERT_EQ(back.samples.size(), 3U);
  EXPECT_EQ(back.samples[2].path, "validation/a/3.png");
  EXPECT_EQ(back.samples[2].group, "m3");
  EXPECT_EQ(back.samples[2].split, "validation");
  EXPECT_EQ(back.samples[1].label, 1);
  EXPECT_EQ(fingerprint(back), fingerprint(set));
  EXPECT_TRUE(differences(back, set).empty());
}

TEST(Features, FingerprintTellsWhatDecidesThem) {
  const FeatureSet set = example();
  const auto changed = [&](const std::string& key, auto change) {
    FeatureSet other = set;
    change(other);
    EXPECT_NE(fingerprint(other), fingerprint(set)) << key;
    EXPECT_EQ(differences(set, other), std::vector<std::string>{key});
  };
  changed("layer", [](FeatureSet& other) { other.origin["layer"] = "conv1"; });
  changed("cut", [](FeatureSet& other) { other.origin["cut"] = "conv1"; });
  changed("weights", [](FeatureSet& other) { other.origin.erase("weights"); });
  changed("samples", [](FeatureSet& other) { other.samples[0].group = "m3"; });
  changed("samples", [](FeatureSet& other) { other.samples[0].label = 1; });
  changed("samples", [](FeatureSet& other) { other.classes[0] = "c"; });
  FeatureSet moved = set;
  moved.data = "/elsewhere";
  moved.weights = "/elsewhere";
  EXPECT_EQ(fingerprint(moved), fingerprint(set)) << "where files lie decides nothing";
}

// Each file is whole safetensors, and lies about features.
TEST(Features, HostileFilesAreRefused) {
  const TemporaryFolder folder;
  const std::string path = folder.file("f.safetensors");
  write_features(path, example());
  const TensorFile good = read_safetensors(path);
  int refused = 0;
  const auto refuse = [&](const std::string& why, auto change) {
    TensorFile bad = good;
    change(bad);
    write_safetensors(path, bad);
    try {
      read_features(path);
      ADD_FAILURE() << "accepted: " << why;
    } catch (const Error& error) {
      const std::string sentence = error.what();
      EXPECT_NE(sentence.find(path), std::string::npos) << sentence;
      EXPECT_NE(sentence.find(why), std::string::npos) << sentence;
      ++refused;
    }
  };
  const auto f32 = [](std::vector<float> v, std::vector<std::int64_t> shape) {
    return StoredTensor::from_f32(v, std::move(shape));
  };
  refuse("holds no features", [](TensorFile& f) { f.metadata.clear(); });
  refuse("holds no features", [](TensorFile& f) { f.metadata["schema"] = "lamella.model/1"; });
  refuse("no tensor 'features'", [](TensorFile& f) { f.tensors.erase("features"); });
  refuse("no tensor 'labels'", [](TensorFile& f) { f.tensors.erase("labels"); });
  refuse("must be I32", [&](TensorFile& f) { f.tensors["labels"] = f32({0, 1, 0}, {3}); });
  refuse("must be F32", [&](TensorFile& f) { f.tensors["features"] = f32({0, 1, 0}, {3}); });
  refuse("features 2x2 for 3", [&](TensorFile& f) {
    f.tensors["features"] = f32({0, 1, 0, 2}, {2, 2});
  });
  refuse("features 3x0 for 3", [&](TensorFile& f) { f.tensors["features"] = f32({}, {3, 0}); });
  refuse("not all finite", [&](TensorFile& f) {
    f.tensors["features"] = f32({0, 1, NAN}, {3, 1});
  });
  refuse("no 'samples'", [](TensorFile& f) { f.metadata.erase("samples"); });
  refuse("makes no sense", [](TensorFile& f) { f.metadata["samples"] = "[1]"; });
  refuse("makes no sense", [](TensorFile& f) { f.metadata["classes"] = "{\"a\":1}"; });
  refuse("there are 1 classes", [](TensorFile& f) { f.metadata["classes"] = "[\"a\"]"; });
  refuse("one of each", [](TensorFile& f) {
    f.metadata["samples"] = R"({"path":["a"],"group":["a"],"split":["train"]})";
  });
  refuse("in no split", [](TensorFile& f) {
    f.metadata["samples"] =
        R"({"path":["a","b","c"],"group":["","",""],"split":["train","none","week"]})";
  });
  refuse("appears twice", [](TensorFile& f) {
    f.metadata["samples"] =
        R"({"path":["a","b","a"],"group":["","",""],"split":["none","none","none"]})";
  });
  refuse("fingerprint", [](TensorFile& f) { f.metadata["origin.layer"] = "fc"; });
  EXPECT_EQ(refused, 17);
  std::filesystem::resize_file(path, std::filesystem::file_size(path) / 2);
  EXPECT_THROW(read_features(path), Error);
  EXPECT_THROW(read_features(folder.file("absent")), Error);
}

}  // namespace
}  // namespace lamella
