// JPEG in; the only file that sees libjpeg. libjpeg leaves on errors by longjmp, which skips
// destructors: functions that call setjmp hold plain data only, and owners live outside them.
#include <cstddef>
#include <cstdio>
//
#include <jerror.h>
#include <jpeglib.h>

#include <csetjmp>

#include "io/codecs.h"

namespace lamella::codecs {
namespace {

// A progressive file of a few bytes can ask for any number of passes over the whole image.
constexpr int kMaxScans = 200;

struct Reader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump;
  char reason[JMSG_LENGTH_MAX] = "";
  bool created = false;

  Reader() = default;
  ~Reader() {
    if (created) jpeg_destroy_decompress(&info);
  }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;
};

[[noreturn]] void on_error(j_common_ptr info) {
  auto* reader = static_cast<Reader*>(info->client_data);
  (*info->err->format_message)(info, reader->reason);
  std::longjmp(reader->jump, 1);
}

// libjpeg fills what is missing or damaged with gray and only warns; here that is an error.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  const int code = info->err->msg_code;
  if (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JWRN_HUFF_BAD_CODE ||
      code == JWRN_MUST_RESYNC) {
    on_error(info);
  }
}

void on_output(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number <= kMaxScans) return;
  auto* reader = static_cast<Reader*>(info->client_data);
  std::snprintf(reader->reason, sizeof(reader->reason), "more than %d scans", kMaxScans);
  std::longjmp(reader->jump, 1);
}

bool read_header(Reader& reader, Bytes bytes) {
  reader.info.err = jpeg_std_error(&reader.errors);
  reader.errors.error_exit = on_error;
  reader.errors.emit_message = on_message;
  reader.errors.output_message = on_output;
  reader.progress.progress_monitor = on_progress;
  reader.info.client_data = &reader;
  if (setjmp(reader.jump) != 0) return false;
  jpeg_create_decompress(&reader.info);
  reader.created = true;
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, bytes.data(), static_cast<unsigned long>(bytes.size()));
  jpeg_read_header(&reader.info, TRUE);
  return true;
}

// `row` holds one row of the image.
bool read_rows(Reader& reader, std::uint8_t* row, std::uint16_t* samples) {
  if (setjmp(reader.jump) != 0) return false;
  reader.info.out_color_space = reader.info.num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_start_decompress(&reader.info);
  const auto count = std::size_t{reader.info.output_width} *
                     static_cast<std::size_t>(reader.info.output_components);
  while (reader.info.output_scanline < reader.info.output_height) {
    const std::size_t y = reader.info.output_scanline;
    jpeg_read_scanlines(&reader.info, &row, 1);
    for (std::size_t i = 0; i < count; ++i) samples[y * count + i] = row[i];
  }
  return true;
}

}  // namespace

Image decode_jpeg(Bytes bytes, const std::string& name, const ImageLimits& limits) {
  Reader reader;
  if (!read_header(reader, bytes)) {
    fail(name, ": the JPEG header is damaged (", reader.reason, ")");
  }
  const int channels = reader.info.num_components;
  if (channels == 4) fail(name, ": this is a CMYK JPEG; convert it to RGB or gray");
  if (channels != 1 && channels != 3) {
    fail(name, ": the JPEG file has ", channels, " channels; 1 (gray) and 3 (RGB) can be read");
  }
  Image image =
      make_image(name, limits, reader.info.image_height, reader.info.image_width, channels, 8);
  image.orientation = exif_orientation(bytes);
  std::vector<std::uint8_t> row(static_cast<std::size_t>(image.width * image.channels));
  if (!read_rows(reader, row.data(), image.samples.data())) {
    fail(name, ": the JPEG file is truncated or damaged after row ", reader.info.output_scanline,
         " of ", image.height, " (", reader.reason, ")");
  }
  return image;
}

}  // namespace lamella::codecs
