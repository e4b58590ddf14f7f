// Fills the kernel table with the launchers of the .cu files.
#include "kernels/cuda/table.h"

#include "kernels/cuda/families.h"

namespace lamella {
namespace {

KernelTable make_table() {
  KernelTable table;
  cuda::add_pointwise(table);
  cuda::add_cast(table);
  cuda::add_dropout(table);
  cuda::add_conv2d(table);
  cuda::add_norm_conv2d(table);
  cuda::add_bias(table);
  cuda::add_linear(table);
  cuda::add_batch_norm(table);
  cuda::add_batch_norm_backward(table);
  cuda::add_pooling(table);
  cuda::add_global_pool(table);
  cuda::add_image(table);
  cuda::add_image_jitter(table);
  cuda::add_softmax(table);
  cuda::add_l2_penalty(table);
  cuda::add_ranking(table);
  cuda::add_reductions(table);
  cuda::add_optimiser(table);
  cuda::add_gradient_control(table);
  return table;
}

}  // namespace

const KernelTable& cuda_kernel_table() {
  static const KernelTable table = make_table();
  return table;
}

}  // namespace lamella
