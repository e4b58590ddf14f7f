// The training loop. It knows a model and a source of batches; what is kept of a run, and where, is
// up to the hooks (run_folder.h keeps it in a folder).
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "train/batch_source.h"
#include "train/checkpoint.h"
#include "train/evaluate.h"
#include "train/freezing.h"
#include "train/loss.h"
#include "train/optimiser.h"
#include "train/schedule.h"
#include "train/weight_average.h"

namespace lamella {

struct TrainOptions {
  std::int64_t epochs = 10;
  double learning_rate = 1e-3;
  std::string schedule = "cosine";  // constant, step, cosine, restarts, plateau (schedule.h)
  std::int64_t warmup_epochs = 0;
  std::int64_t restart_epochs = 10;  // of the first cycle of restarts
  double restart_factor = 2;         // every further cycle is so many times as long
  std::int64_t patience = 10;        // epochs that plateau waits for a lower validation loss
  // Ends the run after so many epochs without a higher validation accuracy; 0: never.
  std::int64_t stop_after = 0;
  // Ends the run, in the midst of an epoch, once training has taken so many seconds; 0: never.
  // Validation does not count.
  double time_budget = 0;
  OptimiserOptions optimiser;
  FreezeOptions freeze;
  LossOptions loss;
  // Decay of the average of weights (weight_average.h) that is validated and counts as the result;
  // 0: the weights themselves are.
  double average_decay = 0;
  std::uint64_t seed = 0;             // of dropout and mixup
  std::int64_t checkpoint_every = 0;  // steps between checkpoints inside an epoch; 0: none
};

struct StepRecord {
  std::int64_t epoch = 0;               // from 1
  std::int64_t batch = 0, batches = 0;  // batch from 1, of this epoch
  std::int64_t step = 0;                // updates made so far
  std::int64_t images = 0;
  double learning_rate = 0, loss = 0;  // data_loss plus penalty, before the update
};

struct EpochRecord {
  std::int64_t epoch = 0, step = 0;  // both counted after the epoch: epoch from 1
  double learning_rate = 0;          // of its last step
  double train_loss = 0;             // mean over its images
  std::map<std::string, double>
      validation;                        // loss, accuracy, balanced_accuracy, macro_f1; or empty
  double seconds = 0, images_per_s = 0;  // training only, without validation
  std::string weights_hash;
  bool best = false;
};

// Each may be left out. They are called from the thread that trains.
struct TrainHooks {
  std::function<void(const StepRecord&)> step;
  std::function<void(const EpochRecord&)> epoch;
  // The weights are the best so far; `validation` is what they make of the validation images.
  std::function<void(const TensorFile& weights, const EpochRecord&, const Evaluation& validation)>
      best;
  std::function<void(const TensorFile& checkpoint)> checkpoint;
  std::function<bool()> cancel;  // asked after every batch
};

enum class TrainOutcome { Finished, Cancelled };

// One update: forward, cross-entropy plus the model's penalty, backward, optimiser. Returns the
// loss. Throws Error before the update when the loss is not finite. Adds one to ctx.step. Mixup
// is addressed by ctx.seed and ctx.step. `scale`, for f16: is used and kept up to date; the
// optimiser must have skip_overflow.
double train_step(Context& ctx, const Model& model, Optimiser& optimiser, const Batch& batch,
                  double learning_rate, const LossOptions& loss = {}, LossScale* scale = nullptr);

class Trainer {
 public:
  // `validation` may be null: then the last epoch counts as the best. All must outlive the trainer.
  // Throws Error when an option is out of range or there is no image to train on.
  Trainer(Context& ctx, const Model& model, BatchSource& train, BatchSource* validation,
          const TrainOptions& options, ModelCard card);

  // Goes on where `checkpoint` was made. Throws Error when it does not fit.
  void resume(const TensorFile& checkpoint, const std::string& name);

  // Trains to the last epoch, or until cancel() says yes: then a checkpoint is handed out and
  // Cancelled returned. A checkpoint is handed out at the start, after each epoch, and every
  // `checkpoint_every` steps. A loss that is not finite is an Error; the checkpoint handed out
  // before it is then the last good one. With 0 epochs the initial weights are the best ones.
  TrainOutcome run(const TrainHooks& hooks);

  const TrainState& state() const { return state_; }
  // Why the run ended before its last step, as a sentence; empty where it did not.
  std::string why_ended() const;

 private:
  void check_options() const;
  Schedule make_schedule() const;
  bool out_of_time() const;
  bool run_batches(const TrainHooks& hooks);   // of one epoch; false when cancelled
  bool finish_epoch(const TrainHooks& hooks);  // judgement and records; false when cancelled
  // Validation, and whether it is the best so far; false when cancelled.
  bool judge_epoch(const TrainHooks& hooks, EpochRecord& record);
  TensorFile snapshot() const;
  TensorFile best_file() const;  // of the weights as they are, with their known answer

  Context& ctx_;
  const Model& model_;
  BatchSource& train_;
  BatchSource* validation_;
  TrainOptions options_;
  ModelCard card_;
  Schedule schedule_;
  std::unique_ptr<Optimiser> optimiser_;
  std::unique_ptr<WeightAverage> average_;  // null: none is kept
  TrainState state_;
};

}  // namespace lamella
