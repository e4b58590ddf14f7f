// From an address in the kernels' code to the source: the line, and the chain of inlined calls that
// led to it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "kernels/simt/counted/dwarf.h"

namespace lamella::simt {

struct SourceFrame {
  std::string file;
  std::uint32_t line, column;
  std::string function;  // that the line is in; empty for one that is not inlined
};

class SourceMap {
 public:
  // Of the library this code is in; empty when it holds no debug information.
  SourceMap();
  SourceMap(const SourceMap&) = delete;
  SourceMap& operator=(const SourceMap&) = delete;

  // Innermost first. `offset` is from the start of the library as it lies in memory.
  std::vector<SourceFrame> frames(std::uint64_t offset) const;

  // Of the function whose code begins at `offset`: "relu_fwd_kernel<float, 4>"; empty where none
  // does.
  std::string function_at(std::uint64_t offset) const;

  // Of the library in memory, and how much of it is code and constants.
  static std::uintptr_t image_begin();

 private:
  struct Row {
    std::uint64_t address;
    std::uint32_t unit, file, line, column;
    bool end;
  };
  std::vector<Unit> units_;
  std::vector<std::vector<std::string>> files_;  // by unit
  std::vector<Row> rows_;
};

}  // namespace lamella::simt
