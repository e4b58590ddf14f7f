// Which parameters a run trains: all of them, or those that are not frozen.
#pragma once

#include <cstdint>
#include <string>

#include "models/model.h"

namespace lamella {

struct FreezeOptions {
  // "none"; "body": all but the classifier; "before:LAYER": everything that comes before this layer
  // of Model::layer_names(); or beginnings of parameters' names with commas between,
  // "features.conv0,features.denseblock1".
  std::string what = "none";
  // After every so many epochs the last layer that is still frozen starts to train as well (Howard
  // & Ruder 2018, section 3.3, layer by layer); 0: never.
  std::int64_t unfreeze_every = 0;

  bool operator==(const FreezeOptions&) const = default;
};

// Freezes what is frozen in `epoch`, counted from 0, and nothing else. A function of the epoch
// alone, so that a resumed run is where it was. Throws Error where `what` names no layer or fits no
// parameter, or where nothing is left to train.
void freeze_for_epoch(const Model& model, const FreezeOptions& options, std::int64_t epoch);

}  // namespace lamella
