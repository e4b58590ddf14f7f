#include "weights/byte_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "engine/errors.h"

namespace lamella {

ByteSource::ByteSource(const std::string& path) : name_(path) {
  file_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file_ < 0) fail("cannot read ", path, ": ", std::strerror(errno));
  struct stat status {};
  if (::fstat(file_, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file_);
    fail("cannot read ", path, ": it is no file");
  }
  size_ = static_cast<std::uint64_t>(status.st_size);
}

ByteSource::ByteSource(std::span<const std::byte> bytes, std::string name)
    : name_(std::move(name)), size_(bytes.size()), memory_(bytes) {}

ByteSource::~ByteSource() {
  if (file_ >= 0) ::close(file_);
}

void ByteSource::read(std::uint64_t offset, std::span<std::byte> into) const {
  if (offset > size_ || into.size() > size_ - offset) {
    fail(name_, ": cut off: ", into.size(), " bytes expected at byte ", offset, " of ", size_);
  }
  if (file_ < 0) {
    std::copy_n(memory_.begin() + static_cast<std::ptrdiff_t>(offset), into.size(), into.begin());
    return;
  }
  while (!into.empty()) {
    const ssize_t got = ::pread(file_, into.data(), into.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail("cannot read ", name_, ": ", std::strerror(errno));
    if (got == 0) fail("cannot read ", name_, ": it became shorter");
    into = into.subspan(static_cast<std::size_t>(got));
    offset += static_cast<std::uint64_t>(got);
  }
}

ByteReader::ByteReader(const ByteSource& source, std::uint64_t begin, std::uint64_t end)
    : source_(source), next_(begin), end_(std::min(end, source.size())) {
  if (begin > end_) fail(name(), ": cut off: nothing at byte ", begin, " of ", source.size());
}

void ByteReader::need(std::uint64_t bytes) const {
  if (bytes > remaining()) {
    fail(name(), ": cut off: ", bytes, " bytes expected at byte ", position(), ", ", remaining(),
         " are there");
  }
}

std::uint8_t ByteReader::byte() {
  if (used_ == filled_) {
    need(1);
    filled_ = static_cast<std::size_t>(std::min<std::uint64_t>(window_.size(), end_ - next_));
    source_.read(next_, std::span(window_).first(filled_));
    next_ += filled_;
    used_ = 0;
  }
  return static_cast<std::uint8_t>(window_[used_++]);
}

void ByteReader::read(std::span<std::byte> into) {
  need(into.size());
  const std::size_t ready = std::min(into.size(), filled_ - used_);
  std::copy_n(window_.begin() + static_cast<std::ptrdiff_t>(used_), ready, into.begin());
  used_ += ready;
  into = into.subspan(ready);
  if (into.size() >= window_.size()) {  // long pieces go past the window
    source_.read(next_, into);
    next_ += into.size();
    return;
  }
  for (std::byte& each : into) each = static_cast<std::byte>(byte());
}

void ByteReader::skip(std::uint64_t bytes) {
  need(bytes);
  next_ = position() + bytes;
  used_ = filled_ = 0;
}

std::string ByteReader::line(std::size_t most) {
  std::string text;
  for (;;) {
    const char c = static_cast<char>(byte());
    if (c == '\n') return text;
    if (text.size() == most) fail(name(), ": a line of more than ", most, " bytes");
    text += c;
  }
}

}  // namespace lamella
