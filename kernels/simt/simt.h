// Control of the emulator: the order in which threads run, and what the counted build saw. Each
// library of the emulator (liblamella_simt*.so) exports one `lamella_simt_control`.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/backend.h"

namespace lamella::simt {

// A fault of a kernel, found by the counted build.
struct Finding {
  // "race", "out of bounds", "unwritten memory", "misaligned", "host memory", "barrier",
  // "endless loop"
  std::string kind;
  std::string sentence;  // all of the below, to be read
  std::string kernel;
  std::uint64_t order_seed = 0;  // that finds it again
  std::string block, threads;    // "(0,0,0)"; "thread 3 (3,0,0)", or several in words
  // Of the access, and of a race the earlier one; of a barrier where threads wait, and others.
  std::string file, other_file;
  int line = 0, other_line = 0;
  bool ends_launch = false;  // it was thrown too
  std::uint64_t times = 1;   // the same two lines in the same kernel
};

// The accesses of one source line of a kernel that are of one kind and width. Meaning of the words:
// kernels/simt/README.md.
struct LineCounts {
  std::string file;
  int line = 0;
  // That line and those around it: "a.h:3 from b.cu:9", innermost first. Lines with equal file and
  // line differ here, or in what follows.
  std::string chain;
  std::string space;           // "global", "shared"
  std::string kind;            // "read", "write", "atomic"
  unsigned bytes = 0;          // that one lane accesses
  std::uint64_t accesses = 0;  // of single lanes
  std::uint64_t requests = 0;
  std::uint64_t sectors = 0;     // global: aligned 32 bytes touched by each request
  std::uint64_t wavefronts = 0;  // shared: passes needed by each request
  double sectors_per_request = 0;
  double conflict_ways = 0;  // shared: wavefronts over those without bank conflicts
  // global: the most sectors that one request touches beyond those its distinct bytes would fill
  unsigned excess_sectors = 0;
};

struct KernelCounts {
  std::string kernel;    // the name it was launched with
  std::string function;  // the kernel itself: "relu_fwd_kernel<float, 4>"
  std::uint64_t launches = 0, threads = 0;
  std::uint64_t bytes_requested = 0;          // global: all lanes of all requests
  std::uint64_t bytes_distinct = 0;           // each byte once in a launch
  std::uint64_t bytes_distinct_by_block = 0;  // each byte once in a block
  std::uint64_t sectors_distinct = 0;         // as above, aligned 32 bytes that were touched
  std::uint64_t sectors_distinct_by_block = 0;
  std::vector<LineCounts> lines;
};

constexpr std::uint32_t kControlAbi = 5;

// All functions may be called from any thread. Counts and findings are those of the process since
// they were last cleared; empty except in the counted build.
struct Control {
  std::uint32_t abi = kControlAbi;
  const char* build = "";  // "plain", "counted", "asan"
  // Of the launches that follow. Starts with LAMELLA_SIMT_SEED, or 1.
  void (*set_order_seed)(std::uint64_t seed) = nullptr;
  std::uint64_t (*order_seed)() = nullptr;
  // Whether launches that follow are watched; on at first. Off, they run at almost full speed.
  void (*set_counting)(bool on) = nullptr;
  std::vector<Finding> (*findings)() = nullptr;
  void (*clear_findings)() = nullptr;
  std::vector<KernelCounts> (*counts)() = nullptr;
  void (*clear_counts)() = nullptr;
};

inline constexpr const char* kControlSymbol = "lamella_simt_control";
using ControlFunction = const Control*();

// The control of the library a backend came from; null when that is no emulator.
inline const Control* control_of(const Backend& backend) {
  Dl_info info{};
  if (dladdr(static_cast<const void*>(&backend), &info) == 0) return nullptr;
  void* library = dlopen(info.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  if (library == nullptr) return nullptr;
  const auto function = reinterpret_cast<ControlFunction*>(dlsym(library, kControlSymbol));
  dlclose(library);  // drops this call's reference, not the library
  return function == nullptr ? nullptr : function();
}

}  // namespace lamella::simt
