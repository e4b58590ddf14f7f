// Each .cu file of this folder puts its launchers into the table; table.cpp lists the files.
#pragma once

#include "kernels/kernel_table.h"

namespace lamella::cuda {

void add_pointwise(KernelTable& table);
void add_cast(KernelTable& table);
void add_dropout(KernelTable& table);
void add_conv2d(KernelTable& table);
void add_norm_conv2d(KernelTable& table);
void add_bias(KernelTable& table);
void add_linear(KernelTable& table);
void add_batch_norm(KernelTable& table);
void add_batch_norm_backward(KernelTable& table);
void add_pooling(KernelTable& table);
void add_global_pool(KernelTable& table);
void add_image(KernelTable& table);
void add_image_jitter(KernelTable& table);
void add_softmax(KernelTable& table);
void add_l2_penalty(KernelTable& table);
void add_ranking(KernelTable& table);
void add_reductions(KernelTable& table);
void add_optimiser(KernelTable& table);
void add_gradient_control(KernelTable& table);

}  // namespace lamella::cuda
