#include "tests/calls/tight_requests.h"

#include <gtest/gtest.h>

namespace lamella {

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
