// A checkpoint: one safetensors file with everything a run needs to go on to the same bits.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "train/build_info.h"
#include "train/loss_scale.h"
#include "train/optimiser.h"
#include "train/schedule.h"
#include "train/weight_average.h"
#include "weights/model_io.h"

namespace lamella {

// Where a run stands. The order of images, augmentation, dropout and learning rate are functions of
// these numbers, so there is no generator state to keep.
struct TrainState {
  std::int64_t epoch = 0;  // of the next batch, from 0; also the number of whole epochs done
  std::int64_t batch = 0;  // the next one of that epoch
  std::int64_t step = 0;   // updates made
  std::uint64_t seed = 0;
  double loss_sum = 0;           // over the images of the epoch begun
  std::int64_t loss_images = 0;  // how many those are
  double epoch_seconds = 0;      // spent on the epoch begun
  double seconds = 0;            // spent on training so far
  double best_accuracy = -1;     // on the validation images; -1: none yet
  std::int64_t best_epoch = -1;
  Plateau plateau;       // of the schedule of this name
  LossScale loss_scale;  // used in f16 only
};

// The weights under their own names with the model's card, the state of the optimiser and of the
// average of weights (null: there is none) behind kOptimiserPrefix, `state` and `build` in the
// metadata, and a hash over all of it.
TensorFile make_checkpoint(Context& ctx, const Model& model, const ModelCard& card,
                           const Optimiser& optimiser, const WeightAverage* average,
                           const TrainState& state);

// Loads weights, optimiser and average and returns where the run stood. Throws Error when the file
// does not fit them.
TrainState restore_checkpoint(Context& ctx, const Model& model, Optimiser& optimiser,
                              const WeightAverage* average, const TensorFile& checkpoint,
                              const std::string& name);

// Where the run stood, without loading. Throws Error when `checkpoint` is none.
TrainState state_of(const TensorFile& checkpoint, const std::string& name);

// Reasons why going on here cannot give the bits the run would have given where it was saved: one
// sentence each; empty when nothing differs.
std::vector<std::string> bit_differences(const TensorFile& checkpoint, const BuildInfo& here);

// FOLDER/checkpoint-last.safetensors, the one before kept as checkpoint-prev.safetensors. At any
// instant one of the two is whole.
void write_checkpoint(const std::string& folder, const TensorFile& checkpoint);

struct NewestCheckpoint {
  TensorFile file;
  std::string path;
  std::string note;  // why it is not the last one; empty when it is
};
// Falls back to the one before when the last is missing or damaged; throws Error when both are.
NewestCheckpoint read_newest_checkpoint(const std::string& folder);
// Where that fell back: the one before takes the place of the last, which would otherwise take its
// place with the next write.
void discard_damaged(const std::string& folder, const NewestCheckpoint& newest);
// Whether a checkpoint was ever written there.
bool has_checkpoint(const std::string& folder);

}  // namespace lamella
