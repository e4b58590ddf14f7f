// The op suite: every case of every family on one device.
//   op_tests [--device=cpu|simt|simt-counted|cuda] [--conv=own|cudnn] [--product=own|cublaslt]
//            [--dtype=f32|bf16|f16] [--simt-seed=N] [--simt-seeds=N] [--threads=N]
//            [--case "<kernel> key=value ..."] [GoogleTest flags]
// Each registered test is one case; --case runs one line as a trace prints it. Where the device
// cannot be used the one test of this binary skips and says why.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>

#include "tests/ops/run_case.h"

namespace lamella::test {
namespace {

// Emulated devices take 10 ns and more for every access of every thread.
constexpr double kSimtWork = 2.8e6, kCountedWork = 6e4;

struct Arguments {
  Device device;
  std::string dtype = "f32";
  std::string line;  // of --case
};

class CaseTest : public testing::Test {
 public:
  CaseTest(OpCase test_case, Device device)
      : case_(std::move(test_case)), device_(std::move(device)) {}
  void TestBody() override {
    const std::string problems = run_case(case_, device_);
    EXPECT_TRUE(problems.empty()) << problems
                                  << "repeat it with: op_tests --device=" << device_.name
                                  << " --case \"" << case_.line << "\"";
  }

 private:
  OpCase case_;
  Device device_;
};

class UnavailableTest : public testing::Test {
 public:
  explicit UnavailableTest(std::string reason) : reason_(std::move(reason)) {}
  void TestBody() override { GTEST_SKIP() << reason_; }

 private:
  std::string reason_;
};

void register_case(const OpCase& test_case, const Device& device) {
  const std::size_t space = test_case.line.find(' ');
  const std::string suite = test_case.line.substr(0, space);
  testing::RegisterTest(
      suite.c_str(), test_case.line.substr(space + 1).c_str(), nullptr, nullptr, __FILE__, __LINE__,
      [test_case, device]() -> testing::Test* { return new CaseTest(test_case, device); });
}

// Whether an operand or y is stored in the type of the case.
bool depends_on_dtype(const OpCase& made) {
  return made.y_dtype == made.dtype ||
         std::any_of(made.operands.begin(), made.operands.end(),
                     [](const Operand& operand) { return operand.has_dtype_of_case(); });
}

void register_cases(const Arguments& arguments) {
  const std::string reason = problem_of(arguments.device);
  if (!reason.empty()) {
    testing::RegisterTest("device", arguments.device.name.c_str(), nullptr, nullptr, __FILE__,
                          __LINE__,
                          [reason]() -> testing::Test* { return new UnavailableTest(reason); });
    return;
  }
  if (!arguments.line.empty()) {
    register_case(make_case(arguments.line), arguments.device);
    return;
  }
  for (const OpFamily* family : op_families()) {
    for (const std::string& line : family->lines) {
      const bool plain = arguments.dtype == "f32";
      const OpCase made = make_case(plain ? line : line + " dtype=" + arguments.dtype);
      if ((plain || depends_on_dtype(made)) && made.work <= arguments.device.most_work) {
        register_case(made, arguments.device);
      }
    }
  }
}

// The value of `--name=value` or of `--name value`; null when argv[i] is another argument.
const char* option(const char* name, int argc, char** argv, int& i) {
  const std::string argument = argv[i], flag = name;
  if (argument.rfind(flag + "=", 0) == 0) return argv[i] + flag.size() + 1;
  return argument == flag && i + 1 < argc ? argv[++i] : nullptr;
}

Arguments parse(int argc, char** argv) {
  Arguments arguments;
  Device& device = arguments.device;
  for (int i = 1; i < argc; ++i) {
    if (const char* name = option("--device", argc, argv, i)) {
      device.name = name;
    } else if (const char* seed = option("--simt-seed", argc, argv, i)) {
      device.order_seed = std::strtoull(seed, nullptr, 10);
    } else if (const char* seeds = option("--simt-seeds", argc, argv, i)) {
      device.order_seeds = std::atoi(seeds);
    } else if (const char* threads = option("--threads", argc, argv, i)) {
      device.threads = std::atoi(threads);
    } else if (const char* dtype = option("--dtype", argc, argv, i)) {
      arguments.dtype = dtype;
    } else if (const char* convolution = option("--conv", argc, argv, i)) {
      device.convolution = convolution;
    } else if (const char* product = option("--product", argc, argv, i)) {
      device.product = product;
    } else if (const char* line = option("--case", argc, argv, i)) {
      arguments.line = line;
    } else {
      fail("op_tests does not know ", argv[i], "; see the first lines of tests/ops/op_tests.cpp");
    }
  }
  if (device.name == "simt") device.most_work = kSimtWork;
  if (device.name == "simt-counted") {
    // The counting emulator knows the bounds of allocations itself, and counts one order only.
    device.most_work = kCountedWork;
    device.guards = false;
    device.order_seeds = 1;
  }
  return arguments;
}

}  // namespace
}  // namespace lamella::test

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  try {
    lamella::test::register_cases(lamella::test::parse(argc, argv));
    return RUN_ALL_TESTS();
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 2;
  }
}
