#include "weights/model_io.h"

#include <set>
#include <span>

#include "engine/errors.h"
#include "weights/fnv.h"
#include "weights/json.h"

namespace lamella {
namespace {

const char* const kSchema = "lamella.model/1";

std::vector<std::int64_t> dims_of(const Tensor& tensor) {
  std::vector<std::int64_t> dims;
  for (int i = 0; i < tensor.shape().rank(); ++i) dims.push_back(tensor.dim(i));
  return dims;
}

std::string str(const std::vector<std::int64_t>& dims) {
  std::string joined;
  for (const std::int64_t dim : dims) joined += (joined.empty() ? "" : "x") + std::to_string(dim);
  return joined.empty() ? "scalar" : joined;
}

bool belongs_to_model(const std::string& name) {
  return !name.starts_with(kOptimiserPrefix);
}

// The first few complaints and the count of the rest.
std::string summary(const std::vector<std::string>& complaints) {
  constexpr std::size_t kShown = 6;
  std::string joined;
  for (std::size_t i = 0; i < complaints.size() && i < kShown; ++i) {
    joined += (i == 0 ? "" : "; ") + complaints[i];
  }
  if (complaints.size() > kShown) {
    joined += "; and " + std::to_string(complaints.size() - kShown) + " more";
  }
  return joined;
}

std::vector<std::string> mismatches(const Model& model, const TensorFile& file) {
  std::vector<std::string> complaints;
  std::set<std::string> expected;
  for (const Parameter& parameter : model.parameters()) {
    expected.insert(parameter.name);
    const auto found = file.tensors.find(parameter.name);
    if (found == file.tensors.end()) {
      complaints.push_back("'" + parameter.name + "' is missing");
      continue;
    }
    const StoredTensor& stored = found->second;
    if (stored.shape != dims_of(parameter.tensor)) {
      complaints.push_back("'" + parameter.name + "' is " + str(stored.shape) + ", not " +
                           str(dims_of(parameter.tensor)));
    } else if (stored.dtype != "F32" && stored.dtype != "F16" && stored.dtype != "BF16") {
      complaints.push_back("'" + parameter.name + "' has type " + stored.dtype);
    }
  }
  for (const auto& [name, stored] : file.tensors) {
    if (belongs_to_model(name) && !expected.contains(name)) {
      complaints.push_back("'" + name + "' is not in the model");
    }
  }
  return complaints;
}

const std::string& required(const TensorFile& file, const std::string& key,
                            const std::string& name) {
  const auto found = file.metadata.find(key);
  if (found == file.metadata.end()) {
    fail(name, " has no '", key, "' in its metadata: it was not written by lamella; name the ",
         "network with --model");
  }
  return found->second;
}

}  // namespace

TensorFile model_file(Context& ctx, const Model& model, const ModelCard& card) {
  TensorFile file;
  for (const Parameter& parameter : model.parameters()) {
    file.tensors[parameter.name] =
        StoredTensor::from_f32(ctx.to_host(parameter.tensor), dims_of(parameter.tensor));
  }
  const Json input = {{"height", card.spec.height},
                      {"width", card.spec.width},
                      {"channels", card.spec.channels},
                      {"classes", card.spec.classes}};
  file.metadata = {{"schema", kSchema},
                   {"architecture", card.spec.name},
                   {"input", dump_json(input)},
                   {"labels", dump_json(Json(card.labels))}};
  file.metadata.insert(card.preprocessing.begin(), card.preprocessing.end());
  return file;
}

ModelCard read_card(const TensorFile& file, const std::string& name) {
  if (required(file, "schema", name) != kSchema) {
    fail(name, " has schema '", file.metadata.at("schema"), "', this version reads ", kSchema);
  }
  ModelCard card;
  card.spec.name = required(file, "architecture", name);
  try {
    const Json input = parse_json(required(file, "input", name), name);
    card.spec.height = input.at("height").get<std::int64_t>();
    card.spec.width = input.at("width").get<std::int64_t>();
    card.spec.channels = input.at("channels").get<std::int64_t>();
    card.spec.classes = input.at("classes").get<std::int64_t>();
    card.labels = parse_json(required(file, "labels", name), name).get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    fail(name, ": its metadata makes no sense (", error.what(), ")");
  }
  for (const auto& [key, value] : file.metadata) {
    if (key.starts_with(kPreprocessPrefix)) card.preprocessing[key] = value;
  }
  constexpr std::int64_t kMost = 1 << 20;
  const ModelSpec& spec = card.spec;
  for (const std::int64_t value : {spec.height, spec.width, spec.channels, spec.classes}) {
    if (value < 1 || value > kMost) fail(name, ": its metadata has an input size of ", value);
  }
  if (static_cast<std::int64_t>(card.labels.size()) != spec.classes) {
    fail(name, ": ", card.labels.size(), " labels for ", spec.classes, " classes");
  }
  return card;
}

void load_parameters(Context& ctx, const Model& model, const TensorFile& file,
                     const std::string& name) {
  const std::vector<std::string> complaints = mismatches(model, file);
  if (!complaints.empty()) {
    fail(name, " does not fit ", model.spec().name, ": ", summary(complaints));
  }
  for (const Parameter& parameter : model.parameters()) {
    const StoredTensor& stored = file.tensors.at(parameter.name);
    if (stored.dtype == "F32") {  // straight from the file's bytes
      const auto* values = reinterpret_cast<const float*>(stored.data.data());
      ctx.copy_from_host({values, stored.data.size() / sizeof(float)}, parameter.tensor);
    } else {
      ctx.copy_from_host(stored.to_f32(), parameter.tensor);
    }
  }
}

Model load_model(Context& ctx, const TensorFile& file, const std::string& name) {
  Model model = make_model(ctx, read_card(file, name).spec);
  load_parameters(ctx, model, file, name);
  return model;
}

std::string weights_hash(Context& ctx, const Model& model) {
  Fnv hash;
  for (const Parameter& parameter : model.parameters()) {
    const std::vector<float> values = ctx.to_host(parameter.tensor);
    hash.add(std::as_bytes(std::span(values)));
  }
  return hash.hex();
}

}  // namespace lamella
