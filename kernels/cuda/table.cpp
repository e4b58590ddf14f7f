// Fills the kernel table with the launchers of the .cu files.
#include "kernels/cuda/table.h"

#include "kernels/cuda/launchers.h"

namespace lamella {
namespace {

KernelTable make_table() {
  KernelTable table;
  table.fill = cuda::fill;
  table.copy = cuda::copy;
  table.relu_fwd = cuda::relu_fwd;
  table.relu_bwd = cuda::relu_bwd;
  table.add_fwd = cuda::add_fwd;
  table.dropout_fwd = cuda::dropout_fwd;
  table.dropout_bwd = cuda::dropout_bwd;
  table.conv2d_fwd = cuda::conv2d_fwd;
  table.conv2d_bwd_data = cuda::conv2d_bwd_data;
  table.conv2d_bwd_weight = cuda::conv2d_bwd_weight;
  table.bias_bwd = cuda::bias_bwd;
  table.linear_fwd = cuda::linear_fwd;
  table.linear_bwd_data = cuda::linear_bwd_data;
  table.linear_bwd_weight = cuda::linear_bwd_weight;
  table.batch_norm_stats = cuda::batch_norm_stats;
  table.batch_norm_apply = cuda::batch_norm_apply;
  table.batch_norm_bwd_reduce = cuda::batch_norm_bwd_reduce;
  table.batch_norm_bwd_apply = cuda::batch_norm_bwd_apply;
  table.batch_norm_update = cuda::batch_norm_update;
  table.max_pool2d_fwd = cuda::max_pool2d_fwd;
  table.max_pool2d_bwd = cuda::max_pool2d_bwd;
  table.avg_pool2d_fwd = cuda::avg_pool2d_fwd;
  table.avg_pool2d_bwd = cuda::avg_pool2d_bwd;
  table.global_avg_pool_fwd = cuda::global_avg_pool_fwd;
  table.global_avg_pool_bwd = cuda::global_avg_pool_bwd;
  table.softmax_fwd = cuda::softmax_fwd;
  table.softmax_cross_entropy_fwd = cuda::softmax_cross_entropy_fwd;
  table.softmax_cross_entropy_bwd = cuda::softmax_cross_entropy_bwd;
  table.l2_penalty_fwd = cuda::l2_penalty_fwd;
  table.l2_penalty_bwd = cuda::l2_penalty_bwd;
  table.sgd_step = cuda::sgd_step;
  table.adam_step = cuda::adam_step;
  return table;
}

}  // namespace

const KernelTable& cuda_kernel_table() {
  static const KernelTable table = make_table();
  return table;
}

}  // namespace lamella
