// Debugging information entries (DWARF 4, sections 2, 3.3 and 7.5): inlined calls and the names of
// the functions they call.
#include <unordered_map>

#include "kernels/simt/counted/dwarf.h"

namespace lamella::simt {
namespace {

enum Tag : std::uint64_t { kInlinedSubroutine = 0x1d, kSubprogram = 0x2e };
enum Attribute : std::uint64_t {
  kName = 0x03,
  kStmtList = 0x10,
  kLowPc = 0x11,
  kHighPc = 0x12,
  kAbstractOrigin = 0x31,
  kSpecification = 0x47,
  kRanges = 0x55,
  kCallColumn = 0x57,
  kCallFile = 0x58,
  kCallLine = 0x59
};
enum Form : std::uint64_t {
  kAddr = 0x01,
  kBlock2 = 0x03,
  kBlock4 = 0x04,
  kData2 = 0x05,
  kData4 = 0x06,
  kData8 = 0x07,
  kString = 0x08,
  kBlock = 0x09,
  kBlock1 = 0x0a,
  kData1 = 0x0b,
  kFlag = 0x0c,
  kSdata = 0x0d,
  kStrp = 0x0e,
  kUdata = 0x0f,
  kRefAddr = 0x10,
  kRef1 = 0x11,
  kRef2 = 0x12,
  kRef4 = 0x13,
  kRef8 = 0x14,
  kRefUdata = 0x15,
  kSecOffset = 0x17,
  kExprloc = 0x18,
  kFlagPresent = 0x19,
  kRefSig8 = 0x20
};

struct Specification {
  std::uint64_t attribute, form;
};
struct Abbreviation {
  std::uint64_t tag = 0;
  bool has_children = false;
  std::vector<Specification> attributes;
};
using Abbreviations = std::unordered_map<std::uint64_t, Abbreviation>;

struct Value {
  std::uint64_t number = 0;
  std::string_view text;
};

// The attributes of one entry that matter here; 0 where it has none.
struct Entry {
  std::string_view name;
  std::uint64_t origin = 0, low = 0, high = 0, ranges = 0, line_offset = 0;
  std::uint64_t call_file = 0, call_line = 0, call_column = 0;
  bool high_is_size = false, has_ranges = false;
};

Abbreviations read_abbreviations(std::string_view section, std::uint64_t offset) {
  Abbreviations all;
  DwarfCursor cursor(section, offset);
  for (std::uint64_t code = cursor.uleb(); code != 0; code = cursor.uleb()) {
    Abbreviation& one = all[code];
    one.tag = cursor.uleb();
    one.has_children = cursor.read<std::uint8_t>() != 0;
    for (;;) {
      const Specification attribute{cursor.uleb(), cursor.uleb()};
      if (attribute.attribute == 0 && attribute.form == 0) break;
      one.attributes.push_back(attribute);
    }
  }
  return all;
}

class UnitReader {
 public:
  UnitReader(const DwarfSections& sections, DwarfCursor& cursor)
      : sections_(sections), cursor_(cursor), begin_(cursor.at()) {}

  Unit read() {
    const auto length = cursor_.read<std::uint32_t>();
    const std::size_t end = cursor_.at() + length;
    const auto version = cursor_.read<std::uint16_t>();
    if (version != 4) {
      throw std::runtime_error("a unit of the kernels has DWARF version " +
                               std::to_string(version) + "; compile them with -gdwarf-4");
    }
    abbreviations_ = read_abbreviations(sections_.abbrev, cursor_.read<std::uint32_t>());
    cursor_.skip(1);  // size of an address: 8
    while (cursor_.at() < end) read_entry();
    name_functions();
    return std::move(unit_);
  }

 private:
  void read_entry() {
    const std::uint64_t offset = cursor_.at();
    const std::uint64_t code = cursor_.uleb();
    if (code == 0) {
      if (depth_ > 0) --depth_;
      return;
    }
    const auto it = abbreviations_.find(code);
    if (it == abbreviations_.end()) throw std::runtime_error("unknown DWARF abbreviation");
    Entry entry;
    for (const Specification& one : it->second.attributes) {
      set(entry, one, read_value(one.form));
    }
    if (depth_ == 0) {
      unit_.line_offset = entry.line_offset;
      base_ = entry.low;
    }
    if (it->second.tag == kSubprogram) {
      if (!entry.name.empty()) unit_.functions[offset] = std::string(entry.name);
      origins_[offset] = entry.origin;
      if (entry.low != 0) unit_.entries[entry.low] = offset;
    }
    if (it->second.tag == kInlinedSubroutine) add_call(entry);
    if (it->second.has_children) ++depth_;
  }

