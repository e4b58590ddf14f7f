// What the emulator tells whoever watches it. The counted build watches (counted/), the others
// link empty functions (observer_none.cpp). All run on the host thread of the launch; those marked
// (fibre) on the stack of a CUDA thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "kernels/simt/launch.h"

namespace lamella::simt {

struct SharedRange {
  const char* name;
  char* begin;
  std::size_t bytes;
};

// A place in the source, and how it came to be run: "a.h:3 from b.cu:9", innermost line first.
struct CodePlace {
  std::string file;
  int line = 0;
  std::string chain;
};

// What ends a launch. `other` is a second place, where there is one.
struct Fault {
  std::string kind, sentence, block, threads;
  CodePlace place, other;
};

// --- a launch. Threads and blocks are linear indices. ----------------------------------------
void observe_launch(const LaunchShape& shape, const KernelCall& call, std::uint64_t seed);
void observe_block(std::uint64_t block);
void observe_shared(const SharedRange& variable);  // new in this block
void observe_thread(unsigned thread);              // runs from now on
void observe_warp_rests(unsigned warp);            // its threads have ended or wait for the block
void observe_block_barrier();                      // passed by all threads of the block
void observe_warp_barrier(unsigned warp, unsigned lanes);
void observe_launch_end();
void observe_atomic(void* call_site, const void* address, unsigned bytes);  // (fibre)
void observe_fault(const Fault& fault);                                     // (fibre)
// Of the instruction before `code`; empty where nobody watches. (fibre)
CodePlace observed_place(const void* code);

// --- device memory -----------------------------------------------------------------------------
void observe_arena(char* begin, std::size_t bytes);
void observe_shared_arena(char* begin, std::size_t bytes);
void observe_allocate(const char* data, std::size_t bytes);
void observe_release(const char* data, std::size_t bytes);
void observe_host_write(const char* data, std::size_t bytes);
// Whether overwritten guards are named by whoever watches; if not, the launch throws.
bool observer_names_overruns();

}  // namespace lamella::simt
