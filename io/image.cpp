// Reads files, tells formats apart by their first bytes, and checks limits.
#include "io/image.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <filesystem>
#include <fstream>
#include <iomanip>
#include <string_view>

#include "io/codecs.h"

namespace lamella {
namespace {

std::vector<std::uint8_t> read_file(const std::string& path, const ImageLimits& limits) {
  std::error_code error;
  if (!std::filesystem::exists(path, error)) fail(path, ": there is no such file");
  // Opening a pipe or a device could block for ever.
  if (!std::filesystem::is_regular_file(path, error)) fail(path, ": this is not a file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(path, ": its size cannot be read (", error.message(), ")");
  if (size > limits.file_bytes) {
    fail(path, ": the file has ", size, " bytes but the limit is ", limits.file_bytes);
  }
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(size));
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  if (!file) fail(path, ": the file cannot be read");
  return bytes;
}

bool begins_with(codecs::Bytes bytes, std::string_view magic) {
  return bytes.size() >= magic.size() &&
         std::equal(magic.begin(), magic.end(), bytes.begin(),
                    [](char a, std::uint8_t b) { return static_cast<std::uint8_t>(a) == b; });
}

std::string first_bytes(codecs::Bytes bytes) {
  std::ostringstream out;
  for (const std::uint8_t byte : bytes.first(std::min<std::size_t>(bytes.size(), 4))) {
    out << ' ' << std::hex << std::setw(2) << std::setfill('0') << int{byte};
  }
  return out.str();
}

}  // namespace

Image read_image(const std::string& path, const ImageLimits& limits) {
  return decode_image(read_file(path, limits), path, limits);
}

Image decode_image(codecs::Bytes bytes, const std::string& name, const ImageLimits& limits) {
  using namespace std::string_view_literals;
  if (bytes.empty()) fail(name, ": the file is empty");
  if (begins_with(bytes, "\x89PNG\r\n\x1a\n"sv)) return codecs::decode_png(bytes, name, limits);
  if (begins_with(bytes, "\xff\xd8\xff"sv)) return codecs::decode_jpeg(bytes, name, limits);
  // The last two are BigTIFF.
  for (const auto magic : {"II*\0"sv, "MM\0*"sv, "II+\0"sv, "MM\0+"sv}) {
    if (begins_with(bytes, magic)) return codecs::decode_tiff(bytes, name, limits);
  }
  fail(name, ": this is no PNG, JPEG or TIFF file (it begins with", first_bytes(bytes), ")");
}

Image upright(const Image& image) {
  const int o = image.orientation;
  if (o < 2 || o > 8) return image;
  const bool turned = o >= 5;  // rows become columns
  const bool flip_rows = o == 3 || o == 4 || o == 6 || o == 7;
  const bool flip_columns = o == 2 || o == 3 || o == 7 || o == 8;
  Image result{turned ? image.width : image.height,
               turned ? image.height : image.width,
               image.channels,
               image.bit_depth,
               {}};
  result.samples.reserve(image.samples.size());
  for (std::int64_t y = 0; y < result.height; ++y) {
    for (std::int64_t x = 0; x < result.width; ++x) {
      std::int64_t row = turned ? x : y, column = turned ? y : x;
      if (flip_rows) row = image.height - 1 - row;
      if (flip_columns) column = image.width - 1 - column;
      const auto pixel = image.samples.begin() + (row * image.width + column) * image.channels;
      result.samples.insert(result.samples.end(), pixel, pixel + image.channels);
    }
  }
  return result;
}

bool is_image_name(const std::string& path) {
  std::string suffix = std::filesystem::path(path).extension().string();
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  constexpr std::array kSuffixes{".png", ".jpg", ".jpeg", ".tif", ".tiff"};
  return std::find(kSuffixes.begin(), kSuffixes.end(), suffix) != kSuffixes.end();
}

namespace codecs {

Image make_image(const std::string& name, const ImageLimits& limits, std::int64_t height,
                 std::int64_t width, std::int64_t channels, int bit_depth) {
  if (height < 1 || width < 1) fail(name, ": the image is ", height, "x", width, " pixels");
  if (height > limits.pixels / width) {
    fail(name, ": the image has ", height, "x", width, " pixels but the limit is ", limits.pixels,
         " in all");
  }
  const auto samples = static_cast<std::size_t>(height * width * channels);
  if (samples > limits.bytes / sizeof(std::uint16_t)) {
    fail(name, ": the decoded image of ", height, "x", width, "x", channels, " takes ",
         samples * sizeof(std::uint16_t), " bytes but the limit is ", limits.bytes);
  }
  Image image{height, width, channels, bit_depth, {}};
  image.samples.resize(samples);
  return image;
}

void check_writable(const std::string& path, const Image& image) {
  if (image.height < 1 || image.width < 1 || (image.channels != 1 && image.channels != 3) ||
      (image.bit_depth != 8 && image.bit_depth != 16)) {
    fail(path, ": cannot write an image of ", image.height, "x", image.width, "x", image.channels,
         " at ", image.bit_depth, " bits; 1 or 3 channels of 8 or 16 bits can be written");
  }
  const auto expected = image.height * image.width * image.channels;
  if (static_cast<std::int64_t>(image.samples.size()) != expected) {
    fail(path, ": the image has ", image.samples.size(), " samples but its extents ask for ",
         expected);
  }
}

}  // namespace codecs
}  // namespace lamella
