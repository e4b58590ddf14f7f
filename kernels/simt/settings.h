// Settings of the emulator that hold for the process.
#pragma once

#include <cstdint>

namespace lamella::simt {

std::uint64_t order_seed();
void set_order_seed(std::uint64_t seed);

}  // namespace lamella::simt
