// FNV-1a with 64 bits, over 32-bit words (a last piece of fewer bytes is padded with zeros): tells
// whether bits are the same, not whether someone forged them.
// http://www.isthe.com/chongo/tech/comp/fnv/
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <span>
#include <string>

namespace lamella {

class Fnv {
 public:
  void add(std::span<const std::byte> bytes) {
    for (; bytes.size() >= 4; bytes = bytes.subspan(4)) add_word(bytes);
    if (!bytes.empty()) add_word(bytes);
  }
  void add(const std::string& text) { add(std::as_bytes(std::span(text))); }
  std::string hex() const {
    char digits[17];
    std::snprintf(digits, sizeof digits, "%016llx", static_cast<unsigned long long>(hash_));
    return digits;
  }

 private:
  void add_word(std::span<const std::byte> bytes) {
    std::uint32_t word = 0;
    std::memcpy(&word, bytes.data(), bytes.size() < 4 ? bytes.size() : 4);
    hash_ = (hash_ ^ word) * 0x100000001b3U;
  }
  std::uint64_t hash_ = 0xcbf29ce484222325U;
};

}  // namespace lamella
