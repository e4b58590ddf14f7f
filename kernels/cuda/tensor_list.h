// Kernels that work on many tensors in one launch. The tensors' addresses travel as a kernel
// parameter (up to 32764 bytes in all on sm_70 and newer), so that a step needs no copy to the
// device; a batch holds as many as fit, and a list of more takes another launch. Blocks take chunks
// of equal size, so small tensors cost one block each and large ones many.
#pragma once

#include "kernels/cuda/common.h"

namespace lamella::cuda {

constexpr std::int64_t kChunk = 4096;  // elements of a block's share
constexpr std::int64_t kParameterBytes = 32764;
constexpr std::int64_t kOtherParameters = 96;  // bytes of a kernel's parameters besides the batch
constexpr std::int64_t kMostElements = std::int64_t{1} << 31;  // of one tensor

// `Entry` holds the addresses of one tensor, and its `count`.
template <class Entry>
struct TensorBatch {
  static constexpr int kCapacity = static_cast<int>((kParameterBytes - kOtherParameters - 16) /
                                                    std::int64_t{sizeof(Entry) + sizeof(unsigned)});
  int tensors = 0;
  Entry entries[kCapacity];
  unsigned first_chunk[kCapacity + 1] = {};  // of each tensor; then the number of all chunks

  // Whether there is room for the tensor; adds it where there is.
  bool add(const Entry& entry) {
    if (tensors == kCapacity) return false;
    entries[tensors] = entry;
    first_chunk[tensors + 1] =
        first_chunk[tensors] + static_cast<unsigned>(divide_up(entry.count, kChunk));
    ++tensors;
    return true;
  }
  unsigned chunks() const { return first_chunk[tensors]; }
};

// Elements [begin, end) of one tensor of the batch: the share of this block.
struct Chunk {
  int tensor;
  std::int64_t begin, end;
};

template <class Entry>
__device__ __forceinline__ Chunk chunk_of_block(const TensorBatch<Entry>& batch) {
  int low = 0, high = batch.tensors;  // the tensor is in [low, high)
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    if (batch.first_chunk[middle] <= blockIdx.x) {
      low = middle;
    } else {
      high = middle;
    }
  }
  const std::int64_t begin = std::int64_t{blockIdx.x - batch.first_chunk[low]} * kChunk;
  const std::int64_t count = batch.entries[low].count;
  return {low, begin, begin + kChunk < count ? begin + kChunk : count};
}

// Whether all of the addresses are multiples of 16 bytes; null is.
template <class... Pointers>
__device__ __forceinline__ bool all_aligned(const Pointers*... pointers) {
  return ((reinterpret_cast<std::uintptr_t>(pointers) | ...)) % kVectorBytes == 0;
}

// body<V>(i) for the runs of V elements from i on, then body<1>(i) for what is left or, where the
// arrays are not aligned, for all. Threads take neighbouring runs.
template <int V, class Body>
__device__ __forceinline__ void for_runs(const Chunk& chunk, bool aligned, const Body& body) {
  const std::int64_t thread = threadIdx.x;
  const std::int64_t whole =
      aligned ? chunk.begin + (chunk.end - chunk.begin) / V * V : chunk.begin;
  for (std::int64_t i = chunk.begin + thread * V; i < whole; i += kBlock * V) {
    body.template operator()<V>(i);
  }
  for (std::int64_t i = whole + thread; i < chunk.end; i += kBlock) {
    body.template operator()<1>(i);
  }
}

// Calls launch_batch(batch) for as few batches as hold the list; entry_of makes the entry of a
// tensor. Throws for a tensor of more than kMostElements.
template <class Entry, class List, class EntryOf, class LaunchBatch>
void for_batches(const char* kernel, const List& list, EntryOf entry_of, LaunchBatch launch_batch) {
  TensorBatch<Entry> batch;
  for (std::int64_t i = 0; i < list.tensor_count; ++i) {
    const auto& tensor = list.tensors[i];
    if (tensor.count == 0) continue;
    if (tensor.count > kMostElements) {
      throw std::runtime_error(std::string(kernel) + ": a tensor of " +
                               std::to_string(tensor.count) + " elements; use at most " +
                               std::to_string(kMostElements) + ", in several tensors");
    }
    if (batch.add(entry_of(tensor))) continue;
    launch_batch(batch);
    batch = {};
    batch.add(entry_of(tensor));
  }
  if (batch.tensors > 0) launch_batch(batch);
}

}  // namespace lamella::cuda
