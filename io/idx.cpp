// The only file that sees zlib.
#include "io/idx.h"

#include <zlib.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <memory>

#include "engine/errors.h"

namespace lamella {
namespace {

constexpr std::size_t kStep = 1U << 20U;  // bytes read at a time
constexpr std::uint8_t kUnsignedByte = 8;

// A file that is unpacked while it is read, where it is gzipped.
class Unpacker {
 public:
  explicit Unpacker(const std::string& path)
      : path_(path), file_(gzopen(path.c_str(), "rb"), gzclose) {
    if (!file_) fail(path, ": the file cannot be read");
  }

  // As many bytes as there still are, at most `count`.
  std::size_t read(std::uint8_t* bytes, std::size_t count) {
    const int got = gzread(file_.get(), bytes, static_cast<unsigned>(count));
    int error = Z_OK;
    const char* reason = gzerror(file_.get(), &error);
    if (got < 0 || error == Z_BUF_ERROR) {
      fail(path_, ": the gzipped file is damaged or ends early (", reason, ")");
    }
    return static_cast<std::size_t>(got);
  }

 private:
  const std::string& path_;
  std::unique_ptr<gzFile_s, int (*)(gzFile)> file_;
};

void check_file(const std::string& path, const ImageLimits& limits) {
  std::error_code error;
  // Opening a pipe or a device could block for ever.
  if (!std::filesystem::is_regular_file(path, error)) fail(path, ": there is no such file");
  const auto size = std::filesystem::file_size(path, error);
  if (error) fail(path, ": its size cannot be read (", error.message(), ")");
  if (size > limits.file_bytes) {
    fail(path, ": the file has ", size, " bytes but the limit is ", limits.file_bytes);
  }
}

std::vector<std::int64_t> read_header(Unpacker& file, const std::string& path,
                                      std::size_t dimensions) {
  std::array<std::uint8_t, 4> word{};
  if (file.read(word.data(), 4) < 4 || word[0] != 0 || word[1] != 0) {
    fail(path, ": this is no IDX file");
  }
  if (word[2] != kUnsignedByte || word[3] != dimensions) {
    fail(path, ": values of type ", int{word[2]}, " in ", int{word[3]},
         " dimensions; unsigned bytes (8) in ", dimensions, " can be read");
  }
  std::vector<std::int64_t> shape;
  for (std::size_t d = 0; d < dimensions; ++d) {
    if (file.read(word.data(), 4) < 4) fail(path, ": the file ends in its header");
    shape.push_back(std::int64_t{word[0]} << 24 | word[1] << 16 | word[2] << 8 | word[3]);
  }
  return shape;
}

// How many values the header speaks of.
std::size_t checked_count(const std::string& path, const std::vector<std::int64_t>& shape,
                          const ImageLimits& limits) {
  std::size_t count = 1;
  for (const std::int64_t extent : shape) {
    if (extent == 0) fail(path, ": one of its dimensions is 0");
    if (static_cast<std::size_t>(extent) > limits.bytes / count) {
      fail(path, ": unpacked, the file takes more than ", limits.bytes, " bytes, the limit");
    }
    count *= static_cast<std::size_t>(extent);
  }
  return count;
}

}  // namespace

IdxFile read_idx(const std::string& path, std::size_t dimensions, const ImageLimits& limits) {
  check_file(path, limits);
  Unpacker file(path);
  IdxFile idx;
  idx.shape = read_header(file, path, dimensions);
  const std::size_t count = checked_count(path, idx.shape, limits);
  while (idx.values.size() < count) {
    const std::size_t have = idx.values.size(), step = std::min(kStep, count - have);
    idx.values.resize(have + step);
    const std::size_t got = file.read(idx.values.data() + have, step);
    if (got < step) {
      fail(path, ": the file ends after ", have + got, " of the ", count,
           " values that its header says");
    }
  }
  // Reading on also verifies the checksum of a gzipped file.
  if (std::uint8_t more = 0; file.read(&more, 1) > 0) {
    fail(path, ": the file goes on behind the ", count, " values that its header says");
  }
  return idx;
}

}  // namespace lamella
