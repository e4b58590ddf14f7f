#include "tests/ops/op_case.h"

#include <algorithm>
#include <utility>

namespace lamella::test {
namespace {

std::vector<const OpFamily*>& families() {
  static std::vector<const OpFamily*> all;
  return all;
}

}  // namespace

OpFamily::OpFamily(std::vector<std::string> kernel_names, std::vector<std::string> case_lines,
                   std::function<OpCase(const KernelLine&)> make_case_of)
    : kernels(std::move(kernel_names)),
      lines(std::move(case_lines)),
      make(std::move(make_case_of)) {
  for (std::string& line : lines) line = kernels.at(0) + " " + line;
  families().push_back(this);
}

const std::vector<const OpFamily*>& op_families() {
  return families();
}

OpCase make_case(const std::string& text) {
  const KernelLine line(text);
  for (const OpFamily* family : families()) {
    if (std::count(family->kernels.begin(), family->kernels.end(), line.kernel()) == 0) continue;
    OpCase made = family->make(line);
    made.line = text;
    made.dtype = line.dtype();
    return made;
  }
  fail("no case family knows the kernel \"", line.kernel(), "\" of \"", text, "\"");
}

}  // namespace lamella::test
