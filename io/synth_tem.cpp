// Puts synthetic particles onto a stained, noisy background and writes them as a data set.
#include "io/synth_tem.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <numbers>

#include "engine/errors.h"
#include "engine/rng.h"
#include "io/synth_shapes.h"

namespace lamella {
namespace {

namespace fs = std::filesystem;

constexpr double kNominal = 64.0;   // nominal pixels along a side; a crop of another size is a zoom
constexpr int kMaxCrops = 1 << 20;  // of one class

// What the crops of one micrograph share. Drawn without a look at the class.
struct Micrograph {
  double contrast, noise, grain, grain_period, stain, stain_period, gradient, gradient_angle;
  double rim, rim_width, softness, gamma, mean, std;
};

Micrograph draw_micrograph(Rng rng) {
  Micrograph m{};
  m.contrast = rng.uniform(0.85, 1.25);
  m.noise = rng.uniform(0.06, 0.34);
  m.grain = rng.uniform(0.06, 0.28);
  m.grain_period = rng.uniform(1.6, 3.2);
  m.stain = rng.uniform(0.08, 0.30);
  m.stain_period = rng.uniform(12.0, 28.0);
  m.gradient = rng.uniform(0.0, 0.6);
  m.gradient_angle = rng.uniform(0.0, 2.0 * std::numbers::pi);
  m.rim_width = rng.uniform(1.8, 4.2);
  m.softness = rng.uniform(0.45, 0.95);
  m.gamma = rng.uniform(0.5, 2.0);
  m.rim = rng.uniform(0.5, 1.5);
  m.mean = rng.uniform(0.38, 0.62);
  m.std = rng.uniform(0.09, 0.17);
  return m;
}

// Smooth noise of about unit variance: normals on a square lattice, cubic blends in between.
class SmoothNoise {
 public:
  SmoothNoise(Rng& rng, double period)
      : period_(period),
        side_(static_cast<int>(kNominal / period) + 3),
        nodes_(static_cast<std::size_t>(side_ * side_)) {
    for (double& node : nodes_) node = rng.normal();
  }

  double operator()(double x, double y) const {  // x, y in [0, kNominal]
    const double u = x / period_, v = y / period_;
    const int i = static_cast<int>(u), j = static_cast<int>(v);
    const double a = blend(u - i), b = blend(v - j);
    const double top = (1.0 - a) * node(i, j) + a * node(i + 1, j);
    const double bottom = (1.0 - a) * node(i, j + 1) + a * node(i + 1, j + 1);
    return 1.35 * ((1.0 - b) * top + b * bottom);  // blending has averaged some variance away
  }

 private:
  static double blend(double t) { return t * t * (3.0 - 2.0 * t); }
  double node(int i, int j) const { return nodes_[static_cast<std::size_t>(j * side_ + i)]; }

  double period_;
  int side_;
  std::vector<double> nodes_;
};

// Where the particle lies, and how far the stain has entered it.
struct Pose {
  double x, y, cos, sin, scale, filling;
  bool mirrored;
};

Pose draw_pose(Rng& rng) {
  const double angle = rng.uniform(0.0, 2.0 * std::numbers::pi);
  Pose pose{};
  pose.x = kNominal / 2.0 + rng.uniform(-6.0, 6.0);
  pose.y = kNominal / 2.0 + rng.uniform(-6.0, 6.0);
  pose.cos = std::cos(angle);
  pose.sin = std::sin(angle);
  pose.scale = rng.uniform(0.82, 1.22);
  pose.filling = rng.uniform(0.0, 0.45);
  pose.mirrored = rng.below(2) == 1;
  return pose;
}

struct Speck {
  double x, y, radius;
};

std::vector<Speck> draw_debris(Rng& rng) {
  std::vector<Speck> debris(rng.below(7));
  for (Speck& speck : debris) {
    speck = {rng.uniform(0.0, kNominal), rng.uniform(0.0, kNominal), rng.uniform(0.8, 2.8)};
  }
  return debris;
}

// Negative stain: what excludes stain is bright, most so at its edge, and the stain that gathers
// around it is dark.
double stained(double distance, double relief, double filling, const Micrograph& m) {
  const double inside = 1.0 / (1.0 + std::exp(distance / (0.6 * m.softness)));
  const double edge = std::exp(-std::abs(distance) / 3.0);
  const double body = 1.0 - filling * (1.0 - edge) + 0.35 * relief;
  const double rim = std::exp(-std::max(distance, 0.0) / m.rim_width);
  return inside * body - m.rim * (1.0 - inside) * rim;
}

class Crop {
 public:
  Crop(const SynthTemOptions& options, int shape, const Micrograph& micrograph, Rng& rng)
      : size_(options.size),
        m_(micrograph),
        pose_(draw_pose(rng)),
        debris_(draw_debris(rng)),
        stain_(rng, m_.stain_period),
        grain_(rng, m_.grain_period),
        particle_(synth::shapes()[static_cast<std::size_t>(shape)].make(rng)) {}

