// The learning rate over a run, a pure function of the step: nothing to save, nothing to restore.
// What depends on the validation loss is Plateau's, a factor on it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numbers>
#include <string>

#include "engine/errors.h"

namespace lamella {

struct Schedule {
  enum class Kind { Constant, Step, Cosine, Restarts, Plateau };
  Kind kind = Kind::Cosine;
  double learning_rate = 1e-3;   // the highest
  std::int64_t total_steps = 1;  // of the whole run, >= 1
  std::int64_t warmup_steps = 0;
  std::int64_t cycle_steps = 1;  // of the first cycle of Restarts, >= 1
  double cycle_factor = 1;       // a cycle is so many times as long as the one before it, >= 1

  // Warm-up: learning_rate * (step + 1) / warmup_steps. Behind it, with t = step - warmup_steps of
  // the T = total_steps - warmup_steps that are left:
  // constant, plateau: learning_rate.
  // step: a tenth of it from T / 2 on, a hundredth from 3 T / 4 on.
  // cosine: learning_rate * (1 + cos(pi * t / T)) / 2; Loshchilov & Hutter 2017.
  // restarts: the same over one cycle after another instead of T.
  double at(std::int64_t step) const {
    if (step < warmup_steps) {
      return learning_rate * static_cast<double>(step + 1) / static_cast<double>(warmup_steps);
    }
    const std::int64_t t = step - warmup_steps;
    const double done = std::min(
        1.0, static_cast<double>(t) /
                 static_cast<double>(std::max(std::int64_t{1}, total_steps - warmup_steps)));
    switch (kind) {
      case Kind::Constant:
      case Kind::Plateau:
        return learning_rate;
      case Kind::Step:
        return learning_rate * (done < 0.5 ? 1.0 : done < 0.75 ? 0.1 : 0.01);
      case Kind::Cosine:
        return cosine(done);
      case Kind::Restarts:
        return cosine(done_of_cycle(t));
    }
    return learning_rate;
  }

 private:
  double cosine(double done) const {
    return learning_rate * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  }
  double done_of_cycle(std::int64_t t) const {
    auto length = static_cast<double>(cycle_steps);
    auto left = static_cast<double>(t);
    while (left >= length) {
      left -= length;
      length = std::floor(length * cycle_factor);
    }
    return left / length;
  }
};

inline Schedule::Kind schedule_kind(const std::string& name) {
  if (name == "constant") return Schedule::Kind::Constant;
  if (name == "step") return Schedule::Kind::Step;
  if (name == "cosine") return Schedule::Kind::Cosine;
  if (name == "restarts") return Schedule::Kind::Restarts;
  if (name == "plateau") return Schedule::Kind::Plateau;
  fail("there is no schedule '", name, "'; use constant, step, cosine, restarts or plateau");
}

// A tenth of the learning rate whenever the validation loss has not fallen, by one part in ten
// thousand, for more than `patience` epochs in a row.
struct Plateau {
  double factor = 1;
  double least_loss = -1;   // so far; -1: none yet
  std::int64_t waited = 0;  // epochs since it fell

  void see(double loss, std::int64_t patience) {
    if (least_loss < 0 || loss < least_loss * (1 - 1e-4)) {
      least_loss = loss;
      waited = 0;
    } else if (++waited > patience) {
      factor *= 0.1;
      waited = 0;
    }
  }
};

}  // namespace lamella
