#include "kernels/calls/kernel_line.h"

#include <cmath>
#include <cstdlib>
#include <sstream>
#include <stdexcept>

namespace lamella {
namespace {

template <class... Parts>
[[noreturn]] void fail(const Parts&... parts) {
  std::ostringstream sentence;
  (sentence << ... << parts);
  throw std::runtime_error(sentence.str());
}

}  // namespace

KernelLine::KernelLine(const std::string& line) : text_(line) {
  std::istringstream words(line);
  words >> kernel_;
  if (kernel_.empty()) fail("a case line is empty; it must be `<kernel> key=value ...`");
  for (std::string word; words >> word;) {
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0 || equals + 1 == word.size()) {
      fail("\"", word, "\" in \"", line, "\" is not key=value");
    }
    const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    const std::size_t by = value.find('x');
    if (by == std::string::npos) {
      values_[key] = value;
    } else {
      values_[key + "_h"] = value.substr(0, by);
      values_[key + "_w"] = value.substr(by + 1);
    }
  }
}

double KernelLine::value(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) fail("\"", text_, "\" has no ", key, "=");
  char* end = nullptr;
  const double number = std::strtod(found->second.c_str(), &end);
  if (*end != '\0' || found->second.empty() || !std::isfinite(number)) {
    fail(key, "=", found->second, " in \"", text_, "\" is not a number");
  }
  return number;
}

std::int64_t KernelLine::get(const std::string& key) const {
  const double number = value(key);
  if (number != std::floor(number) || std::abs(number) > 0x1p53) {
    fail(key, " in \"", text_, "\" is not a whole number");
  }
  return static_cast<std::int64_t>(number);
}

std::int64_t KernelLine::get(const std::string& key, std::int64_t otherwise) const {
  return has(key) ? get(key) : otherwise;
}

double KernelLine::number(const std::string& key, double otherwise) const {
  return has(key) ? value(key) : otherwise;
}

DType KernelLine::dtype(const std::string& key) const {
  const auto found = values_.find(key);
  if (found == values_.end()) return DType::F32;
  for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
    if (found->second == name_of(dtype)) return dtype;
  }
  fail(key, "=", found->second, " in \"", text_, "\"; use f32, bf16 or f16");
}

std::vector<std::pair<std::string, KernelLine>> read_shapes(std::istream& file) {
  std::vector<std::pair<std::string, KernelLine>> lines;
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t space = line.find(' ');
    if (space == std::string::npos) fail("\"", line, "\" is not `name kernel key=value ...`");
    lines.emplace_back(line.substr(0, space), KernelLine(line.substr(space + 1)));
  }
  return lines;
}

}  // namespace lamella
