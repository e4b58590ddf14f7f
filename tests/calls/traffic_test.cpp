// What kernels move on the layers of DenseNet-121 and Inception-v3, one image, forward and
// backward, in f32 and bf16, held to the least they could move. Counted, not timed: the same
// everywhere.
//   - All: the sectors that a launch touches, each once, are at most 1.05 times the least.
//   - Pointwise, batch norm and loss: so are the sectors they ask for.
// From 1 MiB on; below that, launches and partial results weigh more than traffic. Products are
// held to other limits.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "engine/context.h"
#include "tools/count_call.h"

namespace lamella {
namespace {

constexpr double kMost = 1.05;
constexpr std::int64_t kLeastBytes = 1 << 20;

bool is_product(const std::string& kernel) {
  return kernel.starts_with("conv2d_") || kernel.starts_with("linear_");
}

// Windows overlap: pooling asks for an element once for each window it is in.
bool is_pooling(const std::string& kernel) {
  return kernel.find("pool") != std::string::npos;
}

// Each distinct call of the network in `dtype` that is large enough to be held to a limit.
std::vector<KernelCall> calls_of(const std::string& network, const std::string& dtype) {
  std::ifstream file(std::string(LAMELLA_SHAPES_FOLDER) + "/" + network + ".txt");
  std::vector<KernelCall> calls;
  std::set<std::string> seen;
  for (const auto& [name, line] : read_shapes(file)) {
    for (const KernelLine& one : with_backward(line)) {
      const std::string text =
          one.text().substr(0, one.text().rfind(" dtype=")) + " dtype=" + dtype;
      if (is_product(one.kernel()) || !seen.insert(text).second) continue;
      KernelCall call = make_call(KernelLine(text));
      if (call.least_bytes() >= kLeastBytes) calls.push_back(std::move(call));
    }
  }
  return calls;
}

struct Network {
  const char* name;
  const char* dtype;
  std::size_t least_calls;  // that there must be, or the file was not read as meant
};

class Traffic : public testing::TestWithParam<Network> {};

TEST_P(Traffic, IsNearTheLeast) {
  const std::string reason = why_unavailable("simt-counted");
  if (!reason.empty()) GTEST_SKIP() << reason;
  const std::vector<KernelCall> calls = calls_of(GetParam().name, GetParam().dtype);
  EXPECT_GE(calls.size(), GetParam().least_calls);
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  for (const KernelCall& call : calls) {
    const tool::CountedCall counted = tool::count_call(*ctx, call);
    for (const simt::Finding& finding : counted.findings) ADD_FAILURE() << finding.sentence;
    const auto least = static_cast<double>(call.least_bytes());
    EXPECT_LE(static_cast<double>(counted.bytes_distinct()), kMost * least) << call.line;
    if (is_pooling(call.line)) continue;
    EXPECT_LE(static_cast<double>(counted.bytes_requested()), kMost * least) << call.line;
  }
}

INSTANTIATE_TEST_SUITE_P(Of, Traffic,
                         testing::Values(Network{"densenet121", "f32", 100},
                                         Network{"densenet121", "bf16", 50},
                                         Network{"inception_v3", "f32", 30},
                                         Network{"inception_v3", "bf16", 20}),
                         [](const testing::TestParamInfo<Network>& info) {
                           return std::string(info.param.name) + "_" + info.param.dtype;
                         });

}  // namespace
}  // namespace lamella
