// Oracles of the optimiser steps, in double; formulas in kernels/shapes.h.
#pragma once

#include <cmath>
#include <cstdint>

#include "kernels/shapes.h"

namespace lamella::ref {

inline void sgd_step(const FlatShape& s, const SgdParams& p, const double* g, double* m,
                     double* w) {
  for (std::int64_t i = 0; i < s.count; ++i) {
    const double decayed = g[i] + double{p.weight_decay} * w[i];
    m[i] = double{p.momentum} * m[i] + decayed;
    w[i] -= double{p.lr} * (p.nesterov ? decayed + double{p.momentum} * m[i] : m[i]);
  }
}

inline void adam_step(const FlatShape& s, const AdamParams& p, const double* g, double* m,
                      double* v, double* w) {
  const double b1 = double{p.beta1}, b2 = double{p.beta2};
  for (std::int64_t i = 0; i < s.count; ++i) {
    const double decayed = g[i] + double{p.weight_decay} * w[i];
    m[i] = b1 * m[i] + (1 - b1) * decayed;
    v[i] = b2 * v[i] + (1 - b2) * decayed * decayed;
    w[i] -= double{p.lr} * (m[i] / double{p.correction1}) /
            (std::sqrt(v[i] / double{p.correction2}) + double{p.eps});
  }
}

}  // namespace lamella::ref
