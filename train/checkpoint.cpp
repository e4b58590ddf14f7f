#include "train/checkpoint.h"

#include <charconv>
#include <filesystem>
#include <span>

#include "engine/errors.h"
#include "weights/durable_file.h"
#include "weights/fnv.h"

namespace lamella {
namespace {

const char* const kHashKey = "run.content_hash";

// Doubles are written in hexadecimal: exact, whatever the locale.
std::string str(double value) {
  char digits[64];
  const auto end = std::to_chars(digits, digits + sizeof digits, value, std::chars_format::hex);
  return {digits, end.ptr};
}
std::string str(std::int64_t value) {
  return std::to_string(value);
}
std::string str(std::uint64_t value) {
  return std::to_string(value);
}

template <class Number, class... Format>
void parse(const std::string& digits, Number& value, const std::string& where, Format... format) {
  const char* end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value, format...);
  if (read.ec != std::errc() || read.ptr != end) fail(where, " is not a number: '", digits, "'");
}

// Calls visit(key, field) for every field of a TrainState: what is written is what is read.
template <class State, class Visit>
void each_field(State& state, Visit visit) {
  visit("run.epoch", state.epoch);
  visit("run.batch", state.batch);
  visit("run.step", state.step);
  visit("run.seed", state.seed);
  visit("run.loss_sum", state.loss_sum);
  visit("run.loss_images", state.loss_images);
  visit("run.epoch_seconds", state.epoch_seconds);
  visit("run.best_accuracy", state.best_accuracy);
  visit("run.best_epoch", state.best_epoch);
  visit("run.seconds", state.seconds);
  visit("run.plateau_factor", state.plateau.factor);
  visit("run.plateau_loss", state.plateau.least_loss);
  visit("run.plateau_waited", state.plateau.waited);
  visit("run.loss_scale", state.loss_scale.factor);
  visit("run.loss_scale_updates", state.loss_scale.updates);
}

std::string content_hash(const TensorFile& file) {
  Fnv hash;
  for (const auto& [key, value] : file.metadata) {
    if (key != kHashKey) hash.add(key + "=" + value);
  }
  for (const auto& [name, tensor] : file.tensors) {
    hash.add(name);
    hash.add(tensor.data);
  }
  return hash.hex();
}

std::string last_path(const std::string& folder) {
  return folder + "/checkpoint-last.safetensors";
}
std::string prev_path(const std::string& folder) {
  return folder + "/checkpoint-prev.safetensors";
}

// What is kept beside the weights.
Optimiser::State state_tensors(const Optimiser& optimiser, const WeightAverage* average) {
  Optimiser::State tensors = optimiser.state();
  if (average != nullptr) {
    tensors.insert(tensors.end(), average->state().begin(), average->state().end());
  }
  return tensors;
}

TensorFile read_checked(const std::string& path) {
  TensorFile file = read_safetensors(path);
  const auto stored = file.metadata.find(kHashKey);
  if (stored == file.metadata.end()) fail(path, " is not a checkpoint of a run");
  if (stored->second != content_hash(file))
    fail(path, " is damaged: its content does not match its hash");
  return file;
}

}  // namespace

TensorFile make_checkpoint(Context& ctx, const Model& model, const ModelCard& card,
                           const Optimiser& optimiser, const WeightAverage* average,
                           const TrainState& state) {
  TensorFile file = model_file(ctx, model, card);
  for (const auto& [name, tensor] : state_tensors(optimiser, average)) {
    std::vector<std::int64_t> dims;
    for (int i = 0; i < tensor.shape().rank(); ++i) dims.push_back(tensor.dim(i));
    file.tensors[kOptimiserPrefix + name] =
        StoredTensor::from_f32(ctx.to_host(tensor), std::move(dims));
  }
  each_field(state, [&](const char* key, const auto& field) { file.metadata[key] = str(field); });
  file.metadata["run.updates"] = str(optimiser.updates());
  const BuildInfo build = build_info(ctx);
  file.metadata["build.id"] = build.version + " " + build.build_id;
  file.metadata["build.compiler"] = build.compiler;
  file.metadata["build.isa"] = build.isa;
  file.metadata["build.backend"] = build.backend;
  file.metadata["build.threads"] = std::to_string(build.threads);
  file.metadata[kHashKey] = content_hash(file);
  return file;
}

