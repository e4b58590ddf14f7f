// The segments of a JPEG file, of any bytes, up to the EXIF orientation.
#include <cstdlib>

#include "io/codecs.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int orientation = lamella::codecs::exif_orientation({data, size});
  if (orientation < 1 || orientation > 8) std::abort();
  return 0;
}
