// Findings and exceeded limits as SARIF 2.1.0, the format in which code hosts and editors take the
// results of an analysis: each at its source line.
#pragma once

#include <vector>

#include "tools/kernel_limits.h"
#include "tools/kernel_rows.h"

namespace lamella::tool {

// One run with one result for each. Paths below the root of the project are relative to it.
Json sarif_of(const std::vector<Row>& rows, const std::vector<Excess>& excesses);

}  // namespace lamella::tool
