// One line of the trace grammar, `<kernel> key=value ...` (engine/trace.h), taken apart. Pairs such
// as stride=2x1 become the keys stride_h and stride_w.
#pragma once

#include <cstdint>
#include <istream>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace lamella::test {

class CaseLine {
 public:
  // Throws Error where the line is not of the grammar.
  explicit CaseLine(const std::string& line);

  const std::string& text() const { return text_; }
  const std::string& kernel() const { return kernel_; }
  bool has(const std::string& key) const { return values_.count(key) != 0; }
  // The value of a key; throws Error naming the line where it is missing or not a number.
  std::int64_t get(const std::string& key) const;
  std::int64_t get(const std::string& key, std::int64_t otherwise) const;
  double number(const std::string& key, double otherwise) const;

 private:
  double value(const std::string& key) const;

  std::string text_, kernel_;
  std::map<std::string, std::string> values_;
};

// The lines of a shapes file, `name kernel key=value ...`, as (name, line); '#' starts a comment.
std::vector<std::pair<std::string, CaseLine>> read_shapes(std::istream& file);

}  // namespace lamella::test
