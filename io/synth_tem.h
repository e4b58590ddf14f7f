// Synthetic crops that look like negative-stain transmission electron micrographs of viruses, for
// demonstrations and tests. No real image goes into them and they must never be taken for data:
// folder README, file names and TIFF tags all say "synthetic".
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "io/image.h"

namespace lamella {

// The particle shapes, in the order SynthTemOptions::classes takes them: the only thing that
// differs between classes. Brightness, contrast, noise, stain gradient, debris, position, rotation
// and scale are drawn alike for all.
const std::vector<std::string>& synth_tem_classes();

enum class SynthFormat { Tiff, Png };  // both 16-bit gray

struct SynthTemOptions {
  int classes = 6;         // the first so many of synth_tem_classes(), >= 2
  int per_class = 200;     // crops, >= 1
  int size = 64;           // pixels of a side, 32 to 1024
  int per_micrograph = 4;  // crops of one class that share stain, noise and illumination, >= 1
  std::uint64_t seed = 0;
  SynthFormat format = SynthFormat::Tiff;
};

// One crop of synth_tem_classes()[shape], addressed by (seed, shape, index): the same whatever else
// is drawn. 16-bit gray, size x size. Deterministic with one C library: another one may round exp
// and sin differently.
Image render_synth_tem(const SynthTemOptions& options, int shape, int index);

// Writes DIR/<Class>/synthetic_<micrograph>_<crop>.tif (or .png), DIR/manifest.csv with columns
// path, class, micrograph, and DIR/README.txt. DIR is made; it must be empty or absent. Returns the
// paths of the crops relative to DIR, sorted. Throws Error.
std::vector<std::string> write_synth_tem(const std::string& dir, const SynthTemOptions& options);

}  // namespace lamella
