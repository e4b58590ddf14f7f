// One line of text for one kernel call, `<kernel> key=value ...`: the grammar of LAMELLA_TRACE=op
// (engine/trace.h), of tests/shapes and of the cases of the op suite. Pairs such as stride=2x1
// become the keys stride_h and stride_w.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "kernels/dtype.h"

namespace lamella {

class KernelLine {
 public:
  // Throws std::runtime_error with a sentence where the line is not of the grammar.
  explicit KernelLine(const std::string& line);

  const std::string& text() const { return text_; }
  const std::string& kernel() const { return kernel_; }
  bool has(const std::string& key) const { return values_.count(key) != 0; }
  // The value of a key; throws naming the line where it is missing or not a number.
  std::int64_t get(const std::string& key) const;
  std::int64_t get(const std::string& key, std::int64_t otherwise) const;
  double number(const std::string& key, double otherwise) const;
  // The floating type that dtype=, or another key, names; f32 where the line has none.
  DType dtype(const std::string& key = "dtype") const;

 private:
  double value(const std::string& key) const;

  std::string text_, kernel_;
  std::map<std::string, std::string> values_;
};

// The lines of a shapes file, `name kernel key=value ...`, as (name, line); '#' starts a comment.
std::vector<std::pair<std::string, KernelLine>> read_shapes(std::istream& file);

}  // namespace lamella
