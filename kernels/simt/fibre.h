// Fibres: stacks that code can leave in the middle and come back to. A switch is a handful of
// instructions on x86-64 (about 10 ns) and ucontext elsewhere.
#pragma once

#include <cstddef>
#include <cstdint>

#if !defined(__x86_64__)
#include <ucontext.h>
#endif

namespace lamella::simt {

class Fibre {
 public:
  using Entry = void (*)(void* argument);

  // The stack a host thread already runs on; only to be switched from and back to.
  Fibre() = default;
  // A stack of its own, with an inaccessible page below it. The first switch to the fibre calls
  // entry(argument), which must not return. `colour` shifts the top of the stack, so that many
  // stacks do not compete for the same lines of the cache.
  Fibre(Entry entry, void* argument, unsigned colour);
  ~Fibre();
  Fibre(const Fibre&) = delete;
  Fibre& operator=(const Fibre&) = delete;

  // Forgets what runs on the stack: the next switch calls the entry again. No destructors run.
  void restart();

  // Leaves `from`, which is running, for `to`; returns when something switches back to `from`.
  static void switch_to(Fibre& from, Fibre& to);

  // Its own stack, lowest byte first; empty for a host stack.
  struct Stack {
    std::uintptr_t begin;
    std::size_t bytes;
  };
  Stack stack() const;

 private:
  static void start(void* self);
  void arrive();

  Entry entry_ = nullptr;
  void* argument_ = nullptr;
  unsigned colour_ = 0;
  char* stack_ = nullptr;  // lowest usable byte; null for a host stack
#if defined(__x86_64__)
  void* stack_pointer_ = nullptr;
#else
  ucontext_t context_{};
#endif
  // What AddressSanitizer must be told about the stack; unused without it.
  [[maybe_unused]] void* fake_stack_ = nullptr;
  const void* bottom_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace lamella::simt
