// What the runs of a cross-validation say together. Every run leaves out one fold of the images and
// is judged by it; with repeats the folds are drawn anew.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "train/ensemble.h"
#include "train/ranking.h"
#include "train/run_folder.h"

namespace lamella {

struct FoldRun {
  std::string folder;  // of the run, below that of the cross-validation
  std::int64_t repeat = 1, fold = 1;
  std::int64_t best_epoch = 0;
  double seconds = 0;                   // of training
  std::vector<ValidationImage> images;  // of its fold, judged by its best weights
};

// Over the runs: the standard deviation has n - 1 in the denominator, and is 0 for one run.
struct Spread {
  double mean = 0, deviation = 0;
};
Spread spread_of(const std::vector<double>& values);

// Images that no run has seen, judged by all of them.
struct HeldOut {
  std::string split;                  // in words
  std::vector<Metrics> each;          // of every run alone
  std::vector<ValidationImage> mean;  // by the mean of their probabilities
  Confusion majority;                 // by the class that most of them chose
};

struct CrossValidation {
  std::string model, data, fingerprint, split, recipe;
  std::vector<std::string> labels;
  std::int64_t folds = 0, repeats = 1;
  std::vector<FoldRun> runs;
  std::optional<HeldOut> held_out;
};

Confusion confusion_of(const std::vector<ValidationImage>& images, std::size_t classes);

// Every image once: where there are repeats, with the mean of its probabilities.
std::vector<ValidationImage> pooled_images(const CrossValidation& made);

// crossval.json (lamella.crossval/1) as text.
std::string cross_validation_json(const CrossValidation& made);
// report.html: as that of a run, of the pooled images.
std::string cross_validation_html(const CrossValidation& made, const PictureOf& picture_of);

}  // namespace lamella
