// The caching allocator: splitting, coalescing, the cap and its sentence, statistics, threads.
#include "engine/allocator.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include "engine/context.h"

namespace lamella {
namespace {

constexpr std::size_t kKiB = 1024, kMiB = 1024 * kKiB;

// A backend that counts what the allocator holds; `limit` stands for the size of a device's memory.
std::atomic<std::size_t> held{0};
std::atomic<std::size_t> limit{SIZE_MAX};
std::atomic<bool> moves{true};  // false: the device refuses to move pages

class AllocatorTest : public testing::Test {
 protected:
  AllocatorTest() {
    held = 0;
    limit = SIZE_MAX;
    moves = true;
    backend = find_backend("cpu");
    backend.allocate = [](std::size_t bytes) -> void* {
      if (held + bytes > limit) return nullptr;
      held += bytes;
      return find_backend("cpu").allocate(bytes);
    };
    backend.release = [](void* data, std::size_t bytes) {
      held -= bytes;
      find_backend("cpu").release(data, bytes);
    };
    backend.move_pages = [](void* from, void* to, std::size_t bytes) {
      if (!moves || !find_backend("cpu").move_pages(from, to, bytes)) return false;
      held -= bytes;  // the memory that was at `to`
      return true;
    };
  }
  ~AllocatorTest() override { EXPECT_EQ(held, 0U) << "memory of the device was not given back"; }

  Backend backend;
};

TEST_F(AllocatorTest, SmallRequestsShareOneSegmentAndDoNotOverlap) {
  Allocator allocator(backend, 0);
  std::vector<char*> blocks;
  for (std::size_t i = 0; i < 100; ++i) {
    blocks.push_back(static_cast<char*>(allocator.allocate(1000)));
    std::memset(blocks[i], static_cast<int>(i), 1000);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i]) % 256, 0U);
  }
  for (std::size_t i = 0; i < 100; ++i) {
    EXPECT_EQ(blocks[i][0], static_cast<char>(i));
    EXPECT_EQ(blocks[i][999], static_cast<char>(i));
  }
  EXPECT_EQ(allocator.stats().device_allocations, 1);
  EXPECT_EQ(allocator.stats().live, 100 * 1024U);
  for (char* block : blocks) allocator.release(block);
  EXPECT_EQ(allocator.stats().live, 0U);
}

TEST_F(AllocatorTest, NeighboursCoalesceInAnyOrder) {
  for (const std::vector<int>& order :
       {std::vector<int>{0, 1, 2}, {2, 1, 0}, {0, 2, 1}, {1, 0, 2}}) {
    Allocator allocator(backend, 0);
    void* blocks[3];
    for (void*& block : blocks) block = allocator.allocate(300 * kKiB);
    void* last = allocator.allocate(3 * kMiB);  // behind them in the segment
    for (const int i : order) allocator.release(blocks[i]);
    EXPECT_EQ(allocator.allocate(900 * kKiB), blocks[0]) << "the three blocks are one again";
    allocator.release(blocks[0]);
    allocator.release(last);
    EXPECT_EQ(allocator.stats().device_allocations, 1);
  }
}

TEST_F(AllocatorTest, TakesTheSmallestBlockThatFits) {
  Allocator allocator(backend, 0);
  void* large = allocator.allocate(600 * kKiB);
  void* wall1 = allocator.allocate(kKiB);
  void* small = allocator.allocate(100 * kKiB);
  void* wall2 = allocator.allocate(kKiB);
  allocator.release(large);
  allocator.release(small);
  void* fits = allocator.allocate(90 * kKiB);
  EXPECT_EQ(fits, small);
  for (void* data : {wall1, wall2, fits}) allocator.release(data);
}

TEST_F(AllocatorTest, ReleasedMemoryIsUsedAgain) {
  Allocator allocator(backend, 0);
  void* first = allocator.allocate(5 * kMiB);
  allocator.release(first);
  EXPECT_EQ(allocator.allocate(5 * kMiB), first);
  allocator.release(first);
  EXPECT_EQ(allocator.stats().device_allocations, 1);
  EXPECT_EQ(allocator.stats().requests, 2);
  EXPECT_EQ(allocator.stats().held, 6 * kMiB);
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().held, 0U);
  EXPECT_EQ(held, 0U);
}

TEST_F(AllocatorTest, PeaksCountWhatWasLiveAtOnce) {
  Allocator allocator(backend, 0);
  void* a = allocator.allocate(2 * kMiB);
  void* b = allocator.allocate(4 * kMiB);
  allocator.release(a);
  EXPECT_EQ(allocator.stats().live, 4 * kMiB);
  EXPECT_EQ(allocator.stats().peak, 6 * kMiB);
  allocator.reset_peak();
  EXPECT_EQ(allocator.stats().peak, 4 * kMiB);
  EXPECT_EQ(allocator.stats().held_peak, 6 * kMiB);
  allocator.release(b);
}

TEST_F(AllocatorTest, TheCapRefusesInASentence) {
  Allocator allocator(backend, 8 * kMiB);
  void* first = allocator.allocate(6 * kMiB);
  try {
    allocator.allocate(4 * kMiB);
    ADD_FAILURE() << "10 MiB were served under a cap of 8 MiB";
  } catch (const Error& error) {
    const std::string sentence = error.what();
    for (const char* part : {"cpu", "asked for 4", "held 6", "cap 8", "smaller batch"}) {
      EXPECT_NE(sentence.find(part), std::string::npos) << sentence;
    }
  }
  allocator.release(first);
  void* second = allocator.allocate(7 * kMiB);  // the cached 6 MiB make room
  EXPECT_LE(allocator.stats().held_peak, 8 * kMiB);
  allocator.release(second);
}

