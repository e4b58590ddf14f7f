#include "tests/models/golden_case.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

#include "engine/errors.h"
#include "tests/models/golden_values.h"
#include "weights/safetensors.h"

namespace lamella::golden {
namespace {

constexpr double kShift = 0.05 / 127;  // the unit in which biases are moved
constexpr std::size_t kWhole = 64;     // elements up to which a golden holds the tensor itself

std::vector<double> doubles_of(const StoredTensor& stored, const std::string& name) {
  if (stored.dtype == "I8") {
    const auto* bytes = reinterpret_cast<const signed char*>(stored.data.data());
    return {bytes, bytes + stored.data.size()};
  }
  if (stored.dtype != "F64") fail(name, " is ", stored.dtype, "; goldens are F64 or I8");
  std::vector<double> values(stored.data.size() / sizeof(double));
  std::memcpy(values.data(), stored.data.data(), values.size() * sizeof(double));
  return values;
}

ModelSpec spec_of(const Golden& golden) {
  constexpr std::string_view kAuxiliary = "_aux";
  std::string name = golden.text("model");
  const bool auxiliary = name.ends_with(kAuxiliary);
  if (auxiliary) name.resize(name.size() - kAuxiliary.size());
  ModelSpec spec{name, golden.number("height"), golden.number("width"), golden.number("channels"),
                 golden.number("classes")};
  spec.auxiliary = auxiliary;
  return spec;
}

}  // namespace

std::string goldens_folder() {
  const char* other = std::getenv("LAMELLA_GOLDENS");
  return other == nullptr ? LAMELLA_GOLDENS : other;
}

Golden::Golden(const std::string& name) : name_(name) {
  const TensorFile file = read_safetensors(goldens_folder() + "/" + name + ".safetensors");
  metadata_ = file.metadata;
  for (const auto& [key, stored] : file.tensors) values_[key] = doubles_of(stored, key);
}

const std::string& Golden::text(const std::string& key) const {
  const auto found = metadata_.find(key);
  if (found == metadata_.end()) fail("golden ", name_, " has no '", key, "' in its metadata");
  return found->second;
}

std::int64_t Golden::number(const std::string& key) const {
  return std::stoll(text(key));
}

const std::vector<double>& Golden::at(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) fail("golden ", name_, " has no '", key, "'");
  return found->second;
}

double Golden::tolerance(const std::string& key) const {
  return std::max(2.0 * at("own/" + key).at(0), 1e-6);
}

std::string Golden::compare(const std::string& key, const std::vector<float>& values) const {
  const std::vector<double>& expected = at(key);
  const std::vector<double> actual =
      values.size() <= kWhole ? std::vector<double>(values.begin(), values.end()) : sketch(values);
  if (actual.size() != expected.size()) {
    return lamella::text(key, ": ", actual.size(), " values, the golden has ", expected.size());
  }
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
    norm += expected[i] * expected[i];
  }
  const double error = norm > 0 ? std::sqrt(difference / norm) : std::sqrt(difference);
  if (error <= tolerance(key)) return "";  // false for NaN too
  return lamella::text(key, ": relative L2 error ", error, ", at most ", tolerance(key),
                       " (PyTorch float32's own: ", at("own/" + key)[0], ")");
}

GoldenNet::GoldenNet(Context& ctx, const Golden& golden) : model(make_model(ctx, spec_of(golden))) {
  for (const Parameter& parameter : model.parameters()) {
    std::vector<float> values = parameter_values(golden.text("model"), parameter);
    const std::string shift = "shift/" + parameter.name;
    if (golden.holds(shift)) {
      const std::vector<double>& counts = golden.at(shift);
      for (std::size_t i = 0; i < values.size(); ++i) {
        values[i] = static_cast<float>(double{values[i]} + counts.at(i) * kShift);
      }
    }
    ctx.copy_from_host(values, parameter.tensor);
  }
  const ModelSpec& spec = model.spec();
  const Shape shape{golden.number("batch"), spec.height, spec.width, spec.channels};
  x = ctx.from_host(values(golden.text("input"), shape.count(), -1.0, 1.0), shape);
  const std::vector<double>& stored = golden.at("labels");
  labels = ctx.from_host(std::vector<std::int32_t>(stored.begin(), stored.end()), {shape[0]});
}

}  // namespace lamella::golden
