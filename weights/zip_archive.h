// Zip files whose members are stored uncompressed, as torch.save writes them; zip64 too.
// Private to weights/. https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "weights/byte_source.h"
#include "weights/memory_budget.h"

namespace lamella {

// A run of bytes of the file.
struct Extent {
  std::uint64_t offset = 0, bytes = 0;
};

// Believes the central directory, as zip readers must, and only where it agrees with the local
// headers. Checksums are not compared: torch.save can be told to leave them out.
class ZipArchive {
 public:
  struct Member {
    std::string_view name;
    Extent data;
  };
  static bool looks_like_one(const ByteSource& source);

  // Throws Error that names the file: damage, a member that is compressed or encrypted, two members
  // of one name or on the same bytes, positions outside of the file. Memory is at most twice the
  // central directory's, and comes from the budget.
  ZipArchive(const ByteSource& source, MemoryBudget& budget);

  // In order of their names.
  const std::vector<Member>& members() const { return members_; }
  const Member* find(std::string_view name) const;  // nullptr where there is none

 private:
  std::vector<char> directory_;  // names point into it
  std::vector<Member> members_;
};

}  // namespace lamella
