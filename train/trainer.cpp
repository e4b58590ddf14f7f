#include "train/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>

#include "engine/errors.h"
#include "weights/known_answer.h"

namespace lamella {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

bool cancelled(const TrainHooks& hooks) {
  return hooks.cancel && hooks.cancel();
}

// The data's part of the loss.
Tensor loss_of(Context& ctx, const Model& model, const Batch& batch, const LossOptions& options) {
  if (options.mixup == 0) {
    const auto outputs = model.outputs(ctx, input_of(ctx, model, batch));
    return data_loss(ctx, outputs, ctx.from_host(batch.labels, {batch.N}), options);
  }
  const std::int64_t classes = model.spec().classes;
  const MixedBatch mixed = mix_batch(batch, classes, options.mixup, ctx.seed, ctx.step);
  const auto outputs = model.outputs(ctx, input_of(ctx, model, mixed.batch));
  return data_loss(ctx, outputs, ctx.from_host(mixed.targets, {batch.N, classes}), options);
}

}  // namespace

double train_step(Context& ctx, const Model& model, Optimiser& optimiser, const Batch& batch,
                  double learning_rate, const LossOptions& options, LossScale* scale) {
  const GradScope gradients(ctx, true);
  ctx.training = true;
  ctx.tape.clear();
  model.zero_grad();
  Tensor loss = loss_of(ctx, model, batch, options);
  const Tensor penalty = model.penalty(ctx);
  if (penalty.defined()) loss = add(ctx, loss, penalty);
  const double value = ctx.item(loss);
  if (!std::isfinite(value)) {
    ctx.tape.clear();
    fail("the loss became ", value, " at step ", ctx.step + 1, " with learning rate ",
         learning_rate, "; use a smaller --lr, or look for images without contrast");
  }
  const double factor = scale == nullptr ? 1 : scale->factor;  // a power of 2
  if (factor != 1) loss = lamella::scale(ctx, loss, static_cast<float>(factor));
  ctx.tape.backward(ctx, loss);
  optimiser.step(ctx, learning_rate, static_cast<float>(1 / factor));
  if (scale != nullptr) scale->see(optimiser.overflowed(ctx));
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
  check_options();
  // The optimiser keeps state for what is trained at the end, which is all that ever is.
  freeze_for_epoch(model, options.freeze, std::max<std::int64_t>(0, options.epochs - 1));
  OptimiserOptions optimiser = options.optimiser;
  optimiser.late_starts = options.freeze.unfreeze_every > 0;
  optimiser.skip_overflow = ctx.dtype == DType::F16;
  optimiser_ = make_optimiser(ctx, model, optimiser);
  if (options.average_decay != 0) {
    average_ = std::make_unique<WeightAverage>(ctx, model, options.average_decay);
  }
  schedule_ = make_schedule();
  state_.seed = options.seed;
}

void Trainer::check_options() const {
  const TrainOptions& o = options_;
  const auto at_least = [](const char* name, auto value, auto least) {
    if (!(value >= least) || !std::isfinite(static_cast<double>(value))) {
      fail(name, " = ", value, "; use ", least, " or more");
    }
  };
  at_least("epochs", o.epochs, 0);
  at_least("checkpoint_every", o.checkpoint_every, 0);
  at_least("learning rate", o.learning_rate, 0);
  at_least("warmup_epochs", o.warmup_epochs, 0);
  at_least("restart_epochs", o.restart_epochs, 1);
  at_least("restart_factor", o.restart_factor, 1);
  at_least("patience", o.patience, 0);
  at_least("stop_after", o.stop_after, 0);
  at_least("time_budget", o.time_budget, 0);
  at_least("unfreeze_every", o.freeze.unfreeze_every, 0);
  check(o.loss, model_.spec().classes);
  if (train_.images() < 1) fail("there is no image to train on");
  const bool watches = o.schedule == "plateau" || o.stop_after > 0;
  if (watches && validation_ == nullptr) {
    fail("the schedule plateau and stop_after go by the validation images, and there are none");
  }
}

Schedule Trainer::make_schedule() const {
  const std::int64_t batches = train_.batches();
  Schedule schedule;
  schedule.kind = schedule_kind(options_.schedule);
  schedule.learning_rate = options_.learning_rate;
  schedule.total_steps = std::max<std::int64_t>(1, options_.epochs * batches);
  schedule.warmup_steps = options_.warmup_epochs * batches;
  schedule.cycle_steps = std::max<std::int64_t>(1, options_.restart_epochs * batches);
  schedule.cycle_factor = options_.restart_factor;
  return schedule;
}

bool Trainer::out_of_time() const {
  return options_.time_budget > 0 && state_.seconds >= options_.time_budget;
}

