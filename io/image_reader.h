// Images by name: FILE, or FILE#N, the image number N, from 0, of an IDX file.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "io/idx.h"
#include "io/image.h"

namespace lamella {

// Keeps the IDX files it was asked for in memory, unpacked. May be used by several threads at once.
class ImageReader {
 public:
  // Throws Error as read_image() and read_idx(), and where the IDX file has no image N.
  Image read(const std::string& name, const ImageLimits& limits = {});
  // Of an IDX file.
  std::int64_t images_in(const std::string& file, const ImageLimits& limits = {});

 private:
  std::shared_ptr<const IdxFile> open(const std::string& file, const ImageLimits& limits);

  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<const IdxFile>> files_;
};

// Names that end in idx3-ubyte or idx3-ubyte.gz: files of images in the layout of MNIST.
bool is_idx_name(const std::string& file);
// FILE#N
std::string idx_image_name(const std::string& file, std::int64_t number);
bool is_idx_image_name(const std::string& name);

}  // namespace lamella
