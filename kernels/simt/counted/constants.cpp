// The read-only segments of this library, from its program headers.
#include "kernels/simt/counted/constants.h"

#include <link.h>

#include <cstdint>
#include <vector>

namespace lamella::simt {
namespace {

struct Range {
  std::uintptr_t begin;
  std::size_t bytes;
};

// Appends the read-only ranges of the library that holds this function.
int collect(dl_phdr_info* info, std::size_t, void* result) {
  std::vector<Range> ranges;
  bool mine = false;
  const auto self = reinterpret_cast<std::uintptr_t>(&collect);
  for (int i = 0; i < info->dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = info->dlpi_phdr[i];
    const Range range{info->dlpi_addr + segment.p_vaddr, segment.p_memsz};
    const bool read_only = segment.p_type == PT_LOAD && (segment.p_flags & PF_W) == 0;
    if (read_only || segment.p_type == PT_GNU_RELRO) ranges.push_back(range);
    if (segment.p_type == PT_LOAD && self - range.begin < range.bytes) mine = true;
  }
  if (mine) *static_cast<std::vector<Range>*>(result) = ranges;
  return mine;
}

}  // namespace

bool is_constant(const void* address) {
  static const std::vector<Range> ranges = [] {
    std::vector<Range> found;
    dl_iterate_phdr(&collect, &found);
    return found;
  }();
  for (const Range& range : ranges) {
    if (reinterpret_cast<std::uintptr_t>(address) - range.begin < range.bytes) return true;
  }
  return false;
}

}  // namespace lamella::simt
