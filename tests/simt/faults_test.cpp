// Faults are found and named with file and line, whatever the order of threads; sound twins of the
// same kernels give no finding.
#include <gtest/gtest.h>

#include <fstream>
#include <numeric>

#include "tests/simt/library.h"

namespace lamella::simt {
namespace {

const Library& library() {
  static const Library loaded(LAMELLA_TEST_LIBRARY);
  return loaded;
}

// The line of the one place of the file that holds `mark`.
int line_of(const std::string& file, const std::string& mark) {
  std::ifstream in(std::string(LAMELLA_SOURCE_FOLDER) + "/" + file);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (line.find(mark) != std::string::npos) return number;
  }
  ADD_FAILURE() << file << " has no " << mark;
  return 0;
}

class Faults : public testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    control_.clear_counts();
    control_.clear_findings();
    control_.set_order_seed(static_cast<std::uint64_t>(GetParam()));
    std::vector<float> values(kInputs);
    std::iota(values.begin(), values.end(), 0.0F);
    x_.write(values);
  }
  std::vector<Finding> run(const std::string& kernel, int n, float* y) {
    control_.clear_findings();
    library().run(kernel, n, x_.data(), y);
    return control_.findings();
  }
  // The only finding, which must be of this kind; its sentence must name kernel, line and seed.
  Finding only(const std::vector<Finding>& findings, const char* kind) {
    if (findings.size() != 1) {
      ADD_FAILURE() << findings.size() << " findings";
      for (const Finding& finding : findings) ADD_FAILURE() << finding.sentence;
      return {};
    }
    const Finding& one = findings[0];
    EXPECT_EQ(one.kind, kind);
    EXPECT_EQ(one.order_seed, static_cast<std::uint64_t>(GetParam()));
    for (const std::string& part :
         {one.kind, "kernel " + one.kernel, one.file + ":" + std::to_string(one.line),
          "order seed " + std::to_string(GetParam()), "block " + one.block,
          one.threads.substr(0, one.threads.find(" and "))}) {
      EXPECT_NE(one.sentence.find(part), std::string::npos) << part << " in " << one.sentence;
    }
    return one;
  }
  static constexpr std::size_t kInputs = 1024;
  const Control& control_ = library().control();
  Buffer x_{library(), kInputs};
};

TEST_P(Faults, DeletedBarrier) {
  const std::string file = "tests/simt/faulty/deleted_barrier.cu";
  const int line = line_of(file, "// FAULT");
  Buffer y(library(), 32);
  EXPECT_TRUE(run("deleted_barrier_sound", 0, y.data()).empty());
  const std::vector<Finding> findings = run("deleted_barrier", 0, y.data());
  ASSERT_FALSE(findings.empty());
  bool names_the_line = false;
  for (const Finding& finding : findings) {
    EXPECT_EQ(finding.kind, "race") << finding.sentence;
    EXPECT_EQ(finding.file, file);
    EXPECT_EQ(finding.other_file, file);
    names_the_line |= finding.line == line || finding.other_line == line;
    EXPECT_NE(finding.sentence.find("shared tile"), std::string::npos) << finding.sentence;
  }
  EXPECT_TRUE(names_the_line);
}

TEST_P(Faults, OffByOneBound) {
  const std::string file = "tests/simt/faulty/off_by_one.cu";
  Buffer y(library(), 10 * 24);
  EXPECT_TRUE(run("off_by_one_sound", 10, y.data()).empty());
  const Finding finding = only(run("off_by_one", 10, y.data()), "out of bounds");
  EXPECT_EQ(finding.file, file);
  EXPECT_EQ(finding.line, line_of(file, "// FAULT"));
  EXPECT_EQ(finding.times, 24U);
}

TEST_P(Faults, StridedRead) {
  const std::string file = "tests/simt/faulty/strided_read.cu";
  const int classes = 512;
  Buffer y(library(), 2);
  const auto reads_at = [&](const std::string& kernel) {
    control_.clear_counts();
    EXPECT_TRUE(run(kernel, classes, y.data()).empty());
    EXPECT_EQ(y.read(), (std::vector<float>{511, 1023}));
    const std::vector<KernelCounts> counts = control_.counts();
    for (const LineCounts& line : counts.at(0).lines) {
      if (line.kind == "read") return line;
    }
    return LineCounts{};
  };
  const LineCounts sound = reads_at("strided_read_sound"), faulty = reads_at("strided_read");
  EXPECT_EQ(sound.sectors_per_request, 4);
  EXPECT_EQ(faulty.sectors_per_request, 32);
  EXPECT_EQ(faulty.requests, 2U * 16);
  EXPECT_EQ(faulty.file, file);
  EXPECT_EQ(faulty.line, line_of(file, "// FAULT"));
}

TEST_P(Faults, OutOfBoundsOfSharedMemory) {
  EXPECT_TRUE(run("write_shared_at", 7, nullptr).empty());
  Finding finding = only(run("write_shared_at", 8, nullptr), "out of bounds");
  EXPECT_EQ(finding.line, line_of("tests/simt/kernels.cu", "row[index] = 1"));
  EXPECT_NE(finding.sentence.find("shared row (32 bytes), byte 32"), std::string::npos);
  EXPECT_TRUE(run("write_dynamic_at", 7, nullptr).empty());
  finding = only(run("write_dynamic_at", 8, nullptr), "out of bounds");
  EXPECT_EQ(finding.line, line_of("tests/simt/kernels.cu", "dynamic_shared<float>()[index]"));
}

