// Names of kernels, which have no external linkage, from the symbol table of the library's file.
#include <cxxabi.h>
#include <dlfcn.h>
#include <elf.h>

#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <stdexcept>

#include "tests/cuda_host/stand_in.h"

namespace lamella::cuda_host {
namespace {

template <class T>
T at(const std::string& file, std::size_t offset) {
  if (offset + sizeof(T) > file.size()) throw std::runtime_error("a truncated ELF file");
  T value;
  std::memcpy(&value, file.data() + offset, sizeof value);
  return value;
}

// Offset from where the library is loaded -> mangled name.
using Functions = std::map<std::size_t, std::string>;

Functions read_functions(const char* path) {
  std::ifstream in(path, std::ios::binary);
  const std::string file{std::istreambuf_iterator<char>(in), {}};
  const auto header = at<Elf64_Ehdr>(file, 0);
  const auto section = [&](std::size_t i) {
    return at<Elf64_Shdr>(file, header.e_shoff + i * sizeof(Elf64_Shdr));
  };
  Functions functions;
  for (std::size_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr table = section(i);
    if (table.sh_type != SHT_SYMTAB) continue;
    const Elf64_Shdr names = section(table.sh_link);
    for (std::size_t s = 0; s < table.sh_size; s += sizeof(Elf64_Sym)) {
      const auto symbol = at<Elf64_Sym>(file, table.sh_offset + s);
      if (ELF64_ST_TYPE(symbol.st_info) != STT_FUNC) continue;
      functions[symbol.st_value] = file.c_str() + names.sh_offset + symbol.st_name;
    }
  }
  return functions;
}

void remove_all(std::string& text, const std::string& part) {
  for (std::size_t i; (i = text.find(part)) != std::string::npos;) text.erase(i, part.size());
}

// "void lamella::(anonymous namespace)::k<float>(long, ...)" -> "k<float>".
std::string short_name(const char* mangled) {
  char* full = abi::__cxa_demangle(mangled, nullptr, nullptr, nullptr);
  std::string name = full == nullptr ? mangled : full;
  std::free(full);
  for (const char* part : {"(anonymous namespace)::", "lamella::", "cuda::"}) {
    remove_all(name, part);
  }
  if (name.starts_with("void ")) name.erase(0, 5);
  return name.substr(0, name.find('('));
}

}  // namespace

std::string name_of_kernel(const void* kernel) {
  Dl_info info{};
  if (dladdr(kernel, &info) == 0) throw std::runtime_error("a kernel that is in no file");
  static std::map<std::string, Functions> files;
  auto file = files.find(info.dli_fname);
  if (file == files.end()) {
    file = files.emplace(info.dli_fname, read_functions(info.dli_fname)).first;
  }
  const auto offset = static_cast<std::size_t>(static_cast<const char*>(kernel) -
                                               static_cast<const char*>(info.dli_fbase));
  const auto found = file->second.find(offset);
  return found == file->second.end() ? "kernel without a name" : short_name(found->second.c_str());
}

}  // namespace lamella::cuda_host
