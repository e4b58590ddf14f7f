// Who convolves and who multiplies on `cuda`: the hand-written kernels, or a vendor's library.
#pragma once

#include <string>

#include "kernels/backend.h"

namespace lamella::cuda {

// `own` with the kernels of this choice; a choice that is left open is the vendor's where there is
// one. `own` must be the same table in all calls. Throws std::runtime_error where the choice is
// none of those or its library is missing.
const KernelTable& chosen_kernels(const KernelTable& own, const KernelChoice& choice);

// Whom an open choice leaves it to, in words.
std::string chosen_by_default();

}  // namespace lamella::cuda
