// An IDX file, gzipped or not, read as images and as labels.
#include <cstdlib>
#include <fstream>

#include "io/image_reader.h"
#include "tests/fuzz/attempt.h"
#include "tests/support/temporary_folder.h"

using namespace lamella;

namespace {

constexpr std::size_t kUnpacked = 8U << 20U;  // bytes

void read_labels(const std::string& path, const ImageLimits& limits) {
  const IdxFile labels = read_idx(path, 1, limits);
  if (labels.values.size() != static_cast<std::size_t>(labels.shape.at(0))) std::abort();
}

void read_last_image(const std::string& path, const ImageLimits& limits) {
  ImageReader reader;
  const std::int64_t images = reader.images_in(path, limits);
  const Image image = reader.read(idx_image_name(path, images - 1), limits);
  if (image.samples.size() != static_cast<std::size_t>(image.height * image.width)) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const TemporaryFolder folder;
  static const std::string path = folder.file("fuzz-idx3-ubyte.gz");
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(data), static_cast<std::streamsize>(size));
  ImageLimits limits;
  limits.pixels = 1 << 20;
  limits.bytes = kUnpacked;
  attempt([&] { read_labels(path, limits); });
  attempt([&] { read_last_image(path, limits); });
  return 0;
}
