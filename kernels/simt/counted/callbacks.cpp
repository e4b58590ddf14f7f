// The functions that g++ calls from kernels compiled with -fsanitize=thread and
// -fsanitize-coverage=trace-pc: one for each memory access, one for each block of code. They stand
// in for ThreadSanitizer's runtime, which is not linked. Host code of kernel files calls them too.
#include "kernels/simt/counted/watcher.h"
#include "kernels/simt/steps.h"

namespace {

using lamella::simt::Access;
using lamella::simt::AccessKind;
using lamella::simt::own_stack;
using lamella::simt::watching;

inline void note(const void* address, unsigned bytes, AccessKind kind, void* return_address) {
  const bool mine = reinterpret_cast<std::uintptr_t>(address) - own_stack.begin < own_stack.bytes;
  if (mine || watching == nullptr) return;
  watching->access({static_cast<const char*>(address), bytes, kind,
                    reinterpret_cast<std::uintptr_t>(return_address)});
}

// A struct copied as a whole: pieces as wide as its address and size allow.
void note_range(const char* address, std::size_t bytes, AccessKind kind, void* return_address) {
  for (std::size_t done = 0; done < bytes;) {
    std::size_t piece = 16;
    while ((reinterpret_cast<std::uintptr_t>(address + done) | (bytes - done)) % piece != 0) {
      piece /= 2;
    }
    note(address + done, static_cast<unsigned>(piece), kind, return_address);
    done += piece;
  }
}

}  // namespace

#define LAMELLA_ACCESS(name, bytes, kind)                                \
  void __tsan_##name##bytes(void* address) {                             \
    note(address, bytes, AccessKind::kind, __builtin_return_address(0)); \
  }
#define LAMELLA_ACCESSES(bytes)              \
  LAMELLA_ACCESS(read, bytes, Read)          \
  LAMELLA_ACCESS(write, bytes, Write)        \
  LAMELLA_ACCESS(volatile_read, bytes, Read) \
  LAMELLA_ACCESS(volatile_write, bytes, Write)
#define LAMELLA_UNALIGNED_ACCESSES(bytes)              \
  LAMELLA_ACCESS(unaligned_read, bytes, Read)          \
  LAMELLA_ACCESS(unaligned_write, bytes, Write)        \
  LAMELLA_ACCESS(unaligned_volatile_read, bytes, Read) \
  LAMELLA_ACCESS(unaligned_volatile_write, bytes, Write)

extern "C" {
LAMELLA_ACCESSES(1)
LAMELLA_ACCESSES(2)
LAMELLA_ACCESSES(4)
LAMELLA_ACCESSES(8)
LAMELLA_ACCESSES(16)
LAMELLA_UNALIGNED_ACCESSES(2)
LAMELLA_UNALIGNED_ACCESSES(4)
LAMELLA_UNALIGNED_ACCESSES(8)
LAMELLA_UNALIGNED_ACCESSES(16)

void __tsan_read_range(void* address, std::size_t bytes) {
  note_range(static_cast<const char*>(address), bytes, AccessKind::Read,
             __builtin_return_address(0));
}
void __tsan_write_range(void* address, std::size_t bytes) {
  note_range(static_cast<const char*>(address), bytes, AccessKind::Write,
             __builtin_return_address(0));
}

void __sanitizer_cov_trace_pc() {
  lamella::simt::count_step(__builtin_return_address(0));
  if (watching == nullptr) return;
  watching->enter_block_of_code(reinterpret_cast<std::uintptr_t>(__builtin_return_address(0)));
}

void __tsan_init() {}

// Host code only: static variables that are initialised on first use, virtual functions.
void __tsan_vptr_update(void**, void*) {}
void __tsan_vptr_read(void**) {}
unsigned char __tsan_atomic8_load(const volatile unsigned char* address, int) {
  return __atomic_load_n(address, __ATOMIC_SEQ_CST);
}
}
