// Accesses in the source: instructions of one inlined call chain, file, line, column, kind and
// width are one site. Numbered from 1 as they are met.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "kernels/simt/counted/source_map.h"
#include "kernels/simt/observer.h"

namespace lamella::simt {

enum class AccessKind : std::uint8_t { Read, Write, Atomic };
enum class Space : std::uint8_t { Global, Shared };

constexpr const char* name_of(AccessKind kind) {
  return kind == AccessKind::Read ? "read" : kind == AccessKind::Write ? "write" : "atomic";
}
constexpr const char* name_of(Space space) {
  return space == Space::Global ? "global" : "shared";
}

struct Site {
  // The line a reader looks for: the innermost that is not inside kernels/cuda/device, the
  // emulator, a conversion of kernels/half.h, or a function called load... or store....
  std::string file;
  int line = 0;
  std::string chain;  // all lines, innermost first: "a.h:3 from b.cu:9"
  AccessKind kind = AccessKind::Read;
  Space space = Space::Global;
  unsigned bytes = 0;
};

class SiteTable {
 public:
  SiteTable();

  // Of the access whose callback returns to `return_address`.
  std::uint32_t site(std::uintptr_t return_address, AccessKind kind, Space space, unsigned bytes) {
    const std::size_t offset = return_address - image_begin_;
    auto& known = by_offset_[space == Space::Shared];
    if (offset < known.size() && known[offset] != 0) return known[offset];
    return add(offset, kind, space, bytes);
  }
  std::uint32_t offset_of(std::uintptr_t address) const {
    return static_cast<std::uint32_t>(address - image_begin_);
  }
  // The name of the function that begins there; empty without debug information.
  std::string function_at(const void* code) const {
    return map_.function_at(reinterpret_cast<std::uintptr_t>(code) - image_begin_);
  }
  // Of the instruction before `code`.
  CodePlace place_at(const void* code) const {
    return place_of(map_.frames(reinterpret_cast<std::uintptr_t>(code) - image_begin_ - 1));
  }
  const Site& operator[](std::uint32_t site) const { return sites_[site]; }
  std::size_t size() const { return sites_.size(); }

 private:
  static CodePlace place_of(const std::vector<SourceFrame>& frames);
  std::uint32_t add(std::size_t offset, AccessKind kind, Space space, unsigned bytes);

  std::uintptr_t image_begin_;
  SourceMap map_;
  std::vector<std::uint32_t> by_offset_[2];  // by space
  std::map<std::string, std::uint32_t> by_chain_;
  std::deque<Site> sites_;
};

}  // namespace lamella::simt
