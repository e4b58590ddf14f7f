// The emulator counts the accesses that nvcc compiles: every kernel's PTX beside the counts of
// calls that run all of it (calls.txt); and that a difference would be seen.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "engine/context.h"
#include "tests/ptx/comparison.h"
#include "tests/ptx/known_differences.h"
#include "tools/count_call.h"

namespace lamella::ptx {
namespace {

const std::string kSource = LAMELLA_SOURCE_FOLDER, kNvcc = LAMELLA_NVCC;

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// PTX of all kernel files, by name of the file.
std::map<std::string, std::string> compile_kernels() {
  const std::filesystem::path folder = LAMELLA_PTX_FOLDER;
  std::filesystem::create_directories(folder);
  std::map<std::string, std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(kSource + "/kernels/cuda")) {
    if (entry.path().extension() != ".cu") continue;
    const std::string name = entry.path().stem();
    const std::string ptx = (folder / (name + ".ptx")).string();
    const std::string command = "'" + kNvcc + "' -ptx -lineinfo -arch=compute_90 -std=c++20 -I'" +
                                kSource + "' '" + entry.path().string() + "' -o '" + ptx + "'";
    if (std::system(command.c_str()) != 0) throw std::runtime_error("this failed: " + command);
    texts[name] = read_file(ptx);
  }
  return texts;
}

// No op needs it, so no line of calls.txt can say it.
KernelCall fill_of_integers() {
  KernelCall call;
  call.operands = {{"y", DType::I32, 1, 64, 64, CallOperand::Use::Out, 0}};
  call.run = [](const KernelTable& table, const KernelContext& ctx,
                const std::vector<void*>& data) {
    table.fill(ctx, FlatShape{64, DType::I32}, 1, data[0]);
  };
  return call;
}

EmulatedKernels run_calls() {
  const std::unique_ptr<Context> ctx = tool::make_counting_context();
  EmulatedKernels kernels;
  add(tool::count_call(*ctx, fill_of_integers()).counts, kernels);
  std::ifstream file(kSource + "/tests/ptx/calls.txt");
  for (std::string line; std::getline(file, line);) {
    if (line.empty() || line[0] == '#') continue;
    for (const char* dtype : {"f32", "bf16", "f16"}) {
      const KernelCall call = make_call(KernelLine(line + " dtype=" + dtype));
      add(tool::count_call(*ctx, call).counts, kernels);
    }
  }
  return kernels;
}

class Kernels : public testing::Test {
 protected:
  struct Both {
    std::map<std::string, std::string> texts = compile_kernels();
    EmulatedKernels emulated = run_calls();
  };
  // Made once.
  static const Both& both() {
    static const Both made;
    return made;
  }
  void SetUp() override {
    if (kNvcc.empty()) GTEST_SKIP() << "nvcc is not installed";
    const std::string reason = why_unavailable("simt-counted");
    if (!reason.empty()) GTEST_SKIP() << reason;
  }
  // The differences in the kernels of pointwise.cu after an edit of the PTX of relu_fwd<float, 4>.
  static std::string differences_after(void (*edit)(std::string& entry)) {
    std::string text = both().texts.at("pointwise");
    const std::size_t begin = text.find("relu_fwd_kernelIfLi4E"), end = text.find("\n}\n", begin);
    std::string entry = text.substr(begin, end - begin);
    edit(entry);
    CompiledKernels compiled;
    add(read_ptx(text.replace(begin, end - begin, entry), kSource), compiled);
    EmulatedKernels emulated;
    for (const auto& [function, counts] : both().emulated) {
      if (compiled.count(function) != 0) emulated[function] = counts;
    }
    std::string sentences;
    for (const Difference& difference : compare(compiled, emulated).differences) {
      sentences += difference.text() + "\n";
    }
    return sentences;
  }
};

// The number of the first line of kernels/cuda/pointwise.cu after `after` that contains `part`.
std::string line_number(const std::string& after, const std::string& part) {
  const std::string text = read_file(kSource + "/kernels/cuda/pointwise.cu");
  const std::size_t at = text.find(part, text.find(after));
  return std::to_string(1 + std::count(text.begin(), text.begin() + static_cast<long>(at), '\n'));
}

std::string relu_line(const std::string& part) {
  return "relu_fwd_kernel<float, 4>: kernels/cuda/pointwise.cu:" +
         line_number("void relu_fwd_kernel", part) + " ";
}

TEST_F(Kernels, AccessWhatTheEmulatorCounts) {
  CompiledKernels compiled;
  for (const auto& [name, text] : both().texts) add(read_ptx(text, kSource), compiled);
  const Comparison result = compare(compiled, both().emulated);
  KnownDifferences known(kSource);
  std::size_t covered = 0;
  for (const Difference& difference : result.differences) {
    const bool is_known = known.cover(difference);
    covered += is_known ? 1 : 0;
    EXPECT_TRUE(is_known) << difference.text();
  }
  for (const std::string& one : known.unused()) ADD_FAILURE() << "no longer a difference: " << one;
  std::cout << result.kernels << " kernels, " << result.instructions << " instructions ("
            << result.doubtful << " of one of several sites), " << result.sites
            << " sites in both, of which " << result.counted << " by number of accesses, "
            << covered << " known differences\n";
  EXPECT_GE(result.kernels, 150U);
  EXPECT_GE(result.counted, 200U);
}

TEST_F(Kernels, UneditedPointwiseIsEqual) {
  EXPECT_EQ(differences_after([](std::string&) {}), "");
}

TEST_F(Kernels, ASplitReadIsSeen) {
  const std::string seen = differences_after([](std::string& entry) {
    const std::size_t at = entry.find("ld.global.nc.v4.u32");
    const std::size_t end = entry.find('\n', at);
    entry.replace(at, end - at,
                  "ld.global.nc.u32 %r1, [%rd1];\n\tld.global.nc.u32 %r2, [%rd1+4];\n"
                  "\tld.global.nc.u32 %r3, [%rd1+8];\n\tld.global.nc.u32 %r4, [%rd1+12];");
  });
  const std::string line = relu_line("load<V>");
  EXPECT_NE(seen.find(line + "global read of 4 bytes is in the PTX only"), std::string::npos)
      << seen;
  EXPECT_NE(seen.find(line + "global read of 16 bytes is in the emulator only"), std::string::npos)
      << seen;
}

TEST_F(Kernels, AMissingStoreIsSeen) {
  const std::string seen = differences_after([](std::string& entry) {
    for (std::size_t at; (at = entry.find("st.global")) != std::string::npos;) {
      entry.erase(at, entry.find('\n', at) - at);
    }
  });
  EXPECT_NE(seen.find(relu_line("store<V>") + "global write of 16 bytes is in the emulator only"),
            std::string::npos)
      << seen;
}

TEST_F(Kernels, ARepeatedReadIsSeen) {
  const std::string seen = differences_after([](std::string& entry) {
    const std::size_t at = entry.find("ld.global.nc.v4.u32"), end = entry.find('\n', at);
    entry.insert(at, entry.substr(at, end + 1 - at));
  });
  EXPECT_NE(seen.find("relu_fwd_kernel<float, 4>: kernels/cuda/pointwise.cu:"), std::string::npos)
      << seen;
  EXPECT_NE(seen.find(" in the PTX"), std::string::npos) << seen;
}

}  // namespace
}  // namespace lamella::ptx
