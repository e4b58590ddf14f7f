// Random access to the bytes of a file, or of memory, without reading the whole.
// Private to weights/.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace lamella {

static_assert(std::endian::native == std::endian::little, "weight files are little-endian");

class ByteSource {
 public:
  explicit ByteSource(const std::string& path);  // throws Error that names it
  ByteSource(std::span<const std::byte> bytes, std::string name);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  const std::string& name() const { return name_; }
  std::uint64_t size() const { return size_; }
  // Fills `into` with the bytes from `offset` on; throws Error where they are not all there.
  void read(std::uint64_t offset, std::span<std::byte> into) const;

 private:
  std::string name_;
  std::uint64_t size_ = 0;
  std::span<const std::byte> memory_;
  int file_ = -1;
};

// Reads a range of a source from front to back; throws Error at its end.
class ByteReader {
 public:
  // The range is cut at the end of the source.
  ByteReader(const ByteSource& source, std::uint64_t begin, std::uint64_t end);

  const std::string& name() const { return source_.name(); }
  std::uint64_t position() const { return next_ - (filled_ - used_); }
  std::uint64_t remaining() const { return end_ - position(); }
  // Throws Error unless so many are left: to be asked before memory is taken for them.
  void need(std::uint64_t bytes) const;
  std::uint8_t byte();
  void read(std::span<std::byte> into);
  void skip(std::uint64_t bytes);
  // Up to the newline, which is taken but not returned; Error beyond `most` bytes.
  std::string line(std::size_t most);
  template <class T>
  T number() {  // little-endian
    T value;
    read(std::as_writable_bytes(std::span(&value, 1)));
    return value;
  }

 private:
  const ByteSource& source_;
  std::uint64_t next_, end_;  // what to load next; the end of the range
  std::size_t used_ = 0, filled_ = 0;
  std::array<std::byte, 4096> window_;
};

}  // namespace lamella
