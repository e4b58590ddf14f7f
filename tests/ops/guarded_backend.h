// A backend that wraps another and puts a guard zone on either side of every allocation. Guards and
// fresh memory hold NaN, so that a read of them shows in the results, and a write in the guards is
// found when the memory is released, or when asked.
#pragma once

#include <cstddef>
#include <string>

#include "kernels/backend.h"

namespace lamella::test {

// The wrapper of `base`, always the same one: the functions of a Backend carry no state, so one
// process guards one device.
const Backend& guarded(const Backend& base);

// A sentence about the first guard found damaged since the last call; empty when all are whole.
std::string guard_damage();
// Allocations of the guarded backend that are alive.
std::size_t guarded_allocations();

}  // namespace lamella::test
