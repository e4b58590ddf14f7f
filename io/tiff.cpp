// TIFF in and out; the only file that sees libtiff. Handlers belong to the one open file, so the
// library's messages reach our errors and nothing is printed.
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "io/codecs.h"

namespace lamella::codecs {
namespace {

// Most that one tile may take: a small file can claim any tile size for any image size.
constexpr std::uint64_t kMaxTileBytes = std::uint64_t{64} << 20U;
// What libtiff may take at once for itself even where the limit for pixels is lower.
constexpr std::size_t kLeastAllocation = std::size_t{64} << 20U;

struct TiffClose {
  void operator()(TIFF* tiff) const { TIFFClose(tiff); }
};
using TiffHandle = std::unique_ptr<TIFF, TiffClose>;

struct OptionsFree {
  void operator()(TIFFOpenOptions* options) const { TIFFOpenOptionsFree(options); }
};
using TiffOptions = std::unique_ptr<TIFFOpenOptions, OptionsFree>;

struct Reason {
  char text[200] = "";
};

// Keeps the first message: later ones are consequences.
int on_error(TIFF*, void* user, const char*, const char* format, std::va_list args) {
  auto* reason = static_cast<Reason*>(user);
  if (reason->text[0] == '\0') std::vsnprintf(reason->text, sizeof(reason->text), format, args);
  return 1;  // handled: the library prints nothing
}

int on_warning(TIFF*, void*, const char*, const char*, std::va_list) {
  return 1;
}

TiffOptions make_options(Reason& reason, std::size_t largest_allocation) {
  TiffOptions options(TIFFOpenOptionsAlloc());
  if (!options) throw std::bad_alloc();
  TIFFOpenOptionsSetErrorHandlerExtR(options.get(), on_error, &reason);
  TIFFOpenOptionsSetWarningHandlerExtR(options.get(), on_warning, nullptr);
  TIFFOpenOptionsSetMaxSingleMemAlloc(options.get(), static_cast<tmsize_t>(largest_allocation));
  return options;
}

// The file in memory, as libtiff's input.
struct Source {
  Bytes bytes;
  std::uint64_t at = 0;
};

tmsize_t source_read(thandle_t handle, void* out, tmsize_t count) {
  auto* source = static_cast<Source*>(handle);
  const std::uint64_t size = source->bytes.size();
  const std::uint64_t left = source->at < size ? size - source->at : 0;
  const std::uint64_t taken = std::min(left, static_cast<std::uint64_t>(count));
  if (taken > 0) std::memcpy(out, source->bytes.data() + source->at, taken);
  source->at += taken;
  return static_cast<tmsize_t>(taken);
}

tmsize_t source_write(thandle_t, void*, tmsize_t) {
  return 0;
}

toff_t source_seek(thandle_t handle, toff_t offset, int whence) {
  auto* source = static_cast<Source*>(handle);
  const std::uint64_t size = source->bytes.size();
  source->at = offset + (whence == SEEK_CUR ? source->at : whence == SEEK_END ? size : 0);
  return source->at;
}

int source_close(thandle_t) {
  return 0;
}
toff_t source_size(thandle_t handle) {
  return static_cast<Source*>(handle)->bytes.size();
}

// What the tags say. The pixels lie in blocks: tiles, or strips, which are tiles as wide as the
// image; each block holds all samples of its pixels (contiguous) or those of one plane.
struct Layout {
  std::uint32_t height = 0, width = 0;
  std::uint16_t bits = 1, samples_per_pixel = 1, photometric = 0;
  std::uint16_t planar = PLANARCONFIG_CONTIG, compression = COMPRESSION_NONE;
  std::uint16_t sample_format = SAMPLEFORMAT_UINT;
  bool tiled = false;
  std::uint32_t block_height = 0, block_width = 0;

  std::int64_t channels() const { return photometric == PHOTOMETRIC_RGB ? 3 : 1; }
  bool contiguous() const { return planar == PLANARCONFIG_CONTIG; }
  std::int64_t samples_per_block_pixel() const { return contiguous() ? samples_per_pixel : 1; }
  std::uint64_t block_row_bytes() const {
    return std::uint64_t{block_width} * static_cast<std::uint64_t>(samples_per_block_pixel()) *
           (bits / 8U);
  }
};

Layout read_layout(TIFF* tiff, const std::string& name) {
  Layout layout;
  if (TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout.width) == 0 ||
      TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout.height) == 0 ||
      TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout.photometric) == 0) {
    fail(name, ": the TIFF file does not say its width, height or photometric interpretation");
  }
  TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout.bits);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout.samples_per_pixel);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout.planar);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &layout.compression);
  TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &layout.sample_format);
  layout.tiled = TIFFIsTiled(tiff) != 0;
  layout.block_width = layout.width;
  if (layout.tiled) {
    TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &layout.block_width);
    TIFFGetField(tiff, TIFFTAG_TILELENGTH, &layout.block_height);
  } else {
    TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &layout.block_height);
    layout.block_height = std::min(layout.block_height, layout.height);
  }
  return layout;
}