TEST_F(AllocatorTest, AFullDeviceIsRetriedAfterGivingBackTheCache) {
  limit = 10 * kMiB;
  Allocator allocator(backend, 0);
  allocator.release(allocator.allocate(6 * kMiB));
  void* data = allocator.allocate(8 * kMiB);
  EXPECT_THROW(allocator.allocate(8 * kMiB), Error);
  EXPECT_THROW(allocator.allocate(SIZE_MAX - 100), Error);
  allocator.release(data);
}

TEST_F(AllocatorTest, WithoutCacheEveryRequestIsOneOfTheDevice) {
  Allocator allocator(backend, 0, false);
  void* data = allocator.allocate(1000);
  EXPECT_EQ(held, 1000U);
  allocator.release(data);
  EXPECT_EQ(held, 0U);
  EXPECT_EQ(allocator.stats().held, 0U);
}

// Live blocks of changing sizes, each filled with its own byte and checked before it goes.
void churn(Allocator& allocator, int rounds) {
  struct Live {
    unsigned char* data;
    std::size_t bytes;
    unsigned char fill;
  };
  std::vector<Live> live;
  for (int i = 0; i < rounds; ++i) {
    const std::size_t bytes = (9 + static_cast<std::size_t>(i * 7919 % 23)) * kMiB + 12345;
    const auto fill = static_cast<unsigned char>(i);
    auto* data = static_cast<unsigned char*>(allocator.allocate(bytes));
    std::memset(data, fill, bytes);
    live.push_back({data, bytes, fill});
    if (live.size() < 4) continue;
    const Live old = live[static_cast<std::size_t>(i % 3)];
    live.erase(live.begin() + i % 3);
    for (std::size_t at = 0; at < old.bytes; at += 4096) ASSERT_EQ(old.data[at], old.fill);
    ASSERT_EQ(old.data[old.bytes - 1], old.fill);
    allocator.release(old.data);
  }
  for (const Live& block : live) allocator.release(block.data);
}

TEST_F(AllocatorTest, LargeBlocksOfAnySizeNeedNoMoreThanIsUsedAtOnce) {
  Allocator allocator(backend, 0);
  churn(allocator, 60);
  const AllocatorStats first = allocator.stats();
  EXPECT_EQ(held, first.held);
  EXPECT_LE(first.held_peak, first.peak + 4 * PagePool::kPage);
  churn(allocator, 60);  // by now all memory is there: nothing new is obtained
  EXPECT_EQ(held, first.held);
  allocator.release_cached();
  EXPECT_EQ(held, 0U);
}

TEST_F(AllocatorTest, ADeviceThatRefusesToMovePagesOnlyTakesMore) {
  moves = false;
  Allocator allocator(backend, 0);
  churn(allocator, 60);
  EXPECT_GE(held, allocator.stats().peak);
}

TEST_F(AllocatorTest, PagesOfLargeBlocksCountForTheCap) {
  Allocator allocator(backend, 64 * kMiB);
  void* blocks[3];
  for (void*& block : blocks) block = allocator.allocate(20 * kMiB);
  for (void* block : blocks) allocator.release(block);
  EXPECT_EQ(allocator.stats().held, 60 * kMiB);
  void* large = allocator.allocate(50 * kMiB);  // of the pages of all three
  EXPECT_EQ(allocator.stats().held, 60 * kMiB);
  EXPECT_THROW(allocator.allocate(20 * kMiB), Error);
  allocator.release(large);
  EXPECT_LE(allocator.stats().held_peak, 64 * kMiB);
}

TEST_F(AllocatorTest, ThreadsMayShareIt) {
  Allocator allocator(backend, 0);
  std::atomic<int> clashes{0};
  const auto work = [&](int id) {
    std::vector<char*> mine;
    for (int i = 0; i < 2000; ++i) {
      const std::size_t bytes = 100 + static_cast<std::size_t>((i * 7919) % 5000);
      char* data = static_cast<char*>(allocator.allocate(bytes));
      data[0] = data[bytes - 1] = static_cast<char>(id);
      mine.push_back(data);
      if (mine.size() < 20) continue;
      if (mine.front()[0] != static_cast<char>(id)) ++clashes;
      allocator.release(mine.front());
      mine.erase(mine.begin());
    }
    for (char* data : mine) allocator.release(data);
  };
  std::vector<std::thread> threads;
  for (int id = 1; id <= 4; ++id) threads.emplace_back(work, id);
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(clashes, 0);
  EXPECT_EQ(allocator.stats().live, 0U);
  EXPECT_EQ(allocator.stats().requests, 8000);
}

TEST_F(AllocatorTest, ATensorMayOutliveItsContext) {
  Tensor tensor;
  {
    Context::Options options;
    options.backend = &backend;
    Context ctx(options);
    tensor = ctx.zeros({1000});
  }
  EXPECT_EQ(tensor.as<float>()[999], 0.0F);
}

}  // namespace
}  // namespace lamella
