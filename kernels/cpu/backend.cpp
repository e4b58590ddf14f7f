// Chooses the instruction set, puts the CPU kernel table together, and hands out memory.
#include "kernels/cpu/backend.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels/cpu/conv_choice.h"
#include "kernels/cpu/isa.h"
#include "kernels/cpu/onednn.h"
#include "kernels/cpu/refuse.h"

namespace lamella {
namespace cpu {

void refuse_dtype(const char* kernel, int dtype) {
  throw std::runtime_error(std::string(kernel) + ": the cpu backend computes in f32, not in " +
                           name_of(static_cast<DType>(dtype)) +
                           "; convert the tensor to f32 or use --device cuda");
}

void refuse_cast(int from, int to) {
  const auto name = [](int dtype) { return std::string(name_of(static_cast<DType>(dtype))); };
  throw std::runtime_error("cast: there is no cast from " + name(from) + " to " + name(to) +
                           "; both must be f32, bf16 or f16");
}

void refuse_window(const char* kernel, long long rows, long long columns) {
  throw std::runtime_error(std::string(kernel) + ": a window of " + std::to_string(rows) + " x " +
                           std::to_string(columns) +
                           " has more than the 255 cells that an argmax of one byte can name; "
                           "pool in two steps or use global_avg_pool");
}

namespace {

struct IsaChoice {
  const Isa* isa = nullptr;
  std::string refusal;  // empty, or why LAMELLA_CPU_ISA cannot be followed
};

IsaChoice choose_isa() {
  IsaChoice choice;
  const char* wanted = std::getenv("LAMELLA_CPU_ISA");
  bool known = false;
  std::string available;
  for (const Isa& isa : instruction_sets()) {  // from the lowest up
    known = known || (wanted != nullptr && std::strcmp(wanted, isa.name) == 0);
    if (!isa.supported()) continue;
    available += (available.empty() ? "" : ", ") + std::string(isa.name);
    choice.isa = &isa;
    if (wanted != nullptr && std::strcmp(wanted, isa.name) == 0) return choice;
  }
  if (wanted != nullptr && *wanted != '\0')
    choice.refusal = "LAMELLA_CPU_ISA=" + std::string(wanted) +
                     (known ? " is not supported by this processor" : " is not known") +
                     "; it can be one of " + available + ", or unset for the best of them";
  return choice;
}

const IsaChoice& isa_choice() {
  static const IsaChoice choice = choose_isa();
  return choice;
}

const char* why_unavailable() {
  const IsaChoice& choice = isa_choice();
  return choice.refusal.empty() ? nullptr : choice.refusal.c_str();
}

// --- memory -------------------------------------------------------------------------------------
// Large blocks are mapped directly, start on a huge page and ask for huge pages: faulting in 4 KB
// pages one by one costs more than filling them.
constexpr std::size_t kHugePage = std::size_t{2} << 20U;
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kSmallPage = 4096;

std::size_t rounded(std::size_t bytes, std::size_t to) {
  return (bytes + to - 1) / to * to;
}

void* map_huge(std::size_t bytes) {
  const std::size_t size = rounded(bytes, kSmallPage), reserved = size + kHugePage;
  if (reserved < bytes) return nullptr;
  void* mapped =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(mapped);
  const std::size_t skip = rounded(reinterpret_cast<std::uintptr_t>(begin), kHugePage) -
                           reinterpret_cast<std::uintptr_t>(begin);
  if (skip > 0) munmap(begin, skip);
  if (skip < kHugePage) munmap(begin + skip + size, kHugePage - skip);
  madvise(begin + skip, size, MADV_HUGEPAGE);
  return begin + skip;
}

void* allocate(std::size_t bytes) {
  if (bytes >= kHugePage) return map_huge(bytes);
  return std::aligned_alloc(kAlignment, rounded(bytes == 0 ? 1 : bytes, kAlignment));
}

void release(void* data, std::size_t bytes) {
  if (data == nullptr) return;
  if (bytes >= kHugePage)
    munmap(data, rounded(bytes, kSmallPage));
  else
    std::free(data);
}

bool move_pages(void* from, void* to, std::size_t bytes) {
  void* moved = mremap(from, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED, to);
  if (moved == to) return true;
  // The kernel may have unmapped `to` before it refused (its count of mappings is limited).
  mmap(to, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  return false;
}

void copy_bytes(void* dst, const void* src, std::size_t bytes, void*) {
  if (bytes > 0) std::memcpy(dst, src, bytes);
}

// --- table --------------------------------------------------------------------------------------
KernelTable make_table() {
  KernelTable table = cpu_own_table();
  choose_convolutions(table);
  return table;
}

Backend make_backend() {
  static const KernelTable table = make_table();
  static const std::string description =
      std::string("own kernels for ") + isa_choice().isa->description +
      (cpu_onednn_table() != nullptr ? ", oneDNN " + onednn_version() + " where it is faster"
                                     : ", built without oneDNN");
  Backend backend;
  backend.name = "cpu";
  backend.description = description.c_str();
  backend.kernels = &table;
  backend.allocate = allocate;
  backend.release = release;
  backend.copy_to_device = copy_bytes;
  backend.copy_to_host = copy_bytes;
  backend.synchronize = [](void*) {};
  backend.unavailable = why_unavailable;
  backend.move_pages = move_pages;
  backend.fused = &chosen_fused();
  return backend;
}

}  // namespace
}  // namespace cpu

const Backend& cpu_backend() {
  static const Backend backend = cpu::make_backend();
  return backend;
}

const char* cpu_isa() {
  return cpu::isa_choice().isa->name;
}

const KernelTable& cpu_own_table() {
  static const KernelTable table = cpu::isa_choice().isa->kernel_table();
  return table;
}

const FusedConvolution& cpu_own_fused() {
  static const FusedConvolution fused = cpu::isa_choice().isa->fused_convolution();
  return fused;
}

const KernelTable* cpu_onednn_table() {
  static const KernelTable* table = cpu::onednn_table(cpu_isa());
  return table;
}

}  // namespace lamella
