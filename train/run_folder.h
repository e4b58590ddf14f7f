// What a training run leaves on disk. Every file is whole at any instant: it is replaced by a
// rename, or, for the logs, a cut-off last entry is dropped when the run goes on.
//
//   recipe.toml                  every option as used
//   run.json                     lamella.run/1
//   log.jsonl                    one line per epoch; steps.jsonl: one line per step, on request
//   events.out.tfevents.lamella  the figures of both for TensorBoard (event_file.h)
//   model-best.safetensors       weights and card
//   validation.jsonl             one line per validation image: what the best weights make of it
//   checkpoint-last.safetensors, checkpoint-prev.safetensors
//   report.html
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/trainer.h"

namespace lamella {

struct RunInfo {
  std::string status;  // running, finished, interrupted, failed
  std::string reason;  // why it failed; empty otherwise
  BuildInfo build;
  ModelCard card;
  struct Data {
    std::string path, fingerprint;
    std::string split;  // in words: how training and validation images were told apart
    std::int64_t train_images = 0, validation_images = 0;
  } data;
  std::int64_t best_epoch = 0;  // 0: none yet
  Confusion best_confusion;     // of the validation images
  std::string next_command;     // evaluates the best model, or resumes the run
};

// An image of the validation split under the best weights.
struct ValidationImage {
  std::string path, group;  // of the data set; Prediction::index means nothing here
  Prediction prediction;
};

// The picture of an image of the data set as a data: address, for the report; empty: none.
using PictureOf = std::function<std::string(const std::string& path)>;

class RunFolder {
 public:
  // Makes the folder (and those above it). Throws Error when it already holds a run.
  static RunFolder create(const std::string& path);
  // Throws Error when there is no run.
  static RunFolder open(const std::string& path);

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

  void write_recipe(const std::string& toml) const;
  std::string recipe() const;
  void write_info(const RunInfo& info) const;
  RunInfo info() const;                          // throws Error where run.json is damaged
  void append(const EpochRecord& record) const;  // log.jsonl, events; flushed to the disk
  void append(const StepRecord& record) const;   // steps.jsonl, events
  std::vector<EpochRecord> epochs() const;       // of log.jsonl; a cut-off last line is left out
  // Drops what the logs hold beyond `state`: the run will write it again.
  void rewind_logs(const TrainState& state) const;
  // Removes the unfinished files of a process that was killed.
  void remove_leftovers() const;
  void write_best(const TensorFile& weights) const;
  void write_validation(const std::vector<ValidationImage>& images) const;
  // None where there is no such file. Throws Error where it is damaged, or of other classes.
  std::vector<ValidationImage> validation(std::size_t classes) const;
  void write_report(const PictureOf& picture_of = {}) const;  // from the other files

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

inline constexpr const char* kBestModel = "model-best.safetensors";

}  // namespace lamella
