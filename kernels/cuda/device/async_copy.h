// Copies from global into shared memory that go on while the thread computes (cp.async, sm_80 and
// newer). A thread starts some, commits them as a group, and later waits for all but its last
// groups; what they brought is then visible to the thread, and to the block after a barrier.
//   copy16_async(to, from, there)
//     16 bytes, both addresses multiples of 16; zeros, and nothing is read, if nothing is there
//   commit_copies()        ends a group, which may be empty
//   wait_for_copies<n>()   until all groups but the last n are there
#pragma once

#include "kernels/cuda/device/memory.h"

#if defined(__CUDACC__)
namespace lamella {

template <class T>
__device__ __forceinline__ void copy16_async(T* to, const T* from, bool there) {
  const unsigned bytes = there ? 16 : 0;  // that are read; the rest is zeros
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
               :
               : "r"(shared_address(to)), "l"(__cvta_generic_to_global(from)), "r"(bytes)
               : "memory");
}

__device__ __forceinline__ void commit_copies() {
  asm volatile("cp.async.commit_group;" : : : "memory");
}

template <int kGroups>
__device__ __forceinline__ void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" : : "n"(kGroups) : "memory");
}

}  // namespace lamella
#else
#include "kernels/simt/async_copy.h"
#endif
