#include "tests/calls/network_calls.h"

#include <cstdlib>
#include <fstream>
#include <set>

namespace lamella {
namespace {

const char* wanted_entries() {
  return std::getenv("LAMELLA_TRAFFIC_ENTRIES");
}

bool is_wanted(const std::string& entry) {
  return !only_some_entries() ||
         ("," + std::string(wanted_entries()) + ",").find("," + entry + ",") != std::string::npos;
}

}  // namespace

bool only_some_entries() {
  return wanted_entries() != nullptr;
}

std::vector<KernelCall> network_calls(const std::string& network, const std::string& dtype) {
  std::ifstream file(std::string(LAMELLA_SHAPES_FOLDER) + "/" + network + ".txt");
  std::vector<KernelCall> calls;
  std::set<std::string> seen;
  for (const auto& [name, line] : read_shapes(file)) {
    for (const KernelLine& one : with_backward(line)) {
      const std::string text =
          one.text().substr(0, one.text().rfind(" dtype=")) + " dtype=" + dtype;
      if (is_wanted(one.kernel()) && seen.insert(text).second)
        calls.push_back(make_call(KernelLine(text)));
    }
  }
  return calls;
}

bool is_product(const KernelCall& call) {
  return call.line.starts_with("conv2d_") || call.line.starts_with("linear_");
}

}  // namespace lamella
