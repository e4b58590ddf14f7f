// Holds counted calls to limits: to an earlier count of the same calls, or to figures given
// outright. What `lamella bench kernels --assert` does.
#pragma once

#include <string>
#include <vector>

#include "tools/kernel_rows.h"

namespace lamella::tool {

// A figure of a call that is larger than it may be, and the source line most to blame.
struct Excess {
  const Row* row = nullptr;
  // "bytes_requested", "bytes_distinct", "bytes_distinct_by_block" (sums over the call's kernels),
  // "sectors_per_request", "conflict_ways" (of the worst line)
  std::string figure;
  double limit = 0, value = 0;
  std::string file;
  int line = 0;

  std::string sentence() const;
};

struct Verdict {
  std::vector<Excess> excesses;
  std::size_t held = 0;  // calls that a limit was found for
};

// `limits` is what was read from `path`: either a count, {"schema": "lamella.simt/1", "rows": ...}
// as --json writes it, or {"schema": "lamella.limits/1", "limits": [{"kernel": "softmax_fwd",
// "requested": 2.1, "distinct": 1.05, "by_block": 1.05, "sectors_per_request": 4,
// "conflict_ways": 1}]}: bytes in multiples of the least; a figure left out is not limited; the
// kernel "*" is every kernel. Throws Error with a sentence for anything else. The rows must outlive
// the verdict.
Verdict check_limits(const Json& limits, const std::string& path, const std::vector<Row>& rows);

}  // namespace lamella::tool
