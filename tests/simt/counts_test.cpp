// The counted build counts what the source says: known kernels with numbers worked out by hand or
// by a plain loop over warps.
#include <gtest/gtest.h>

#include <numeric>
#include <set>

#include "tests/simt/library.h"

namespace lamella::simt {
namespace {

const Library& library() {
  static const Library loaded(LAMELLA_TEST_LIBRARY);
  return loaded;
}

struct Sum {
  std::uint64_t requests = 0, sectors = 0, wavefronts = 0;
  bool operator==(const Sum& other) const {
    return requests == other.requests && sectors == other.sectors && wavefronts == other.wavefronts;
  }
};

std::ostream& operator<<(std::ostream& out, const Sum& sum) {
  return out << sum.requests << " requests, " << sum.sectors << " sectors, " << sum.wavefronts
             << " wavefronts";
}

class Counts : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    control_.clear_counts();
    control_.clear_findings();
    control_.set_order_seed(static_cast<std::uint64_t>(GetParam()));
  }
  void TearDown() override {
    for (const Finding& finding : control_.findings()) ADD_FAILURE() << finding.sentence;
  }
  KernelCounts run(const char* kernel, int n, std::size_t inputs, std::size_t outputs) {
    Buffer x(library(), inputs), y(library(), outputs);
    std::vector<float> values(inputs);
    std::iota(values.begin(), values.end(), 0.0F);
    x.write(values);
    library().run(kernel, n, x.data(), y.data());
    const std::vector<KernelCounts> all = control_.counts();
    return all.size() == 1 ? all[0] : KernelCounts{};
  }
  static Sum sum(const KernelCounts& counts, const char* space, const char* kind) {
    Sum sum;
    for (const LineCounts& line : counts.lines) {
      if (line.space != space || line.kind != kind) continue;
      EXPECT_EQ(line.file, "tests/simt/kernels.cu");
      sum.requests += line.requests;
      sum.sectors += line.sectors;
      sum.wavefronts += line.wavefronts;
    }
    return sum;
  }
  const Control& control_ = library().control();
};

TEST_P(Counts, CoalescedReadIsFourSectors) {
  const KernelCounts counts = run("read_strided", 1, 512, 512);
  EXPECT_EQ(sum(counts, "global", "read"), (Sum{16, 64, 0}));
  EXPECT_EQ(sum(counts, "global", "write"), (Sum{16, 64, 0}));
  EXPECT_EQ(counts.launches, 1U);
  EXPECT_EQ(counts.threads, 512U);
  EXPECT_EQ(counts.bytes_requested, 4096U);
  EXPECT_EQ(counts.bytes_distinct, 4096U);
  EXPECT_EQ(counts.bytes_distinct_by_block, 4096U);
}

TEST_P(Counts, StrideEightReadIsThirtyTwoSectors) {
  const KernelCounts counts = run("read_strided", 8, 8 * 512, 512);
  EXPECT_EQ(sum(counts, "global", "read"), (Sum{16, 512, 0}));
  EXPECT_EQ(counts.lines.size(), 2U);
}

TEST_P(Counts, BroadcastReadIsOneSector) {
  const KernelCounts counts = run("read_strided", 0, 1, 512);
  EXPECT_EQ(sum(counts, "global", "read"), (Sum{16, 16, 0}));
  EXPECT_EQ(counts.bytes_requested, 4096U);
  EXPECT_EQ(counts.bytes_distinct, 2048U + 4);
  EXPECT_EQ(counts.bytes_distinct_by_block, 2048U + 4 * 4);
}

TEST_P(Counts, SixteenByteAccessIsOneRequest) {
  const KernelCounts counts = run("copy16", 0, 2048, 2048);
  EXPECT_EQ(sum(counts, "global", "read"), (Sum{16, 256, 0}));
  EXPECT_EQ(sum(counts, "global", "write"), (Sum{16, 256, 0}));
  for (const LineCounts& line : counts.lines) {
    EXPECT_EQ(line.bytes, 16U) << line.chain;
    EXPECT_EQ(line.accesses, 512U) << line.chain;
  }
  EXPECT_EQ(counts.function, "copy16_kernel");
}

