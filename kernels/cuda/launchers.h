// The launchers behind the entries of the kernel table: plain C++ functions, one for each entry,
// with the contract that kernels/kernel_table.h gives it.
#pragma once

#include "kernels/kernel_table.h"

namespace lamella::cuda {

// pointwise
void fill(const KernelContext&, const FlatShape&, float value, void* y);
void copy(const KernelContext&, const SliceShape&, const void* x, void* y, Write);
void relu_fwd(const KernelContext&, const SliceShape&, const void* x, void* y);
void relu_bwd(const KernelContext&, const SliceShape&, const void* y, const void* dy,
              std::int64_t dy_pitch, void* dx, Write);
void add_fwd(const KernelContext&, const AddShape&, const void* a, const void* b, void* y);
void dropout_fwd(const KernelContext&, const SliceShape&, const DropoutKey&, const void* x,
                 void* y);
void dropout_bwd(const KernelContext&, const SliceShape&, const DropoutKey&, const void* dy,
                 void* dx, Write);

// convolution
void conv2d_fwd(const KernelContext&, const Conv2dShape&, const void* x, const void* w,
                const float* bias, void* y);
void conv2d_bwd_data(const KernelContext&, const Conv2dShape&, const void* dy, const void* w,
                     void* dx, Write);
void conv2d_bwd_weight(const KernelContext&, const Conv2dShape&, const void* x, const void* dy,
                       void* dw, Write);
void bias_bwd(const KernelContext&, const SliceShape&, const void* dy, float* db, Write);

// product
void linear_fwd(const KernelContext&, const LinearShape&, const void* x, const void* w,
                const float* bias, void* y);
void linear_bwd_data(const KernelContext&, const LinearShape&, const void* dy, const void* w,
                     void* dx, Write);
void linear_bwd_weight(const KernelContext&, const LinearShape&, const void* x, const void* dy,
                       void* dw, Write);

// batch norm
void batch_norm_stats(const KernelContext&, const BatchNormShape&, const void* x, float* mean,
                      float* var);
void batch_norm_apply(const KernelContext&, const BatchNormShape&, const void* x, const float* mean,
                      const float* var, const float* gamma, const float* beta, void* y);
void batch_norm_bwd_reduce(const KernelContext&, const BatchNormShape&, const void* x,
                           const void* dy, const float* mean, const float* var, const float* gamma,
                           const float* beta, float* sums);
void batch_norm_bwd_apply(const KernelContext&, const BatchNormShape&, const void* x,
                          const void* dy, const float* mean, const float* var, const float* gamma,
                          const float* beta, const float* sums, std::int64_t dx_pitch, void* dx,
                          Write);
void batch_norm_update(const KernelContext&, const BatchNormShape&, float momentum,
                       const float* mean, const float* var, float* running_mean,
                       float* running_var);

// pooling
void max_pool2d_fwd(const KernelContext&, const Pool2dShape&, const void* x, void* y,
                    std::uint8_t* argmax);
void max_pool2d_bwd(const KernelContext&, const Pool2dShape&, const void* dy,
                    const std::uint8_t* argmax, void* dx, Write);
void avg_pool2d_fwd(const KernelContext&, const Pool2dShape&, const void* x, void* y);
void avg_pool2d_bwd(const KernelContext&, const Pool2dShape&, const void* dy, void* dx, Write);
void global_avg_pool_fwd(const KernelContext&, const GlobalPoolShape&, const void* x, void* y);
void global_avg_pool_bwd(const KernelContext&, const GlobalPoolShape&, const void* dy, void* dx,
                         Write);

// loss
void softmax_fwd(const KernelContext&, const SoftmaxShape&, const void* x, float* probs);
void softmax_cross_entropy_fwd(const KernelContext&, const SoftmaxShape&, const void* x,
                               const std::int32_t* labels, float* loss, float* probs);
void softmax_cross_entropy_bwd(const KernelContext&, const SoftmaxShape&, const float* probs,
                               const std::int32_t* labels, const float* dloss, void* dx, Write);
void l2_penalty_fwd(const KernelContext&, const FlatShape&, float lambda, const void* w,
                    float* loss, Write);
void l2_penalty_bwd(const KernelContext&, const FlatShape&, float lambda, const void* w,
                    const float* dloss, void* dw, Write);

// optimisers, in place on w and the state
void sgd_step(const KernelContext&, const FlatShape&, const SgdParams&, const void* g, float* m,
              void* w);
void adam_step(const KernelContext&, const FlatShape&, const AdamParams&, const void* g, float* m,
               float* v, void* w);

}  // namespace lamella::cuda
