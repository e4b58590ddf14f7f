// Channel conversion, fitting, normalisation and the text form.
#include "io/preprocess.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fixtures.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::pattern;

Preprocess plain(std::int64_t height, std::int64_t width, std::int64_t channels) {
  Preprocess preprocess;
  preprocess.height = height;
  preprocess.width = width;
  preprocess.channels = channels;
  return preprocess;
}

TEST(Preprocess, GrayIsPillowsL) {
  // Pillow: Image.new("RGB", (1, 1), rgb).convert("L").getpixel((0, 0))
  const Image rgb{1, 5, 3, 8, {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 10, 20, 30}};
  EXPECT_EQ(convert_channels(rgb, 1).samples, (std::vector<std::uint16_t>{76, 150, 29, 255, 18}));
  const Image white{1, 1, 3, 16, {65535, 65535, 65535}};
  EXPECT_EQ(convert_channels(white, 1).samples, std::vector<std::uint16_t>{65535});
  const Image gray{1, 2, 1, 8, {7, 9}};
  EXPECT_EQ(convert_channels(gray, 3).samples, (std::vector<std::uint16_t>{7, 7, 7, 9, 9, 9}));
}

TEST(Preprocess, PerImageIsZScore) {
  for (const int bits : {8, 16}) {
    const auto pixels = prepare_image(pattern(20, 30, 1, bits), plain(20, 30, 1));
    double mean = 0.0, square = 0.0;
    for (const float value : pixels) mean += value / 600.0;
    for (const float value : pixels) square += (value - mean) * (value - mean) / 600.0;
    EXPECT_NEAR(mean, 0.0, 1e-6);
    EXPECT_NEAR(square, 1.0, 1e-5);
  }
}

TEST(Preprocess, ConstantImageBecomesZeros) {
  const Image flat{4, 4, 1, 8, std::vector<std::uint16_t>(16, 200)};
  for (const float value : prepare_image(flat, plain(4, 4, 1))) EXPECT_EQ(value, 0.0F);
  for (const float value : prepare_image(flat, plain(9, 7, 3))) EXPECT_EQ(value, 0.0F);
}

TEST(Preprocess, FixedUsesTheScaleOneForBothDepths) {
  Preprocess fixed = plain(1, 2, 3);
  fixed.normalise = Normalise::Fixed;
  fixed.mean = {0.5F, 0.25F, 0.0F};
  fixed.std = {0.5F, 0.25F, 2.0F};
  const Image bytes{1, 2, 3, 8, {255, 255, 255, 0, 0, 0}};
  const Image words{1, 2, 3, 16, {65535, 65535, 65535, 0, 0, 0}};
  const std::vector<float> expected{1.0F, 3.0F, 0.5F, -1.0F, -1.0F, 0.0F};
  EXPECT_EQ(prepare_image(bytes, fixed), expected);
  EXPECT_EQ(prepare_image(words, fixed), expected);
}

TEST(Preprocess, FitCoversTheTarget) {
  Preprocess preprocess = plain(224, 224, 1);
  preprocess.margin = 32;
  const Image wide = pattern(300, 500, 1, 8);
  EXPECT_EQ(fit_image(wide, preprocess).width, 256);
  preprocess.resize = ResizeRule::ShortSide;
  EXPECT_EQ(fit_image(wide, preprocess).height, 256);
  EXPECT_EQ(fit_image(wide, preprocess).width, 426);  // 256 * 500 / 300, rounded down
  const Image tall = pattern(33, 10, 1, 8);
  EXPECT_EQ(fit_image(tall, preprocess).width, 256);
  EXPECT_EQ(fit_image(tall, preprocess).height, 844);
  EXPECT_EQ(prepare_image(tall, preprocess).size(), 224U * 224U);
}

TEST(Preprocess, CropTakesTheMiddle) {
  const Image image = pattern(6, 7, 3, 8);
  const Image part = crop(image, 2, 1, 3, 4);
  for (std::int64_t y = 0; y < 3; ++y) {
    for (std::int64_t i = 0; i < 4 * 3; ++i) {
      EXPECT_EQ(part.samples[static_cast<std::size_t>(y * 12 + i)],
                image.samples[static_cast<std::size_t>((y + 2) * 21 + 3 + i)]);
    }
  }
  EXPECT_EQ(error_of([&] { crop(image, 4, 0, 3, 4); }),
            "crop: 3x4 pixels from row 4, column 0 do not lie in an image of 6x7");
}

