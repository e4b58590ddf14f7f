// An expectation of counted calls.
#pragma once

#include "tools/count_call.h"

namespace lamella {

// Every request to global memory touches as few sectors as its bytes would fill, one more where
// rows of pixels do not begin at multiples of 32 bytes.
void expect_tight_requests(const tool::CountedCall& counted);

}  // namespace lamella
