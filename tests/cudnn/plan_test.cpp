// The real cuDNN, without a device: it has a plan for every convolution of tests/shapes, forward
// and backward, in every type, on every GPU of devices/.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "kernels/calls/kernel_line.h"
#include "kernels/calls/line_shapes.h"
#include "kernels/cuda/cudnn/cudnn.h"

namespace lamella::cuda {
namespace {

const std::string kTests = LAMELLA_TESTS;

std::vector<std::pair<std::string, Conv2dShape>> convolutions() {
  std::vector<std::pair<std::string, Conv2dShape>> found;
  std::set<std::string> seen;
  for (const auto& file : std::filesystem::directory_iterator(kTests + "/shapes")) {
    if (file.path().extension() != ".txt") continue;
    std::ifstream lines(file.path());
    for (const auto& [name, line] : read_shapes(lines)) {
      if (line.kernel() != "conv2d_fwd" || !seen.insert(line.text()).second) continue;
      Conv2dShape shape = conv2d_shape(line);
      shape.x_pitch = shape.C, shape.y_pitch = shape.K;
      found.emplace_back(name, shape);
    }
  }
  return found;
}

class CudnnPlans : public testing::TestWithParam<const char*> {};

TEST_P(CudnnPlans, ExistForEveryConvolution) {
  if (!cudnn_problem().empty()) GTEST_SKIP() << cudnn_problem();
  std::ifstream file(kTests + "/cudnn/devices/" + GetParam() + ".json");
  std::ostringstream device;
  device << file.rdbuf();
  ASSERT_FALSE(device.str().empty());
  int plans = 0;
  for (auto [name, shape] : convolutions()) {
    for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
      shape.dtype = dtype;
      for (const auto& [kind, write] :
           {std::pair{ConvKind::Forward, Write::Set}, std::pair{ConvKind::BackwardData, Write::Add},
            std::pair{ConvKind::BackwardWeight, Write::Add}}) {
        try {
          EXPECT_GE(cudnn_plan(kind, shape, write, device.str()).workspace, 0);
          ++plans;
        } catch (const std::runtime_error& error) {
          ADD_FAILURE() << name << " " << name_of(dtype) << " " << static_cast<int>(kind) << ": "
                        << error.what();
        }
      }
    }
  }
  EXPECT_GE(plans, 1000);
  std::printf("%s: %d plans of %s\n", GetParam(), plans, cudnn_version().c_str());
}

INSTANTIATE_TEST_SUITE_P(All, CudnnPlans, testing::Values("a100", "rtx4090", "h100", "b200"),
                         [](const auto& info) { return std::string(info.param); });

TEST(CudnnPlan, ADescriptionThatMakesNoSenseIsRefused) {
  if (!cudnn_problem().empty()) GTEST_SKIP() << cudnn_problem();
  Conv2dShape s;
  s.N = s.H = s.W = s.C = s.K = s.R = s.S = s.P = s.Q = s.x_pitch = s.y_pitch = 1;
  for (const char* device : {"", "{}", "[", "{\"deviceVer\": 900}"}) {
    EXPECT_THROW(cudnn_plan(ConvKind::Forward, s, Write::Set, device), std::runtime_error)
        << device;
  }
}

}  // namespace
}  // namespace lamella::cuda