// Refuses in a sentence what is not read here.
void check_kind(const Layout& layout, const std::string& name) {
  const auto photometric = layout.photometric;
  if (photometric != PHOTOMETRIC_MINISBLACK && photometric != PHOTOMETRIC_MINISWHITE &&
      photometric != PHOTOMETRIC_RGB) {
    fail(name, ": the TIFF file has photometric interpretation ", photometric,
         "; gray (0, 1) and RGB (2) can be read");
  }
  if (layout.bits != 8 && layout.bits != 16) {
    fail(name, ": the TIFF file has ", layout.bits, " bits per sample; 8 and 16 can be read");
  }
  if (layout.sample_format != SAMPLEFORMAT_UINT && layout.sample_format != SAMPLEFORMAT_VOID) {
    fail(name, ": the TIFF file has sample format ", layout.sample_format,
         "; unsigned integers (1) can be read");
  }
  if (layout.samples_per_pixel < layout.channels()) {
    fail(name, ": the TIFF file has ", layout.samples_per_pixel,
         " samples per pixel but an RGB image needs 3");
  }
  switch (layout.compression) {
    case COMPRESSION_NONE:
    case COMPRESSION_LZW:
    case COMPRESSION_ADOBE_DEFLATE:
    case COMPRESSION_DEFLATE:
    case COMPRESSION_PACKBITS:
      return;
    default:
      fail(name, ": the TIFF file has compression scheme ", layout.compression,
           "; none (1), LZW (5), deflate (8, 32946) and PackBits (32773) can be read");
  }
}

// Bytes of one block; refuses blocks that are absurd for the image.
std::size_t block_bytes(const Layout& layout, const std::string& name, const ImageLimits& limits) {
  if (layout.block_height == 0 || layout.block_width == 0) {
    fail(name, ": the TIFF file has ", layout.tiled ? "tiles" : "strips", " of no pixels");
  }
  const std::uint64_t row = layout.block_row_bytes();
  const std::uint64_t most = layout.tiled ? kMaxTileBytes : std::uint64_t{limits.bytes};
  if (layout.block_height > most / row) {
    fail(name, ": one ", layout.tiled ? "tile" : "strip", " of the TIFF file takes ",
         layout.block_height, " rows of ", row, " bytes but the limit is ", most);
  }
  const std::uint64_t bytes = row * layout.block_height;
  const auto ceil_div = [](std::uint64_t a, std::uint64_t b) { return (a + b - 1) / b; };
  const std::uint64_t blocks =
      ceil_div(layout.height, layout.block_height) * ceil_div(layout.width, layout.block_width) *
      static_cast<std::uint64_t>(layout.contiguous() ? 1 : layout.channels());
  if (blocks > limits.bytes / bytes) {
    fail(name, ": the ", blocks, " blocks of ", bytes, " bytes of the TIFF file pass the limit of ",
         limits.bytes, " bytes");
  }
  return static_cast<std::size_t>(bytes);
}

class BlockReader {
 public:
  BlockReader(TIFF* tiff, const Layout& layout, std::size_t bytes, Image& image)
      : tiff_(tiff), layout_(layout), block_(bytes), image_(image) {}

  // False where the block at (x, y) of a plane cannot be read.
  bool read(std::uint32_t x, std::uint32_t y, std::uint16_t plane) {
    const std::uint32_t rows = std::min(layout_.block_height, layout_.height - y);
    auto size = static_cast<tmsize_t>(block_.size());
    tmsize_t got = 0;
    if (layout_.tiled) {
      const auto tile = TIFFComputeTile(tiff_, x, y, 0, plane);
      got = TIFFReadEncodedTile(tiff_, tile, block_.data(), size);
    } else {
      size = static_cast<tmsize_t>(layout_.block_row_bytes() * rows);
      got = TIFFReadEncodedStrip(tiff_, TIFFComputeStrip(tiff_, y, plane), block_.data(), size);
    }
    if (got != size) return false;
    copy(x, y, rows, plane);
    return true;
  }

 private:
  void copy(std::uint32_t x, std::uint32_t y, std::uint32_t rows, std::uint16_t plane) {
    const std::uint32_t columns = std::min(layout_.block_width, layout_.width - x);
    const std::int64_t taken = layout_.contiguous() ? layout_.channels() : 1;
    const std::int64_t pitch = layout_.samples_per_block_pixel();
    for (std::int64_t row = 0; row < rows; ++row) {
      const std::int64_t from = row * layout_.block_width * pitch;
      const std::int64_t to = ((y + row) * layout_.width + x) * layout_.channels() + plane;
      for (std::int64_t column = 0; column < columns; ++column) {
        for (std::int64_t c = 0; c < taken; ++c) {
          image_.samples[static_cast<std::size_t>(to + column * layout_.channels() + c)] =
              sample(from + column * pitch + c);
        }
      }
    }
  }

