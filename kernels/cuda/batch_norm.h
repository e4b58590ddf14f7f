// One channel of a batch norm, in registers: what its forward and backward kernels share.
#pragma once

#include "kernels/cuda/parameters.h"

namespace lamella::cuda {

// z = relu_in ? max(x, 0) : x.
__device__ __forceinline__ float input(const BatchNormShape& s, float x) {
  return s.relu_in && x <= 0 ? 0.0F : x;
}

// What a channel needs, in registers.
struct Channel {
  float mean, inverse_std, gamma, beta;

  // zhat, the normalised value of z.
  __device__ float normalised(const BatchNormShape& s, float x) const {
    return (input(s, x) - mean) * inverse_std;
  }
  // t = gamma * zhat + beta. Forward and backward call this one, so both see the same sign.
  __device__ float scaled(float zhat) const { return gamma * zhat + beta; }
  // g = dy where the ReLU on the output passed t, else 0.
  __device__ float passed(const BatchNormShape& s, float zhat, float dy) const {
    return s.relu_out && scaled(zhat) <= 0 ? 0.0F : dy;
  }
};

// This thread's channels, from the arrays mean, var, gamma, beta.
template <int V, int kArrays>
__device__ __forceinline__ void read_channels(const Parameters<kArrays, V>& tile, float eps,
                                              Channel (&channel)[V]) {
  const Run<V> mean = staged(tile, 0), var = staged(tile, 1);
  const Run<V> gamma = staged(tile, 2), beta = staged(tile, 3);
  for (int i = 0; i < V; ++i) {
    channel[i] = {mean[i], 1.0F / sqrtf(var[i] + eps), gamma[i], beta[i]};
  }
}

}  // namespace lamella::cuda
