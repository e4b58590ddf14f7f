// The part of DWARF 4 that maps an address to the source: line tables and inlined calls. Only for
// the kernel files of the counted build, which are compiled with -gdwarf-4. References are to the
// DWARF Debugging Information Format, version 4 (2010).
#pragma once

#include <cstdint>
#include <cstring>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace lamella::simt {

// Reads little-endian numbers, LEB128 (7.6) and strings; throws past the end.
class DwarfCursor {
 public:
  explicit DwarfCursor(std::string_view bytes, std::size_t at = 0) : bytes_(bytes), at_(at) {}
  std::size_t at() const { return at_; }
  bool done() const { return at_ >= bytes_.size(); }
  void skip(std::size_t bytes) {
    need(bytes);
    at_ += bytes;
  }
  template <class T>
  T read() {
    need(sizeof(T));
    T value;
    std::memcpy(&value, bytes_.data() + at_, sizeof(T));
    at_ += sizeof(T);
    return value;
  }
  std::uint64_t uleb() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
      const auto byte = read<std::uint8_t>();
      if (shift < 64) value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      if ((byte & 0x80U) == 0) return value;
    }
  }
  std::int64_t sleb() {
    std::uint64_t value = 0;
    for (unsigned shift = 0;;) {
      const auto byte = read<std::uint8_t>();
      if (shift < 64) value |= static_cast<std::uint64_t>(byte & 0x7FU) << shift;
      shift += 7;
      if ((byte & 0x80U) != 0) continue;
      if (shift < 64 && (byte & 0x40U) != 0) value |= ~std::uint64_t{0} << shift;
      return static_cast<std::int64_t>(value);
    }
  }
  std::string_view string() {
    const std::size_t end = bytes_.find('\0', at_);
    if (end == std::string_view::npos) fail();
    const std::string_view text = bytes_.substr(at_, end - at_);
    at_ = end + 1;
    return text;
  }

 private:
  [[noreturn]] static void fail() {
    throw std::runtime_error("the debug information of the kernels ends too early");
  }
  void need(std::size_t bytes) const {
    if (at_ > bytes_.size() || bytes > bytes_.size() - at_) fail();
  }
  std::string_view bytes_;
  std::size_t at_;
};

struct DwarfSections {
  std::string_view info, abbrev, line, str, ranges;
};

// One row of a line table (6.2.2): from this address on, up to the next row.
struct LineRow {
  std::uint64_t address;
  std::uint32_t file;  // index into the table's files
  std::uint32_t line, column;
  bool end;  // no code from here on
};

struct LineTable {
  std::vector<std::string> files;  // by DWARF's numbers, from 1
  std::vector<LineRow> rows;
};

// The table at `offset` of .debug_line.
LineTable read_line_table(const DwarfSections& sections, std::uint64_t offset);

// The code of one inlined call, and where the call is written.
struct InlinedCall {
  std::uint64_t low, high;
  unsigned depth;
  std::uint32_t call_file, call_line, call_column;
  std::uint64_t function;  // offset of its declaration, see Unit::functions
};

// A unit of compilation.
struct Unit {
  std::uint64_t line_offset = 0;
  std::vector<InlinedCall> calls;
  std::map<std::uint64_t, std::string> functions;
  std::map<std::uint64_t, std::uint64_t> entries;  // where their code begins -> functions
};

std::vector<Unit> read_units(const DwarfSections& sections);

}  // namespace lamella::simt
