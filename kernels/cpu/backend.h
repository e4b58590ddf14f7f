// The CPU backend, part of liblamella. Its kernels are this folder's own, compiled for several
// instruction sets and chosen when first used; where built with oneDNN, that replaces the entries
// it does faster.
//
// LAMELLA_CPU_ISA=v2|v3|v4 (x86-64 levels: SSE4.2, AVX2 + FMA, AVX-512) chooses a lower one than
// the processor has; cpu_backend().unavailable() says so where the value cannot be had.
#pragma once

#include "kernels/backend.h"
#include "kernels/kernel_table.h"

namespace lamella {

const Backend& cpu_backend();

// The instruction set in use: "v2", "v3" or "v4".
const char* cpu_isa();

// Every entry in our own code.
const KernelTable& cpu_own_table();

// Convolution at inference in our own code; layouts below kFirstOnednnLayout (onednn.h).
const FusedConvolution& cpu_own_fused();

// The entries that oneDNN does, all others null; null when built without oneDNN.
const KernelTable* cpu_onednn_table();

}  // namespace lamella