  static void set(Entry& entry, const Specification& one, const Value& value) {
    switch (one.attribute) {
      case kName:
        entry.name = value.text;
        break;
      case kStmtList:
        entry.line_offset = value.number;
        break;
      case kLowPc:
        entry.low = value.number;
        break;
      case kHighPc:
        entry.high = value.number;
        entry.high_is_size = one.form != kAddr;
        break;
      case kAbstractOrigin:
      case kSpecification:
        entry.origin = value.number;
        break;
      case kRanges:
        entry.ranges = value.number;
        entry.has_ranges = true;
        break;
      case kCallFile:
        entry.call_file = value.number;
        break;
      case kCallLine:
        entry.call_line = value.number;
        break;
      case kCallColumn:
        entry.call_column = value.number;
        break;
      default:
        break;
    }
  }

  Value read_value(std::uint64_t form) {
    switch (form) {
      case kString:
        return {0, cursor_.string()};
      case kStrp: {
        DwarfCursor text(sections_.str, cursor_.read<std::uint32_t>());
        return {0, text.string()};
      }
      case kRef1:
        return {begin_ + cursor_.read<std::uint8_t>(), {}};
      case kRef2:
        return {begin_ + cursor_.read<std::uint16_t>(), {}};
      case kRef4:
        return {begin_ + cursor_.read<std::uint32_t>(), {}};
      case kRef8:
        return {begin_ + cursor_.read<std::uint64_t>(), {}};
      case kRefUdata:
        return {begin_ + cursor_.uleb(), {}};
      case kFlagPresent:
        return {1, {}};
      default:
        return {read_number(form), {}};
    }
  }

  std::uint64_t read_number(std::uint64_t form) {
    switch (form) {
      case kData1:
      case kFlag:
        return cursor_.read<std::uint8_t>();
      case kData2:
        return cursor_.read<std::uint16_t>();
      case kData4:
      case kSecOffset:
      case kRefAddr:
        return cursor_.read<std::uint32_t>();
      case kAddr:
      case kData8:
      case kRefSig8:
        return cursor_.read<std::uint64_t>();
      case kSdata:
        return static_cast<std::uint64_t>(cursor_.sleb());
      case kUdata:
        return cursor_.uleb();
      case kBlock1:
        cursor_.skip(cursor_.read<std::uint8_t>());
        return 0;
      case kBlock2:
        cursor_.skip(cursor_.read<std::uint16_t>());
        return 0;
      case kBlock4:
        cursor_.skip(cursor_.read<std::uint32_t>());
        return 0;
      case kBlock:
      case kExprloc:
        cursor_.skip(cursor_.uleb());
        return 0;
      default:
        throw std::runtime_error("unknown DWARF form " + std::to_string(form));
    }
  }

  void add_call(const Entry& entry) {
    InlinedCall call{entry.low,
                     entry.high_is_size ? entry.low + entry.high : entry.high,
                     depth_,
                     static_cast<std::uint32_t>(entry.call_file),
                     static_cast<std::uint32_t>(entry.call_line),
                     static_cast<std::uint32_t>(entry.call_column),
                     entry.origin};
    if (!entry.has_ranges) {
      unit_.calls.push_back(call);
      return;
    }
    DwarfCursor ranges(sections_.ranges, entry.ranges);  // 2.17.3
    for (std::uint64_t base = base_;;) {
      const auto low = ranges.read<std::uint64_t>(), high = ranges.read<std::uint64_t>();
      if (low == 0 && high == 0) return;
      if (low == ~std::uint64_t{0}) {
        base = high;
        continue;
      }
      call.low = base + low;
      call.high = base + high;
      unit_.calls.push_back(call);
    }
  }

  // A function without a name of its own has that of its declaration.
  void name_functions() {
    for (const auto& [offset, first] : origins_) {
      std::uint64_t origin = first;
      for (int hops = 0; hops < 4 && origin != 0 && !unit_.functions.count(offset); ++hops) {
        const auto name = unit_.functions.find(origin);
        if (name != unit_.functions.end()) unit_.functions[offset] = name->second;
        const auto next = origins_.find(origin);
        origin = next == origins_.end() ? 0 : next->second;
      }
    }
  }

  const DwarfSections& sections_;
  DwarfCursor& cursor_;
  std::size_t begin_;
  Abbreviations abbreviations_;
  unsigned depth_ = 0;
  std::uint64_t base_ = 0;
  std::map<std::uint64_t, std::uint64_t> origins_;
  Unit unit_;
};

}  // namespace

std::vector<Unit> read_units(const DwarfSections& sections) {
  std::vector<Unit> units;
  DwarfCursor cursor(sections.info);
  while (!cursor.done()) units.push_back(UnitReader(sections, cursor).read());
  return units;
}

}  // namespace lamella::simt
