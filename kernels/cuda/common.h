// What all kernel files share: runs of V elements moved by one access, the map from threads to a
// matrix of pixels x channels, and the choice of element type and vector width for one launch.
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <stdexcept>
#include <string>

#include "kernels/cuda/device/device.h"
#include "kernels/kernel_table.h"

namespace lamella::cuda {

constexpr int kBlock = 256;       // threads of a block
constexpr int kMaxBlocks = 4096;  // of an element-wise grid; its threads loop over the rest
constexpr int kVectorBytes = 16;  // the widest access of a thread

// --- device: runs of V elements --------------------------------------------------------------
// V values in registers. Memory holds them as T; all arithmetic is f32.
template <int V>
struct Run {
  float v[V];
  __device__ float& operator[](int i) { return v[i]; }
  __device__ float operator[](int i) const { return v[i]; }
};

// Reads p[0..V): by 16-byte accesses when V elements fill some (p must be aligned to it), else one
// access for each element.
template <int V, class T>
__device__ __forceinline__ Run<V> load(const T* __restrict__ p) {
  Run<V> run;
  if constexpr (V * sizeof(T) % kVectorBytes == 0) {
    constexpr int kCount = Vec16<T>::kCount;
    for (int first = 0; first < V; first += kCount) {
      const Vec16<T> raw = load16(p + first);
      for (int i = 0; i < kCount; ++i) run[first + i] = static_cast<float>(raw[i]);
    }
  } else {
    for (int i = 0; i < V; ++i) run[i] = static_cast<float>(p[i]);
  }
  return run;
}

template <int V, class T>
__device__ __forceinline__ void store(T* __restrict__ p, const Run<V>& run) {
  if constexpr (V * sizeof(T) % kVectorBytes == 0) {
    constexpr int kCount = Vec16<T>::kCount;
    for (int first = 0; first < V; first += kCount) {
      Vec16<T> raw;
      for (int i = 0; i < kCount; ++i) raw[i] = static_cast<T>(run[first + i]);
      store16(p + first, raw);
    }
  } else {
    for (int i = 0; i < V; ++i) p[i] = static_cast<T>(run[i]);
  }
}

// The same where 16-bit elements are moved beside f32: four by one access of 8 bytes, so that a
// warp's access is whole sectors in both types. p must be aligned to what is moved.
template <int V, class T>
__device__ __forceinline__ Run<V> load_narrow(const T* __restrict__ p) {
  if constexpr (V * sizeof(T) == sizeof(Vec8<T>)) {
    const Vec8<T> raw = load8(p);
    Run<V> run;
    for (int i = 0; i < V; ++i) run[i] = static_cast<float>(raw[i]);
    return run;
  } else {
    return load<V>(p);
  }
}

template <int V, class T>
__device__ __forceinline__ void store_narrow(T* __restrict__ p, const Run<V>& run) {
  if constexpr (V * sizeof(T) == sizeof(Vec8<T>)) {
    Vec8<T> raw;
    for (int i = 0; i < V; ++i) raw[i] = static_cast<T>(run[i]);
    store8(p, raw);
  } else {
    store<V>(p, run);
  }
}

// p[0..V) (=|+=) run.
template <int V, class T>
__device__ __forceinline__ void store(T* __restrict__ p, Run<V> run, Write write) {
  if (write == Write::Add) {
    const Run<V> before = load<V>(p);
    for (int i = 0; i < V; ++i) run[i] += before[i];
  }
  store<V>(p, run);
}

// A run of f32 in shared memory whose groups of four do not lie next to each other: at(first) is
// where the group that begins with element `first` is. Shorter runs are one group.
template <int V, class At>
__device__ __forceinline__ Run<V> load_fours(const At& at) {
  constexpr int kGroup = V < 4 ? V : 4;
  Run<V> run;
  UNROLL for (int first = 0; first < V; first += kGroup) {
    const Run<kGroup> group = load<kGroup>(at(first));
    UNROLL for (int i = 0; i < kGroup; ++i) run[first + i] = group[i];
  }
  return run;
}

template <int V, class At>
__device__ __forceinline__ void store_fours(const Run<V>& run, const At& at) {
  constexpr int kGroup = V < 4 ? V : 4;
  UNROLL for (int first = 0; first < V; first += kGroup) {
    Run<kGroup> group;
    UNROLL for (int i = 0; i < kGroup; ++i) group[i] = run[first + i];
    store<kGroup>(at(first), group);
  }
}

// --- device: threads -> a matrix of pixels x channels -------------------------------------------
// Neighbouring threads (x) take neighbouring runs of V channels, so a warp's access is contiguous;
// threads y take pixels. Each thread loops: for (i = begin; i < end; i += step).
struct Loop {
  std::int64_t begin, step;
};

template <int V>
__device__ __forceinline__ Loop channel_loop() {
  return {(std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x) * V,
          std::int64_t{gridDim.x} * blockDim.x * V};
}

__device__ __forceinline__ Loop pixel_loop() {
  return {std::int64_t{blockIdx.y} * blockDim.y + threadIdx.y,
          std::int64_t{gridDim.y} * blockDim.y};
}

// Flat arrays: threads take neighbouring runs of V elements.
template <int V>
__device__ __forceinline__ Loop element_loop() {
  return channel_loop<V>();
}

// --- host: launch plans ----------------------------------------------------------------------
struct Plan {
  dim3 grid, block;
};

constexpr std::int64_t divide_up(std::int64_t a, std::int64_t b) {
  return (a + b - 1) / b;
}

// Blocks of kBlock threads, `width` of them (a power of two, at most `widest`) along the channels.
inline dim3 block_for(std::int64_t runs, unsigned widest) {
  unsigned width = 1;
  while (width < runs && width < widest) width *= 2;
  return {width, kBlock / width, 1};
}

// Threads x of a block that works on a tile of channels: runs that fill 128 bytes, or single ones.
template <int V>
constexpr unsigned kRuns = V == 1 ? 32 : 8;

// The plan of channel_loop<V> and pixel_loop.
template <int V>
Plan plan_matrix(std::int64_t pixels, std::int64_t channels) {
  const std::int64_t runs = divide_up(channels, V);
  const dim3 block = block_for(runs, kBlock);
  const auto x = std::min<std::int64_t>(divide_up(runs, block.x), kMaxBlocks);
  const auto y =
      std::min<std::int64_t>(divide_up(pixels, block.y), kMaxBlocks / std::max<std::int64_t>(x, 1));
  return {{static_cast<unsigned>(x), static_cast<unsigned>(y), 1}, block};
}

// The plan of element_loop<V>.
template <int V>
Plan plan_flat(std::int64_t count, std::int64_t max_blocks = kMaxBlocks) {
  const std::int64_t blocks = divide_up(divide_up(count, V), kBlock);
  return {{static_cast<unsigned>(std::min(blocks, max_blocks)), 1, 1}, {kBlock, 1, 1}};
}

// --- host: element type and vector width -----------------------------------------------------
// What a launch must know to choose its access width: 16-byte accesses are possible when the
// channels, every pitch and every base address are multiples of 16 bytes.
struct Access {
  DType dtype;
  std::initializer_list<std::int64_t> extents;  // channels and pitches, elements
  std::initializer_list<const void*> pointers;

