#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/errors.h"

namespace lamella {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool cancelled(const TrainHooks& hooks) {
  return hooks.cancel && hooks.cancel();
}

}  // namespace

Tensor data_loss(Context& ctx, const std::vector<Model::Output>& outputs, const Tensor& labels,
                 const CrossEntropyOptions& options) {
  Tensor sum;
  for (const Model::Output& output : outputs) {
    Tensor loss = softmax_cross_entropy(ctx, output.logits, labels, options);
    if (output.weight != 1) loss = scale(ctx, loss, output.weight);
    sum = sum.defined() ? add(ctx, sum, loss) : loss;
  }
  return sum;
}

double train_step(Context& ctx, const Model& model, Optimiser& optimiser, const Batch& batch,
                  double learning_rate, float label_smoothing) {
  const GradScope gradients(ctx, true);
  ctx.training = true;
  ctx.tape.clear();
  model.zero_grad();
  const auto outputs = model.outputs(ctx, input_of(ctx, model, batch));
  const Tensor labels = ctx.from_host(batch.labels, {batch.N});
  Tensor loss = data_loss(ctx, outputs, labels, {Tensor(), label_smoothing});
  const Tensor penalty = model.penalty(ctx);
  if (penalty.defined()) loss = add(ctx, loss, penalty);
  const double value = ctx.item(loss);
  if (!std::isfinite(value)) {
    ctx.tape.clear();
    fail("the loss became ", value, " at step ", ctx.step + 1, " with learning rate ",
         learning_rate, "; use a smaller --lr, or look for images without contrast");
  }
  ctx.tape.backward(ctx, loss);
  optimiser.step(ctx, learning_rate);
  ++ctx.step;
  return value;
}

Trainer::Trainer(Context& ctx, const Model& model, BatchSource& train, BatchSource* validation,
                 const TrainOptions& options, ModelCard card)
    : ctx_(ctx),
      model_(model),
      train_(train),
      validation_(validation),
      options_(options),
      card_(std::move(card)) {
  if (options.epochs < 0) fail("epochs = ", options.epochs, "; use 0 or more");
  if (options.checkpoint_every < 0) {
    fail("checkpoint_every = ", options.checkpoint_every, "; use 0 or more steps");
  }
  if (!(options.learning_rate >= 0) || !std::isfinite(options.learning_rate)) {
    fail("learning rate = ", options.learning_rate, "; use 0 or more");
  }
  if (!(options.label_smoothing >= 0 && options.label_smoothing <= 1)) {
    fail("label smoothing = ", options.label_smoothing, "; use 0 to 1");
  }
  if (train.images() < 1) fail("there is no image to train on");
  if (options.freeze.unfreeze_every < 0) {
    fail("unfreeze_every = ", options.freeze.unfreeze_every, "; use 0 or more epochs");
  }
  // The optimiser keeps state for what is trained at the end, which is all that ever is.
  freeze_for_epoch(model, options.freeze, std::max<std::int64_t>(0, options.epochs - 1));
  OptimiserOptions optimiser = options.optimiser;
  optimiser.late_starts = options.freeze.unfreeze_every > 0;
  optimiser_ = make_optimiser(ctx, model, optimiser);
  schedule_.kind = schedule_kind(options.schedule);
  schedule_.learning_rate = options.learning_rate;
  schedule_.total_steps = std::max<std::int64_t>(1, options.epochs * train.batches());
  state_.seed = options.seed;
}

void Trainer::resume(const TensorFile& checkpoint, const std::string& name) {
  state_ = restore_checkpoint(ctx_, model_, *optimiser_, checkpoint, name);
  if (state_.seed != options_.seed) {
    fail(name, " was trained with seed ", state_.seed, ", not ", options_.seed);
  }
  if (state_.epoch < 0 || state_.batch < 0 || state_.batch > train_.batches()) {
    fail(name, " stands at batch ", state_.batch, " of an epoch of ", train_.batches(),
         ": it belongs to other data or another batch size");
  }
}

