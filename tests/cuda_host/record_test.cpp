// What the host asks of the device in a training step of small networks, line by line, against the
// committed records/.
//   cuda_host_tests --gtest_filter='Record*' with LAMELLA_WRITE_RECORDS=1 writes them anew
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <ostream>

#include "tests/cuda_host/device.h"
#include "tests/cuda_host/training.h"

namespace lamella::cuda_host {
namespace {

struct Recorded {
  const char* file;
  ModelSpec spec;
  OptimiserOptions optimiser;
};

const Recorded kRecorded[] = {
    {"cbr_tiny", {"cbr_tiny", 32, 32, 3, 4}, {}},
    {"tem_small", {"tem_small", 48, 48, 1, 4}, {.name = "sgd"}},
    {"two_dense_blocks", {kTwoBlocks, 16, 16, 3, 4}, {.name = "adamw", .clip_norm = 1}},
};

void PrintTo(const Recorded& recorded, std::ostream* out) {
  *out << recorded.file;
}

class Record : public testing::TestWithParam<Recorded> {};

TEST_P(Record, IsTheCommittedOne) {
  const Device& device = Device::instance();
  device.reset(/*executing=*/false);
  train_once(*device.context(), GetParam().spec, {.optimiser = GetParam().optimiser});
  const std::vector<std::string> lines = lines_of(device.stand_in().record, 1);
  const std::string path = text(LAMELLA_RECORDS, "/", GetParam().file, ".txt");
  if (std::getenv("LAMELLA_WRITE_RECORDS") != nullptr) {
    std::ofstream out(path);
    for (const std::string& line : lines) out << line << "\n";
    GTEST_SKIP() << path << " is written anew";
  }
  std::ifstream in(path);
  std::vector<std::string> expected;
  for (std::string line; std::getline(in, line);) expected.push_back(line);
  const auto [is, should] =
      std::mismatch(lines.begin(), lines.end(), expected.begin(), expected.end());
  const auto show = [](const auto& it, const auto& all) {
    return it == all.end() ? "the end" : *it;
  };
  EXPECT_TRUE(is == lines.end() && should == expected.end())
      << path << ":" << should - expected.begin() + 1 << "\n  is      " << show(is, lines)
      << "\n  was     " << show(should, expected)
      << "\nIf the change is meant, write the records anew (tests/cuda_host/README.md).";
}
INSTANTIATE_TEST_SUITE_P(Host, Record, testing::ValuesIn(kRecorded),
                         [](const auto& of) { return of.param.file; });

}  // namespace
}  // namespace lamella::cuda_host
