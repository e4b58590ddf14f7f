// Settings of the emulator that hold for the process.
#pragma once

#include <cstdint>

namespace lamella::simt {

std::uint64_t order_seed();
void set_order_seed(std::uint64_t seed);
// Steps that a thread may make (steps.h): LAMELLA_SIMT_STEPS, or 2^25.
std::int64_t most_steps();

}  // namespace lamella::simt
