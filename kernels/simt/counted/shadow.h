// What is known about each byte of a range of memory: whether it is live, written, touched by this
// launch and by this block; and for each word who wrote and read it last. Pages come into being
// when memory does.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace lamella::simt {

// Who accessed a word, in 64 bits. `interval` numbers the stretches between barriers of a block,
// over all blocks of all launches; `epoch` the warp barriers within.
struct Accessor {
  std::uint32_t interval = 0;  // 0: nobody
  std::uint32_t thread : 10 = 0, epoch : 7 = 0, site : 14 = 0, atomic : 1 = 0;
};
static_assert(sizeof(Accessor) == 8);
constexpr unsigned kMostEpochs = (1U << 7U) - 1, kMostSites = (1U << 14U) - 1;

// The last writer, the last reader, one reader that differs from it in warp or thread, and one of
// another block: enough to see a conflict of any write with any read.
struct Cell {
  Accessor writer, reader, other_reader, foreign_reader;
};

class ShadowPage {
 public:
  static constexpr std::size_t kBytes = 4096;
  using Bits = std::array<std::uint64_t, kBytes / 64>;
  Bits live{}, written{}, in_launch{}, in_block{};
  std::uint64_t launch = 0, block = 0;  // that the last two are about

  // Of the word, or for accesses of less than a word the byte, at `offset` in the page.
  Cell& word(std::size_t offset) {
    if (words_ == nullptr) words_ = std::make_unique<std::array<Cell, kBytes / 4>>();
    return (*words_)[offset / 4];
  }
  Cell& byte(std::size_t offset) {
    if (bytes_ == nullptr) bytes_ = std::make_unique<std::array<Cell, kBytes>>();
    return (*bytes_)[offset];
  }
  void forget_accessors() {
    words_.reset();
    bytes_.reset();
  }

 private:
  std::unique_ptr<std::array<Cell, kBytes / 4>> words_;
  std::unique_ptr<std::array<Cell, kBytes>> bytes_;
};

class Shadow {
 public:
  void cover(const char* begin, std::size_t bytes);
  bool covers(const void* address) const { return offset_of(address) < size_; }

  // Null where no memory was ever live.
  ShadowPage* page(const void* address) {
    return pages_[offset_of(address) / ShadowPage::kBytes].get();
  }
  std::size_t offset_of(const void* address) const {
    return reinterpret_cast<std::uintptr_t>(address) - reinterpret_cast<std::uintptr_t>(begin_);
  }

  // Live and not yet written.
  void set_live(const char* data, std::size_t bytes);
  void set_dead(const char* data, std::size_t bytes);
  void set_written(const char* data, std::size_t bytes);
  void forget_accessors();

 private:
  template <class Apply>
  void for_each_mask(const char* data, std::size_t bytes, const Apply& apply);

  const char* begin_ = nullptr;
  std::size_t size_ = 0;
  std::vector<std::unique_ptr<ShadowPage>> pages_;
};

}  // namespace lamella::simt
