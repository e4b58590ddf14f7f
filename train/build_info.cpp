#include "train/build_info.h"

#include <elf.h>
#include <link.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>

#include "engine/errors.h"
#include "kernels/cpu/backend.h"

namespace lamella {
namespace {

// Digits of the NT_GNU_BUILD_ID note in one loaded segment of notes; empty where there is none.
std::string build_id_in(const char* notes, std::size_t bytes) {
  const auto padded = [](std::size_t n) { return (n + 3) / 4 * 4; };
  while (bytes >= sizeof(ElfW(Nhdr))) {
    ElfW(Nhdr) note;
    std::memcpy(&note, notes, sizeof note);
    const char* content = notes + sizeof note + padded(note.n_namesz);
    const std::size_t whole = sizeof note + padded(note.n_namesz) + padded(note.n_descsz);
    if (whole > bytes) break;
    if (note.n_type == NT_GNU_BUILD_ID) {
      std::string hex;
      for (std::size_t i = 0; i < note.n_descsz; ++i) {
        constexpr const char* kDigits = "0123456789abcdef";
        const auto byte = static_cast<unsigned char>(content[i]);
        hex += {kDigits[byte >> 4U], kDigits[byte & 15U]};
      }
      return hex;
    }
    notes += whole;
    bytes -= whole;
  }
  return "";
}

// Looks at the loaded object that holds this very function.
int find_build_id(dl_phdr_info* object, std::size_t, void* result) {
  const auto here = reinterpret_cast<std::uintptr_t>(&find_build_id);
  bool ours = false;
  std::string id;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const auto& segment = object->dlpi_phdr[i];
    const std::uintptr_t begin = object->dlpi_addr + segment.p_vaddr;
    if (segment.p_type == PT_LOAD && here >= begin && here - begin < segment.p_memsz) ours = true;
    if (segment.p_type == PT_NOTE && id.empty()) {
      id = build_id_in(reinterpret_cast<const char*>(begin), segment.p_memsz);
    }
  }
  if (ours && !id.empty()) *static_cast<std::string*>(result) = id;
  return ours ? 1 : 0;
}

// oneDNN obeys its own limits too, so they are part of the answer.
std::string instruction_set() {
  std::string isa = cpu_isa();
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"}) {
    if (const char* limit = std::getenv(name)) isa += text(" (", name, "=", limit, ")");
  }
  return isa;
}

std::string processor_name() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

}  // namespace

BuildInfo build_info(const Context& ctx) {
  BuildInfo info;
  info.version = LAMELLA_VERSION;
#if defined(__clang__)
  info.compiler = "clang++ " __clang_version__;
#else
  info.compiler = "g++ " __VERSION__;
#endif
  info.build_id = "unknown";
  dl_iterate_phdr(&find_build_id, &info.build_id);
  info.isa = instruction_set();
  info.backend = text(ctx.backend().name, ": ", ctx.backend().description);
  info.cpu = processor_name();
  info.threads = ctx.threads();
  return info;
}

}  // namespace lamella
