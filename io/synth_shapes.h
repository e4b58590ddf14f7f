// The outlines and surfaces of the synthetic particles. Private to io/.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "engine/rng.h"

namespace lamella::synth {

// A particle at one point of the image plane.
struct Field {
  double distance = 0.0;  // to the outline in nominal pixels, negative inside
  double relief = 0.0;    // surface structure, within [-1, 1], read inside only
};

// x, y in nominal pixels (a crop is 64 of them wide) from the particle's centre.
using Particle = std::function<Field(double x, double y)>;

struct Shape {
  std::string name;
  Particle (*make)(Rng& rng);  // draws one individual, of about kParticleArea
};

// All shapes cover about the same area, so that it does not tell them apart.
inline constexpr double kParticleArea = 800.0;  // square nominal pixels

const std::vector<Shape>& shapes();

}  // namespace lamella::synth
