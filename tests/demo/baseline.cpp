// Prints how well intensities alone tell the held-out crops of the demo apart:
//   demo_baseline DATA_FOLDER
// The split is the one of recipes/demo_synth.toml: fractions, groups and seed.
#include <cstdio>

#include "engine/errors.h"
#include "tests/io/intensity_baseline.h"

int main(int argc, char** argv) try {
  if (argc != 2) return 2;
  lamella::DatasetOptions options;
  options.group_column = "micrograph";
  lamella::Dataset crops = lamella::read_dataset(argv[1], options);
  lamella::split(crops, {0.7, 0.1, 0.2}, 0);
  const lamella::IntensityBaseline baseline = lamella::intensity_baseline(
      crops.subset(lamella::Split::Train), crops.subset(lamella::Split::Test));
  std::printf("%.4f\n", baseline.accuracy);
} catch (const lamella::Error& error) {
  std::fprintf(stderr, "%s\n", error.what());
  return 1;
}
