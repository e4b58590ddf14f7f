// PNG in and out; the only file that sees libpng. libpng leaves on errors by longjmp, which skips
// destructors: functions that call setjmp hold plain data only, and owners live outside them.
#include <png.h>

#include <cerrno>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <new>

#include "io/codecs.h"

namespace lamella::codecs {
namespace {

constexpr std::size_t kChunkBytes = 8U << 20U;  // most that one chunk beside the pixels may take

// Plain data: longjmp passes over it.
struct Failure {
  char reason[160] = "";
};

[[noreturn]] void on_error(png_structp png, png_const_charp message) {
  auto* failure = static_cast<Failure*>(png_get_error_ptr(png));
  std::snprintf(failure->reason, sizeof(failure->reason), "%s", message);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}  // warnings concern chunks we do not use

struct Source {
  const std::uint8_t* data;
  std::size_t left;
};

void read_from_memory(png_structp png, png_bytep out, std::size_t count) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (count > source->left) png_error(png, "the file ends early");
  std::memcpy(out, source->data, count);
  source->data += count;
  source->left -= count;
}

struct Reader {
  Failure failure;
  Source source;
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::int64_t height = 0, width = 0, channels = 0;
  int bit_depth = 0, passes = 0;
  std::size_t row_bytes = 0;
  std::int64_t rows_done = 0;  // of the current pass

  explicit Reader(Bytes bytes) : source{bytes.data(), bytes.size()} {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &failure, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Reader() { png_destroy_read_struct(&png, &info, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

// Reads up to the pixels and asks for gray or RGB of 8 or 16 bits. False: see reader.failure.
bool read_header(Reader& reader) {
  png_structp png = reader.png;
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_read_fn(png, &reader.source, read_from_memory);
  png_set_chunk_malloc_max(png, kChunkBytes);
  png_read_info(png, reader.info);
  const int color = png_get_color_type(png, reader.info);
  if (color == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
  if (color == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
  png_set_strip_alpha(png);
  reader.passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader.info);
  reader.height = png_get_image_height(png, reader.info);
  reader.width = png_get_image_width(png, reader.info);
  reader.channels = png_get_channels(png, reader.info);
  reader.bit_depth = png_get_bit_depth(png, reader.info);
  reader.row_bytes = png_get_rowbytes(png, reader.info);
  return true;
}

void widen_row(const Reader& reader, const std::uint8_t* row, std::uint16_t* samples) {
  const std::int64_t count = reader.width * reader.channels;
  for (std::int64_t i = 0; i < count; ++i) {
    samples[i] = reader.bit_depth == 8
                     ? std::uint16_t{row[i]}
                     : static_cast<std::uint16_t>((row[2 * i] << 8) | row[2 * i + 1]);
  }
}

// `rows` holds one row, or all of them where the file is interlaced.
bool read_rows(Reader& reader, std::uint8_t* rows, std::uint16_t* samples) {
  if (setjmp(png_jmpbuf(reader.png)) != 0) return false;
  for (int pass = 0; pass < reader.passes; ++pass) {
    for (reader.rows_done = 0; reader.rows_done < reader.height; ++reader.rows_done) {
      const auto y = static_cast<std::size_t>(reader.rows_done);
      std::uint8_t* row = reader.passes == 1 ? rows : rows + y * reader.row_bytes;
      png_read_row(reader.png, row, nullptr);
      if (pass + 1 < reader.passes) continue;
      widen_row(reader, row, samples + reader.rows_done * reader.width * reader.channels);
    }
  }
  return true;
}

void append_to_memory(png_structp png, png_bytep data, std::size_t count) {
  auto* bytes = static_cast<std::vector<std::uint8_t>*>(png_get_io_ptr(png));
  bool added = false;
  try {
    bytes->insert(bytes->end(), data, data + count);
    added = true;
  } catch (const std::bad_alloc&) {
    // The longjmp of png_error must not start in a handler.
  }
  if (!added) png_error(png, "out of memory");
}

struct Writer {
  Failure failure;
  std::vector<std::uint8_t> bytes;
  png_structp png = nullptr;
  png_infop info = nullptr;

  Writer() {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &failure, on_error, on_warning);
    if (png != nullptr) info = png_create_info_struct(png);
  }
  ~Writer() { png_destroy_write_struct(&png, &info); }
  Writer(const Writer&) = delete;
  Writer& operator=(const Writer&) = delete;
};

bool write_rows(Writer& writer, const Image& image, std::uint8_t* row) {
  png_structp png = writer.png;
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  png_set_write_fn(png, &writer.bytes, append_to_memory, nullptr);
  png_set_IHDR(png, writer.info, static_cast<png_uint_32>(image.width),
               static_cast<png_uint_32>(image.height), image.bit_depth,
               image.channels == 1 ? PNG_COLOR_TYPE_GRAY : PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(png, writer.info);
  const std::int64_t count = image.width * image.channels;
  for (std::int64_t y = 0; y < image.height; ++y) {
    const std::uint16_t* samples = image.samples.data() + y * count;
    for (std::int64_t i = 0; i < count; ++i) {
      if (image.bit_depth == 8) {
        row[i] = static_cast<std::uint8_t>(samples[i]);
      } else {
        row[2 * i] = static_cast<std::uint8_t>(samples[i] >> 8);
        row[2 * i + 1] = static_cast<std::uint8_t>(samples[i] & 0xff);
      }
    }
    png_write_row(png, row);
  }
  png_write_end(png, nullptr);
  return true;
}

}  // namespace

Image decode_png(Bytes bytes, const std::string& name, const ImageLimits& limits) {
  Reader reader(bytes);
  if (reader.info == nullptr) fail(name, ": no memory for the PNG reader");
  if (!read_header(reader)) {
    fail(name, ": the PNG header is damaged (", reader.failure.reason, ")");
  }
  Image image =
      make_image(name, limits, reader.height, reader.width, reader.channels, reader.bit_depth);
  const auto rows = static_cast<std::size_t>(reader.passes == 1 ? 1 : reader.height);
  std::vector<std::uint8_t> raw(rows * reader.row_bytes);
  if (!read_rows(reader, raw.data(), image.samples.data())) {
    fail(name, ": the PNG file is truncated or damaged after row ", reader.rows_done, " of ",
         reader.height, " (", reader.failure.reason, ")");
  }
  return image;
}

}  // namespace lamella::codecs

namespace lamella {

std::vector<std::uint8_t> encode_png(const Image& image) {
  const std::string name = "a PNG in memory";
  codecs::check_writable(name, image);
  codecs::Writer writer;
  if (writer.info == nullptr) fail(name, ": no memory for the PNG writer");
  const std::int64_t row_bytes = image.width * image.channels * (image.bit_depth / 8);
  std::vector<std::uint8_t> row(static_cast<std::size_t>(row_bytes));
  if (!codecs::write_rows(writer, image, row.data())) {
    fail(name, ": writing failed (", writer.failure.reason, ")");
  }
  return std::move(writer.bytes);
}

void write_png(const std::string& path, const Image& image) {
  codecs::check_writable(path, image);
  const std::vector<std::uint8_t> bytes = encode_png(image);
  std::ofstream file(path, std::ios::binary);
  if (!file) fail(path, ": the file cannot be created (", std::strerror(errno), ")");
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  file.close();
  if (!file) fail(path, ": writing failed (", std::strerror(errno), "); is the disk full?");
}

}  // namespace lamella
