// Opening, predicting, judging, saving.
#include <algorithm>
#include <filesystem>
#include <limits>

#include "capi/boundary.h"
#include "capi/handle.h"
#include "capi/log.h"
#include "engine/ops.h"
#include "io/loader.h"
#include "train/evaluate.h"
#include "train/run_folder.h"
#include "weights/known_answer.h"
#include "weights/read_weights.h"
#include "weights/safetensors.h"

namespace lamella::capi {
namespace {

constexpr std::int64_t kMostPixels = std::int64_t{1} << 28;  // as ImageLimits

// One row, in whichever width of samples.
template <class Value>
void append_row(std::vector<std::uint16_t>& samples, const char* row, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    Value value;
    std::memcpy(&value, row + i * sizeof value, sizeof value);  // rows may lie at odd addresses
    samples.push_back(value);
  }
}

Image image_of(const lamella_image& given) {
  require(given.samples != nullptr, "lamella_image: samples is NULL");
  require(given.height >= 1 && given.width >= 1 &&
              std::int64_t{given.height} * given.width <= kMostPixels,
          "lamella_image: ", given.height, "x", given.width, " pixels; there must be 1 to 2^28");
  require(given.channels == 1 || given.channels == 3, "lamella_image: ", given.channels,
          " channels; use 1 or 3");
  require(given.bit_depth == 8 || given.bit_depth == 16, "lamella_image: ", given.bit_depth,
          " bits; use 8 or 16");
  const auto row_samples =
      static_cast<std::size_t>(given.width) * static_cast<std::size_t>(given.channels);
  const std::size_t dense = row_samples * (given.bit_depth == 8 ? 1 : 2);
  const std::size_t pitch = given.row_bytes == 0 ? dense : given.row_bytes;
  require(pitch >= dense, "lamella_image: row_bytes is ", pitch, ", and a row has ", dense);
  require(pitch <= std::numeric_limits<std::size_t>::max() / static_cast<std::size_t>(given.height),
          "lamella_image: row_bytes is ", pitch, ": the image would not fit into memory");
  Image image{given.height, given.width, given.channels, given.bit_depth, {}};
  image.samples.reserve(row_samples * static_cast<std::size_t>(given.height));
  for (std::int32_t y = 0; y < given.height; ++y) {
    const char* row = static_cast<const char*>(given.samples) + static_cast<std::size_t>(y) * pitch;
    if (given.bit_depth == 8) {
      append_row<std::uint8_t>(image.samples, row, row_samples);
    } else {
      append_row<std::uint16_t>(image.samples, row, row_samples);
    }
  }
  return image;
}

// Of `count` images, prepared one after the other; at most a batch. What is missing of a batch is
// made up with black: the model's memory is planned for whole ones.
std::vector<float> probabilities_of(lamella_model& model, std::vector<float> pixels,
                                    std::size_t count) {
  const Preprocess& p = model.preprocess;
  pixels.resize(static_cast<std::size_t>(model.batch * p.height * p.width * p.channels));
  const Tensor x = model.ctx->from_host(pixels, {model.batch, p.height, p.width, p.channels});
  std::vector<float> all =
      model.ctx->to_host(softmax(*model.ctx, model.ready.forward(*model.ctx, x)));
  all.resize(count * model.card.labels.size());
  return all;
}

Dataset labelled_images(const lamella_model& model, const char* folder, const char* split) {
  Dataset dataset = read_dataset(folder);
  for (const std::string& note : dataset.notes) warn(folder, ": ", note);
  if (split != nullptr) {
    if (!dataset.has_splits) {
      fail(folder, " holds no ready-made splits; give NULL for all of its images");
    }
    dataset = dataset.subset(split_from_name(split));
    if (dataset.samples.empty()) fail(folder, " has no image in its ", split, " split");
  }
  use_classes(dataset, model.card.labels);
  return dataset;
}

lamella_scores scores_of(const Evaluation& made) {
  const Metrics m = metrics_of(made.confusion);
  return {sizeof(lamella_scores), m.n,        m.accuracy, m.accuracy_low, m.accuracy_high,
          m.balanced_accuracy,    m.macro.f1, made.loss};
}

}  // namespace

lamella_device_options default_device() {
  return {sizeof(lamella_device_options), "auto", 0, 0, 1};
}

std::unique_ptr<Context> make_context(const lamella_device_options& options, std::uint64_t seed) {
  require(options.device != nullptr, "lamella_device_options: device is NULL");
  require(options.threads >= 0 && options.threads <= 4096, "lamella_device_options: threads is ",
          options.threads, "; use 0 to 4096");
  require(options.batch >= 1 && options.batch <= 4096, "lamella_device_options: batch is ",
          options.batch, "; use 1 to 4096");
  Context::Options chosen;
  chosen.device = options.device;
  chosen.threads = options.threads;
  chosen.seed = seed;
  chosen.memory_cap = static_cast<std::size_t>(options.memory_limit);
  auto ctx = std::make_unique<Context>(chosen);
  if (chosen.device == "auto" && std::string(ctx->backend().name) != "cuda") {
    inform("no GPU is used: ", why_unavailable("cuda"));
  }
  return ctx;
}

