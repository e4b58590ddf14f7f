// Each file of this folder puts its kernels into the table; table.cpp lists the files.
#pragma once

#include "kernels/kernel_table.h"

namespace lamella::cpu::LAMELLA_ISA {

void add_pointwise(KernelTable& table);
void add_cast(KernelTable& table);
void add_dropout(KernelTable& table);
void add_conv2d(KernelTable& table);
void add_bias(KernelTable& table);
void add_linear(KernelTable& table);
void add_batch_norm(KernelTable& table);
void add_batch_norm_backward(KernelTable& table);
void add_max_pool(KernelTable& table);
void add_avg_pool(KernelTable& table);
void add_image(KernelTable& table);
void add_image_jitter(KernelTable& table);
void add_loss(KernelTable& table);
void add_ranking(KernelTable& table);
void add_reductions(KernelTable& table);
void add_optimiser(KernelTable& table);

}  // namespace lamella::cpu::LAMELLA_ISA
