// The emulator behaves as a device does: order of threads, collectives, barriers, memory, errors.
// Runs in the plain build, or the one under sanitizers where that is what was configured.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "tests/simt/library.h"

namespace lamella::simt {
namespace {

const Library& library() {
  static const Library loaded(LAMELLA_TEST_LIBRARY);
  return loaded;
}

bool sanitized() {
  return std::string(library().control().build) == "asan";
}

bool mentions(const std::string& text, std::initializer_list<const char*> parts) {
  return std::all_of(parts.begin(), parts.end(),
                     [&](const char* part) { return text.find(part) != std::string::npos; });
}

std::vector<float> ramp(std::size_t count) {
  std::vector<float> values(count);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

class Behaviour : public testing::Test {
 protected:
  void SetUp() override { library().control().set_order_seed(1); }
  std::string error(const char* kernel, int n = 0, float* y = nullptr) {
    return error_of(library(), kernel, n, nullptr, y);
  }
};

TEST_F(Behaviour, BackendIsSimt) {
  EXPECT_STREQ(library().backend().name, "simt");
  EXPECT_EQ(library().backend().abi, kBackendAbi);
  EXPECT_EQ(control_of(library().backend()), &library().control());
  EXPECT_EQ(control_of(Backend{}), nullptr);
}

// The definition of the CUDA C++ Programming Guide, written for one lane.
std::vector<int> expected_collectives(unsigned mask, int lane) {
  const auto in = [&](int source) { return source < 32 && (mask >> source & 1U) != 0; };
  const auto from = [&](int source) { return in(source) ? source : -1; };
  int ballot = 0, any = 0, all = 1;
  for (int l = 0; l < 32; ++l) {
    if (!in(l)) continue;
    if (l % 3 == 0) ballot = static_cast<int>(static_cast<unsigned>(ballot) | 1U << l);
    any |= l == 4;
    all &= l % 2 == 0;
  }
  const int up = lane - 2 < lane / 16 * 16 ? lane : lane - 2,
            down = lane + 5 > 31 ? lane : lane + 5;
  return {
      from(lane / 8 * 8 + (lane + 3) % 8), from(up), from(down), from(lane ^ 9), ballot, any, all,
      in(lane ^ 1) ? lane ^ 1 : INT32_MIN};
}

TEST_F(Behaviour, CollectivesWithWholeAndPartialMasks) {
  for (const unsigned mask : {0xFFFFFFFFU, 0x0000FFFFU, 0xF0F0F0F0U, 0x00000001U, 0x55555555U}) {
    Buffer y(library(), 32 * 8);
    y.write(std::vector<int>(32 * 8, 99));
    library().run("collectives", static_cast<int>(mask), nullptr, y.data());
    const std::vector<int> got = y.read<int>();
    for (int lane = 0; lane < 32; ++lane) {
      if ((mask >> lane & 1U) == 0) continue;
      const std::vector<int> mine(got.begin() + 8 * lane, got.begin() + 8 * lane + 7);
      std::vector<int> expected = expected_collectives(mask, lane);
      const int partner = expected.back();
      expected.pop_back();
      EXPECT_EQ(mine, expected) << "mask " << std::hex << mask << " lane " << std::dec << lane;
      // A double moves whole; from a lane outside the mask it is undefined.
      if (partner != INT32_MIN) {
        EXPECT_EQ(got[static_cast<std::size_t>(8 * lane + 7)], partner);
      }
    }
  }
}

TEST_F(Behaviour, BlockSumAndMax) {
  constexpr std::size_t kBlocks = 5;
  Buffer x(library(), kBlocks * 256), y(library(), kBlocks * 2);
  x.write(ramp(kBlocks * 256));
  library().run("sum", kBlocks, x.data(), y.data());
  const std::vector<float> got = y.read();
  for (std::size_t b = 0; b < kBlocks; ++b) {
    const auto first = static_cast<float>(256 * b);
    EXPECT_EQ(got[2 * b], 256 * first + 255 * 128);
    EXPECT_EQ(got[2 * b + 1], first + 255);
  }
}

TEST_F(Behaviour, SameBitsUnderEightOrders) {
  Buffer x(library(), 4 * 256), y(library(), 8);
  std::vector<float> values(4 * 256);
  for (std::size_t i = 0; i < values.size(); ++i) values[i] = 1.0F / static_cast<float>(i + 1);
  x.write(values);
  std::set<std::vector<float>> results;
  std::set<std::vector<int>> orders;
  for (std::uint64_t seed = 1; seed <= 8; ++seed) {
    library().control().set_order_seed(seed);
    EXPECT_EQ(library().control().order_seed(), seed);
    library().run("sum", 4, x.data(), y.data());
    results.insert(y.read());
    Buffer order(library(), 257);
    order.write(std::vector<int>{0});
    library().run("order", 0, nullptr, order.data());
    std::vector<int> places = order.read<int>();
    orders.insert(places);
    // Every thread ran once.
    std::sort(places.begin() + 1, places.end());
    for (int i = 0; i < 256; ++i) EXPECT_EQ(places[static_cast<std::size_t>(i) + 1], i);
  }
  EXPECT_EQ(results.size(), 1U);
  EXPECT_EQ(orders.size(), 8U);
}

TEST_F(Behaviour, SameSeedSameOrder) {
  std::set<std::vector<int>> orders;
  for (int run = 0; run < 2; ++run) {
    Buffer order(library(), 257);
    order.write(std::vector<int>{0});
    library().run("order", 0, nullptr, order.data());
    orders.insert(order.read<int>());
  }
  EXPECT_EQ(orders.size(), 1U);
}

TEST_F(Behaviour, IntegerAtomics) {
  Buffer y(library(), 10);
  y.write(std::vector<int>{0, -1, 1, 0, 0, 0, 0, 0, 0, 0});
  library().run("atomics", 0, nullptr, y.data());
  const std::vector<int> got = y.read<int>();
  EXPECT_EQ(got[0], 2 * 63 * 32);
  EXPECT_EQ(got[1], 63);
  EXPECT_EQ(got[2], -63);
  EXPECT_EQ(got[3], 255);
  EXPECT_GE(got[4], 1);
  EXPECT_LE(got[4], 64);
  std::uint64_t wide = 0;
  std::memcpy(&wide, &got[8], sizeof(wide));
  EXPECT_EQ(wide, std::uint64_t{128} << 33U);
}

TEST_F(Behaviour, BarrierNotReachedByAllNamesThreadsAndLine) {
  const std::string text = error("diverged");
  EXPECT_TRUE(mentions(text, {"kernel diverged", "block (0,0,0)", "order seed 1",
                              "threads 0-19 wait at __syncthreads (tests/simt/kernels.cu:",
                              "threads 20-63 have ended"}))
      << text;
}

TEST_F(Behaviour, TwoBarriersAreNotOne) {
  const std::string text = error("two_barriers");
  EXPECT_TRUE(mentions(text, {"threads 0-31 wait at", "threads 32-63 wait at", "kernels.cu:"}))
      << text;
}

TEST_F(Behaviour, CollectiveWithoutOwnLaneIsAnError) {
  EXPECT_TRUE(mentions(error("foreign_mask"), {"foreign_mask", "mask", "own lane"}));
}

TEST_F(Behaviour, LaneThatWaitsElsewhereIsNamed) {
  const std::string text = error("lost_lane");
  EXPECT_TRUE(mentions(text, {"thread 7 wait", "__syncthreads", "threads 0-6, 8-31", "__syncwarp"}))
      << text;
}

TEST_F(Behaviour, ExceptionOfAThreadComesOutAndLaunchesGoOn) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(error("throwing"), "thrown by a thread");
    EXPECT_NE(error("diverged"), "");
    Buffer x(library(), 256), y(library(), 2);
    x.write(ramp(256));
    EXPECT_EQ(error_of(library(), "sum", 1, x.data(), y.data()), "");
    EXPECT_EQ(y.read()[0], 255 * 128);
  }
}

TEST_F(Behaviour, KernelThatWaitsForEverIsEnded) {
  Buffer y(library(), 1);
  y.write(std::vector<int>{0});
  for (const int by : {1, 2}) {  // at barriers, by atomics
    const std::string text = error("spin", by, y.data());
    EXPECT_TRUE(mentions(text, {"kernel spin", "block (", "order seed 1", "thread ",
                                "33554432 steps", "LAMELLA_SIMT_STEPS=N"}))
        << text;
  }
  y.write(std::vector<int>{1});
  EXPECT_EQ(error("spin", 1, y.data()), "") << "launches go on";
}

TEST_F(Behaviour, LaunchThatADeviceRefuses) {
  const std::string text = error("too_many_threads");
  EXPECT_TRUE(mentions(text, {"too_many_threads", "1025x1x1", "1024"})) << text;
}

TEST_F(Behaviour, MisalignedWideAccessNamesTheThread) {
  Buffer x(library(), 2049), y(library(), 2048);
  x.write(ramp(2049));
  const std::string text = error_of(library(), "copy16", 0, x.data() + 1, y.data());
  EXPECT_TRUE(mentions(text, {"kernel copy16", "thread", "16-byte access 4 bytes behind"})) << text;
}

TEST_F(Behaviour, WritesBesideABufferAreFound) {
  if (sanitized()) GTEST_SKIP() << "AddressSanitizer ends the program at such a write";
  Buffer y(library(), 10);
  for (const int index : {10, 11, 20, -1, -5}) {
    const std::string text = error("write_at", index, y.data());
    const std::string byte = "byte " + std::to_string(4 * index);
    EXPECT_TRUE(mentions(text, {"kernel write_at", "order seed 1", "(40 bytes)", byte.c_str()}))
        << text;
    EXPECT_EQ(error("write_at", 9, y.data()), "") << "the guard is whole again";
  }
}

TEST_F(Behaviour, WritesBesideSharedMemoryAreFound) {
  if (sanitized()) GTEST_SKIP() << "AddressSanitizer ends the program at such a write";
  EXPECT_EQ(error("write_shared_at", 7), "");
  EXPECT_TRUE(
      mentions(error("write_shared_at", 8), {"write_shared_at", "row (32 bytes", "byte 32"}));
  EXPECT_EQ(error("write_dynamic_at", 7), "");
  EXPECT_TRUE(mentions(error("write_dynamic_at", 8), {"dynamic shared memory", "byte 32"}));
}

TEST_F(Behaviour, SanitizerEndsTheProgramAtAWriteBesideABuffer) {
  if (!sanitized()) GTEST_SKIP() << "needs the build under sanitizers (-DLAMELLA_SIMT=asan)";
  Buffer y(library(), 10);
  EXPECT_DEATH(error("write_at", 10, y.data()), "AddressSanitizer");
  EXPECT_DEATH(error("write_dynamic_at", 8), "AddressSanitizer");
}

TEST_F(Behaviour, FreshMemoryIsPoison) {
  const std::vector<float> values = Buffer(library(), 5).read();
  for (const float value : values) EXPECT_NE(value, value);
}

TEST_F(Behaviour, CopiesStayInOneBuffer) {
  const Backend& backend = library().backend();
  Buffer x(library(), 4);
  std::vector<float> host(8);
  const auto copy_too_much = [&] { backend.copy_to_host(host.data(), x.data(), 20, nullptr); };
  const auto copy_to_host_memory = [&] {
    backend.copy_to_device(host.data(), host.data() + 4, 4, nullptr);
  };
  EXPECT_THROW(copy_too_much(), std::runtime_error);
  EXPECT_THROW(copy_to_host_memory(), std::runtime_error);
}

TEST_F(Behaviour, MemoryIsReusedAfterRelease) {
  std::set<const float*> places;
  for (int i = 0; i < 100; ++i) places.insert(Buffer(library(), 1 << 18).data());
  EXPECT_EQ(places.size(), 1U);
}

}  // namespace
}  // namespace lamella::simt
