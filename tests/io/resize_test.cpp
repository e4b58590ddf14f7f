// The resize against Pillow's, on goldens made by goldens/make_resize_goldens.py.
#include "io/resize.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fixtures.h"

namespace lamella {
namespace {

TEST(Resize, EqualsPillowWithinOneOf255) {
  std::ifstream goldens(LAMELLA_GOLDENS "/resize.txt");
  std::string line;
  ASSERT_TRUE(std::getline(goldens, line)) << "no goldens";
  int cases = 0;
  while (std::getline(goldens, line)) {
    SCOPED_TRACE(line.substr(0, line.find(':')));
    std::istringstream in(line);
    std::string filter, mode, arrow, colon;
    std::int64_t from_height = 0, from_width = 0, height = 0, width = 0;
    in >> filter >> mode >> from_height >> from_width >> arrow >> height >> width >> colon;
    const int bits = mode == "F" ? 16 : 8;
    const Image image = fixtures::pattern(from_height, from_width, mode == "RGB" ? 3 : 1, bits);
    const Image resized =
        resize(image, height, width,
               filter == "BICUBIC" ? Interpolation::Bicubic : Interpolation::Bilinear);
    ASSERT_EQ(resized.height, height);
    ASSERT_EQ(resized.width, width);
    // 8 bits: Pillow may take the columns first where that is less work, and then rounds otherwise.
    // 16 bits: floats in between, so the order does not matter; far below 1 of 255.
    const double tolerance = 1.0;
    double worst = 0.0;
    for (const std::uint16_t sample : resized.samples) {
      double expected = -1.0;
      ASSERT_TRUE(in >> expected);
      worst = std::max(worst, std::abs(sample - expected));
    }
    EXPECT_LE(worst, tolerance);
    ++cases;
  }
  EXPECT_EQ(cases, 38);
}

TEST(Resize, KeepsConstantsAndRefusesNothing) {
  Image image{5, 3, 1, 16, std::vector<std::uint16_t>(15, 65535)};
  for (const std::uint16_t sample : resize(image, 9, 2).samples) EXPECT_EQ(sample, 65535);
  image.bit_depth = 8;
  image.samples.assign(15, 255);
  for (const std::uint16_t sample : resize(image, 9, 2).samples) EXPECT_EQ(sample, 255);
  EXPECT_EQ(fixtures::error_of([&] { resize(image, 0, 4); }),
            "resize: the result would be 0x4; both must be at least 1");
}

}  // namespace
}  // namespace lamella
