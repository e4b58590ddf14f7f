// Reads section headers; all offsets are checked against the size of the file.
#include "kernels/simt/counted/elf_file.h"

#include <fcntl.h>
#include <link.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <stdexcept>

namespace lamella::simt {

ElfFile::ElfFile(const std::string& path) {
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (file < 0 || fstat(file, &status) != 0) {
    if (file >= 0) close(file);
    throw std::runtime_error(path + ": cannot be read");
  }
  size_ = static_cast<std::size_t>(status.st_size);
  void* memory = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file, 0);
  close(file);
  if (memory == MAP_FAILED) throw std::runtime_error(path + ": cannot be mapped");
  data_ = static_cast<const char*>(memory);
  if (size_ < sizeof(ElfW(Ehdr)) || std::memcmp(data_, ELFMAG, SELFMAG) != 0) {
    munmap(memory, size_);
    throw std::runtime_error(path + ": is not an ELF file");
  }
}

ElfFile::~ElfFile() {
  munmap(const_cast<char*>(data_), size_);
}

std::string_view ElfFile::section(std::string_view name) const {
  const std::string_view file(data_, size_);
  const auto* header = reinterpret_cast<const ElfW(Ehdr)*>(data_);
  const std::size_t bytes = header->e_shnum * sizeof(ElfW(Shdr));
  if (header->e_shoff > size_ || bytes > size_ - header->e_shoff) return {};
  if (header->e_shstrndx >= header->e_shnum) return {};
  const auto* sections = reinterpret_cast<const ElfW(Shdr)*>(data_ + header->e_shoff);
  const auto bytes_of = [&](const ElfW(Shdr) & section) -> std::string_view {
    if (section.sh_offset > size_) return {};
    return file.substr(section.sh_offset, section.sh_size);
  };
  const std::string_view names = bytes_of(sections[header->e_shstrndx]);
  for (unsigned i = 0; i < header->e_shnum; ++i) {
    if (sections[i].sh_name >= names.size()) continue;
    const std::string_view rest = names.substr(sections[i].sh_name);
    if (rest.substr(0, rest.find('\0')) == name) return bytes_of(sections[i]);
  }
  return {};
}

}  // namespace lamella::simt
