// IDX files: what is read, what is refused, and that a header's claims cost no memory.
#include "io/idx.h"

#include <gtest/gtest.h>

#include <fstream>

#include "fixtures.h"
#include "io/image_reader.h"

namespace lamella {
namespace {

using fixtures::error_of;
using fixtures::gzipped;
using fixtures::make_idx;
using fixtures::TempDir;
using Bytes = std::vector<std::uint8_t>;

const Bytes kTwoImages = make_idx({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 255});

TEST(Idx, ReadsImagesByTheirNumbersGzippedOrNot) {
  const TempDir dir;
  fixtures::write_bytes(dir.path("train-images-idx3-ubyte"), kTwoImages);
  fixtures::write_bytes(dir.path("t10k-images-idx3-ubyte.gz"), gzipped(kTwoImages));
  ImageReader reader;
  for (const char* name : {"train-images-idx3-ubyte", "t10k-images-idx3-ubyte.gz"}) {
    const std::string file = dir.path(name);
    EXPECT_EQ(read_idx(file, 3).shape, (std::vector<std::int64_t>{2, 2, 3}));
    EXPECT_EQ(reader.images_in(file), 2);
    const Image image = reader.read(idx_image_name(file, 1));
    EXPECT_EQ(image.height, 2);
    EXPECT_EQ(image.width, 3);
    EXPECT_EQ(image.channels, 1);
    EXPECT_EQ(image.samples, (std::vector<std::uint16_t>{7, 8, 9, 10, 11, 255}));
    EXPECT_EQ(error_of([&] { reader.read(file + "#2"); }),
              file + "#2: the file holds 2 images, from 0");
  }
  dir.add_image("a#1.png");
  EXPECT_EQ(reader.read(dir.path("a#1.png")).width, 8) << "a file of its own";
  EXPECT_TRUE(is_idx_image_name("x/train-images-idx3-ubyte.gz#0"));
  for (const char* name : {"a.png#1", "a-idx3-ubyte", "a-idx3-ubyte#", "a-idx3-ubyte#x",
                           "a-idx3-ubyte#99999999999", "idx3-ubyte#1/a.png"}) {
    EXPECT_FALSE(is_idx_image_name(name)) << name;
  }
}

TEST(Idx, RefusesInSentences) {
  const TempDir dir;
  const std::string path = dir.path("f");
  const auto error = [&](const Bytes& bytes, const ImageLimits& limits = {}) {
    fixtures::write_bytes(path, bytes);
    return error_of([&] { read_idx(path, 3, limits); });
  };
  EXPECT_EQ(error(kTwoImages), "");
  EXPECT_EQ(error_of([&] { read_idx(dir.path("no"), 3); }),
            dir.path("no") + ": there is no such file");
  EXPECT_EQ(error_of([&] { read_idx(dir.path(), 3); }), dir.path() + ": there is no such file");
  EXPECT_EQ(error({}), path + ": this is no IDX file");
  EXPECT_EQ(error({'P', 'K', 8, 3}), path + ": this is no IDX file");
  EXPECT_EQ(error({0, 0, 13, 3}),
            path + ": values of type 13 in 3 dimensions; unsigned bytes (8) in 3 can be read");
  EXPECT_EQ(error(make_idx({1}, {1})),
            path + ": values of type 8 in 1 dimensions; unsigned bytes (8) in 3 can be read");
  EXPECT_EQ(error(make_idx({1, 0, 1}, {})), path + ": one of its dimensions is 0");
  EXPECT_EQ(error(make_idx({1, 1, 2}, {1})),
            path + ": the file ends after 1 of the 2 values that its header says");
  EXPECT_EQ(error(make_idx({1, 1, 2}, {1, 2, 3})),
            path + ": the file goes on behind the 2 values that its header says");
  ImageLimits small;
  small.bytes = 11;
  EXPECT_EQ(error(kTwoImages, small),
            path + ": unpacked, the file takes more than 11 bytes, the limit");
  small.file_bytes = 10;
  EXPECT_EQ(error(kTwoImages, small), path + ": the file has 28 bytes but the limit is 10");
  EXPECT_NE(error(make_idx({0xffffffff, 0xffffffff, 0xffffffff}, {})).find("the limit"),
            std::string::npos);
}

TEST(Idx, EveryDamageOfAGzippedFileIsRefused) {
  const TempDir dir;
  const std::string path = dir.path("f.gz");
  const Bytes whole = gzipped(kTwoImages);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    fixtures::write_bytes(path,
                          {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)});
    EXPECT_NE(error_of([&] { read_idx(path, 3); }), "") << length;
  }
  for (std::size_t at = 10; at < whole.size(); ++at) {  // behind the header, which may vary
    Bytes damaged = whole;
    damaged[at] ^= 0x10U;
    fixtures::write_bytes(path, damaged);
    EXPECT_NE(error_of([&] { read_idx(path, 3); }), "") << at;
  }
}

// In KiB; 0 where the system does not tell.
long peak_memory() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    long kib = 0;
    if (word == "VmHWM:" && status >> kib) return kib;
  }
  return 0;
}

TEST(Idx, AHeaderThatLiesCostsNoMemory) {
  const TempDir dir;
  const std::string path = dir.path("bomb.gz");
  constexpr std::uint32_t kHeld = 8U << 20U;
  const long before = peak_memory();
  fixtures::write_bytes(path, gzipped(make_idx({1U << 15U, 1U << 7U, 1U << 8U}, Bytes(kHeld))));
  EXPECT_LT(std::filesystem::file_size(path), 20000U);
  EXPECT_NE(error_of([&] { read_idx(path, 3); }).find("ends after 8388608 of the 1073741824"),
            std::string::npos);
  fixtures::write_bytes(path, gzipped(make_idx({1, 1, 1}, Bytes(kHeld))));
  EXPECT_NE(error_of([&] { read_idx(path, 3); }).find("goes on behind the 1 values"),
            std::string::npos);
  EXPECT_LT(peak_memory() - before, 256 * 1024);
}

}  // namespace
}  // namespace lamella
