// Optimisers: they turn the gradients of a model's parameters into new weights, in place.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "models/model.h"

namespace lamella {

struct OptimiserOptions {
  std::string name = "adam";                        // "adam", "adamw" or "sgd"
  float momentum = 0.9F;                            // sgd
  bool nesterov = false;                            // sgd
  float beta1 = 0.9F, beta2 = 0.999F, eps = 1e-8F;  // adam, adamw
  // Of weights, not of biases, scales or shifts: added to the gradient; with adamw, times the
  // learning rate, taken off the weight itself.
  float weight_decay = 0;
  // Gradients whose norm over all parameters is larger are scaled down to it; 0: none are. Where it
  // is set, an update is left out if the norm is not finite.
  float clip_norm = 0;
  // Leave out an update of gradients that are not finite, also where none are clipped.
  bool skip_overflow = false;
  // Parameters may get their first gradient later than others (layers that thaw): each counts its
  // updates from there, as Adam's corrections need it.
  bool late_starts = false;
  // Learning rates by layer: (beginning of parameters' names, factor on the learning rate, >= 0).
  // The first that fits a parameter counts; the factor of others is 1.
  std::vector<std::pair<std::string, float>> factors = {};
};

class Optimiser {
 public:
  virtual ~Optimiser() = default;
  // One update of every trained parameter from its gradient, by one kernel call for each
  // learning rate, count of updates and type that there are; a parameter that no gradient reached
  // stays as it is. Formulas: SgdParams and AdamParams in kernels/shapes.h. `grad_scale`: one over
  // the factor that the loss was scaled by.
  virtual void step(Context& ctx, double learning_rate, float grad_scale = 1) = 0;
  // Whether the last step was left out. Waits for the device where clipping or skip_overflow is on.
  virtual bool overflowed(Context& ctx) const = 0;

  // State that a checkpoint must hold: tensors by name ("m/conv1.weight"), and the updates begun.
  using State = std::vector<std::pair<std::string, Tensor>>;
  virtual const State& state() const = 0;
  std::int64_t updates() const { return updates_; }
  void set_updates(std::int64_t updates) { updates_ = updates; }

 protected:
  std::int64_t updates_ = 0;
};

// For the parameters that are not frozen now; those that are later just stay as they are. Throws
// Error for an unknown name, a value outside its range, or a factor that fits no parameter. The
// model must outlive it.
std::unique_ptr<Optimiser> make_optimiser(Context& ctx, const Model& model,
                                          const OptimiserOptions& options);

}  // namespace lamella