TensorFile Trainer::snapshot() const {
  return make_checkpoint(ctx_, model_, card_, *optimiser_, state_);
}

TrainOutcome Trainer::run(const TrainHooks& hooks) {
  ctx_.seed = options_.seed;
  ctx_.step = static_cast<std::uint32_t>(state_.step);
  const bool fresh = state_.step == 0;
  if (fresh && hooks.checkpoint) hooks.checkpoint(snapshot());
  if (options_.epochs == 0 && fresh && hooks.best) {
    hooks.best(model_file(ctx_, model_, card_), {}, Confusion(model_.spec().classes));
  }
  while (state_.epoch < options_.epochs) {
    if (!run_batches(hooks) || !finish_epoch(hooks)) {
      if (hooks.checkpoint) hooks.checkpoint(snapshot());
      return TrainOutcome::Cancelled;
    }
  }
  return TrainOutcome::Finished;
}

bool Trainer::run_batches(const TrainHooks& hooks) {
  const std::int64_t batches = train_.batches();
  if (state_.batch == batches) return true;  // stopped between the last batch and validation
  freeze_for_epoch(model_, options_.freeze, state_.epoch);
  train_.start(state_.epoch, state_.batch);
  Batch batch;
  auto lap = Clock::now();
  while (train_.next(batch)) {
    const double lr = schedule_.at(state_.step);
    const double loss = train_step(ctx_, model_, *optimiser_, batch, lr, options_.label_smoothing);
    ++state_.step;
    ++state_.batch;
    state_.loss_sum += loss * static_cast<double>(batch.N);
    state_.loss_images += batch.N;
    state_.epoch_seconds += seconds_since(lap);
    lap = Clock::now();
    if (hooks.step) {
      hooks.step({state_.epoch + 1, state_.batch, batches, state_.step, batch.N, lr, loss});
    }
    if (cancelled(hooks)) return false;
    const std::int64_t every = options_.checkpoint_every;
    if (every > 0 && state_.step % every == 0 && hooks.checkpoint) hooks.checkpoint(snapshot());
  }
  return true;
}

bool Trainer::finish_epoch(const TrainHooks& hooks) {
  EpochRecord record;
  record.epoch = state_.epoch + 1;
  record.step = state_.step;
  record.learning_rate = schedule_.at(state_.step - 1);
  record.train_loss = state_.loss_sum / static_cast<double>(state_.loss_images);
  record.seconds = state_.epoch_seconds;
  record.images_per_s = static_cast<double>(state_.loss_images) / state_.epoch_seconds;
  Confusion confusion(model_.spec().classes);
  double accuracy = 0;
  if (validation_ != nullptr) {
    const Evaluation evaluation = evaluate(ctx_, model_, *validation_, hooks.cancel);
    if (cancelled(hooks)) return false;
    confusion = evaluation.confusion;
    const Metrics metrics = metrics_of(confusion);
    accuracy = metrics.accuracy;
    record.validation = {{"loss", evaluation.loss},
                         {"accuracy", metrics.accuracy},
                         {"balanced_accuracy", metrics.balanced_accuracy},
                         {"macro_f1", metrics.macro.f1}};
  }
  record.weights_hash = weights_hash(ctx_, model_);
  record.best = validation_ == nullptr || accuracy > state_.best_accuracy;
  if (record.best) {
    state_.best_accuracy = accuracy;
    state_.best_epoch = record.epoch;
    if (hooks.best) hooks.best(model_file(ctx_, model_, card_), record, confusion);
  }
  ++state_.epoch;
  state_.batch = state_.loss_images = 0;
  state_.loss_sum = state_.epoch_seconds = 0;
  if (hooks.epoch) hooks.epoch(record);
  if (hooks.checkpoint) hooks.checkpoint(snapshot());
  return true;
}

}  // namespace lamella
