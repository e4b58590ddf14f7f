// Which blocks of an entry run equally often, whatever the data: what makes numbers of accesses
// comparable although loops are unrolled and branches depend on the data.
#pragma once

#include <cstddef>
#include <vector>

#include "tests/ptx/ptx_text.h"

namespace lamella::ptx {

// A number for each block; blocks with equal numbers run equally often in every thread. Those of
// class kOnce run once in every thread.
//
// Two blocks do if every cycle through one leads through the other; the end of a thread counts as a
// way back to its beginning (Johnson, Pearson and Pingali 1994, cycle equivalence).
constexpr std::size_t kOnce = 0;
std::vector<std::size_t> classes_of_blocks(const Entry& entry);

}  // namespace lamella::ptx
