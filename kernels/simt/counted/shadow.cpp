// Bits of runs of bytes, set page by page.
#include "kernels/simt/counted/shadow.h"

#include <algorithm>

namespace lamella::simt {

void Shadow::cover(const char* begin, std::size_t bytes) {
  begin_ = begin;
  size_ = bytes;
  pages_.resize(bytes / ShadowPage::kBytes);
}

// Calls apply(page, index, mask) for every group of 64 bytes that the run touches.
template <class Apply>
void Shadow::for_each_mask(const char* data, std::size_t bytes, const Apply& apply) {
  std::size_t at = offset_of(data);
  const std::size_t end = at + bytes;
  while (at < end) {
    auto& page = pages_[at / ShadowPage::kBytes];
    if (page == nullptr) page = std::make_unique<ShadowPage>();
    const std::size_t bit = at % 64, count = std::min<std::size_t>(64 - bit, end - at);
    const std::uint64_t ones = count == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
    apply(*page, at % ShadowPage::kBytes / 64, ones << bit);
    at += count;
  }
}

void Shadow::set_live(const char* data, std::size_t bytes) {
  for_each_mask(data, bytes, [](ShadowPage& page, std::size_t i, std::uint64_t mask) {
    page.live[i] |= mask;
    page.written[i] &= ~mask;
  });
}

void Shadow::set_dead(const char* data, std::size_t bytes) {
  for_each_mask(data, bytes,
                [](ShadowPage& page, std::size_t i, std::uint64_t mask) { page.live[i] &= ~mask; });
  // Pages that hold nothing else are given back.
  const std::size_t first = offset_of(data) / ShadowPage::kBytes + 1;
  const std::size_t last = (offset_of(data) + bytes) / ShadowPage::kBytes;
  for (std::size_t i = first; i < last; ++i) pages_[i].reset();
}

void Shadow::set_written(const char* data, std::size_t bytes) {
  for_each_mask(data, bytes, [](ShadowPage& page, std::size_t i, std::uint64_t mask) {
    page.written[i] |= mask;
  });
}

void Shadow::forget_accessors() {
  for (auto& page : pages_) {
    if (page != nullptr) page->forget_accessors();
  }
}

}  // namespace lamella::simt
