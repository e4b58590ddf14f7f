// What one layer of a network makes of every image of a data set, kept in a file: the network runs
// once, and any number of small heads are trained on what it said.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "models/model.h"
#include "train/batch_source.h"

namespace lamella {

// What decides the values, key by key: network, layer, weights, preprocessing, images.
using FeatureOrigin = std::map<std::string, std::string>;

struct FeatureSample {
  std::string path;  // of the image, relative to the data set
  std::string group;
  std::string split;  // "train", "validation", "test", or "none" where the folders have none
  std::int32_t label = 0;
};

struct FeatureSet {
  std::int64_t width = 0;     // of one vector
  std::vector<float> values;  // [samples, width]
  std::vector<FeatureSample> samples;
  std::vector<std::string> classes;
  FeatureOrigin origin;
  std::string data, weights;  // where the images and the weight file lay; decides nothing
};

// The output of `model`, ended behind a layer with Model::cut_behind, for every image of one epoch
// of `source`, in the source's order; images are averaged over their pixels. [images, width], and
// no more than a batch of pixels is held. `progress` is told how many images are done; when it says
// no, an Error is thrown.
std::vector<float> extract_features(Context& ctx, const Model& model, BatchSource& source,
                                    const std::function<bool(std::int64_t done)>& progress);

// 16 hex digits over the origin and the table of samples: equal where nothing has changed that
// would change the file.
std::string fingerprint(const FeatureSet& set);
// The keys of the two origins whose values differ, "samples" among them where the tables do.
std::vector<std::string> differences(const FeatureSet& a, const FeatureSet& b);

// A safetensors file: "features" f32 [samples, width], "labels" i32 [samples]; the rest in
// __metadata__, schema lamella.features/1. Whole at any instant.
void write_features(const std::string& path, const FeatureSet& set);
// Throws Error that names the file and what is wrong with it: it is another kind of file, cut off,
// its parts contradict each other, a value is not finite, or the fingerprint is not its own.
FeatureSet read_features(const std::string& path);

}  // namespace lamella
