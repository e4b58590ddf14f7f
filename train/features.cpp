#include "train/features.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <set>
#include <span>

#include "engine/errors.h"
#include "train/evaluate.h"
#include "weights/fnv.h"
#include "weights/json.h"
#include "weights/safetensors.h"

namespace lamella {
namespace {

const char* const kSchema = "lamella.features/1";
const char* const kOriginPrefix = "origin.";

// The table of samples without the labels, which are a tensor.
Json table_of(const FeatureSet& set) {
  Json table = {{"path", Json::array()}, {"group", Json::array()}, {"split", Json::array()}};
  for (const FeatureSample& sample : set.samples) {
    table["path"].push_back(sample.path);
    table["group"].push_back(sample.group);
    table["split"].push_back(sample.split);
  }
  return table;
}

std::vector<std::int32_t> labels_of(const FeatureSet& set) {
  std::vector<std::int32_t> labels;
  for (const FeatureSample& sample : set.samples) labels.push_back(sample.label);
  return labels;
}

// Of what the data set says about its images; their content is in the origin.
std::string table_hash(const FeatureSet& set) {
  Fnv hash;
  hash.add(dump_json(table_of(set)));
  hash.add(dump_json(Json(set.classes)));
  const std::vector<std::int32_t> labels = labels_of(set);
  hash.add(std::as_bytes(std::span(labels)));
  return hash.hex();
}

const std::string& metadata(const TensorFile& file, const std::string& key,
                            const std::string& path) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) fail(path, " has no '", key, "' in its metadata");
  return found->second;
}

const StoredTensor& tensor(const TensorFile& file, const std::string& name, const char* dtype,
                           std::size_t rank, const std::string& path) {
  const auto found = file.tensors.find(name);
  if (found == file.tensors.end()) fail(path, " has no tensor '", name, "'");
  if (found->second.dtype != dtype || found->second.shape.size() != rank) {
    fail(path, ": tensor '", name, "' is ", found->second.dtype, " with ",
         found->second.shape.size(), " dims; it must be ", dtype, " with ", rank);
  }
  return found->second;
}

void take_table(const TensorFile& file, const std::string& path, FeatureSet& set) {
  const StoredTensor& labels = tensor(file, "labels", "I32", 1, path);
  std::vector<std::int32_t> values(static_cast<std::size_t>(labels.count()));
  if (!values.empty()) std::memcpy(values.data(), labels.data.data(), labels.data.size());
  std::vector<std::string> paths, groups, splits;
  try {
    const Json table = parse_json(metadata(file, "samples", path), path);
    paths = table.at("path").get<std::vector<std::string>>();
    groups = table.at("group").get<std::vector<std::string>>();
    splits = table.at("split").get<std::vector<std::string>>();
    set.classes = parse_json(metadata(file, "classes", path), path).get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    fail(path, ": its metadata makes no sense (", error.what(), ")");
  }
  const std::size_t n = values.size();
  if (paths.size() != n || groups.size() != n || splits.size() != n) {
    fail(path, ": ", n, " labels, ", paths.size(), " paths, ", groups.size(), " groups and ",
         splits.size(), " splits; there must be one of each for a sample");
  }
  static const std::set<std::string> known = {"none", "train", "validation", "test"};
  std::set<std::string> seen;
  for (std::size_t i = 0; i < n; ++i) {
    if (values[i] < 0 || static_cast<std::size_t>(values[i]) >= set.classes.size()) {
      fail(path, ": the label of ", paths[i], " is ", values[i], ", there are ", set.classes.size(),
           " classes");
    }
    if (!seen.insert(paths[i]).second) fail(path, ": ", paths[i], " appears twice");
    if (!known.contains(splits[i])) fail(path, ": ", paths[i], " is in no split '", splits[i], "'");
    set.samples.push_back({paths[i], groups[i], splits[i], values[i]});
  }
}