  std::vector<double> render(Rng& rng) const {
    std::vector<double> pixels;
    pixels.reserve(static_cast<std::size_t>(size_ * size_));
    for (int row = 0; row < size_; ++row) {
      for (int column = 0; column < size_; ++column) {
        const double x = (column + 0.5) * kNominal / size_, y = (row + 0.5) * kNominal / size_;
        pixels.push_back(background(x, y) + m_.contrast * objects(x, y) + m_.noise * rng.normal());
      }
    }
    return pixels;
  }

 private:
  double background(double x, double y) const {
    const double slope = std::cos(m_.gradient_angle) * (x / kNominal - 0.5) +
                         std::sin(m_.gradient_angle) * (y / kNominal - 0.5);
    return m_.stain * stain_(x, y) + m_.grain * grain_(x, y) + m_.gradient * slope;
  }

  double objects(double x, double y) const {
    const double dx = (x - pose_.x) / pose_.scale, dy = (y - pose_.y) / pose_.scale;
    const double u = dx * pose_.cos + dy * pose_.sin;
    const double v = dy * pose_.cos - dx * pose_.sin;
    const synth::Field field = particle_(u, pose_.mirrored ? -v : v);
    double value = stained(field.distance * pose_.scale, field.relief, pose_.filling, m_);
    for (const Speck& speck : debris_) {
      const double distance = std::hypot(x - speck.x, y - speck.y) - speck.radius;
      if (distance > 4.0 || field.distance < 1.0) continue;
      value += 0.7 * stained(distance, 0.0, 0.0, m_);
    }
    return value;
  }

  int size_;
  const Micrograph& m_;
  Pose pose_;
  std::vector<Speck> debris_;
  SmoothNoise stain_, grain_;
  synth::Particle particle_;
};

// The response of the detector: a curve between the darkest and the brightest pixel, then the mean
// and deviation of the micrograph. Neither depends on what the crop shows.
Image develop(const std::vector<double>& pixels, int size, const Micrograph& m) {
  const auto [low, high] = std::minmax_element(pixels.begin(), pixels.end());
  const double dark = *low, range = *high - *low;
  std::vector<double> curved;
  double mean = 0.0, square = 0.0;
  for (const double pixel : pixels) {
    curved.push_back(std::pow((pixel - dark) / range, m.gamma));
    mean += curved.back();
    square += curved.back() * curved.back();
  }
  const auto count = static_cast<double>(pixels.size());
  mean /= count;
  const double deviation = std::sqrt(square / count - mean * mean);
  Image image{size, size, 1, 16, {}};
  for (const double value : curved) {
    const double level = m.mean + m.std * (value - mean) / deviation;
    image.samples.push_back(
        static_cast<std::uint16_t>(std::lround(65535.0 * std::clamp(level, 0.0, 1.0))));
  }
  return image;
}

void check_options(const SynthTemOptions& options) {
  const auto shapes = static_cast<int>(synth::shapes().size());
  if (options.classes < 2 || options.classes > shapes) {
    fail("synth tem: ", options.classes, " classes were asked for; there are 2 to ", shapes);
  }
  if (options.per_class < 1 || options.per_class > kMaxCrops) {
    fail("synth tem: ", options.per_class, " crops per class were asked for; 1 to ", kMaxCrops,
         " can be made");
  }
  if (options.size < 32 || options.size > 1024) {
    fail("synth tem: the size is ", options.size, "; it must be in 32..1024");
  }
  if (options.per_micrograph < 1) {
    fail("synth tem: ", options.per_micrograph, " crops per micrograph; at least 1 is needed");
  }
}

// Substreams of RngStream::Synth: one per crop, and, with the top bit set, one per micrograph.
std::uint32_t substream(int shape, int index) {
  return (static_cast<std::uint32_t>(shape) << 24U) | static_cast<std::uint32_t>(index);
}

void write_readme(const std::string& dir, const SynthTemOptions& options) {
  std::ofstream readme(dir + "/README.txt");
  readme
      << "SYNTHETIC images. Every crop in this folder was drawn by a program (lamella synth tem).\n"
         "None shows a real specimen; do not use them as scientific data.\n\n"
      << options.classes << " classes, " << options.per_class << " crops each, " << options.size
      << "x" << options.size << " pixels, 16-bit gray, seed " << options.seed << ".\n"
      << "Crops of one invented micrograph share stain, noise and illumination: manifest.csv\n"
         "says which; keep them in one split.\n";
  if (!readme.flush()) fail(dir, "/README.txt: the file cannot be written");
}

}  // namespace

const std::vector<std::string>& synth_tem_classes() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const auto& shape : synth::shapes()) list.push_back(shape.name);
    return list;
  }();
  return names;
}