// Every lane makes an access of its own, though lanes of a warp share the request.
TEST_P(Counts, AccessesAreThoseOfLanes) {
  const KernelCounts counts = run("transpose", 33, 1024, 1024);
  EXPECT_EQ(counts.function, "transpose_kernel<33>");
  for (const LineCounts& line : counts.lines) {
    EXPECT_EQ(line.bytes, 4U) << line.chain;
    EXPECT_EQ(line.accesses, 1024U) << line.chain;
  }
}

TEST_P(Counts, TransposeWithoutPaddingHasBankConflicts) {
  const KernelCounts counts = run("transpose", 32, 1024, 1024);
  EXPECT_EQ(sum(counts, "shared", "write"), (Sum{32, 0, 32}));
  EXPECT_EQ(sum(counts, "shared", "read"), (Sum{32, 0, 32 * 32}));
}

TEST_P(Counts, TransposeWithPaddingHasNone) {
  const KernelCounts counts = run("transpose", 33, 1024, 1024);
  EXPECT_EQ(sum(counts, "shared", "write"), (Sum{32, 0, 32}));
  EXPECT_EQ(sum(counts, "shared", "read"), (Sum{32, 0, 32}));
  EXPECT_EQ(sum(counts, "global", "read"), (Sum{32, 128, 0}));
}

// Sectors of floats at x[index].
std::uint64_t sectors_of(const std::vector<int>& indices) {
  std::set<int> sectors;
  for (const int index : indices) sectors.insert(index / 8);
  return sectors.size();
}

TEST_P(Counts, LoopWithContinue) {
  constexpr int kRounds = 40;
  Sum expected;
  for (int i = 0; i < kRounds; ++i) {
    std::vector<int> first, second;
    for (int lane = 0; lane < 32; ++lane) {
      if (i % 3 == lane % 3) continue;
      first.push_back(i * 32 + lane);
      if (lane <= i) second.push_back((kRounds + i) * 32 + lane);
    }
    for (const auto& lanes : {first, second}) {
      if (lanes.empty()) continue;
      expected.requests += 4;  // two blocks of two warps
      expected.sectors += 4 * sectors_of(lanes);
    }
  }
  EXPECT_EQ(sum(run("continued", kRounds, 2 * kRounds * 32, 128), "global", "read"), expected);
}

TEST_P(Counts, LoopsOfDifferentLength) {
  Sum expected;
  for (int k = 0; k < 31; ++k) {
    std::vector<int> lanes;
    for (int lane = k + 1; lane < 32; ++lane) lanes.push_back(k * 32 + lane);
    expected.requests += 1;
    expected.sectors += sectors_of(lanes);
  }
  EXPECT_EQ(sum(run("triangle", 0, 1024, 32), "global", "read"), expected);
}

TEST_P(Counts, PoolingWindows) {
  for (const int size : {7, 16, 23}) {
    control_.clear_counts();
    const int out = (size - 1) / 2 + 1;
    Sum expected;
    for (int warp = 0; warp * 32 < out * out; ++warp) {
      for (int cell = 0; cell < 9; ++cell) {
        std::vector<int> lanes;
        for (int i = warp * 32; i < std::min(warp * 32 + 32, out * out); ++i) {
          const int h = i / out * 2 - 1 + cell / 3, w = i % out * 2 - 1 + cell % 3;
          if (h >= 0 && h < size && w >= 0 && w < size) lanes.push_back(h * size + w);
        }
        if (lanes.empty()) continue;
        expected.requests += 1;
        expected.sectors += sectors_of(lanes);
      }
    }
    const auto count = static_cast<std::size_t>(size * size);
    EXPECT_EQ(sum(run("pool", size, count, count), "global", "read"), expected) << size;
  }
}

TEST_P(Counts, SwitchedOffNothingIsCounted) {
  control_.set_counting(false);
  run("copy16", 0, 2048, 2048);
  control_.set_counting(true);
  EXPECT_TRUE(control_.counts().empty());
}

INSTANTIATE_TEST_SUITE_P(OrderSeeds, Counts, testing::Values(1, 2, 3));

}  // namespace
}  // namespace lamella::simt
