#include "weights/zip_archive.h"

#include <algorithm>
#include <cstring>

#include "engine/errors.h"

namespace lamella {
namespace {

constexpr std::uint32_t kLocal = 0x04034b50, kCentral = 0x02014b50, kEnd = 0x06054b50,
                        kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr std::size_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56,
                      kLocatorBytes = 20;
constexpr std::uint32_t kIn64 = 0xffffffff;  // the value is in a zip64 record

// Little-endian fields of a record.
template <class T>
T field(std::span<const char> record, std::size_t at) {
  T value;
  std::memcpy(&value, record.data() + at, sizeof value);
  return value;
}

std::vector<char> record_at(const ByteSource& source, std::uint64_t offset, std::size_t bytes) {
  std::vector<char> record(bytes);
  source.read(offset, std::as_writable_bytes(std::span(record)));
  return record;
}

struct Directory {
  std::uint64_t offset, bytes, members, end;  // `end`: where the data and the directory must end
};

// The end record, behind which only a comment of at most 65535 bytes may follow.
std::uint64_t find_end(const ByteSource& source) {
  const std::uint64_t tail = std::min<std::uint64_t>(source.size(), kEndBytes + 0xffff);
  const std::uint64_t begin = source.size() - tail;
  const std::vector<char> bytes = record_at(source, begin, static_cast<std::size_t>(tail));
  for (std::size_t at = bytes.size() - std::min(bytes.size(), kEndBytes) + 1; at-- > 0;) {
    const std::span<const char> record = std::span(bytes).subspan(at);
    if (record.size() >= kEndBytes && field<std::uint32_t>(record, 0) == kEnd &&
        field<std::uint16_t>(record, 20) == record.size() - kEndBytes) {
      return begin + at;
    }
  }
  fail(source.name(), ": a zip archive without an end: it is cut off or damaged");
}

Directory find_directory(const ByteSource& source) {
  const std::uint64_t end = find_end(source);
  const std::vector<char> record = record_at(source, end, kEndBytes);
  Directory found{field<std::uint32_t>(record, 16), field<std::uint32_t>(record, 12),
                  field<std::uint16_t>(record, 10), end};
  if (end >= kLocatorBytes) {
    const std::vector<char> locator = record_at(source, end - kLocatorBytes, kLocatorBytes);
    if (field<std::uint32_t>(locator, 0) == kLocator64) {
      const auto at = field<std::uint64_t>(locator, 8);
      const std::vector<char> end64 = record_at(source, at, kEnd64Bytes);
      if (field<std::uint32_t>(end64, 0) != kEnd64) {
        fail(source.name(), ": damaged: no zip64 end record at byte ", at);
      }
      found = {field<std::uint64_t>(end64, 48), field<std::uint64_t>(end64, 40),
               field<std::uint64_t>(end64, 32), at};
    }
  }
  if (found.offset > found.end || found.bytes > found.end - found.offset) {
    fail(source.name(), ": damaged: its zip directory of ", found.bytes, " bytes at byte ",
         found.offset, " does not end before byte ", found.end);
  }
  if (found.members > found.bytes / kCentralBytes) {
    fail(source.name(), ": damaged: ", found.members, " members in a zip directory of ",
         found.bytes, " bytes");
  }
  return found;
}

// One row of the central directory.
struct Row {
  std::string_view name;
  std::uint64_t packed, bytes, local;
};

// Replaces sizes and positions that are in the zip64 part of the extra field.
void read_zip64(std::span<const char> extra, Row& row, const std::string& file) {
  while (extra.size() >= 4) {
    const std::size_t tag = field<std::uint16_t>(extra, 0), size = field<std::uint16_t>(extra, 2);
    if (size > extra.size() - 4) break;
    std::span<const char> values = extra.subspan(4, size);
    extra = extra.subspan(4 + size);
    if (tag != 1) continue;
    for (std::uint64_t* value : {&row.bytes, &row.packed, &row.local}) {
      if (*value != kIn64) continue;
      if (values.size() < 8) fail(file, ": damaged: a zip64 record is too short");
      *value = field<std::uint64_t>(values, 0);
      values = values.subspan(8);
    }
    return;
  }
}

// Takes one row off the front of the directory.
Row take_row(std::span<const char>& directory, const std::string& file) {
  if (directory.size() < kCentralBytes || field<std::uint32_t>(directory, 0) != kCentral) {
    fail(file, ": damaged: its zip directory ends early");
  }
  const std::size_t name = field<std::uint16_t>(directory, 28),
                    extra = field<std::uint16_t>(directory, 30),
                    comment = field<std::uint16_t>(directory, 32);
  if (name + extra + comment > directory.size() - kCentralBytes) {
    fail(file, ": damaged: its zip directory ends early");
  }
  Row row{{directory.data() + kCentralBytes, name},
          field<std::uint32_t>(directory, 20),
          field<std::uint32_t>(directory, 24),
          field<std::uint32_t>(directory, 42)};
  read_zip64(directory.subspan(kCentralBytes + name, extra), row, file);
  if ((field<std::uint16_t>(directory, 8) & 1U) != 0) {
    fail(file, ": member '", row.name, "' is encrypted; torch.save never does that");
  }
  if (field<std::uint16_t>(directory, 10) != 0 || row.packed != row.bytes) {
    fail(file, ": member '", row.name,
         "' is compressed; torch.save never does that: load and save "
         "the file with PyTorch");
  }
  directory = directory.subspan(kCentralBytes + name + extra + comment);
  return row;
}

// Where the member's bytes are: behind its local header, whose name must be the same. The local
// sizes may be missing where a data descriptor follows, so that the directory's count.
Extent locate(const ByteSource& source, const Row& row, std::uint64_t data_end) {
  const std::string& file = source.name();
  if (row.local > data_end || data_end - row.local < kLocalBytes + row.name.size()) {
    fail(file, ": damaged: member '", row.name, "' begins at byte ", row.local,
         ", behind the data, which ends at ", data_end);
  }
  const std::vector<char> header = record_at(source, row.local, kLocalBytes + row.name.size());
  const std::string_view name(header.data() + kLocalBytes, row.name.size());
  if (field<std::uint32_t>(header, 0) != kLocal ||
      field<std::uint16_t>(header, 26) != row.name.size() || name != row.name) {
    fail(file, ": damaged: no header of member '", row.name, "' at byte ", row.local);
  }
  const std::uint64_t begin = row.local + header.size() + field<std::uint16_t>(header, 28);
  if (begin > data_end || row.bytes > data_end - begin) {
    fail(file, ": damaged: member '", row.name, "' has ", row.bytes, " bytes from byte ", begin,
         " on; the data ends at ", data_end);
  }
  return {begin, row.bytes};
}

using Members = std::vector<ZipArchive::Member>;

void refuse_overlaps(Members& members, const std::string& file) {
  std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) {
    return std::pair(a.data.offset, a.data.bytes) < std::pair(b.data.offset, b.data.bytes);
  });
  std::uint64_t end = 0;
  for (const ZipArchive::Member& member : members) {
    // A header of its own lies before each member's bytes, so equal positions overlap too.
    if (member.data.offset < end + kLocalBytes + member.name.size()) {
      fail(file, ": damaged: member '", member.name, "' lies on the bytes of another");
    }
    end = member.data.offset + member.data.bytes;
  }
}

}  // namespace

