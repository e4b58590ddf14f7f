// The kernel table of one instruction set.
#include "kernels/cpu/own/families.h"

namespace lamella::cpu::LAMELLA_ISA {

KernelTable kernel_table() {
  KernelTable table{};
  add_pointwise(table);
  add_cast(table);
  add_dropout(table);
  add_conv2d(table);
  add_bias(table);
  add_linear(table);
  add_batch_norm(table);
  add_batch_norm_backward(table);
  add_max_pool(table);
  add_avg_pool(table);
  add_image(table);
  add_image_jitter(table);
  add_loss(table);
  add_ranking(table);
  add_reductions(table);
  add_optimiser(table);
  return table;
}

}  // namespace lamella::cpu::LAMELLA_ISA