  std::uint16_t sample(std::int64_t index) const {
    const auto i = static_cast<std::size_t>(index);
    std::uint16_t value = block_[layout_.bits == 8 ? i : 0];
    if (layout_.bits == 16) std::memcpy(&value, block_.data() + 2 * i, sizeof(value));
    const bool turned = layout_.photometric == PHOTOMETRIC_MINISWHITE;
    return turned ? static_cast<std::uint16_t>(image_.max_sample() - value) : value;
  }

  TIFF* tiff_;
  const Layout& layout_;
  std::vector<std::uint8_t> block_;
  Image& image_;
};

}  // namespace

Image decode_tiff(Bytes bytes, const std::string& name, const ImageLimits& limits) {
  Reason reason;
  Source source{bytes};
  const TiffOptions options = make_options(reason, std::max(limits.bytes, kLeastAllocation));
  // 'm': no memory mapping, every access goes through source_read and its bounds.
  const TiffHandle tiff(TIFFClientOpenExt(name.c_str(), "rm", &source, source_read, source_write,
                                          source_seek, source_close, source_size, nullptr, nullptr,
                                          options.get()));
  if (!tiff) fail(name, ": the TIFF header is damaged (", reason.text, ")");
  const Layout layout = read_layout(tiff.get(), name);
  check_kind(layout, name);
  Image image =
      make_image(name, limits, layout.height, layout.width, layout.channels(), layout.bits);
  BlockReader reader(tiff.get(), layout, block_bytes(layout, name, limits), image);
  const auto planes = static_cast<std::uint16_t>(layout.contiguous() ? 1 : layout.channels());
  for (std::uint16_t plane = 0; plane < planes; ++plane) {
    for (std::uint32_t y = 0; y < layout.height; y += layout.block_height) {
      for (std::uint32_t x = 0; x < layout.width; x += layout.block_width) {
        if (reader.read(x, y, plane)) continue;
        fail(name, ": the TIFF file is truncated or damaged after row ", y, " of ", layout.height,
             " (", reason.text[0] == '\0' ? "a block is too short" : reason.text, ")");
      }
    }
  }
  return image;
}

}  // namespace lamella::codecs

namespace lamella {
namespace {

bool write_tags(TIFF* tiff, const Image& image, const std::string& description) {
  const auto set = [tiff](std::uint32_t tag, auto value) {
    return TIFFSetField(tiff, tag, value) == 1;
  };
  return set(TIFFTAG_IMAGEWIDTH, static_cast<std::uint32_t>(image.width)) &&
         set(TIFFTAG_IMAGELENGTH, static_cast<std::uint32_t>(image.height)) &&
         set(TIFFTAG_BITSPERSAMPLE, image.bit_depth) &&
         set(TIFFTAG_SAMPLESPERPIXEL, static_cast<int>(image.channels)) &&
         set(TIFFTAG_PHOTOMETRIC, image.channels == 1 ? PHOTOMETRIC_MINISBLACK : PHOTOMETRIC_RGB) &&
         set(TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG) &&
         set(TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE) &&
         set(TIFFTAG_ROWSPERSTRIP, std::uint32_t{64}) &&
         (description.empty() || set(TIFFTAG_IMAGEDESCRIPTION, description.c_str()));
}

bool write_scanlines(TIFF* tiff, const Image& image) {
  const std::int64_t count = image.width * image.channels;
  std::vector<std::uint8_t> narrow(static_cast<std::size_t>(count));
  std::vector<std::uint16_t> wide(static_cast<std::size_t>(count));
  for (std::int64_t y = 0; y < image.height; ++y) {
    const auto begin = image.samples.begin() + y * count;
    std::copy(begin, begin + count, wide.begin());
    std::transform(begin, begin + count, narrow.begin(),
                   [](std::uint16_t value) { return static_cast<std::uint8_t>(value); });
    void* row = image.bit_depth == 8 ? static_cast<void*>(narrow.data()) : wide.data();
    if (TIFFWriteScanline(tiff, row, static_cast<std::uint32_t>(y), 0) < 0) return false;
  }
  return TIFFFlush(tiff) == 1;
}

}  // namespace

void write_tiff(const std::string& path, const Image& image, const std::string& description) {
  codecs::check_writable(path, image);
  codecs::Reason reason;
  const auto options = codecs::make_options(reason, ImageLimits{}.bytes);
  const codecs::TiffHandle tiff(TIFFOpenExt(path.c_str(), "w", options.get()));
  if (!tiff) fail(path, ": the file cannot be created (", reason.text, ")");
  if (!write_tags(tiff.get(), image, description) || !write_scanlines(tiff.get(), image)) {
    fail(path, ": writing failed (", reason.text, "); is the disk full?");
  }
}

}  // namespace lamella
