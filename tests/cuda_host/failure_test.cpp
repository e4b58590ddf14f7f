// Every call of the CUDA runtime fails once, in turn: the host says what failed, leaves nothing
// behind, and works again.
#include <gtest/gtest.h>

#include <cstdio>
#include <map>

#include "tests/cuda_host/device.h"
#include "tests/cuda_host/training.h"

namespace lamella::cuda_host {
namespace {

// As cudaError_t has them.
constexpr int kOutOfMemory = 2, kLaunchFailure = 719;

// The norm is clipped, so that no kernel of the update is left out.
const OptimiserOptions kOptimiser{.name = "adamw", .clip_norm = 1};
const ModelSpec kSpec{kTwoBlocks, 8, 8, 3, 4};

// What the sentence says where this function failed; null: its failure is no error.
const char* words_for(const std::string& function) {
  static const std::map<std::string, const char*> words{
      {"cudaDriverGetVersion", "driver"},
      {"cudaGetDeviceCount", "counting the devices"},
      {"cudaGetDevice", "choosing a device"},
      {"cudaDeviceGetAttribute", "asking a device"},
      {"cudaMalloc", "allocating"},
      {"cudaMemcpyAsync", "copying"},
      {"cudaStreamSynchronize", "waiting for"},
      {"cudaFuncSetAttribute", "launching"},
      {"cudaLaunchKernel", "launching"},
      {"cudaFree", nullptr},  // runs in destructors
  };
  return words.at(function);
}

// What the step throws; empty when nothing.
std::string error_of_step(Context& ctx) {
  try {
    train_once(ctx, kSpec, {.optimiser = kOptimiser});
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

// Launches and copies, not where memory comes from.
std::vector<std::string> work_of(std::vector<Call> record) {
  std::erase_if(record, [](const Call& call) { return call.stream == -1; });
  return lines_of(record, 1);
}

struct Step {
  std::vector<std::string> lines, work;
  long calls = 0;
};

// A step on a context of its own, which nothing makes fail.
Step clean_step(const Device& device, bool cache_memory) {
  device.reset(/*executing=*/false);
  EXPECT_EQ(error_of_step(*device.context(cache_memory)), "");
  const StandIn& s = device.stand_in();
  EXPECT_EQ(faults_of(s), "");
  return {lines_of(s.record, 1), work_of(s.record), s.calls};
}

void expect_sentence(const std::string& error, const std::string& function, long call) {
  const char* words = words_for(function);
  if (words == nullptr) {
    EXPECT_EQ(error, "") << "call " << call << ", " << function;
  } else {
    EXPECT_NE(error.find(words), std::string::npos)
        << "call " << call << ", " << function << ": '" << error << "'";
  }
}

// The step with the `call`th call failing, then without, both on one context. A call that the step
// does not come to is one of the context's end. Returns what failed.
std::string fail_once(const Device& device, bool cache_memory, long call, const Step& clean) {
  StandIn& s = device.stand_in();
  device.reset(/*executing=*/false);
  s.failing_call = call;
  s.failure = kLaunchFailure;
  auto context = device.context(cache_memory);
  const std::string error = error_of_step(*context);
  if (s.failed.empty()) context.reset();
  const std::string failed = s.failed;
  expect_sentence(error, failed, call);
  EXPECT_EQ(s.last_error, 0) << "call " << call << ", " << failed << ": the error is left";
  device.reset(/*executing=*/false);
  if (context == nullptr) return failed;
  EXPECT_EQ(error_of_step(*context), "") << "after call " << call;
  EXPECT_EQ(work_of(s.record), clean.work) << "after call " << call;
  return failed;
}

// With the memory that a context caches, and with every tensor in memory of its own.
class Failures : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Host, Failures, testing::Bool(),
                         [](const auto& of) { return of.param ? "cached" : "uncached"; });

TEST_P(Failures, OfAnyCallOfAStep) {
  const Device& device = Device::instance();
  const Step clean = clean_step(device, GetParam());
  std::map<std::string, int> points;
  for (long call = 1; call <= clean.calls; ++call) {
    ++points[fail_once(device, GetParam(), call, clean)];
    EXPECT_EQ(faults_of(device.stand_in()), "") << "after call " << call;
    ASSERT_EQ(clean_step(device, GetParam()).lines, clean.lines) << "after call " << call;
    if (HasFailure()) FAIL() << "at call " << call << " of " << clean.calls;
  }
  std::printf("%ld points of failure in a step:\n", clean.calls);
  for (const auto& [function, times] : points) std::printf("  %s %d\n", function.c_str(), times);
  EXPECT_EQ(points.size(), 5U);  // memory taken and freed, copies, waits, launches
}

// The device is lost for the process: nothing works, not even giving memory back, but all of it is
// given back, and the sentence is that of the first failure.
TEST_P(Failures, ThatStay) {
  const Device& device = Device::instance();
  const Step clean = clean_step(device, GetParam());
  StandIn& s = device.stand_in();
  for (long call = 1; call <= clean.calls; ++call) {
    device.reset(/*executing=*/false);
    s.failing_call = call;
    s.failure = kLaunchFailure;
    s.failure_stays = true;
    const std::string error = error_of_step(*device.context(GetParam()));
    // cudaFree, in a destructor, leaves it to the next call, of which there may be none.
    if (s.failed != "cudaFree") expect_sentence(error, s.failed, call);
    EXPECT_TRUE(s.live.empty()) << "after call " << call;
    EXPECT_TRUE(s.misuse.empty()) << "after call " << call << ": " << s.misuse.front();
    if (HasFailure()) FAIL() << "at call " << call << " of " << clean.calls;
  }
  EXPECT_EQ(clean_step(device, GetParam()).lines, clean.lines);
}

TEST_P(Failures, OfMemoryAreAskedForTwiceAndThenTold) {
  const Device& device = Device::instance();
  const Step clean = clean_step(device, GetParam());
  StandIn& s = device.stand_in();
  int mallocs = 0;
  for (long call = 1; call <= clean.calls; ++call) {
    for (const bool stays : {false, true}) {
      device.reset(/*executing=*/false);
      s.failing_call = call;
      s.failure = kOutOfMemory;
      s.failure_stays = stays;
      const std::string error = error_of_step(*device.context(GetParam()));
      if (s.failed != "cudaMalloc") break;
      if (stays) {
        EXPECT_NE(error.find("out of memory on cuda: asked for"), std::string::npos) << error;
      } else {
        EXPECT_EQ(error, "");
        EXPECT_EQ(lines_of(s.record, 1), clean.lines);
        ++mallocs;
      }
      EXPECT_TRUE(s.live.empty());
    }
  }
  EXPECT_GE(mallocs, GetParam() ? 1 : 100);
}

TEST(Host, SaysWhichCallFailedBeforeTheFirstStep) {
  long call = 0;
  for (bool failed = true; failed;) {
    ++call;
    const auto [problem, function, left] = Device::instance().ask([&](StandIn& s) {
      s.failing_call = call;
      s.failure = kLaunchFailure;
    });
    failed = !function.empty();
    if (failed) {
      expect_sentence(problem, function, call);
    } else {
      EXPECT_EQ(problem, "");
    }
    EXPECT_EQ(left, "") << function;
  }
  std::printf("%ld points of failure before the first step\n", call - 1);
  EXPECT_EQ(call - 1, 10);
}

}  // namespace
}  // namespace lamella::cuda_host
