// Eight virus morphologies as signed distances to an outline plus a surface relief. The pictures in
// mind: adenovirus, influenza, ebolavirus, rhabdovirus, poxvirus, geminivirus, tobacco mosaic
// virus, parvovirus clusters.
#include "io/synth_shapes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

namespace lamella::synth {
namespace {

constexpr double kPi = std::numbers::pi;

struct Point {
  double x = 0.0, y = 0.0;
};

double gauss(double t) {
  return std::exp(-t * t);
}

double disc(double x, double y, double radius) {
  return std::hypot(x, y) - radius;
}

// A rectangle of the given half extents with rounded corners.
double rounded_box(double x, double y, double half_x, double half_y, double corner) {
  const double dx = std::abs(x) - half_x + corner;
  const double dy = std::abs(y) - half_y + corner;
  return std::hypot(std::max(dx, 0.0), std::max(dy, 0.0)) + std::min(std::max(dx, dy), 0.0) -
         corner;
}

// A regular polygon of `sides` whose inscribed circle has radius `apothem`.
double polygon(double x, double y, int sides, double apothem) {
  double distance = -std::numeric_limits<double>::infinity();
  for (int k = 0; k < sides; ++k) {
    const double angle = 2.0 * kPi * k / sides;
    distance = std::max(distance, x * std::cos(angle) + y * std::sin(angle) - apothem);
  }
  return distance;
}

// Bumps on a triangular lattice: three plane waves 120 degrees apart.
double lattice(double x, double y, double spacing) {
  double sum = 0.0;
  for (int k = 0; k < 3; ++k) {
    const double angle = 2.0 * kPi * k / 3.0;
    sum += std::cos(2.0 * kPi * (x * std::cos(angle) + y * std::sin(angle)) / spacing);
  }
  return sum / 3.0;
}

Particle make_icosahedral(Rng& rng) {
  // Area of a hexagon: 2 sqrt(3) apothem^2.
  const double apothem = std::sqrt(kParticleArea / (2.0 * std::sqrt(3.0)));
  const double squeeze = rng.uniform(0.94, 1.06);
  const double spacing = rng.uniform(3.6, 4.4);
  return [=](double x, double y) {
    x *= squeeze, y /= squeeze;
    return Field{polygon(x, y, 6, apothem), lattice(x, y, spacing)};
  };
}

Particle make_enveloped(Rng& rng) {
  const double radius = std::sqrt(kParticleArea / kPi) - 1.2;  // the spikes cover the rest
  const double oval = rng.uniform(0.02, 0.10), wave = rng.uniform(0.01, 0.04);
  const double turn = rng.uniform(0.0, 2.0 * kPi);
  const int spikes = 18 + static_cast<int>(rng.below(7));
  return [=](double x, double y) {
    const double angle = std::atan2(y, x);
    const auto outline = [&](double a) {
      return radius * (1.0 + oval * std::cos(2.0 * a) + wave * std::cos(3.0 * a + turn));
    };
    const double body = std::hypot(x, y) - outline(angle);
    const double nearest = std::round(angle * spikes / (2.0 * kPi)) * 2.0 * kPi / spikes;
    const double tip = outline(nearest) + 3.6;
    const double spike = disc(x - tip * std::cos(nearest), y - tip * std::sin(nearest), 1.3);
    const double membrane = gauss((body + 3.2) / 1.1);
    return Field{std::min(body, spike), 0.5 - 1.5 * membrane};
  };
}

// The centre line of a filament: a path of even steps whose heading wanders, hooked at one end.
std::vector<Point> wandering_path(Rng& rng, int steps, double step) {
  const double bend = rng.uniform(0.2, 0.7), phase = rng.uniform(0.0, 2.0 * kPi);
  const double waves = rng.uniform(0.7, 1.6), hook = rng.uniform(0.0, 2.6);
  std::vector<Point> path(1);
  Point mean;
  for (int i = 1; i < steps; ++i) {
    const double along = static_cast<double>(i) / steps;
    const double heading = bend * std::sin(2.0 * kPi * waves * along + phase) +
                           hook * std::max(0.0, along - 0.75) / 0.25;
    const Point& last = path.back();
    path.push_back({last.x + step * std::cos(heading), last.y + step * std::sin(heading)});
    mean.x += path.back().x / steps, mean.y += path.back().y / steps;
  }
  for (Point& point : path) point.x -= mean.x, point.y -= mean.y;
  return path;
}

Particle make_filament(Rng& rng) {
  const double width = rng.uniform(8.0, 9.5), step = 2.0;
  const int steps = static_cast<int>(kParticleArea / width / step);
  const double pitch = rng.uniform(3.4, 4.2);
  return [=, path = wandering_path(rng, steps, step)](double x, double y) {
    double nearest = std::numeric_limits<double>::infinity(), along = 0.0;
    for (std::size_t i = 0; i + 1 < path.size(); ++i) {
      const double dx = path[i + 1].x - path[i].x, dy = path[i + 1].y - path[i].y;
      const double px = x - path[i].x, py = y - path[i].y;
      const double t = std::clamp((px * dx + py * dy) / (step * step), 0.0, 1.0);
      const double distance = std::hypot(px - t * dx, py - t * dy);
      if (distance >= nearest) continue;
      nearest = distance;
      along = (static_cast<double>(i) + t) * step;
    }
    return Field{nearest - width / 2.0, 0.7 * std::cos(2.0 * kPi * along / pitch)};
  };
}

Particle make_bullet(Rng& rng) {
  const double aspect = rng.uniform(2.1, 2.6);
  // Area of width x length less the two corners that the round end cuts off.
  const double width = std::sqrt(kParticleArea / (aspect - 0.5 + kPi / 8.0));
  const double half = aspect * width / 2.0, radius = width / 2.0;
  const double pitch = rng.uniform(3.6, 4.4);
  return [=](double x, double y) {
    const double shaft = rounded_box(x + radius / 2.0, y, half - radius / 2.0, radius, 0.8);
    const double nose = disc(x - half + radius, y, radius);
    const double notch = disc(x + half + 0.25 * radius, y, 0.75 * radius);  // hollow flat end
    return Field{std::max(std::min(shaft, nose), -notch),
                 0.8 * std::cos(2.0 * kPi * (x + 0.15 * std::abs(y)) / pitch)};
  };
}

Particle make_brick(Rng& rng) {
  const double aspect = rng.uniform(1.2, 1.45);
  const double half_y = std::sqrt(kParticleArea / aspect) / 2.0 + 0.6;  // rounding takes some
  const double half_x = half_y * aspect;
  const double period = rng.uniform(5.0, 6.5), phase = rng.uniform(0.0, 2.0 * kPi);
  return [=](double x, double y) {
    const double warp = 1.6 * std::sin(0.45 * x + phase) + 1.2 * std::sin(0.6 * y - phase);
    const double tubules = std::sin(2.0 * kPi * (0.7 * x + 0.7 * y + warp) / period) *
                           std::cos(0.35 * (x - y) + phase);
    return Field{rounded_box(x, y, half_x, half_y, 0.45 * half_y), tubules};
  };
}

Particle make_geminate(Rng& rng) {
  const double apothem = std::sqrt(kParticleArea / 2.0 / (2.0 * std::sqrt(3.0))) * 1.03;
  const double shift = apothem * rng.uniform(0.90, 1.0);
  const double spacing = rng.uniform(3.6, 4.4);
  return [=](double x, double y) {
    const double left = polygon(x + shift, y, 6, apothem);
    const double right = polygon(x - shift, y, 6, apothem);
    const double groove = gauss(x / 1.3);
    return Field{std::min(left, right), 0.8 * lattice(x, y, spacing) - groove};
  };
}

Particle make_rod(Rng& rng) {
  struct Rod {
    double x, y, cos, sin;
  };
  constexpr int kRods = 3;
  const double width = rng.uniform(6.0, 7.0);
  const double length = kParticleArea / kRods / width;
  std::array<Rod, kRods> rods;
  for (int i = 0; i < kRods; ++i) {
    const double angle = rng.uniform(-0.5, 0.5);
    rods[static_cast<std::size_t>(i)] = {rng.uniform(-7.0, 7.0), (i - 1) * rng.uniform(10.0, 15.0),
                                         std::cos(angle), std::sin(angle)};
  }
  return [=](double x, double y) {
    Field field{std::numeric_limits<double>::infinity(), 0.0};
    for (const Rod& rod : rods) {
      const double along = (x - rod.x) * rod.cos + (y - rod.y) * rod.sin;
      const double across = (y - rod.y) * rod.cos - (x - rod.x) * rod.sin;
      const double distance = rounded_box(along, across, length / 2.0, width / 2.0, 0.5);
      if (distance < field.distance) field = {distance, 0.4 - 1.4 * gauss(across / 1.0)};
    }
    return field;
  };
}

Particle make_cluster(Rng& rng) {
  constexpr int kSpheres = 8;
  const double radius = std::sqrt(kParticleArea / kSpheres / kPi);
  // Dropped one by one: each lands at the free place, of some tried, nearest to the centre.
  std::vector<Point> centres;
  while (centres.size() < kSpheres) {
    Point best;
    double best_distance = std::numeric_limits<double>::infinity();
    for (int attempt = 0; attempt < 40; ++attempt) {
      const Point tried{rng.uniform(-26.0, 26.0), rng.uniform(-26.0, 26.0)};
      const bool free = std::all_of(centres.begin(), centres.end(), [&](const Point& c) {
        return std::hypot(c.x - tried.x, c.y - tried.y) > 2.1 * radius;
      });
      const double distance = std::hypot(tried.x, tried.y);
      if (free && distance < best_distance) best = tried, best_distance = distance;
    }
    if (std::isfinite(best_distance)) centres.push_back(best);
  }
  return [=](double x, double y) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const Point& c : centres) nearest = std::min(nearest, disc(x - c.x, y - c.y, radius));
    return Field{nearest, 0.5 - 0.9 * gauss((nearest + radius) / 2.0)};
  };
}

}  // namespace

const std::vector<Shape>& shapes() {
  static const std::vector<Shape> all{{"Icosahedral", make_icosahedral},
                                      {"Enveloped", make_enveloped},
                                      {"Filament", make_filament},
                                      {"Bullet", make_bullet},
                                      {"Rod", make_rod},
                                      {"Geminate", make_geminate},
                                      {"Brick", make_brick},
                                      {"Cluster", make_cluster}};
  return all;
}

}  // namespace lamella::synth
