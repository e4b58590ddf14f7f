#include "weights/transfer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "engine/errors.h"
#include "engine/rng.h"
#include "weights/filter_layout.h"
#include "weights/model_io.h"

namespace lamella {
namespace {

// The last stage whose parameters are taken.
int last_stage(const Model& model, const std::string& until) {
  if (until.empty()) return static_cast<int>(model.layer_names().size());
  return static_cast<int>(model.stage_of(until));
}

bool holds_prefix(const TensorFile& file, const std::string& prefix) {
  const auto first = file.tensors.lower_bound(prefix);
  return first != file.tensors.end() && first->first.starts_with(prefix);
}

// What the names of parameters that stay as drawn begin with.
std::vector<std::string> drawn_prefixes(const Model& model, const TensorFile& file, bool new_head) {
  std::vector<std::string> prefixes;
  if (new_head) prefixes.push_back(model.classifier_prefix() + ".");
  for (const Model::Auxiliary& auxiliary : model.auxiliary()) {
    const std::string prefix = auxiliary.prefix + ".";
    if (new_head || !holds_prefix(file, prefix)) prefixes.push_back(prefix);
  }
  return prefixes;
}

// Names of all tensors that the whole network of this architecture has.
std::set<std::string> names_of_whole(Context& ctx, const Model& model) {
  ModelSpec spec = model.spec();
  spec.cut.clear();
  spec.head = "own";
  std::set<std::string> names;
  const Model whole = make_model(ctx, spec);
  for (const Parameter& parameter : whole.parameters()) names.insert(parameter.name);
  return names;
}

// Sums the first filter over its input channels where the model reads one and the file has three.
bool sum_channels(const Model& model, TensorFile& file, const std::string& name) {
  const Parameter& first = model.parameters().front();
  const auto found = file.tensors.find(first.name);
  if (found == file.tensors.end() || first.tensor.shape().rank() != 4 ||
      found->second.shape.size() != 4 || first.tensor.channels() != 1) {
    return false;
  }
  StoredTensor& stored = found->second;
  const bool native = has_krsc_filters(file, name);
  const std::vector<std::int64_t> s = stored.shape;
  if (s[native ? 3 : 1] != 3) return false;
  const std::vector<float> values = (native ? stored : kcrs_to_krsc(stored)).to_f32();
  std::vector<float> sums(values.size() / 3);
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i] = values[3 * i] + values[3 * i + 1] + values[3 * i + 2];
  }
  // With one channel [K,R,S,1] and [K,1,R,S] are the same bytes.
  stored = native ? StoredTensor::from_f32(sums, {s[0], s[1], s[2], 1})
                  : StoredTensor::from_f32(sums, {s[0], 1, s[2], s[3]});
  return true;
}

// Appends to the classifiers of the file the rows that the model has drawn for further classes.
void append_classes(Context& ctx, const Model& model, TensorFile& file) {
  std::vector<std::string> prefixes = {model.classifier_prefix() + "."};
  for (const Model::Auxiliary& auxiliary : model.auxiliary()) {
    prefixes.push_back(auxiliary.prefix + ".");
  }
  for (const Parameter& parameter : model.parameters()) {
    const auto begins = [&](const std::string& prefix) {
      return parameter.name.starts_with(prefix);
    };
    const auto found = file.tensors.find(parameter.name);
    if (found == file.tensors.end() || std::none_of(prefixes.begin(), prefixes.end(), begins)) {
      continue;
    }
    StoredTensor& stored = found->second;
    const Shape shape = parameter.tensor.shape();
    std::vector<std::int64_t> wanted;
    for (int d = 0; d < shape.rank(); ++d) wanted.push_back(shape[d]);
    const bool more = wanted.size() == stored.shape.size() && wanted[0] == model.spec().classes &&
                      stored.shape[0] < wanted[0] &&
                      std::equal(wanted.begin() + 1, wanted.end(), stored.shape.begin() + 1);
    if (!more) continue;
    std::vector<float> values = stored.to_f32();
    const std::vector<float> drawn = ctx.to_host(parameter.values());
    values.insert(values.end(), drawn.begin() + static_cast<std::ptrdiff_t>(values.size()),
                  drawn.end());
    stored = StoredTensor::from_f32(values, wanted);
  }
}

void redraw(Context& ctx, const Parameter& parameter, const Rng& rng) {
  std::vector<float> values = ctx.to_host(parameter.values());
  double sum = 0, squares = 0;
  for (const float value : values) sum += double{value};
  const double mean = sum / static_cast<double>(values.size());
  for (const float value : values) squares += (double{value} - mean) * (double{value} - mean);
  const double stddev = std::sqrt(squares / static_cast<double>(values.size()));
  normal(values, mean, stddev, rng);
  parameter.assign(ctx, values);
}

}  // namespace

TransferReport transfer(Context& ctx, const Model& model, TensorFile file, const std::string& name,
                        const TransferOptions& options) {
  TransferReport report;
  const int last = last_stage(model, options.until);
  const auto drawn = drawn_prefixes(model, file, options.new_head);
  std::vector<Parameter> taken;
  for (const Parameter& parameter : model.parameters()) {
    const bool fresh = std::any_of(drawn.begin(), drawn.end(), [&](const std::string& prefix) {
      return parameter.name.starts_with(prefix);
    });
    if (fresh || parameter.stage > last) {
      report.drawn.push_back(parameter.name);
    } else {
      taken.push_back(parameter);
    }
  }
  std::set<std::string> wanted;
  for (const Parameter& parameter : taken) wanted.insert(parameter.name);

  std::set<std::string> known = names_of_whole(ctx, model);
  known.insert(report.drawn.begin(), report.drawn.end());
  std::erase_if(file.tensors, [&](const auto& entry) {
    const std::string& tensor = entry.first;
    const bool other_head = options.new_head && tensor.starts_with(kHeadPrefix);
    if (wanted.contains(tensor) || !(known.contains(tensor) || other_head)) return false;
    report.unused.push_back(tensor);
    return true;
  });
  report.summed_channels = sum_channels(model, file, name);
  if (options.more_classes) append_classes(ctx, model, file);
  load_parameters(ctx, taken, model.spec().name, file, name);
  if (!options.mean_var) return report;
  std::uint32_t index = 0;
  for (const Parameter& parameter : taken) {
    const Rng rng(options.seed, RngStream::Init, index++);
    if (parameter.kind == ParameterKind::Weight) redraw(ctx, parameter, rng);
  }
  return report;
}

}  // namespace lamella
