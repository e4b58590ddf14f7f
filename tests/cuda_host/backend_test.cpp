// The backend's own functions, one by one: copies, the launch door, and what it says of a device.
#include <gtest/gtest.h>

#include "tests/cuda_host/device.h"

namespace lamella::cuda_host {
namespace {

constexpr int kInsufficientDriver = 35, kNoDevice = 100;  // as cudaError_t has them

class HostBackend : public testing::Test {
 protected:
  HostBackend() { device_.reset(/*executing=*/false); }

  // What the launch door says; empty when it lets the launch through.
  std::string launch(cuda::Extent grid, cuda::Extent block, std::size_t shared, void* stream) {
    static const char kernel = 0;  // some address: nothing is run
    try {
      s_.launch_kernel({"some_op", &kernel, grid, block, shared, stream, nullptr});
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  }

  const Device& device_ = Device::instance();
  const Backend& backend_ = device_.backend();
  StandIn& s_ = device_.stand_in();
};

TEST_F(HostBackend, CopiesAreDoneWhenTheyReturn) {
  const float in[3] = {1, 2, 3};
  float out[3] = {};
  void* const data = backend_.allocate(sizeof in);
  backend_.copy_to_device(data, in, sizeof in, s_.stream(2));
  EXPECT_EQ(s_.copies[2], 0) << "the source may be freed now";
  backend_.copy_to_host(out, data, sizeof out, s_.stream(3));
  EXPECT_EQ(s_.copies[3], 0) << "the target may be read now";
  EXPECT_EQ(out[2], 3);
  backend_.release(data, sizeof in);
  EXPECT_THROW(backend_.copy_to_device(data, in, sizeof in, s_.stream(2)), std::runtime_error);
  EXPECT_THROW(backend_.copy_to_host(out, data, sizeof out, s_.stream(2)), std::runtime_error);
  EXPECT_EQ(s_.misuse.size(), 2U);
  EXPECT_EQ(s_.last_error, 0);
  EXPECT_TRUE(s_.live.empty());
}

TEST_F(HostBackend, DoorAsksForMuchSharedMemory) {
  EXPECT_EQ(launch({2, 3, 4}, {32, 2, 1}, 48 << 10, s_.stream(5)), "");
  ASSERT_EQ(s_.record.size(), 1U);
  EXPECT_NE(s_.record[0].text.find("grid 2x3x4 block 32x2x1 shared 49152"), std::string::npos);
  EXPECT_EQ(s_.record[0].stream, 5);
  EXPECT_EQ(launch({1, 1, 1}, {32, 1, 1}, (48 << 10) + 1, s_.stream(5)), "");
  ASSERT_EQ(s_.record.size(), 3U);
  EXPECT_TRUE(s_.record[1].text.starts_with("grant"));
  EXPECT_EQ(launch({1, 1, 1}, {32, 1, 1}, 227 << 10, s_.stream(5)), "");
  s_.failing_call = s_.calls + 1;
  s_.failure = 1;
  EXPECT_TRUE(launch({1, 1, 1}, {32, 1, 1}, 227 << 10, s_.stream(5)).starts_with("some_op: "));
  EXPECT_EQ(s_.failed, "cudaFuncSetAttribute");
  EXPECT_EQ(s_.last_error, 0);
}

TEST_F(HostBackend, DoorSaysWhatTheDeviceRefuses) {
  const auto refused = [&](cuda::Extent grid, cuda::Extent block, std::size_t shared) {
    const std::string error = launch(grid, block, shared, nullptr);
    EXPECT_EQ(s_.last_error, 0);
    return error.starts_with("some_op: launching ") ? error : "let through or not named: " + error;
  };
  EXPECT_NE(refused({1, 65536, 1}, {1, 1, 1}, 0).find("1x65536x1 blocks"), std::string::npos);
  EXPECT_NE(refused({1, 1, 65536}, {1, 1, 1}, 0).find("1x1x65536 blocks"), std::string::npos);
  EXPECT_NE(refused({1U << 31U, 1, 1}, {1, 1, 1}, 0).find("blocks"), std::string::npos);
  EXPECT_NE(refused({1, 1, 1}, {1025, 1, 1}, 0).find("1025x1x1 threads"), std::string::npos);
  EXPECT_NE(refused({1, 1, 1}, {1, 1, 65}, 0).find("1x1x65 threads"), std::string::npos);
  EXPECT_NE(refused({1, 1, 1}, {1, 1, 1}, 228 << 10).find("233472 bytes"), std::string::npos);
  EXPECT_EQ(s_.misuse.size(), 6U);
}

TEST_F(HostBackend, SaysWhyADeviceCannotBeUsed) {
  const auto problem = [&](int failing_call, int failure, int capability) {
    return device_
        .ask([&](StandIn& s) {
          s.failing_call = failing_call;
          s.failure = failure;
          s.capability = capability;
        })
        .problem;
  };
  EXPECT_EQ(problem(0, 0, 80), "");
  EXPECT_NE(problem(0, 0, 75).find("compute capability 7.5"), std::string::npos);
  EXPECT_NE(problem(1, kNoDevice, 90).find("install the NVIDIA driver"), std::string::npos);
  EXPECT_NE(problem(2, kInsufficientDriver, 90).find("update the driver"), std::string::npos);
  EXPECT_NE(problem(2, kNoDevice, 90).find("sees no device"), std::string::npos);
}

}  // namespace
}  // namespace lamella::cuda_host
