// Fibre switches, and what AddressSanitizer must hear of them.
#include "kernels/simt/fibre.h"

#include <sys/mman.h>
#include <unistd.h>

#include <new>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#define LAMELLA_SIMT_ASAN 1
#else
#define LAMELLA_SIMT_ASAN 0
#endif

namespace lamella::simt {
namespace {

// Kernels keep little on the stack, but sanitizers and unoptimised builds widen frames.
constexpr std::size_t kStackBytes = LAMELLA_SIMT_ASAN ? 256 << 10 : 64 << 10;
constexpr std::size_t kColours = 32, kColourBytes = 128;

std::size_t page_bytes() {
  return static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

#if LAMELLA_SIMT_ASAN
thread_local Fibre* leaving = nullptr;  // for the fibre that arrives: whose stack was left
#endif

}  // namespace

#if defined(__x86_64__)
// Saves the registers a call must preserve, swaps stacks, restores. A new stack is laid out as if
// it had been left here: r12 holds the argument and r13 the entry.
extern "C" void lamella_simt_switch(void** save, void* load);
extern "C" void lamella_simt_enter();
asm(R"(
  .text
  .p2align 4
  .hidden lamella_simt_switch
  .globl lamella_simt_switch
  .type lamella_simt_switch, @function
lamella_simt_switch:
  .cfi_startproc
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
  .cfi_endproc
  .size lamella_simt_switch, .-lamella_simt_switch

  .p2align 4
  .hidden lamella_simt_enter
  .globl lamella_simt_enter
  .type lamella_simt_enter, @function
lamella_simt_enter:
  .cfi_startproc
  .cfi_undefined rip
  movq %r12, %rdi
  callq *%r13
  ud2
  .cfi_endproc
  .size lamella_simt_enter, .-lamella_simt_enter
)");
#endif

Fibre::Fibre(Entry entry, void* argument, unsigned colour)
    : entry_(entry), argument_(argument), colour_(colour) {
  const std::size_t page = page_bytes();
  void* memory = mmap(nullptr, page + kStackBytes, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  mprotect(memory, page, PROT_NONE);
  stack_ = static_cast<char*>(memory) + page;
  bottom_ = stack_;
  size_ = kStackBytes;
  restart();
}

Fibre::~Fibre() {
  if (stack_ != nullptr) munmap(stack_ - page_bytes(), page_bytes() + kStackBytes);
}

Fibre::Stack Fibre::stack() const {
  return {reinterpret_cast<std::uintptr_t>(stack_), stack_ == nullptr ? 0 : kStackBytes};
}

void Fibre::restart() {
#if LAMELLA_SIMT_ASAN
  __asan_unpoison_memory_region(stack_, kStackBytes);  // frames that were never left
  fake_stack_ = nullptr;
#endif
  char* top = stack_ + kStackBytes - colour_ % kColours * kColourBytes;
#if defined(__x86_64__)
  // From below: the six saved registers, the address that the switch returns to, and padding that
  // aligns the stack as a call needs it.
  void** frame = reinterpret_cast<void**>(top) - 9;
  for (int i = 0; i < 9; ++i) frame[i] = nullptr;
  frame[2] = reinterpret_cast<void*>(&Fibre::start);  // r13
  frame[3] = this;                                    // r12
  frame[6] = reinterpret_cast<void*>(&lamella_simt_enter);
  stack_pointer_ = frame;
#else
  getcontext(&context_);
  context_.uc_stack.ss_sp = stack_;
  context_.uc_stack.ss_size = static_cast<std::size_t>(top - stack_);
  context_.uc_link = nullptr;
  // makecontext passes ints: two halves of a pointer.
  const auto self = reinterpret_cast<std::uintptr_t>(this);
  const auto begin = [](unsigned low, unsigned high) {
    start(reinterpret_cast<void*>(std::uintptr_t{low} | std::uintptr_t{high} << 16U << 16U));
  };
  makecontext(&context_, reinterpret_cast<void (*)()>(+begin), 2, static_cast<unsigned>(self),
              static_cast<unsigned>(self >> 16U >> 16U));
#endif
}

void Fibre::start(void* self) {
  auto* fibre = static_cast<Fibre*>(self);
  fibre->arrive();
  fibre->entry_(fibre->argument_);
}

void Fibre::switch_to(Fibre& from, Fibre& to) {
#if LAMELLA_SIMT_ASAN
  leaving = &from;
  __sanitizer_start_switch_fiber(&from.fake_stack_, to.bottom_, to.size_);
#endif
#if defined(__x86_64__)
  lamella_simt_switch(&from.stack_pointer_, to.stack_pointer_);
#else
  swapcontext(&from.context_, &to.context_);
#endif
  from.arrive();
}

void Fibre::arrive() {
#if LAMELLA_SIMT_ASAN
  __sanitizer_finish_switch_fiber(fake_stack_, &leaving->bottom_, &leaving->size_);
#endif
}

}  // namespace lamella::simt
