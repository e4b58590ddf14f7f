// Resolves sites once, when they are met first.
#include "kernels/simt/counted/sites.h"

namespace lamella::simt {
namespace {

bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

// Whether the access belongs to the line that calls this one.
bool is_accessor(const SourceFrame& frame) {
  return frame.function.rfind("load", 0) == 0 || frame.function.rfind("store", 0) == 0 ||
         contains(frame.file, "kernels/cuda/device/") || contains(frame.file, "kernels/simt/") ||
         contains(frame.file, "kernels/half.h");
}

std::string line_text(const SourceFrame& frame) {
  return frame.file + ":" + std::to_string(frame.line);
}

}  // namespace

SiteTable::SiteTable() : image_begin_(SourceMap::image_begin()), sites_(1) {}

CodePlace SiteTable::place_of(const std::vector<SourceFrame>& frames) {
  CodePlace place;
  for (const SourceFrame& frame : frames) {
    if (place.line == 0 && (!is_accessor(frame) || &frame == &frames.back())) {
      place.file = frame.file;
      place.line = static_cast<int>(frame.line);
    }
    place.chain += (place.chain.empty() ? "" : " from ") + line_text(frame);
  }
  if (frames.empty()) place.file = place.chain = "unknown line";
  return place;
}

std::uint32_t SiteTable::add(std::size_t offset, AccessKind kind, Space space, unsigned bytes) {
  // The return address is that of the next instruction, perhaps of the next line.
  const std::vector<SourceFrame> frames = map_.frames(offset - 1);
  const CodePlace place = place_of(frames);
  const Site site{place.file, place.line, place.chain, kind, space, bytes};
  std::string key = std::to_string(static_cast<int>(kind)) + name_of(space) + std::to_string(bytes);
  for (const SourceFrame& frame : frames) {
    key += " " + line_text(frame) + ":" + std::to_string(frame.column);
  }
  // Without debug information every instruction is a site.
  if (frames.empty()) key += " " + std::to_string(offset);
  const auto [it, is_new] = by_chain_.try_emplace(key, static_cast<std::uint32_t>(sites_.size()));
  if (is_new) sites_.push_back(site);
  auto& known = by_offset_[space == Space::Shared];
  if (offset >= known.size()) known.resize(offset + 1);
  known[offset] = it->second;
  return it->second;
}

}  // namespace lamella::simt
