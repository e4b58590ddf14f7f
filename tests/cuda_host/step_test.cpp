// One training step of every network through the host code of the `cuda` backend.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/cuda_host/device.h"
#include "tests/cuda_host/training.h"

namespace lamella::cuda_host {
namespace {

bool has_auxiliary(const std::string& network) {
  return network == "googlenet" || network == "inception_v3";
}

// Of an image that the network takes.
std::int64_t side_for(const std::string& network) {
  if (network == "tem_small") return 48;
  if (network == "inception_v3") return 299;  // its auxiliary classifier takes no less
  if (network.starts_with("inception")) return 75;
  return 32;
}

class EveryNetwork : public testing::TestWithParam<std::string> {};

TEST_P(EveryNetwork, TrainsWithinWhatADeviceAllows) {
  const Device& device = Device::instance();
  device.reset(/*executing=*/false);
  const std::int64_t side = side_for(GetParam());
  const ModelSpec spec{.name = GetParam(),
                       .height = side,
                       .width = side,
                       .channels = 3,
                       .classes = 4,
                       .auxiliary = has_auxiliary(GetParam())};
  train_once(*device.context(), spec, {.draw = false});  // no kernel is run: values are nothing
  EXPECT_EQ(faults_of(device.stand_in()), "");
  const auto& record = device.stand_in().record;
  EXPECT_GT(std::count_if(record.begin(), record.end(),
                          [](const Call& call) { return call.text.starts_with("launch"); }),
            50);
}
INSTANTIATE_TEST_SUITE_P(Host, EveryNetwork, testing::ValuesIn(model_names()),
                         [](const auto& of) { return of.param; });

// The kernels are the same and so is what runs them, so every bit is. What differs is the host: the
// backend's copies, streams and launches.
TEST(Host, StepHasTheBitsOfTheEmulator) {
  const std::string reason = why_unavailable("simt");
  ASSERT_EQ(reason, "");
  const Device& device = Device::instance();
  device.reset(/*executing=*/true);
  const ModelSpec spec{"cbr_tiny", 12, 10, 1, 3};
  Context::Options options;
  options.device = "simt";
  options.threads = 1;
  Context simt(options);
  const auto expected = train_once(simt, spec, {.results = true});
  const auto values = train_once(*device.context(), spec, {.results = true});
  EXPECT_EQ(values, expected);
  EXPECT_GT(values.at(0).at(0), 0);
  EXPECT_EQ(faults_of(device.stand_in()), "");
}

}  // namespace
}  // namespace lamella::cuda_host
