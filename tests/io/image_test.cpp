// Reading every variant of every format, limits, refusals, and the writers.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "fixtures.h"
#include "io/codecs.h"
#include "io/image.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::pattern;

void expect_same(const Image& image, const Image& expected) {
  EXPECT_EQ(image.height, expected.height);
  EXPECT_EQ(image.width, expected.width);
  EXPECT_EQ(image.channels, expected.channels);
  EXPECT_EQ(image.bit_depth, expected.bit_depth);
  EXPECT_EQ(image.samples, expected.samples);
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST(Png, EveryColorTypeAndDepth) {
  const std::vector<std::pair<int, std::vector<int>>> kinds{
      {0, {1, 2, 4, 8, 16}}, {2, {8, 16}}, {3, {1, 2, 4, 8}}, {4, {8, 16}}, {6, {8, 16}}};
  for (const auto& [color_type, depths] : kinds) {
    for (const int bits : depths) {
      for (const bool interlaced : {false, true}) {
        SCOPED_TRACE(testing::Message() << "color type " << color_type << ", " << bits
                                        << " bits, interlaced " << interlaced);
        Image expected;
        const auto bytes = fixtures::make_png({color_type, bits, interlaced}, 11, 13, expected);
        expect_same(decode_image(bytes, "a.png"), expected);
      }
    }
  }
}

TEST(Png, WriterRoundTrip) {
  const fixtures::TempDir dir;
  for (const int bits : {8, 16}) {
    for (const int channels : {1, 3}) {
      const Image image = pattern(70, 5, channels, bits);
      write_png(dir.path("a.png"), image);
      expect_same(read_image(dir.path("a.png")), image);
      write_tiff(dir.path("a.tif"), image, "synthetic");
      expect_same(read_image(dir.path("a.tif")), image);
    }
  }
}

// Against Pillow's exif_transpose, on files that goldens/make_exif_goldens.py made.
TEST(Jpeg, IsTurnedUprightLikePillows) {
  std::ifstream goldens(LAMELLA_GOLDENS "/exif.txt");
  std::string line;
  ASSERT_TRUE(std::getline(goldens, line)) << "no goldens";
  int orientation = 0;
  while (std::getline(goldens, line)) {
    SCOPED_TRACE(line.substr(0, line.find(':')));
    std::istringstream in(line);
    std::string name, colon;
    std::int64_t height = 0, width = 0;
    in >> name >> height >> width >> colon;
    const Image stored = read_image(LAMELLA_GOLDENS "/" + name);
    EXPECT_EQ(stored.height, 9);
    EXPECT_EQ(stored.width, 13);
    EXPECT_EQ(stored.orientation, ++orientation);
    const Image image = upright(stored);
    EXPECT_EQ(image.orientation, 1);
    ASSERT_EQ(image.height, height);
    ASSERT_EQ(image.width, width);
    for (const std::uint16_t sample : image.samples) {
      int expected = -1;
      ASSERT_TRUE(in >> expected);
      EXPECT_NEAR(sample, expected, 1);
    }
  }
  EXPECT_EQ(orientation, 8);
}

TEST(Jpeg, AllChannelsTurnTogether) {
  Image image{1, 2, 3, 16, {1, 2, 3, 4, 5, 6}};
  image.orientation = 8;
  const Image turned = upright(image);
  EXPECT_EQ(turned.height, 2);
  EXPECT_EQ(turned.samples, (std::vector<std::uint16_t>{4, 5, 6, 1, 2, 3}));
}

// Each length of a file with an orientation, and each byte of its head changed: no read outside,
// and 1 where nothing makes sense.
TEST(Jpeg, DamagedExifIsNone) {
  const std::vector<std::uint8_t> bytes = fixtures::read_bytes(LAMELLA_GOLDENS "/exif_6.jpg");
  std::size_t whole = 0;
  for (std::size_t length = 0; length <= bytes.size(); ++length) {
    const std::vector<std::uint8_t> part(bytes.begin(),
                                         bytes.begin() + static_cast<std::ptrdiff_t>(length));
    const int orientation = codecs::exif_orientation(part);
    whole += orientation == 6;
    EXPECT_TRUE(orientation == 1 || orientation == 6);
  }
  EXPECT_GT(whole, bytes.size() / 2);
  for (std::size_t i = 0; i < 100; ++i) {
    for (const int value : {0x00, 0x01, 0x7F, 0xFF}) {
      std::vector<std::uint8_t> damaged = bytes;
      damaged[i] = static_cast<std::uint8_t>(value);
      const int orientation = codecs::exif_orientation(damaged);
      EXPECT_TRUE(orientation >= 1 && orientation <= 8);
    }
  }
}

TEST(Jpeg, GrayAndRgbBaselineAndProgressive) {
  for (const int channels : {1, 3}) {
    for (const bool progressive : {false, true}) {
      const Image image = decode_image(fixtures::make_jpeg(24, 40, channels, progressive), "a.jpg");
      ASSERT_EQ(image.height, 24);
      ASSERT_EQ(image.width, 40);
      ASSERT_EQ(image.channels, channels);
      EXPECT_EQ(image.bit_depth, 8);
      for (std::int64_t y = 0; y < 24; ++y) {
        for (std::int64_t x = 0; x < 40; ++x) {
          for (int c = 0; c < channels; ++c) {
            const auto i = static_cast<std::size_t>((y * 40 + x) * channels + c);
            const auto expected = static_cast<double>(255 * (c % 2 == 0 ? x : y) / 40);
            EXPECT_NEAR(image.samples[i], expected, 8) << y << " " << x << " " << c;
          }
        }
      }
    }
  }
}

TEST(Jpeg, RefusesCmyk) {
  const auto bytes = fixtures::make_jpeg(8, 8, 4, false);
  EXPECT_EQ(error_of([&] { decode_image(bytes, "a.jpg"); }),
            "a.jpg: this is a CMYK JPEG; convert it to RGB or gray");
}

// Every layout: 4 compressions x gray or RGB x 8 or 16 bits x strips or tiles x planes x byte
// order.
TEST(Tiff, EveryLayout) {
  for (int i = 0; i < 4 * 32; ++i) {
    fixtures::TiffVariant v;
    v.compression = std::vector{1, 5, 8, 32773}[static_cast<std::size_t>(i % 4)];
    v.channels = (i & 4) != 0 ? 3 : 1;
    v.bits = (i & 8) != 0 ? 16 : 8;
    v.tiled = (i & 16) != 0;
    v.planar = (i & 32) != 0;
    v.big_endian = (i & 64) != 0;
    SCOPED_TRACE(testing::Message() << "compression " << v.compression << ", " << v.channels
                                    << " channels, " << v.bits << " bits, tiled " << v.tiled
                                    << ", planar " << v.planar << ", big-endian " << v.big_endian);
    const Image image = pattern(37, 41, v.channels, v.bits);
    expect_same(decode_image(fixtures::make_tiff(v, image), "a.tif"), image);
  }
}

TEST(Tiff, MinIsWhiteExtraSamplesAndBigTiff) {
  for (const int bits : {8, 16}) {
    fixtures::TiffVariant v;
    v.bits = bits;
    v.min_is_white = true;
    v.big_tiff = bits == 16;
    expect_same(decode_image(fixtures::make_tiff(v, pattern(9, 7, 1, bits)), "a.tif"),
                pattern(9, 7, 1, bits));
    for (const bool planar : {false, true}) {
      fixtures::TiffVariant rgba;
      rgba.bits = bits;
      rgba.channels = 3;
      rgba.extra_samples = 1;
      rgba.planar = planar;
      expect_same(decode_image(fixtures::make_tiff(rgba, pattern(9, 7, 3, bits)), "a.tif"),
                  pattern(9, 7, 3, bits));
    }
  }
}

TEST(Image, LimitsAreCheckedBeforeDecoding) {
  Image ignored;
  const auto png = fixtures::make_png({0, 8, false}, 20, 30, ignored);
  const auto jpeg = fixtures::make_jpeg(20, 30, 1, false);
  const auto tiff = fixtures::make_tiff({}, pattern(20, 30, 1, 8));
  for (const auto& bytes : {png, jpeg, tiff}) {
    ImageLimits pixels;
    pixels.pixels = 599;
    EXPECT_EQ(error_of([&] { decode_image(bytes, "a", pixels); }),
              "a: the image has 20x30 pixels but the limit is 599 in all");
    ImageLimits memory;
    memory.bytes = 1199;
    EXPECT_EQ(error_of([&] { decode_image(bytes, "a", memory); }),
              "a: the decoded image of 20x30x1 takes 1200 bytes but the limit is 1199");
    memory.bytes = 1200;
    EXPECT_EQ(decode_image(bytes, "a", memory).width, 30);
  }
  const fixtures::TempDir dir;
  fixtures::write_bytes(dir.path("a.png"), png);
  ImageLimits file;
  file.file_bytes = 10;
  EXPECT_TRUE(contains(error_of([&] { read_image(dir.path("a.png"), file); }), "the limit is 10"));
}

TEST(Image, ErrorsNameFileAndReason) {
  const fixtures::TempDir dir;
  EXPECT_EQ(error_of([&] { read_image(dir.path("no.png")); }),
            dir.path("no.png") + ": there is no such file");
  EXPECT_EQ(error_of([&] { read_image(dir.path()); }), dir.path() + ": this is not a file");
  EXPECT_EQ(error_of([] { decode_image({}, "a.png"); }), "a.png: the file is empty");
  fixtures::write_text(dir.path("a.png"), "GIF89a");
  EXPECT_EQ(error_of([&] { read_image(dir.path("a.png")); }),
            dir.path("a.png") + ": this is no PNG, JPEG or TIFF file (it begins with 47 49 46 38)");
}

TEST(Image, TruncationNamesTheRow) {
  Image ignored;
  auto png = fixtures::make_png({0, 16, false}, 200, 200, ignored);
  png.resize(png.size() / 2);
  const std::string png_error = error_of([&] { decode_image(png, "a.png"); });
  EXPECT_TRUE(contains(png_error, "a.png: the PNG file is truncated or damaged after row "));
  EXPECT_TRUE(contains(png_error, " of 200 (the file ends early)")) << png_error;

  auto jpeg = fixtures::make_jpeg(200, 200, 1, false);
  jpeg.resize(jpeg.size() / 2);
  const std::string jpeg_error = error_of([&] { decode_image(jpeg, "a.jpg"); });
  EXPECT_TRUE(contains(jpeg_error, "a.jpg: the JPEG file is truncated or damaged after row "));

  fixtures::TiffVariant lzw;
  lzw.compression = 5;
  auto tiff = fixtures::make_tiff(lzw, pattern(200, 200, 1, 8));
  const std::vector<std::uint8_t> nothing(tiff.size() / 2);
  std::copy(nothing.begin(), nothing.end(),
            tiff.begin() + static_cast<std::ptrdiff_t>(tiff.size() / 4));  // strips only
  const std::string tiff_error = error_of([&] { decode_image(tiff, "a.tif"); });
  EXPECT_TRUE(contains(tiff_error, "a.tif: the TIFF file is truncated or damaged after row "))
      << tiff_error;
}

TEST(Image, WritersRefuseInSentences) {
  const fixtures::TempDir dir;
  const Image two = pattern(4, 4, 2, 8);
  EXPECT_TRUE(contains(error_of([&] { write_png(dir.path("a.png"), two); }), "4x4x2"));
  EXPECT_TRUE(contains(error_of([&] { write_tiff(dir.path("no/a.tif"), pattern(4, 4, 1, 8)); }),
                       "a.tif: the file cannot be created"));
  EXPECT_TRUE(contains(error_of([&] { write_png(dir.path("no/a.png"), pattern(4, 4, 1, 8)); }),
                       "a.png: the file cannot be created"));
}

TEST(Image, Names) {
  EXPECT_TRUE(is_image_name("a/b.TIF"));
  EXPECT_TRUE(is_image_name("b.jpeg"));
  EXPECT_FALSE(is_image_name("b.txt"));
  EXPECT_FALSE(is_image_name("png"));
}

}  // namespace
}  // namespace lamella
