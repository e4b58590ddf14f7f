// The parts of the report that are drawn from the probabilities of the validation images. Private
// to train/.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "train/ranking.h"
#include "train/run_folder.h"

namespace lamella {

std::vector<Prediction> predictions_of(const std::vector<ValidationImage>& images);

// Six figures of a classifier as a hexagon, beside ROC, precision-recall, reliability and triage
// curves.
std::string validation_plots(const Metrics& metrics, const std::vector<Prediction>& predictions,
                             const RankingMetrics& ranking);

// The wrong predictions of highest confidence, with their pictures where there are any.
std::string worst_mistakes(const std::vector<std::string>& labels,
                           const std::vector<ValidationImage>& images, const PictureOf& picture_of);

}  // namespace lamella