void take_values(const TensorFile& file, const std::string& path, FeatureSet& set) {
  const StoredTensor& features = tensor(file, "features", "F32", 2, path);
  set.width = features.shape[1];
  if (features.shape[0] != static_cast<std::int64_t>(set.samples.size()) || set.samples.empty() ||
      set.width < 1) {
    fail(path, ": features ", features.shape[0], "x", features.shape[1], " for ",
         set.samples.size(), " samples");
  }
  set.values = features.to_f32();
  const auto bad = std::find_if(set.values.begin(), set.values.end(),
                                [](float value) { return !std::isfinite(value); });
  if (bad != set.values.end()) {
    const auto sample = static_cast<std::size_t>((bad - set.values.begin()) / set.width);
    fail(path, ": the features of ", set.samples[sample].path, " are not all finite");
  }
}

}  // namespace

std::vector<float> extract_features(Context& ctx, const Model& model, BatchSource& source,
                                    const std::function<bool(std::int64_t done)>& progress) {
  const GradScope no_gradients(ctx, false);
  ctx.training = false;
  std::vector<float> values;
  std::int64_t done = 0;
  source.start(0, 0);
  for (Batch batch; source.next(batch);) {
    const Tensor y = model.forward(ctx, input_of(ctx, model, batch));
    const std::vector<float> rows =
        ctx.to_host(y.shape().rank() == 4 ? global_avg_pool(ctx, y) : y);
    if (done == 0) {
      values.reserve(rows.size() / static_cast<std::size_t>(batch.N) *
                     static_cast<std::size_t>(source.images()));
    }
    values.insert(values.end(), rows.begin(), rows.end());
    done += batch.N;
    if (!progress(done)) fail("interrupted after ", done, " of ", source.images(), " images");
  }
  return values;
}

std::string fingerprint(const FeatureSet& set) {
  Fnv hash;
  for (const auto& [key, value] : set.origin) hash.add(dump_json(Json({key, value})));
  hash.add(table_hash(set));
  return hash.hex();
}

std::vector<std::string> differences(const FeatureSet& a, const FeatureSet& b) {
  std::set<std::string> keys;
  for (const auto& [key, value] : a.origin) {
    const auto other = b.origin.find(key);
    if (other == b.origin.end() || other->second != value) keys.insert(key);
  }
  for (const auto& [key, value] : b.origin) {
    if (!a.origin.contains(key)) keys.insert(key);
  }
  if (table_hash(a) != table_hash(b)) keys.insert("samples");
  return {keys.begin(), keys.end()};
}

void write_features(const std::string& path, const FeatureSet& set) {
  const auto n = static_cast<std::int64_t>(set.samples.size());
  TensorFile file;
  file.tensors["features"] = StoredTensor::from_f32(set.values, {n, set.width});
  const std::vector<std::int32_t> labels = labels_of(set);
  const auto bytes = std::as_bytes(std::span(labels));
  file.tensors["labels"] = {"I32", {n}, {bytes.begin(), bytes.end()}};
  file.metadata = {{"schema", kSchema},
                   {"fingerprint", fingerprint(set)},
                   {"samples", dump_json(table_of(set))},
                   {"classes", dump_json(Json(set.classes))},
                   {"data", set.data},
                   {"weights", set.weights}};
  for (const auto& [key, value] : set.origin) file.metadata[kOriginPrefix + key] = value;
  write_safetensors(path, file);
}

FeatureSet read_features(const std::string& path) {
  const TensorFile file = read_safetensors(path);
  const auto schema = file.metadata.find("schema");
  if (schema == file.metadata.end() || schema->second != kSchema) {
    fail(path, " holds no features; lamella embed makes such files (", kSchema, ")");
  }
  FeatureSet set;
  take_table(file, path, set);
  take_values(file, path, set);
  set.data = metadata(file, "data", path);
  set.weights = metadata(file, "weights", path);
  const std::string prefix = kOriginPrefix;
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(prefix)) set.origin[key.substr(prefix.size())] = value;
  }
  if (metadata(file, "fingerprint", path) != fingerprint(set)) {
    fail(path, ": its fingerprint is not that of what it says it holds; it was changed by hand");
  }
  return set;
}

}  // namespace lamella