TEST(Preprocess, TextFormKeepsEverything) {
  Preprocess p = plain(299, 320, 3);
  p.resize = ResizeRule::ShortSide;
  p.margin = 43;
  p.interpolation = Interpolation::Bicubic;
  p.exif = Exif::Apply;
  EXPECT_EQ(preprocess_from_metadata(to_metadata(p)), p);
  p.normalise = Normalise::Fixed;
  p.mean = {0.485F, 0.456F, 0.406F};
  p.std = {0.229F, 0.224F, 0.225F};
  EXPECT_EQ(preprocess_from_metadata(to_metadata(p)), p);
}

// Files from before there was a choice.
TEST(Preprocess, WithoutInterpolationItIsBilinearAndWithoutExifIgnored) {
  Preprocess p = plain(5, 6, 1);
  p.interpolation = Interpolation::Bicubic;
  Metadata metadata = to_metadata(p);
  metadata.erase("preprocess.interpolation");
  EXPECT_EQ(preprocess_from_metadata(metadata).interpolation, Interpolation::Bilinear);
  metadata.erase("preprocess.exif");
  EXPECT_EQ(preprocess_from_metadata(metadata).exif, Exif::Ignore);
}

TEST(Preprocess, AppliesTheOrientationWhereAsked) {
  Preprocess p = plain(2, 1, 1);
  p.normalise = Normalise::Fixed;
  p.mean = {0};
  p.std = {1};
  Image image{1, 2, 1, 8, {0, 255}};
  image.orientation = 6;
  p.exif = Exif::Apply;
  EXPECT_EQ(prepare_image(image, p), (std::vector<float>{0, 1}));
  image.orientation = 8;
  EXPECT_EQ(prepare_image(image, p), (std::vector<float>{1, 0}));
  p.exif = Exif::Ignore;
  p.height = 1;
  p.width = 2;
  EXPECT_EQ(prepare_image(image, p), (std::vector<float>{0, 1}));
  EXPECT_EQ(describe(p), "1 channel, resized to 1x2 (bilinear), mean 0, std 1");
  p.exif = Exif::Apply;
  EXPECT_NE(describe(p).find("upright by EXIF"), std::string::npos);
}

// int(round(room / 2)) of Python.
TEST(Preprocess, TheCentreIsTorchvisions) {
  const std::int64_t offsets[] = {0, 0, 1, 2, 2, 2, 3, 4};
  for (std::int64_t room = 0; room < 8; ++room) EXPECT_EQ(centre_offset(room), offsets[room]);
  EXPECT_EQ(centre_offset(43), 22);
}

TEST(Preprocess, SaysWhatItDoes) {
  Preprocess p = plain(224, 224, 3);
  EXPECT_EQ(describe(p), "3 channels, resized to 224x224 (bilinear), z-score per image");
  p.resize = ResizeRule::ShortSide;
  p.margin = 32;
  p.interpolation = Interpolation::Bicubic;
  p.normalise = Normalise::Fixed;
  p.mean = p.std = {0.5F, 0.25F, 1};
  EXPECT_EQ(describe(p),
            "3 channels, short side to 256 (bicubic), centre 224x224, mean 0.5,0.25,1, std "
            "0.5,0.25,1");
}

TEST(Preprocess, WrongTextIsRefused) {
  const auto refuse = [](const std::string& key, const std::string& value) {
    Metadata metadata = to_metadata(Preprocess{});
    metadata[key] = value;
    if (value.empty()) metadata.erase(key);
    return error_of([&] { preprocess_from_metadata(metadata); });
  };
  EXPECT_EQ(refuse("preprocess.height", ""), "preprocessing: preprocess.height is missing");
  EXPECT_EQ(refuse("preprocess.width", "12x"),
            "preprocessing: preprocess.width is '12x', which is not a number");
  EXPECT_EQ(refuse("preprocess.resize", "cubic"),
            "preprocessing: preprocess.resize is 'cubic'; it must be stretch or short_side");
  EXPECT_EQ(refuse("preprocess.channels", "2"),
            "preprocessing: 2 channels were asked for; it must be 1 or 3");
  EXPECT_EQ(refuse("preprocess.height", "1000000"),
            "preprocessing: the size is 1000000x256; both must be in 1..32768");
  Preprocess zero = plain(4, 4, 1);
  zero.normalise = Normalise::Fixed;
  zero.mean = {0.5F};
  zero.std = {0.0F};
  EXPECT_NE(error_of([&] { check(zero); }).find("above 0"), std::string::npos);
}

}  // namespace
}  // namespace lamella
