// One kernel call in the counted build of the emulator: what it did to memory, line by line.
#pragma once

#include <vector>

#include "engine/context.h"
#include "kernels/calls/kernel_call.h"
#include "kernels/simt/simt.h"

namespace lamella::tool {

struct CountedCall {
  KernelCall call;
  std::vector<simt::KernelCounts> counts;  // of each kernel the entry launched
  std::vector<simt::Finding> findings;

  // Sums over the kernels, in bytes. Sectors are 32 bytes each.
  std::uint64_t bytes_distinct() const;           // of the sectors touched, each once in a launch
  std::uint64_t bytes_distinct_by_block() const;  // each once in a block
  std::uint64_t bytes_requested() const;          // of the sectors of every request
  double worst_sectors_per_request() const;
  double worst_conflict_ways() const;
};

// A context on the emulator that counts; throws Error with the reason where there is none.
std::unique_ptr<Context> make_counting_context();
// Of the emulator that the context runs on.
const simt::Control& control_of(const Context& ctx);
// Runs the call once, on operands filled with values it can start from. A launch that throws is a
// finding.
CountedCall count_call(Context& ctx, const KernelCall& call);

}  // namespace lamella::tool
