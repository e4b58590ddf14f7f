// The real cuBLASLt. It takes descriptions of products without a device; what it would run it tells
// only where there is one.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <vector>

#include "kernels/calls/kernel_line.h"
#include "kernels/calls/line_shapes.h"
#include "kernels/cuda/cublaslt/cublaslt.h"

namespace lamella::cuda {
namespace {

std::vector<LinearShape> products() {
  std::vector<LinearShape> found;
  std::set<std::string> seen;
  for (const auto& file : std::filesystem::directory_iterator(LAMELLA_TESTS "/shapes")) {
    if (file.path().extension() != ".txt") continue;
    std::ifstream lines(file.path());
    for (const auto& [name, line] : read_shapes(lines)) {
      if (line.kernel() != "linear_fwd" || !seen.insert(line.text()).second) continue;
      found.push_back(linear_shape(line));
    }
  }
  return found;
}

TEST(CublasLtPlans, EveryLinearLayerIsDescribedAndPlannedWhereThereIsADevice) {
  if (!cublaslt_problem().empty()) GTEST_SKIP() << cublaslt_problem();
  int plans = 0, described = 0;
  for (LinearShape shape : products()) {
    for (const DType dtype : {DType::F32, DType::BF16, DType::F16}) {
      shape.dtype = dtype;
      for (const auto& [kind, bias] :
           {std::pair{ProductKind::Forward, false}, std::pair{ProductKind::Forward, true},
            std::pair{ProductKind::BackwardData, false},
            std::pair{ProductKind::BackwardWeight, false}}) {
        try {
          EXPECT_GE(cublaslt_plan(kind, shape, bias).workspace, 0);
          ++plans;
        } catch (const std::runtime_error& error) {  // all but the device was accepted
          EXPECT_NE(std::string(error.what()).find("opening the device failed"), std::string::npos)
              << error.what();
        }
        ++described;
      }
    }
  }
  EXPECT_GE(described, 60);
  EXPECT_TRUE(plans == 0 || plans == described) << plans;
  std::printf("%s: %d products described, %d planned\n", cublaslt_version().c_str(), described,
              plans);
}

}  // namespace
}  // namespace lamella::cuda
