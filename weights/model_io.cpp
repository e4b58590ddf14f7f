#include "weights/model_io.h"

#include <optional>
#include <set>
#include <span>

#include "engine/errors.h"
#include "weights/filter_layout.h"
#include "weights/fnv.h"
#include "weights/json.h"
#include "weights/name_map.h"

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

// How often a batch norm was updated is of no use here: momentum is a constant. Nor are auxiliary
// classifiers, where the model is built without.
bool belongs_to_model(const std::string& name) {
  for (const char* aux : {"aux1.", "aux2.", "AuxLogits."}) {
    if (name.starts_with(aux)) return false;
  }
  return !name.starts_with(kOptimiserPrefix) && !name.ends_with("num_batches_tracked");
}

bool is_float(const std::string& dtype) {
  return dtype == "F32" || dtype == "F16" || dtype == "BF16" || dtype == "F64";
}

// Tensors of one kind of mismatch: how many, and the first few.
class Complaints {
 public:
  explicit Complaints(const char* what) : what_(what) {}
  void add(const std::string& tensor) {
    constexpr int kShown = 6;
    if (++count_ <= kShown) shown_ += (shown_.empty() ? "" : ", ") + tensor;
    if (count_ == kShown + 1) shown_ += ", ...";
  }
  int count() const { return count_; }
  void tell(std::string& sentence) const {
    if (count_ == 0) return;
    sentence += text(sentence.empty() ? "" : "; ", count_, " ", what_, ": ", shown_);
  }

 private:
  const char* what_;
  std::string shown_;
  int count_ = 0;
};

// What PyTorch has as a linear layer over a flattened map [C,R,S].
bool is_flat_filter(const StoredTensor& stored, const Tensor& tensor) {
  return stored.shape.size() == 2 && tensor.shape().rank() == 4;
}

// Of a parameter, as the file stores it: filters are [K,C,R,S] where PyTorch wrote them.
std::vector<std::int64_t> stored_dims(const Tensor& tensor, const StoredTensor& stored,
                                      bool native) {
  const std::vector<std::int64_t> dims = dims_of(tensor);
  if (is_flat_filter(stored, tensor)) return {dims[0], dims[1] * dims[2] * dims[3]};
  if (dims.size() == 4 && !native) return {dims[0], dims[3], dims[1], dims[2]};
  return dims;
}

// In the order of memory.
StoredTensor reordered(const StoredTensor& stored, const Tensor& tensor) {
  StoredTensor filters = stored;
  filters.shape = {tensor.dim(0), tensor.dim(3), tensor.dim(1), tensor.dim(2)};
  return kcrs_to_krsc(filters);
}

// Everything about the file that does not fit the parameters; empty where all does.
std::string mismatches(const std::vector<Parameter>& parameters, const TensorFile& file,
                       bool native) {
  Complaints missing("missing"), misshapen("of another shape"), other("of another type"),
      unexpected("not in the model");
  std::set<std::string> expected;
  bool background = false;
  for (const Parameter& parameter : parameters) {
    expected.insert(parameter.name);
    const std::string name = "'" + parameter.name + "'";
    const auto found = file.tensors.find(parameter.name);
    if (found == file.tensors.end()) {
      missing.add(name);
      continue;
    }
    const StoredTensor& stored = found->second;
    const std::vector<std::int64_t> dims = stored_dims(parameter.tensor, stored, native);
    if (stored.shape != dims) {
      misshapen.add(name + " is " + str(stored.shape) + ", not " + str(dims));
      background |=
          !dims.empty() && dims[0] == 1000 && !stored.shape.empty() && stored.shape[0] == 1001;
    } else if (!is_float(stored.dtype)) {
      other.add(name + " is " + stored.dtype);
    }
  }
  for (const auto& [name, stored] : file.tensors) {
    if (belongs_to_model(name) && !expected.contains(name)) unexpected.add("'" + name + "'");
  }
  std::string sentence;
  for (const Complaints* kind : {&missing, &misshapen, &other, &unexpected}) kind->tell(sentence);
  if (background) {
    sentence += "; lamella convert --map drop_background takes the class of the background away";
  }
  if (missing.count() > 0 && unexpected.count() > 0) {
    sentence += "; where only names differ, lamella convert --map can change them";
  }
  return sentence;
}

// The file under the network's names, where it is known to have others: DenseNet-BC as trained on
// CIFAR by the published PyTorch code.
std::optional<TensorFile> under_own_names(const std::string& network, const TensorFile& file) {
  if (network != "densenet_bc_100_12" || !file.tensors.contains("block1.layer.0.bn1.weight")) {
    return std::nullopt;
  }
  TensorFile renamed = file;
  NameMap::open("densenet_bc_cifar").apply(renamed, "the weight file");
  return renamed;
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
        StoredTensor::from_f32(ctx.to_host(parameter.values()), dims_of(parameter.tensor));
  }
  put_card(file, card);
  file.metadata[kFiltersKey] = "KRSC";
  return file;
}

