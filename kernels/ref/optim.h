// Oracles of the optimiser steps, one tensor at a time, in double; formulas in kernels/shapes.h.
// `g` is the gradient as the step takes it: scaled and clipped.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "kernels/shapes.h"

namespace lamella::ref {

inline void sgd_step(std::int64_t count, const SgdParams& p, double weight_decay, const double* g,
                     double* m, double* w) {
  for (std::int64_t i = 0; i < count; ++i) {
    const double d = g[i] + weight_decay * w[i];
    m[i] = double{p.momentum} * m[i] + d;
    w[i] -= double{p.lr} * (p.nesterov ? d + double{p.momentum} * m[i] : m[i]);
  }
}

inline void adam_step(std::int64_t count, const AdamParams& p, double weight_decay, const double* g,
                      double* m, double* v, double* w) {
  const double b1 = double{p.beta1}, b2 = double{p.beta2};
  for (std::int64_t i = 0; i < count; ++i) {
    const double d = g[i] + (p.decoupled ? 0 : weight_decay * w[i]);
    if (p.decoupled) w[i] -= double{p.lr} * weight_decay * w[i];
    m[i] = b1 * m[i] + (1 - b1) * d;
    v[i] = b2 * v[i] + (1 - b2) * d * d;
    w[i] -= double{p.lr} * (m[i] / double{p.correction1}) /
            (std::sqrt(v[i] / double{p.correction2}) + double{p.eps});
  }
}

// control[4] of gradient_control, `skipped` steps before it; the gradients of all tensors.
inline void gradient_control(const GradientParams& p, const std::vector<const double*>& g,
                             const std::vector<std::int64_t>& counts, double& skipped,
                             double* control) {
  double sum = 0;
  for (std::size_t t = 0; t < g.size(); ++t) {
    for (std::int64_t i = 0; i < counts[t]; ++i) sum += g[t][i] * g[t][i];
  }
  const double clip_norm = double{p.clip_norm}, step = static_cast<double>(p.step) - skipped;
  control[0] = double{p.grad_scale} * std::sqrt(sum);
  control[1] = clip_norm > 0 ? std::min(1.0, clip_norm / (control[0] + 1e-6)) : 1;
  control[2] = 1 - std::pow(double{p.beta1}, step);
  control[3] = 1 - std::pow(double{p.beta2}, step);
  if (!std::isfinite(control[0])) skipped += 1;
}

}  // namespace lamella::ref
