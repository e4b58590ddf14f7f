// Line tables and inlined calls of all units, searched by address.
#include "kernels/simt/counted/source_map.h"

#include <dlfcn.h>

#include <algorithm>

#include "kernels/simt/counted/elf_file.h"

namespace lamella::simt {
namespace {

Dl_info this_library() {
  Dl_info info{};
  dladdr(reinterpret_cast<const void*>(&SourceMap::image_begin), &info);
  return info;
}

}  // namespace

std::uintptr_t SourceMap::image_begin() {
  return reinterpret_cast<std::uintptr_t>(this_library().dli_fbase);
}

SourceMap::SourceMap() {
  const ElfFile elf(this_library().dli_fname);
  const DwarfSections sections{elf.section(".debug_info"), elf.section(".debug_abbrev"),
                               elf.section(".debug_line"), elf.section(".debug_str"),
                               elf.section(".debug_ranges")};
  units_ = read_units(sections);
  for (std::uint32_t unit = 0; unit < units_.size(); ++unit) {
    LineTable table = read_line_table(sections, units_[unit].line_offset);
    for (const LineRow& row : table.rows) {
      rows_.push_back({row.address, unit, row.file, row.line, row.column, row.end});
    }
    files_.push_back(std::move(table.files));
  }
  // Where one range ends and the next begins at the same address, the beginning counts.
  std::stable_sort(rows_.begin(), rows_.end(), [](const Row& a, const Row& b) {
    return a.address != b.address ? a.address < b.address : a.end && !b.end;
  });
}

std::string SourceMap::function_at(std::uint64_t offset) const {
  for (const Unit& unit : units_) {
    const auto entry = unit.entries.find(offset);
    if (entry == unit.entries.end()) continue;
    const auto function = unit.functions.find(entry->second);
    if (function != unit.functions.end()) return function->second;
  }
  return "";
}

std::vector<SourceFrame> SourceMap::frames(std::uint64_t offset) const {
  auto row = std::upper_bound(rows_.begin(), rows_.end(), offset,
                              [](std::uint64_t at, const Row& r) { return at < r.address; });
  if (row == rows_.begin() || (--row)->end) return {};
  const auto& files = files_[row->unit];
  const auto name_of = [&](std::uint32_t file) {
    return file < files.size() ? files[file] : std::string();
  };
  const Unit& unit = units_[row->unit];
  std::vector<const InlinedCall*> calls;
  for (const InlinedCall& call : unit.calls) {
    if (call.low <= offset && offset < call.high) calls.push_back(&call);
  }
  std::sort(calls.begin(), calls.end(),
            [](const auto* a, const auto* b) { return a->depth > b->depth; });
  std::vector<SourceFrame> frames{{name_of(row->file), row->line, row->column, ""}};
  for (const InlinedCall* call : calls) {
    const auto function = unit.functions.find(call->function);
    if (function != unit.functions.end()) frames.back().function = function->second;
    frames.push_back({name_of(call->call_file), call->call_line, call->call_column, ""});
  }
  return frames;
}

}  // namespace lamella::simt
