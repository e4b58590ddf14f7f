#include "tests/calls/network_calls.h"

#include <gtest/gtest.h>

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

void expect_tight_requests(const tool::CountedCall& counted) {
  bool aligned = true;
  for (const CallOperand& operand : counted.call.operands) {
    const std::int64_t bytes = operand.pitch * static_cast<std::int64_t>(size_of(operand.dtype));
    if (operand.rows > 1 && bytes % 32 != 0) aligned = false;
  }
  for (const simt::KernelCounts& kernel : counted.counts) {
    for (const simt::LineCounts& line : kernel.lines) {
      EXPECT_LE(line.excess_sectors, aligned ? 0U : 1U)
          << counted.call.line << ": " << line.kind << " at " << line.chain;
    }
  }
}

}  // namespace lamella