std::unique_ptr<lamella_model> make_handle(TensorFile file, const std::string& name,
                                           const lamella_device_options& options) {
  const ModelCard card = read_card(file, name);
  if (card.spec.head == "none") {
    fail(name, " ends behind ", card.spec.cut, " and has no classifier");
  }
  Preprocess preprocess = preprocess_from_metadata(card.preprocessing);
  auto ctx = make_context(options, 0);
  const Model loaded = load_model(*ctx, file, name, card);
  Model ready = loaded.inference_form(*ctx, 1);
  check_known_answer(*ctx, ready, file, name);
  if (!file.metadata.contains(kKnownAnswer)) {
    warn(name, " holds no known answer, so what its network computes here was not checked");
  }
  if (options.batch > 1) ready = loaded.inference_form(*ctx, options.batch);
  ctx->allocator().release_cached();
  inform(name, ": ", card.spec.name, " for ", card.labels.size(), " classes on ",
         ctx->backend().name, ", ", ctx->allocator().stats().held, " bytes");
  return std::make_unique<lamella_model>(lamella_model{std::move(ctx), std::move(file), card,
                                                       std::move(preprocess), std::move(ready),
                                                       options.batch});
}

}  // namespace lamella::capi

using namespace lamella;
using namespace lamella::capi;

extern "C" {

void lamella_device_options_init(lamella_device_options* options, size_t size) {
  give_defaults(options, size, default_device());
}

lamella_status lamella_open(const char* path, const lamella_device_options* options,
                            lamella_model** model) {
  return guarded([&] {
    require(path != nullptr && model != nullptr, "lamella_open: path or model is NULL");
    const auto chosen = over_defaults(options, default_device(), "lamella_device_options");
    std::string file = path;
    if (std::filesystem::is_directory(file)) file = RunFolder::open(file).file(kBestModel);
    *model = make_handle(read_weights(file), file, chosen).release();
  });
}

void lamella_close(lamella_model* model) {
  delete model;
}

int32_t lamella_class_count(const lamella_model* model) {
  return model == nullptr ? 0 : static_cast<int32_t>(model->card.labels.size());
}

const char* lamella_class_name(const lamella_model* model, int32_t index) {
  if (index < 0 || index >= lamella_class_count(model)) return nullptr;
  return model->card.labels[static_cast<std::size_t>(index)].c_str();
}

lamella_status lamella_predict(lamella_model* model, const lamella_image* images, size_t count,
                               float* probabilities) {
  return guarded([&] {
    require(model != nullptr && (count == 0 || (images != nullptr && probabilities != nullptr)),
            "lamella_predict: model, images or probabilities is NULL");
    const auto batch = static_cast<std::size_t>(model->batch);
    std::vector<float> all;
    for (std::size_t first = 0; first < count; first += batch) {
      const std::size_t some = std::min(batch, count - first);
      std::vector<float> pixels;
      for (std::size_t i = first; i < first + some; ++i) {
        const std::vector<float> one = prepare_image(image_of(images[i]), model->preprocess);
        pixels.insert(pixels.end(), one.begin(), one.end());
      }
      const std::vector<float> made = probabilities_of(*model, std::move(pixels), some);
      all.insert(all.end(), made.begin(), made.end());
    }
    std::copy(all.begin(), all.end(), probabilities);
  });
}

lamella_status lamella_predict_file(lamella_model* model, const char* path, float* probabilities) {
  return guarded([&] {
    require(model != nullptr && path != nullptr && probabilities != nullptr,
            "lamella_predict_file: model, path or probabilities is NULL");
    const std::vector<float> made =
        probabilities_of(*model, prepare_image(read_image(path), model->preprocess), 1);
    std::copy(made.begin(), made.end(), probabilities);
  });
}

lamella_status lamella_evaluate(lamella_model* model, const char* folder, const char* split,
                                lamella_scores* scores) {
  return guarded([&] {
    require(model != nullptr && folder != nullptr && scores != nullptr,
            "lamella_evaluate: model, folder or scores is NULL");
    require(scores->size >= sizeof scores->size, "lamella_scores: set its size before the call");
    LoaderOptions options;
    options.batch = model->batch;
    options.shuffle = false;
    options.cache_bytes = 0;
    Loader loader(labelled_images(*model, folder, split), model->preprocess, options);
    const auto made = scores_of(evaluate(*model->ctx, model->ready, loader));
    give_defaults(scores, scores->size, made);
  });
}

lamella_status lamella_save(const lamella_model* model, const char* path) {
  return guarded([&] {
    require(model != nullptr && path != nullptr, "lamella_save: model or path is NULL");
    write_safetensors(path, model->file);
  });
}

}  // extern "C"
