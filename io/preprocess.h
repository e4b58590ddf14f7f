// From a decoded image to the floats a network reads. The same rule runs in training, evaluation
// and prediction, and travels with the weights as text.
//
// Order: turn upright -> convert channels -> resize -> crop -> flips and turns -> normalise. The
// first three are
// fit_image(); the crop is the centre one unless augmentation (io/augment.h) draws another; flips
// and turns happen in augmentation only.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "io/image.h"
#include "io/resize.h"

namespace lamella {

enum class Normalise {
  PerImage,  // (x - mean(x)) / std(x) over all samples of the image, biased std; constant -> zeros
  Fixed,     // (x / max_sample - mean[c]) / std[c]
};

enum class ResizeRule {
  Stretch,    // to exactly (height + margin) x (width + margin)
  ShortSide,  // aspect kept: the smallest size that covers (height + margin) x (width + margin)
};

enum class Exif {
  Ignore,  // images as they are stored, like torchvision's
  Apply,   // upright, as their EXIF orientation says
};

struct Preprocess {
  std::int64_t height = 256, width = 256;  // of the result
  std::int64_t channels = 1;               // 1 or 3
  ResizeRule resize = ResizeRule::Stretch;
  Interpolation interpolation = Interpolation::Bilinear;
  std::int64_t margin = 0;  // pixels resized for and cropped away again, as in 256 -> 224 (32)
  Exif exif = Exif::Ignore;
  Normalise normalise = Normalise::PerImage;
  std::vector<float> mean, std;  // one per channel, on the scale 0..1; Fixed only

  bool operator==(const Preprocess&) const = default;
};

// Throws Error where a field is out of range.
void check(const Preprocess& preprocess);

// RGB -> gray as Pillow's convert("L"): (19595 R + 38470 G + 7471 B + 2^15) / 2^16, which is
// 0.299 R + 0.587 G + 0.114 B; gray -> RGB repeats the sample.
Image convert_channels(const Image& image, std::int64_t channels);

// Turns upright where that is asked for, converts channels and resizes; what a loader may keep
// between epochs. Height and width of the result are at least preprocess.height and .width.
// ShortSide rounds the long side down.
Image fit_image(const Image& image, const Preprocess& preprocess);

// Where the centre crop begins along a side with `room` pixels to spare: half of them, and where
// that is no integer, the even neighbour, as torchvision's CenterCrop (Python's round).
std::int64_t centre_offset(std::int64_t room);

// `preprocess.height` x `.width` out of `image` from row y and column x on.
Image crop(const Image& image, std::int64_t y, std::int64_t x, std::int64_t height,
           std::int64_t width);

// Writes height * width * channels floats, NHWC, to `out`. The image has the final size.
void normalise(const Image& image, const Preprocess& preprocess, float* out);

// fit_image, centre crop, normalise: [height, width, channels].
std::vector<float> prepare_image(const Image& image, const Preprocess& preprocess);

// Text form, for __metadata__ and run.json: keys preprocess.height, .width, .channels, .resize
// (stretch|short_side), .interpolation (bilinear|bicubic), .margin, .exif (ignore|apply),
// .normalise (per_image|fixed), .mean, .std (comma-separated).
using Metadata = std::map<std::string, std::string>;
Metadata to_metadata(const Preprocess& preprocess);
// Other keys are ignored; without .interpolation it is bilinear, without .exif ignore. Throws Error
// naming a key that is missing or wrong.
Preprocess preprocess_from_metadata(const Metadata& metadata);
// The same for a person: "3 channels, short side to 256 (bilinear), centre 224x224, mean …, std …".
std::string describe(const Preprocess& preprocess);

}  // namespace lamella