TrainState state_of(const TensorFile& checkpoint, const std::string& name) {
  TrainState state;
  each_field(state, [&](const char* key, auto& field) {
    const auto found = checkpoint.metadata.find(key);
    if (found == checkpoint.metadata.end())
      fail(name, " is not a checkpoint: it has no '", key, "'");
    if constexpr (std::is_same_v<decltype(field), double&>) {
      parse(found->second, field, name + ": " + key, std::chars_format::hex);
    } else {
      parse(found->second, field, name + ": " + key);
    }
  });
  return state;
}

TrainState restore_checkpoint(Context& ctx, const Model& model, Optimiser& optimiser,
                              const WeightAverage* average, const TensorFile& checkpoint,
                              const std::string& name) {
  const TrainState state = state_of(checkpoint, name);
  std::int64_t updates = 0;
  const auto stored_updates = checkpoint.metadata.find("run.updates");
  if (stored_updates == checkpoint.metadata.end()) fail(name, " has no 'run.updates'");
  parse(stored_updates->second, updates, name + ": run.updates");
  std::vector<std::vector<float>> values;
  const Optimiser::State tensors = state_tensors(optimiser, average);
  for (const auto& [key, tensor] : tensors) {
    const auto found = checkpoint.tensors.find(kOptimiserPrefix + key);
    if (found == checkpoint.tensors.end() || found->second.count() != tensor.count()) {
      fail(name, " does not fit the run's options: '", key, "' is missing or of another size");
    }
    values.push_back(found->second.to_f32());
  }
  load_parameters(ctx, model, checkpoint, name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    ctx.copy_from_host(values[i], tensors[i].second);
  }
  optimiser.set_updates(updates);
  return state;
}

std::vector<std::string> bit_differences(const TensorFile& checkpoint, const BuildInfo& here) {
  std::vector<std::string> differences;
  const auto compare = [&](const char* key, const std::string& what, const std::string& now) {
    const auto found = checkpoint.metadata.find(key);
    const std::string then = found == checkpoint.metadata.end() ? "unknown" : found->second;
    if (then != now) differences.push_back(text(what, " was ", then, ", is ", now));
  };
  compare("build.id", "the build", here.version + " " + here.build_id);
  compare("build.isa", "the instruction set", here.isa);
  compare("build.backend", "the device", here.backend);
  compare("build.threads", "the number of threads", std::to_string(here.threads));
  return differences;
}

void write_checkpoint(const std::string& folder, const TensorFile& checkpoint) {
  const std::string last = last_path(folder), next = folder + "/checkpoint-next.safetensors";
  write_safetensors(next, checkpoint);
  if (std::filesystem::exists(last)) rename_durably(last, prev_path(folder));
  rename_durably(next, last);
}

NewestCheckpoint read_newest_checkpoint(const std::string& folder) {
  std::string note;
  try {
    return {read_checked(last_path(folder)), last_path(folder), ""};
  } catch (const Error& error) {
    note = error.what();
  }
  try {
    return {read_checked(prev_path(folder)), prev_path(folder),
            note + "; going on from the checkpoint before it"};
  } catch (const Error& error) {
    fail("no checkpoint to resume from: ", note, "; ", error.what());
  }
}

void discard_damaged(const std::string& folder, const NewestCheckpoint& newest) {
  if (newest.path == prev_path(folder)) rename_durably(newest.path, last_path(folder));
}

bool has_checkpoint(const std::string& folder) {
  return std::filesystem::exists(last_path(folder)) || std::filesystem::exists(prev_path(folder));
}

}  // namespace lamella
