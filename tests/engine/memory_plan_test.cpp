// A plan serves the pass it noted, never puts two living tensors on one place, and gives way when a
// pass is another one.
#include "engine/memory_plan.h"

#include <gtest/gtest.h>

#include <deque>
#include <vector>

#include "engine/allocator.h"
#include "engine/context.h"
#include "engine/rng.h"

namespace lamella {
namespace {

// A pass as a list of steps: a positive number requests so many bytes, a negative one releases the
// request of that position, counted from 1.
using Pass = std::vector<int>;

class Runner {
 public:
  // Runs a pass, serving what the plan does not; returns how many requests that were. Every living
  // block holds a mark of its own, looked at when it dies.
  int run(const Pass& pass) {
    int served = 0;
    std::vector<std::pair<unsigned char*, std::size_t>> blocks;
    std::deque<std::vector<unsigned char>> own;
    plan_.begin();
    for (const int step : pass) {
      if (step > 0) {
        const auto bytes = static_cast<std::size_t>(step);
        auto* data = static_cast<unsigned char*>(plan_.place(bytes));
        if (data == nullptr) {
          own.emplace_back(bytes);
          data = own.back().data();
          plan_.note(data, bytes);
          ++served;
        }
        blocks.emplace_back(data, bytes);
        std::fill_n(data, bytes, static_cast<unsigned char>(blocks.size()));
      } else {
        const auto which = static_cast<std::size_t>(-step - 1);
        const auto [data, bytes] = blocks[which];
        for (std::size_t i = 0; i < bytes; ++i) EXPECT_EQ(data[i], which + 1) << "overwritten";
        plan_.release(data);
      }
    }
    if (const std::size_t bytes = plan_.end(); bytes > 0) {
      arena_.assign(bytes, 0);
      plan_.use(arena_.data());
    }
    return served;
  }
  std::size_t arena() const { return arena_.size(); }

