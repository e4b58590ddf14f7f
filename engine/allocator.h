// A caching allocator over one backend's memory: best fit among free blocks, splitting and
// coalescing inside segments; segments come from a pool of the device's pages. Thread-safe.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "engine/memory_plan.h"
#include "engine/page_pool.h"
#include "kernels/backend.h"

namespace lamella {

struct AllocatorStats {
  std::size_t live = 0;  // bytes handed out now
  std::size_t peak = 0;  // most bytes ever handed out at once
  std::size_t held = 0;  // bytes obtained from the device (live + kept for later)
  std::size_t held_peak = 0;
  std::int64_t requests = 0;
  std::int64_t device_allocations = 0;
};

class Allocator {
 public:
  // cap = 0: no limit. Otherwise a request that would make the bytes held pass it fails.
  // cache = false: every allocation is one of the device, of exactly the size asked for, and goes
  // back at once; for tools that watch the bounds of device memory.
  Allocator(const Backend& backend, std::size_t cap, bool cache = true);
  ~Allocator();
  Allocator(const Allocator&) = delete;
  Allocator& operator=(const Allocator&) = delete;

  // O(log blocks). Throws Error saying what was asked, held and free.
  // `lasting`: not a part of the pass that it falls into.
  void* allocate(std::size_t bytes, bool lasting = false);
  void release(void* data) noexcept;

  // Between the two, requests are noted and, from the second pass of the same requests on, served
  // from an arena that holds just them, without the device. Passes do not nest; where they differ
  // they are noted anew.
  void begin_pass();
  void end_pass() noexcept;

  void release_cached();  // gives every wholly free segment back to the device
  void reset_peak();
  AllocatorStats stats() const;
  const Backend& backend() const { return backend_; }

 private:
  using FreeBlocks = std::set<std::pair<std::size_t, char*>>;
  struct Block {
    std::size_t bytes = 0;
    bool free = false;
    bool segment_start = false;
    std::size_t segment_bytes = 0;  // of the whole segment, valid where segment_start
    // Of a block in use: what makes it a free one again without an allocation, which could fail.
    FreeBlocks::node_type entry;
  };
  using Blocks = std::map<char*, Block>;

  void* serve(std::size_t bytes);
  void give(void* data) noexcept;
  void drop_arena();  // where nothing lies in it
  void* take(Blocks::iterator block, std::size_t bytes);
  Blocks::iterator new_segment(std::size_t bytes);
  Blocks::iterator add_free(char* address, Block block);
  Blocks::iterator coalesce(Blocks::iterator block);
  void give_back(Blocks::iterator segment);
  void give_back_free_segments();
  void update_held();

  const Backend& backend_;
  const std::size_t cap_;
  const bool cache_;
  mutable std::mutex mutex_;
  PagePool pages_;
  std::size_t segment_bytes_ = 0;  // of all segments
  Blocks blocks_;                  // every block, by address
  FreeBlocks free_;                // free blocks, by size
  AllocatorStats stats_;
  MemoryPlan plan_;
  bool in_pass_ = false;
};

}  // namespace lamella