void put_card(TensorFile& file, const ModelCard& card) {
  const Json input = {{"height", card.spec.height},
                      {"width", card.spec.width},
                      {"channels", card.spec.channels},
                      {"classes", card.spec.classes}};
  file.metadata["schema"] = kSchema;
  file.metadata["architecture"] = card.spec.name;
  file.metadata["input"] = dump_json(input);
  file.metadata["labels"] = dump_json(Json(card.labels));
  if (!card.spec.cut.empty()) file.metadata["cut"] = card.spec.cut;
  if (card.spec.head != "own") file.metadata["head"] = card.spec.head;
  if (card.spec.auxiliary) file.metadata["auxiliary"] = "true";
  for (const auto& [key, value] : card.preprocessing) file.metadata[key] = value;
}

bool has_card(const TensorFile& file) {
  const auto schema = file.metadata.find("schema");
  return schema != file.metadata.end() && schema->second.starts_with("lamella.");
}

ModelCard read_card(const TensorFile& file, const std::string& name) {
  if (required(file, "schema", name) != kSchema) {
    fail(name, " has schema '", file.metadata.at("schema"), "', this version reads ", kSchema);
  }
  ModelCard card;
  card.spec.name = required(file, "architecture", name);
  try {
    const Json input = parse_json(required(file, "input", name), name);
    card.spec.height = whole_number(input.at("height"));
    card.spec.width = whole_number(input.at("width"));
    card.spec.channels = whole_number(input.at("channels"));
    card.spec.classes = whole_number(input.at("classes"));
    card.labels = parse_json(required(file, "labels", name), name).get<std::vector<std::string>>();
  } catch (const Json::exception& error) {
    fail(name, ": its metadata makes no sense (", error.what(), ")");
  }
  for (const auto& [key, value] : file.metadata) {
    if (key == "cut") card.spec.cut = value;
    if (key == "head") card.spec.head = value;
    if (key == "auxiliary") card.spec.auxiliary = value == "true";
    if (key.starts_with(kPreprocessPrefix)) card.preprocessing[key] = value;
  }
  constexpr std::int64_t kMost = 1 << 20;
  const ModelSpec& spec = card.spec;
  for (const std::int64_t value : {spec.height, spec.width, spec.channels, spec.classes}) {
    if (value < 1 || value > kMost) fail(name, ": its metadata has an input size of ", value);
  }
  const std::int64_t classes = spec.head == "none" ? 0 : spec.classes;
  if (static_cast<std::int64_t>(card.labels.size()) != classes) {
    fail(name, ": ", card.labels.size(), " labels for ", classes, " classes");
  }
  return card;
}

void load_parameters(Context& ctx, const Model& model, const TensorFile& file,
                     const std::string& name) {
  load_parameters(ctx, model.parameters(), model.spec().name, file, name);
}

void load_parameters(Context& ctx, const std::vector<Parameter>& parameters,
                     const std::string& network, const TensorFile& file, const std::string& name) {
  if (const auto renamed = under_own_names(network, file)) {
    return load_parameters(ctx, parameters, network, *renamed, name);
  }
  const bool native = has_krsc_filters(file, name);
  const std::string complaints = mismatches(parameters, file, native);
  if (!complaints.empty()) fail(name, " does not fit ", network, ": ", complaints);
  for (const Parameter& parameter : parameters) {
    const StoredTensor* stored = &file.tensors.at(parameter.name);
    StoredTensor krsc;
    if ((!native && stored->shape.size() == 4) || is_flat_filter(*stored, parameter.tensor)) {
      krsc = reordered(*stored, parameter.tensor);
      stored = &krsc;
    }
    if (stored->dtype == "F32") {  // straight from the file's bytes
      const auto* values = reinterpret_cast<const float*>(stored->data.data());
      parameter.assign(ctx, {values, stored->data.size() / sizeof(float)});
    } else {
      parameter.assign(ctx, stored->to_f32());
    }
  }
}

std::int64_t classes_in(const TensorFile& file, const Model& model) {
  if (const auto renamed = under_own_names(model.spec().name, file)) {
    return classes_in(*renamed, model);
  }
  const auto found = file.tensors.find(model.parameters().back().name);
  return found == file.tensors.end() || found->second.shape.empty() ? 0 : found->second.shape[0];
}

std::int64_t channels_in(const TensorFile& file, const Model& model, const std::string& name) {
  if (const auto renamed = under_own_names(model.spec().name, file)) {
    return channels_in(*renamed, model, name);
  }
  const auto found = file.tensors.find(model.parameters().front().name);
  if (found == file.tensors.end() || found->second.shape.size() != 4) return 0;
  return found->second.shape[has_krsc_filters(file, name) ? 3 : 1];
}

Model load_model(Context& ctx, const TensorFile& file, const std::string& name) {
  return load_model(ctx, file, name, read_card(file, name));
}

Model load_model(Context& ctx, const TensorFile& file, const std::string& name,
                 const ModelCard& card) {
  ModelSpec spec = card.spec;
  spec.auxiliary = false;
  Model model = make_model(ctx, spec);
  load_parameters(ctx, model, file, name);
  return model;
}

std::string weights_hash(Context& ctx, const Model& model) {
  Fnv hash;
  for (const Parameter& parameter : model.parameters()) {
    const std::vector<float> values = ctx.to_host(parameter.values());
    hash.add(std::as_bytes(std::span(values)));
  }
  return hash.hex();
}

}  // namespace lamella
