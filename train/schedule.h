// The learning rate over a run, a pure function of the step: nothing to save, nothing to restore.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

#include "engine/errors.h"

namespace lamella {

struct Schedule {
  enum class Kind { Constant, Step, Cosine };
  Kind kind = Kind::Cosine;
  double learning_rate = 1e-3;   // at step 0
  std::int64_t total_steps = 1;  // of the whole run, >= 1

  // constant: always learning_rate.
  // step: a tenth of it from half of the run on, a hundredth from three quarters on.
  // cosine: learning_rate * (1 + cos(pi * step / total_steps)) / 2; Loshchilov & Hutter 2017.
  double at(std::int64_t step) const {
    const double done = std::min(1.0, static_cast<double>(step) / static_cast<double>(total_steps));
    switch (kind) {
      case Kind::Constant:
        return learning_rate;
      case Kind::Step:
        return learning_rate * (done < 0.5 ? 1.0 : done < 0.75 ? 0.1 : 0.01);
      case Kind::Cosine:
        return learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
    }
    return learning_rate;
  }
};

inline Schedule::Kind schedule_kind(const std::string& name) {
  if (name == "constant") return Schedule::Kind::Constant;
  if (name == "step") return Schedule::Kind::Step;
  if (name == "cosine") return Schedule::Kind::Cosine;
  fail("there is no schedule '", name, "'; use constant, step or cosine");
}

}  // namespace lamella