TEST_P(Faults, OutOfBoundsOnEitherSide) {
  Buffer y(library(), 10);
  for (const int index : {10, 11, 1000, -1, -5}) {
    const Finding finding = only(run("write_at", index, y.data()), "out of bounds");
    EXPECT_EQ(finding.line, line_of("tests/simt/kernels.cu", "y[index] = 1"));
  }
}

TEST_P(Faults, MemoryNobodyWrote) {
  Buffer fresh(library(), 64), y(library(), 64);
  control_.clear_findings();
  library().run("read_unwritten", 64, fresh.data(), y.data());
  const Finding finding = only(control_.findings(), "unwritten memory");
  EXPECT_EQ(finding.line, line_of("tests/simt/kernels.cu", "y[threadIdx.x] = x[threadIdx.x]"));
  EXPECT_EQ(finding.times, 64U);
  // What a kernel or the host wrote may be read.
  EXPECT_TRUE(run("read_unwritten", 64, y.data()).empty());
}

TEST_P(Faults, ReleasedMemory) {
  float* released = nullptr;
  { released = Buffer(library(), 64).data(); }
  Buffer y(library(), 1 << 16);
  control_.clear_findings();
  library().run("read_unwritten", 32, released, y.data() + 64);
  EXPECT_FALSE(control_.findings().empty());
}

TEST_P(Faults, WarpBarrierOrdersItsLanes) {
  Buffer y(library(), 32);
  EXPECT_TRUE(run("pass_on", 1, y.data()).empty());
  bool race = false;
  for (const Finding& finding : run("pass_on", 0, y.data())) {
    race |= finding.kind == "race";
    // Lanes that happen to run before the writer are told that too.
    EXPECT_TRUE(finding.kind == "race" || finding.kind == "unwritten memory") << finding.sentence;
    EXPECT_EQ(finding.file, "tests/simt/kernels.cu");
  }
  EXPECT_TRUE(race);
}

TEST_P(Faults, BlocksAreNotOrdered) {
  Buffer y(library(), 32);
  EXPECT_TRUE(run("blocks_meet", 1, y.data()).empty());
  const Finding finding = only(run("blocks_meet", 2, y.data()), "race");
  EXPECT_NE(finding.sentence.find("of block ("), std::string::npos) << finding.sentence;
  EXPECT_EQ(finding.line, finding.other_line);
  EXPECT_NE(finding.threads.find(" of block ("), std::string::npos) << finding.threads;
}

TEST_P(Faults, NeighbouringBytesAreNoRace) {
  Buffer y(library(), 16);
  EXPECT_TRUE(run("bytes", 0, y.data()).empty());
}

TEST_P(Faults, AtomicsAreNoRace) {
  Buffer y(library(), 10);
  y.write(std::vector<int>(10, 0));
  EXPECT_TRUE(run("atomics", 0, y.data()).empty());
}

// What ends a launch is a finding too, with the line and the threads.
TEST_P(Faults, BarrierNotReachedByAll) {
  EXPECT_NE(error_of(library(), "diverged", 0, nullptr, nullptr), "");
  const Finding finding = only(control_.findings(), "barrier");
  EXPECT_TRUE(finding.ends_launch);
  EXPECT_EQ(finding.line, line_of("tests/simt/kernels.cu", "if (threadIdx.x < 20) __syncthreads"));
  EXPECT_EQ(finding.other_line, 0);
  EXPECT_NE(finding.threads.find("threads 20-63 have ended"), std::string::npos);
}

TEST_P(Faults, TwoBarriersAreNotOne) {
  EXPECT_NE(error_of(library(), "two_barriers", 0, nullptr, nullptr), "");
  const Finding finding = only(control_.findings(), "barrier");
  const int line = line_of("tests/simt/kernels.cu", "if (threadIdx.x < 32) {") + 1;
  EXPECT_EQ(finding.line, line);
  EXPECT_EQ(finding.other_line, line + 2);
  EXPECT_EQ(finding.other_file, "tests/simt/kernels.cu");
}

TEST_P(Faults, MisalignedWideAccess) {
  Buffer y(library(), 2048);
  EXPECT_NE(error_of(library(), "copy16", 0, x_.data() + 1, y.data()), "");
  const Finding finding = only(control_.findings(), "misaligned");
  EXPECT_EQ(finding.line, line_of("tests/simt/kernels.cu", "store16(y + i, load16(x + i))"));
}

TEST_P(Faults, KernelThatNeverEnds) {
  Buffer y(library(), 1);
  y.write(std::vector<int>{0});
  EXPECT_NE(error_of(library(), "spin", 0, nullptr, y.data()), "");
  const std::vector<Finding> findings = control_.findings();
  const Finding finding = only(findings, "endless loop");
  EXPECT_EQ(finding.file, "tests/simt/kernels.cu");
  const int line = line_of("tests/simt/kernels.cu", "*value != 1) {");
  EXPECT_TRUE(finding.line >= line && finding.line <= line + 1) << finding.sentence;
}

TEST_P(Faults, HostMemoryEndsTheLaunch) {
  std::vector<float> host(64);
  Buffer y(library(), 64);
  const std::string text = error_of(library(), "read_unwritten", 64, host.data(), y.data());
  EXPECT_NE(text.find("bytes of host memory at tests/simt/kernels.cu:"), std::string::npos) << text;
  EXPECT_EQ(control_.findings().size(), 1U);
  EXPECT_TRUE(run("bytes", 0, y.data()).empty()) << "launches go on";
}

INSTANTIATE_TEST_SUITE_P(OrderSeeds, Faults, testing::Values(1, 2, 3, 4, 5, 6, 7, 8));

}  // namespace
}  // namespace lamella::simt