  bool vectorised() const {
    const auto bytes = static_cast<std::int64_t>(size_of(dtype));
    for (const std::int64_t extent : extents) {
      if (extent * bytes % kVectorBytes != 0) return false;
    }
    for (const void* pointer : pointers) {
      if (reinterpret_cast<std::uintptr_t>(pointer) % kVectorBytes != 0) return false;
    }
    return true;
  }
};

// The same for one operand of a kernel whose operands differ in type: whether V elements of it can
// move together.
template <class T, int V>
bool allows_runs(std::initializer_list<std::int64_t> extents, const void* pointer) {
  const bool fit = std::all_of(extents.begin(), extents.end(),
                               [](std::int64_t extent) { return extent % V == 0; });
  return fit && reinterpret_cast<std::uintptr_t>(pointer) % (V * sizeof(T)) == 0;
}

// Calls launch.operator()<T>() with the storage type of the dtype.
template <class Launch>
void dispatch_type(const char* kernel, DType dtype, Launch launch) {
  switch (dtype) {
    case DType::F32:
      return launch.template operator()<float>();
    case DType::BF16:
      return launch.template operator()<Bf16>();
    case DType::F16:
      return launch.template operator()<F16>();
    default:
      throw std::runtime_error(std::string(kernel) + ": this kernel has no " + name_of(dtype) +
                               " form; use f32, bf16 or f16");
  }
}

// Calls launch.operator()<T, V>(): V elements fill 16 bytes where the access allows, else V = 1.
template <class Launch>
void dispatch(const char* kernel, const Access& access, Launch launch) {
  dispatch_type(kernel, access.dtype, [&]<class T>() {
    if (access.vectorised()) {
      launch.template operator()<T, kVectorBytes / static_cast<int>(sizeof(T))>();
    } else {
      launch.template operator()<T, 1>();
    }
  });
}

}  // namespace lamella::cuda