 private:
  MemoryPlan plan_;
  std::vector<unsigned char> arena_;
};

const Pass kChain{8, 16, -1, 8, -2, 32, -3, -4};

TEST(MemoryPlan, ServesTheSecondPass) {
  Runner runner;
  EXPECT_EQ(runner.run(kChain), 4);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(runner.run(kChain), 0);
  EXPECT_EQ(runner.arena(), 40U);  // the 32 and the 8 before it: nothing smaller would do
}

TEST(MemoryPlan, ServesTheFirstPartOfAPass) {
  Runner runner;
  runner.run(kChain);
  EXPECT_EQ(runner.run({8, 16, -1, -2}), 0);
  EXPECT_EQ(runner.run(kChain), 0);
}

TEST(MemoryPlan, NotesAnotherPassAnew) {
  Runner runner;
  runner.run(kChain);
  const Pass other{8, 24, -1, -2};
  EXPECT_EQ(runner.run(other), 1);
  EXPECT_EQ(runner.run(other), 2);
  EXPECT_EQ(runner.run(other), 0);
}

// The same requests with longer lives: a place that is still in use is not given out.
TEST(MemoryPlan, NeverOverwritesWhatLives) {
  Runner runner;
  runner.run(kChain);
  EXPECT_GT(runner.run({8, 16, 8, 32, -1, -2, -3, -4}), 0);
}

TEST(MemoryPlan, DoesNotPlanAPassThatLeavesSomething) {
  Runner runner;
  const Pass leaky{8, 16, -1};
  for (int i = 0; i < 3; ++i) EXPECT_EQ(runner.run(leaky), 2);
}

// A workspace that grows during a pass is no part of it.
TEST(MemoryPlan, LeavesOutWhatLasts) {
  Allocator allocator(find_backend("cpu"), 0);
  void* workspace = nullptr;
  std::vector<void*> first, later;
  for (int i = 0; i < 3; ++i) {
    allocator.begin_pass();
    for (const std::size_t bytes : {1000U, 3000U}) {
      if (i == 0) {
        if (workspace != nullptr) allocator.release(workspace);
        workspace = allocator.allocate(bytes, true);
      }
      void* data = allocator.allocate(bytes);
      allocator.release(data);
      if (i > 0) (i == 1 ? first : later).push_back(data);
    }
    allocator.end_pass();
  }
  EXPECT_EQ(first, later);
  allocator.release(workspace);
  EXPECT_GE(allocator.stats().live, 3000U) << "the arena";
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().live, 0U);
}

// A place that outlives its pass stays its owner's: the arena is not exchanged beneath it.
TEST(MemoryPlan, KeepsTheArenaWhileSomethingLiesInIt) {
  MemoryPlan plan;
  const auto pass = [&](const std::vector<std::size_t>& sizes) {
    std::vector<void*> places;
    plan.begin();
    for (const std::size_t bytes : sizes) places.push_back(plan.place(bytes));
    return places;
  };
  std::vector<char> own(64), arena(64);
  pass({});
  EXPECT_EQ(plan.place(8), nullptr);
  plan.note(own.data(), 8);
  plan.release(own.data());
  EXPECT_EQ(plan.end(), 8U);
  plan.use(arena.data());
  void* escaped = pass({8}).front();
  EXPECT_EQ(escaped, arena.data());
  EXPECT_EQ(plan.end(), 0U);
  EXPECT_FALSE(plan.idle());
  EXPECT_EQ(pass({8}).front(), nullptr) << "the place is taken";
  plan.note(own.data(), 8);
  plan.release(own.data());
  EXPECT_EQ(plan.end(), 0U) << "no other arena while the first one is in use";
  EXPECT_TRUE(plan.release(escaped));
  EXPECT_TRUE(plan.idle());
}

// Where the cap leaves no room for an arena, the passes go on without one.
TEST(MemoryPlan, DoesWithoutAnArenaWhereThereIsNoRoom) {
  constexpr std::size_t kMiB = std::size_t{1} << 20U;
  Allocator allocator(find_backend("cpu"), 8 * kMiB);
  void* kept = nullptr;
  for (int i = 0; i < 3; ++i) {
    allocator.begin_pass();
    allocator.release(allocator.allocate(5 * kMiB));
    if (kept == nullptr) kept = allocator.allocate(4 * kMiB);
    allocator.end_pass();
    allocator.release(kept);
    kept = allocator.allocate(4 * kMiB);
    allocator.release(kept);
    kept = nullptr;
  }
  allocator.release_cached();
  EXPECT_EQ(allocator.stats().live, 0U);
}

TEST(MemoryPlan, HoldsForRandomPasses) {
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    Rng rng(seed, RngStream::Test);
    Pass pass;
    std::vector<int> living;
    std::size_t now = 0, peak = 0;
    std::vector<std::size_t> sizes;
    for (int i = 0; i < 60; ++i) {
      if (living.empty() || rng.below(2) == 0) {
        const int bytes = 1 + static_cast<int>(rng.below(64));
        pass.push_back(bytes);
        sizes.push_back(static_cast<std::size_t>(bytes));
        living.push_back(static_cast<int>(sizes.size()));
        now += sizes.back();
        peak = std::max(peak, now);
      } else {
        const std::size_t at = rng.below(static_cast<std::uint32_t>(living.size()));
        now -= sizes[static_cast<std::size_t>(living[at] - 1)];
        pass.push_back(-living[at]);
        living.erase(living.begin() + static_cast<std::ptrdiff_t>(at));
      }
    }
    for (const int left : living) pass.push_back(-left);
    Runner runner;
    runner.run(pass);
    EXPECT_EQ(runner.run(pass), 0);
    EXPECT_GE(runner.arena(), peak);
    EXPECT_LE(runner.arena(), peak * 3 / 2);
  }
}

}  // namespace
}  // namespace lamella
