// A ladder: kernels for one entry of the kernel table, from naive to nearly lamella's own, one idea
// more on each rung. The last rung, `production`, is what the table holds anyway.
#pragma once

#include <vector>

#include "kernels/kernel_table.h"

namespace lamella::ladder {

struct Rung {
  const char* name;
  const char* idea;
  void (*put)(KernelTable&);  // into its entry
};

struct Ladder {
  const char* name;
  const char* call;  // what is counted, and the entry (kernels/calls)
  std::vector<Rung> rungs;
};

Ladder softmax_ladder();
Ladder batch_norm_ladder();
Ladder product_ladder();
Ladder convolution_ladder();

}  // namespace lamella::ladder