std::string Trainer::why_ended() const {
  if (state_.step >= options_.epochs * train_.batches()) return "";
  if (out_of_time()) return text("the time budget of ", options_.time_budget, " s is spent");
  if (options_.stop_after > 0 && state_.best_epoch > 0 &&
      state_.epoch - state_.best_epoch >= options_.stop_after) {
    return text("no higher validation accuracy for ", options_.stop_after, " epochs");
  }
  return "";
}

void Trainer::resume(const TensorFile& checkpoint, const std::string& name) {
  state_ = restore_checkpoint(ctx_, model_, *optimiser_, average_.get(), checkpoint, name);
  if (state_.seed != options_.seed) {
    fail(name, " was trained with seed ", state_.seed, ", not ", options_.seed);
  }
  if (state_.epoch < 0 || state_.batch < 0 || state_.batch > train_.batches()) {
    fail(name, " stands at batch ", state_.batch, " of an epoch of ", train_.batches(),
         ": it belongs to other data or another batch size");
  }
}

TensorFile Trainer::snapshot() const {
  return make_checkpoint(ctx_, model_, card_, *optimiser_, average_.get(), state_);
}

TensorFile Trainer::best_file() const {
  TensorFile file = model_file(ctx_, model_, card_);
  put_known_answer(ctx_, model_, file);
  return file;
}

TrainOutcome Trainer::run(const TrainHooks& hooks) {
  ctx_.seed = options_.seed;
  ctx_.step = static_cast<std::uint32_t>(state_.step);
  const bool fresh = state_.step == 0;
  if (fresh && hooks.checkpoint) hooks.checkpoint(snapshot());
  if (options_.epochs == 0 && fresh && hooks.best) {
    hooks.best(best_file(), {}, {{}, 0, Confusion(model_.spec().classes)});
  }
  while (state_.epoch < options_.epochs && why_ended().empty()) {
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
    const double lr = schedule_.at(state_.step) * state_.plateau.factor;
    const double loss = train_step(ctx_, model_, *optimiser_, batch, lr, options_.loss,
                                   ctx_.dtype == DType::F16 ? &state_.loss_scale : nullptr);
    ++state_.step;
    if (average_) average_->update(ctx_, state_.step);
    ++state_.batch;
    state_.loss_sum += loss * static_cast<double>(batch.N);
    state_.loss_images += batch.N;
    const double seconds = seconds_since(lap);
    state_.epoch_seconds += seconds;
    state_.seconds += seconds;
    lap = Clock::now();
    if (hooks.step) {
      hooks.step({state_.epoch + 1, state_.batch, batches, state_.step, batch.N, lr, loss});
    }
    if (cancelled(hooks)) return false;
    const std::int64_t every = options_.checkpoint_every;
    if (every > 0 && state_.step % every == 0 && hooks.checkpoint) hooks.checkpoint(snapshot());
    if (out_of_time()) break;
  }
  return true;
}

bool Trainer::finish_epoch(const TrainHooks& hooks) {
  EpochRecord record;
  record.epoch = state_.epoch + 1;
  record.step = state_.step;
  record.learning_rate = schedule_.at(state_.step - 1) * state_.plateau.factor;
  record.train_loss = state_.loss_sum / static_cast<double>(state_.loss_images);
  record.seconds = state_.epoch_seconds;
  record.images_per_s = static_cast<double>(state_.loss_images) / state_.epoch_seconds;
  record.weights_hash = weights_hash(ctx_, model_);
  if (!judge_epoch(hooks, record)) return false;
  ++state_.epoch;
  state_.batch = state_.loss_images = 0;
  state_.loss_sum = state_.epoch_seconds = 0;
  if (hooks.epoch) hooks.epoch(record);
  if (hooks.checkpoint) hooks.checkpoint(snapshot());
  return true;
}

bool Trainer::judge_epoch(const TrainHooks& hooks, EpochRecord& record) {
  const AveragedWeights averaged(ctx_, average_.get());
  Evaluation evaluation{{}, 0, Confusion(model_.spec().classes)};
  double accuracy = 0;
  if (validation_ != nullptr) {
    evaluation = evaluate(ctx_, model_, *validation_, hooks.cancel);
    if (cancelled(hooks)) return false;
    const Metrics metrics = metrics_of(evaluation.confusion);
    accuracy = metrics.accuracy;
    if (schedule_.kind == Schedule::Kind::Plateau) {
      state_.plateau.see(evaluation.loss, options_.patience);
    }
    record.validation = {{"loss", evaluation.loss},
                         {"accuracy", metrics.accuracy},
                         {"balanced_accuracy", metrics.balanced_accuracy},
                         {"macro_f1", metrics.macro.f1}};
  }
  record.best = validation_ == nullptr || accuracy > state_.best_accuracy;
  if (record.best) {
    state_.best_accuracy = accuracy;
    state_.best_epoch = record.epoch;
    if (hooks.best) hooks.best(best_file(), record, evaluation);
  }
  return true;
}

}  // namespace lamella
