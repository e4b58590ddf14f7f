// Training, without a folder for the run.
#include <algorithm>

#include "capi/boundary.h"
#include "capi/handle.h"
#include "capi/log.h"
#include "io/loader.h"
#include "train/trainer.h"
#include "weights/read_weights.h"
#include "weights/transfer.h"

namespace lamella::capi {
namespace {

lamella_train_options default_training() {
  lamella_train_options o{};
  o.size = sizeof o;
  o.network = "cbr_tiny";
  o.image_size = 128;
  o.channels = 1;
  o.epochs = 20;
  o.batch = 12;
  o.learning_rate = 1e-3;
  o.validation_fraction = 0.2;
  o.flips_and_turns = 1;
  return o;
}

void check(const lamella_train_options& o) {
  require(o.data != nullptr,
          "lamella_train_options: data is NULL; it names a folder with a folder "
          "of images for each class");
  require(o.network != nullptr, "lamella_train_options: network is NULL");
  require(o.image_size >= 1 && o.image_size <= 16384, "lamella_train_options: image_size is ",
          o.image_size, "; use 1 to 16384");
  require(o.channels == 1 || o.channels == 3, "lamella_train_options: channels is ", o.channels,
          "; use 1 or 3");
  require(o.epochs >= 1 && o.batch >= 1, "lamella_train_options: epochs is ", o.epochs,
          " and batch ", o.batch, "; use 1 or more");
  require(o.validation_fraction >= 0 && o.validation_fraction < 1,
          "lamella_train_options: validation_fraction is ", o.validation_fraction,
          "; use 0 to below 1");
}

Preprocess preprocess_of(const lamella_train_options& o) {
  Preprocess preprocess;
  preprocess.height = preprocess.width = o.image_size;
  preprocess.channels = o.channels;
  return preprocess;
}

Dataset labelled_images(const lamella_train_options& o) {
  Dataset dataset = read_dataset(o.data);
  if (!dataset.has_splits) {
    split(dataset, {1 - o.validation_fraction, o.validation_fraction, 0}, o.seed);
  } else {
    split_validation_off(dataset, o.validation_fraction, o.seed);
  }
  for (const std::string& note : dataset.notes) warn(o.data, ": ", note);
  return dataset;
}

void start_weights(Context& ctx, const Model& model, const lamella_train_options& o) {
  model.initialise(ctx, o.seed);
  if (o.weights == nullptr) return;
  TransferOptions transfer_options;
  transfer_options.new_head = true;
  transfer(ctx, model, read_weights(o.weights), o.weights, transfer_options);
}

std::unique_ptr<Loader> loader_of(const Dataset& dataset, Split part,
                                  const lamella_train_options& o) {
  Dataset images = dataset.subset(part);
  if (images.samples.empty()) return nullptr;
  LoaderOptions options;
  options.batch = o.batch;
  options.seed = o.seed;
  options.shuffle = part == Split::Train;
  if (options.shuffle && o.flips_and_turns != 0) {
    options.augment.flip_horizontal = options.augment.flip_vertical = true;
    options.augment.quarter_turns = true;
  }
  return std::make_unique<Loader>(std::move(images), preprocess_of(o), options);
}

// The weights of the best epoch. Throws Cancelled where the callback says so.
TensorFile best_weights(const lamella_train_options& o, const lamella_device_options& device,
                        lamella_progress_function progress, void* user) {
  const Dataset dataset = labelled_images(o);
  const auto training = loader_of(dataset, Split::Train, o);
  const auto validation = loader_of(dataset, Split::Validation, o);
  if (!training) fail(o.data, " has no image to train on");
  const auto ctx = make_context(device, o.seed);
  const ModelSpec spec{o.network, o.image_size, o.image_size, o.channels,
                       static_cast<std::int64_t>(dataset.classes.size())};
  const Model model = make_model(*ctx, spec);
  start_weights(*ctx, model, o);
  TrainOptions options;
  options.epochs = o.epochs;
  options.learning_rate = o.learning_rate;
  options.seed = o.seed;
  Trainer trainer(*ctx, model, *training, validation.get(), options,
                  {spec, dataset.classes, to_metadata(preprocess_of(o))});
  TensorFile best;
  double accuracy = -1;
  bool stop = false;
  TrainHooks hooks;
  hooks.best = [&](const TensorFile& file, const EpochRecord&, const Evaluation&) { best = file; };
  hooks.epoch = [&](const EpochRecord& record) {
    if (!record.validation.empty()) accuracy = record.validation.at("accuracy");
    inform("epoch ", record.epoch, " of ", o.epochs, ": mean loss ", record.train_loss,
           record.validation.empty() ? "" : text(", validation accuracy ", accuracy));
  };
  hooks.step = [&](const StepRecord& record) {
    if (progress == nullptr || stop) return;
    const lamella_progress now{sizeof(lamella_progress),
                               static_cast<int32_t>(record.epoch),
                               o.epochs,
                               std::min<int64_t>(record.batch * o.batch, training->images()),
                               training->images(),
                               record.loss,
                               accuracy};
    stop = progress(&now, user) != 0;
  };
  hooks.cancel = [&] { return stop; };
  if (trainer.run(hooks) == TrainOutcome::Cancelled) {
    throw Cancelled("training was stopped by its progress callback");
  }
  return best;
}

}  // namespace
}  // namespace lamella::capi

using namespace lamella::capi;

extern "C" {

void lamella_train_options_init(lamella_train_options* options, size_t size) {
  give_defaults(options, size, default_training());
}

lamella_status lamella_train(const lamella_train_options* options,
                             lamella_progress_function progress, void* user,
                             lamella_model** model) {
  return guarded([&] {
    require(options != nullptr && model != nullptr, "lamella_train: options or model is NULL");
    const auto chosen = over_defaults(options, default_training(), "lamella_train_options");
    lamella::capi::check(chosen);
    const auto device = over_defaults(chosen.device, default_device(), "lamella_device_options");
    *model = make_handle(best_weights(chosen, device, progress, user), "the trained model", device)
                 .release();
  });
}

}  // extern "C"
