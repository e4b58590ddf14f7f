// The accesses of kernels as nvcc compiles them (PTX) beside those that the emulator counts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/simt/simt.h"
#include "tests/ptx/ptx_text.h"

namespace lamella::ptx {

// Accesses that are told apart: by the source line that kernels/simt/README.md attributes them to,
// memory, kind and width.
struct Site {
  std::string file;
  int line = 0;
  std::string space, kind;
  unsigned bytes = 0;

  std::string access() const;  // "global read of 4 bytes"
  std::string text() const;    // "kernels/cuda/softmax.cu:23 global read of 4 bytes"
  bool operator<(const Site& other) const {
    return std::tie(file, line, space, kind, bytes) <
           std::tie(other.file, other.line, other.space, other.kind, other.bytes);
  }
};

// What one kernel does to memory in PTX: each instruction as the sites it may be of
// (Access::chains) and the class of its block (control_flow.h).
struct Instruction {
  std::vector<Site> sites;
  std::size_t block_class = 0;
};
using Compiled = std::vector<Instruction>;
// What it did in the emulator: accesses of single threads, in all calls.
struct Emulated {
  std::uint64_t threads = 0;
  std::map<Site, std::uint64_t> sites;
};

// By function, "relu_fwd_kernel<float, 4>".
using CompiledKernels = std::map<std::string, Compiled>;
using EmulatedKernels = std::map<std::string, Emulated>;

// Adds the entries of a PTX text. A kernel of a header is in several texts; equal for all of them.
void add(const std::vector<Entry>& entries, CompiledKernels& kernels);
void add(const std::vector<simt::KernelCounts>& counts, EmulatedKernels& kernels);

struct Difference {
  std::string function;
  std::vector<Site> sites;  // that it is about; several where the PTX leaves open which of them
  std::string what;         // the end of the sentence
  std::string text() const;
};

struct Comparison {
  std::size_t kernels = 0, sites = 0;  // that both have
  std::size_t instructions = 0;        // in the PTX of these kernels
  std::size_t doubtful = 0;            // of these, that may be of one of several sites
  std::size_t counted = 0;             // sites whose number of accesses could be compared, too
  std::vector<Difference> differences;
};

// Compared, for each kernel: which sites there are, both ways; and how often sites are accessed,
// where the PTX says so whatever the data. It does where the instructions of two sites lie in
// blocks that run equally often, in equal proportion (3 for 1 in one class of blocks, 6 for 2 in
// another): their accesses must be in that proportion. What lies only in blocks that every thread
// runs once is compared with the number of threads.
Comparison compare(const CompiledKernels& compiled, const EmulatedKernels& emulated);

}  // namespace lamella::ptx
