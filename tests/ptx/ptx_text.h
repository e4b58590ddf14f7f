// The text of PTX (the instruction set that nvcc compiles kernels to), as far as it says what
// memory is accessed: entries, blocks of instructions, the accesses in them with width and source
// line. Written from the PTX ISA, version 9.0; `nvcc -ptx -lineinfo` makes the text.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace lamella::ptx {

struct Frame {
  std::string file;
  int line = 0;
  std::string function;  // that the line is in; empty for one that is not inlined
};

struct Access {
  std::string space;  // "global", "shared", or "generic" where the compiler did not know
  std::string kind;   // "read", "write", "atomic"
  unsigned bytes = 0;
  // The line and the inlined calls around it, innermost first. PTX names an inlined call by its
  // line and column only; where these fit several calls of the kernel there are several chains.
  std::vector<std::vector<Frame>> chains;
};

// Instructions that run one after another. A predicated access is a block of its own.
struct Block {
  std::vector<Access> accesses;
  std::vector<std::size_t> next;
  bool returns = false;  // the thread may end here
};

struct Entry {
  std::string function;  // "relu_fwd_kernel<float, 4>"
  std::vector<Block> blocks;
};

// Files under `source` get names relative to it. Throws std::runtime_error with a sentence for an
// instruction that may access memory in a way this reader does not know.
std::vector<Entry> read_ptx(const std::string& text, const std::string& source);

// "relu_fwd_kernel<lamella::F16, 8>" of a mangled name, in the words of the emulator's compiler.
std::string function_name(const std::string& mangled);

}  // namespace lamella::ptx
