// The sections of an ELF file of this machine's word size, mapped read-only.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lamella::simt {

class ElfFile {
 public:
  // Throws std::runtime_error when the file cannot be read as ELF.
  explicit ElfFile(const std::string& path);
  ~ElfFile();
  ElfFile(const ElfFile&) = delete;
  ElfFile& operator=(const ElfFile&) = delete;

  // Empty when there is no such section.
  std::string_view section(std::string_view name) const;

 private:
  const char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lamella::simt
