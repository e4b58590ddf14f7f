// What onednn.cpp (or no_onednn.cpp, where built without oneDNN) offers to backend.cpp.
#pragma once

#include <string>

#include "kernels/kernel_table.h"

namespace lamella::cpu {

// Every entry oneDNN can do, others null; null when built without it. `isa` (v2, v3, v4) bounds the
// instructions it may use, unless DNNL_MAX_CPU_ISA or ONEDNN_MAX_CPU_ISA already does.
const KernelTable* onednn_table(const char* isa);

// Replaces the entries of a table of own kernels that oneDNN does faster.
void replace_with_onednn(KernelTable& table, const char* isa);

std::string onednn_version();

}  // namespace lamella::cpu