bool ZipArchive::looks_like_one(const ByteSource& source) {
  if (source.size() < 4) return false;
  const auto signature = field<std::uint32_t>(record_at(source, 0, 4), 0);
  return signature == kLocal || signature == kEnd;
}

ZipArchive::ZipArchive(const ByteSource& source, MemoryBudget& budget) {
  const Directory found = find_directory(source);
  budget.take(found.bytes + found.members * sizeof(Member));
  directory_ = record_at(source, found.offset, static_cast<std::size_t>(found.bytes));
  members_.reserve(static_cast<std::size_t>(found.members));
  std::span<const char> rest = directory_;
  for (std::uint64_t i = 0; i < found.members; ++i) {
    const Row row = take_row(rest, source.name());
    members_.push_back({row.name, locate(source, row, found.offset)});
  }
  refuse_overlaps(members_, source.name());
  const auto by_name = [](const Member& a, const Member& b) { return a.name < b.name; };
  std::sort(members_.begin(), members_.end(), by_name);
  for (std::size_t i = 1; i < members_.size(); ++i) {
    if (members_[i].name == members_[i - 1].name) {
      fail(source.name(), ": damaged: two members are called '", members_[i].name, "'");
    }
  }
}

const ZipArchive::Member* ZipArchive::find(std::string_view name) const {
  const auto found =
      std::lower_bound(members_.begin(), members_.end(), name,
                       [](const Member& member, std::string_view n) { return member.name < n; });
  return found == members_.end() || found->name != name ? nullptr : &*found;
}

}  // namespace lamella
