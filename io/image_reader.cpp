#include "io/image_reader.h"

#include <algorithm>

#include "engine/errors.h"
#include "io/codecs.h"

namespace lamella {
namespace {

constexpr std::size_t kMostDigits = 10;  // 2^32 - 1 has so many

// Where the '#' of FILE#N stands; npos: it is no such name.
std::size_t number_sign(const std::string& name) {
  const std::size_t sign = name.rfind('#');
  if (sign == std::string::npos) return sign;
  const std::size_t digits = name.size() - sign - 1;
  const bool number = digits > 0 && digits <= kMostDigits &&
                      name.find_first_not_of("0123456789", sign + 1) == std::string::npos;
  return number && is_idx_name(name.substr(0, sign)) ? sign : std::string::npos;
}

}  // namespace

bool is_idx_name(const std::string& file) {
  return file.ends_with("idx3-ubyte") || file.ends_with("idx3-ubyte.gz");
}

std::string idx_image_name(const std::string& file, std::int64_t number) {
  return file + "#" + std::to_string(number);
}

bool is_idx_image_name(const std::string& name) {
  return number_sign(name) != std::string::npos;
}

Image ImageReader::read(const std::string& name, const ImageLimits& limits) {
  const std::size_t sign = number_sign(name);
  if (sign == std::string::npos) return read_image(name, limits);
  const auto idx = open(name.substr(0, sign), limits);
  const std::int64_t number = std::stoll(name.substr(sign + 1));
  if (number >= idx->shape[0]) fail(name, ": the file holds ", idx->shape[0], " images, from 0");
  Image image = codecs::make_image(name, limits, idx->shape[1], idx->shape[2], 1, 8);
  const auto pixels = static_cast<std::int64_t>(image.samples.size());
  std::copy_n(idx->values.begin() + number * pixels, pixels, image.samples.begin());
  return image;
}

std::int64_t ImageReader::images_in(const std::string& file, const ImageLimits& limits) {
  return open(file, limits)->shape[0];
}

std::shared_ptr<const IdxFile> ImageReader::open(const std::string& file,
                                                 const ImageLimits& limits) {
  const std::lock_guard lock(mutex_);
  std::shared_ptr<const IdxFile>& idx = files_[file];
  if (!idx) idx = std::make_shared<const IdxFile>(read_idx(file, 3, limits));
  return idx;
}

}  // namespace lamella
