// Conflicts: two threads access the same bytes, one of them writes, and nothing orders them.
#pragma once

#include <cstdint>
#include <optional>

#include "kernels/simt/counted/shadow.h"
#include "kernels/simt/counted/sites.h"

namespace lamella::simt {

// Which intervals are whose.
struct Timeline {
  std::uint32_t launch = 1, block = 1, now = 1;  // first interval of each
};

// Checks an access against those before it and notes it. Returns the one it conflicts with.
// In shared memory `time.launch` is time.block: nothing of other blocks is left there.
std::optional<Accessor> note_access(Cell& cell, const Accessor& access, AccessKind kind,
                                    const Timeline& time);

}  // namespace lamella::simt