Image render_synth_tem(const SynthTemOptions& options, int shape, int index) {
  check_options(options);
  if (shape < 0 || shape >= static_cast<int>(synth::shapes().size()) || index < 0 ||
      index >= kMaxCrops) {
    fail("synth tem: there is no crop ", index, " of shape ", shape);
  }
  const int micrograph = index / options.per_micrograph;
  const Micrograph shared = draw_micrograph(
      Rng(options.seed, RngStream::Synth, 0x80000000U | substream(shape, micrograph)));
  Rng rng(options.seed, RngStream::Synth, substream(shape, index));
  const Crop crop(options, shape, shared, rng);
  return develop(crop.render(rng), options.size, shared);
}

std::vector<std::string> write_synth_tem(const std::string& dir, const SynthTemOptions& options) {
  check_options(options);
  std::error_code error;
  if (fs::exists(dir, error) && !(fs::is_directory(dir, error) && fs::is_empty(dir, error))) {
    fail("synth tem: ", dir, " exists and is not an empty folder; name another one or remove it");
  }
  std::vector<std::string> files, rows;
  for (int shape = 0; shape < options.classes; ++shape) {
    const std::string& name = synth_tem_classes()[static_cast<std::size_t>(shape)];
    fs::create_directories(dir + "/" + name, error);
    if (error) fail(dir, "/", name, ": the folder cannot be made (", error.message(), ")");
    for (int index = 0; index < options.per_class; ++index) {
      char micrograph[16], crop[16];
      std::snprintf(micrograph, sizeof(micrograph), "%05d", index / options.per_micrograph);
      std::snprintf(crop, sizeof(crop), "%05d", index % options.per_micrograph);
      const bool tiff = options.format == SynthFormat::Tiff;
      files.push_back(name + "/synthetic_" + micrograph + "_" + crop + (tiff ? ".tif" : ".png"));
      rows.push_back(files.back() + "," + name + "," + name + "/synthetic_" + micrograph);
      const Image image = render_synth_tem(options, shape, index);
      const std::string path = dir + "/" + files.back();
      if (tiff) {
        write_tiff(path, image, "synthetic image drawn by lamella synth tem; not a micrograph");
      } else {
        write_png(path, image);
      }
    }
  }
  std::sort(files.begin(), files.end());
  std::sort(rows.begin(), rows.end());
  std::ofstream manifest(dir + "/manifest.csv");
  manifest << "path,class,micrograph\n";
  for (const std::string& row : rows) manifest << row << '\n';
  if (!manifest.flush()) fail(dir, "/manifest.csv: the file cannot be written");
  write_readme(dir, options);
  return files;
}

}  // namespace lamella
