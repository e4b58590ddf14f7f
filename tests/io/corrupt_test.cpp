// Damaged files: every one is read, or refused with an Error that names it; nothing is printed and
// memory stays within the limits. Run under ASan and UBSan it also finds what the eye does not see.
#include <gtest/gtest.h>

#include "engine/errors.h"
#include "engine/rng.h"
#include "fixtures.h"
#include "io/image.h"

namespace lamella {
namespace {

using Bytes = std::vector<std::uint8_t>;

struct Tally {
  int variants = 0, refused = 0;
};

void try_one(const Bytes& bytes, Tally& tally) {
  ImageLimits limits;
  limits.pixels = 1 << 20;
  limits.bytes = 8U << 20U;
  ++tally.variants;
  try {
    const Image image = decode_image(bytes, "damaged", limits);
    const auto expected = image.height * image.width * image.channels;
    ASSERT_EQ(static_cast<std::int64_t>(image.samples.size()), expected);
    ASSERT_LE(image.height * image.width, limits.pixels);
  } catch (const Error& error) {
    ++tally.refused;
    ASSERT_EQ(std::string(error.what()).rfind("damaged: ", 0), 0U) << error.what();
  }
}

// Cuts the file at every 7th byte; then changes 1 to 8 bytes, half of the time near the beginning,
// where the headers are.
void torture(const std::vector<Bytes>& files, std::uint32_t stream) {
  testing::internal::CaptureStderr();
  testing::internal::CaptureStdout();
  Tally cut, changed;
  for (const Bytes& file : files) {
    for (std::size_t size = 1; size < file.size(); size += 7) {
      try_one({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}, cut);
    }
  }
  Rng rng(2026, RngStream::Test, stream);
  for (int i = 0; i < 2400; ++i) {
    Bytes bytes = files[static_cast<std::size_t>(i) % files.size()];
    const bool header = rng.below(2) == 1;
    const auto span = static_cast<std::uint32_t>(bytes.size());
    for (std::uint32_t n = 1 + rng.below(8); n > 0; --n) {
      const std::uint32_t at = rng.below(header ? std::min(span, 300U) : span);
      bytes[at] = static_cast<std::uint8_t>(rng.below(256));
    }
    try_one(bytes, changed);
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  EXPECT_GE(cut.variants + changed.variants, 2400);
  EXPECT_GT(cut.refused, cut.variants / 2);
  EXPECT_GT(changed.refused, 100);
}

TEST(Corrupt, Png) {
  Image ignored;
  torture({fixtures::make_png({0, 8, false}, 40, 48, ignored),
           fixtures::make_png({2, 16, true}, 20, 24, ignored),
           fixtures::make_png({3, 4, false}, 30, 31, ignored),
           fixtures::make_png({6, 8, false}, 20, 24, ignored)},
          1);
}

TEST(Corrupt, Jpeg) {
  torture({fixtures::make_jpeg(40, 48, 1, false), fixtures::make_jpeg(40, 48, 3, false),
           fixtures::make_jpeg(40, 48, 1, true), fixtures::make_jpeg(40, 48, 3, true)},
          2);
}

TEST(Corrupt, Tiff) {
  std::vector<Bytes> files;
  for (const int compression : {1, 5, 8, 32773}) {
    fixtures::TiffVariant v;
    v.compression = compression;
    files.push_back(fixtures::make_tiff(v, fixtures::pattern(30, 33, 1, 8)));
    v.channels = 3;
    v.tiled = true;
    v.planar = compression == 8;
    v.big_endian = true;
    v.bits = 16;
    files.push_back(fixtures::make_tiff(v, fixtures::pattern(18, 17, 3, 16)));
  }
  torture(files, 3);
}

// A header may claim anything; only what the limits allow is ever allocated.
TEST(Corrupt, HugeClaimsAreRefusedAtOnce) {
  Image ignored;
  Bytes png = fixtures::make_png({0, 8, false}, 4, 4, ignored);
  png[16] = 0x7f;  // width, without a right checksum
  EXPECT_THROW(decode_image(png, "huge"), Error);
  Bytes jpeg = fixtures::make_jpeg(8, 8, 1, false);
  for (std::size_t i = 0; i + 8 < jpeg.size(); ++i) {
    if (jpeg[i] != 0xff || jpeg[i + 1] != 0xc0) continue;
    jpeg[i + 5] = jpeg[i + 7] = 0xff;  // 65280 x 65280
    break;
  }
  const std::string message = fixtures::error_of([&] { decode_image(jpeg, "huge"); });
  EXPECT_NE(message.find("pixels but the limit is"), std::string::npos) << message;
}

}  // namespace
}  // namespace lamella
