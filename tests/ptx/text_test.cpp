// The reader of PTX and the comparison on a text written for the purpose: no nvcc needed.
#include <gtest/gtest.h>

#include "tests/ptx/comparison.h"
#include "tests/ptx/control_flow.h"

namespace lamella::ptx {
namespace {

// for (; i < n; ++i) { load(x + i); if (...) y[0] = ...; store(y + i) }, then one shared write.
const char* const kText = R"(
.visible .entry _ZN7lamella4cuda6kernelIfLi4EEEvlPKfPf(
	.param .u64 p0
)
{
	.loc	1 10 0
	ld.param.u64 	%rd1, [p0];
	ld.global.nc.f32 	%f1, [%rd1];
	@%p1 bra 	$L__BB0_4;

$L__BB0_1:
	.loc	1 12 7
	.loc	2 5 3, function_name $L__info_string0, inlined_at 1 12 7
	ld.global.nc.v4.u32 	{%r1, %r2, %r3, %r4}, [%rd2];
	.loc	1 13 7
	@%p2 bra 	$L__BB0_3;

	st.global.u16 	[%rd3], %rs1;

$L__BB0_3:
	.loc	1 14 7
	.loc	2 5 3, function_name $L__info_string0, inlined_at 1 14 7
	st.global.v2.u64 	[%rd2], {%rd4, %rd5};
	@%p3 bra 	$L__BB0_1;

$L__BB0_4:
	.loc	1 16 3
	st.shared.b8 	[%r1], %rs2;
	@%p4 atom.global.add.u32 	%r5, [%rd6], 1;
	ret;

}
	.file	1 "/source/kernels/cuda/a.cu"
	.file	2 "/source/./kernels/cuda/device/memory.h"
	.section	.debug_str
	{
$L__info_string0:
.b8 95,90,78,55,108,97,109,101,108,108,97,54,108,111,97,100,49,54,73,102,69,69,118,80
.b8 75,84,95,0

	}
)";

Entry read(const std::string& text) {
  const std::vector<Entry> entries = read_ptx(text, "/source");
  return entries.size() == 1 ? entries[0] : Entry{};
}

std::string without(const std::string& text, const std::string& part, const std::string& instead) {
  std::string changed = text;
  const std::size_t at = changed.find(part);
  return at == std::string::npos ? "" : changed.replace(at, part.size(), instead);
}

// What the emulator counts for 64 threads with three rounds each, of which one takes the branch.
EmulatedKernels emulated() {
  const std::string file = "kernels/cuda/a.cu";
  return {{"kernel<float, 4>",
           {64,
            {{{file, 10, "global", "read", 4}, 64},
             {{file, 12, "global", "read", 16}, 192},
             {{file, 13, "global", "write", 2}, 64},
             {{file, 14, "global", "write", 16}, 192},
             {{file, 16, "shared", "write", 1}, 64},
             {{file, 16, "global", "atomic", 4}, 5}}}}};
}

std::string differences(const std::string& text, const EmulatedKernels& kernels = emulated()) {
  CompiledKernels compiled;
  add(read_ptx(text, "/source"), compiled);
  std::string sentences;
  for (const Difference& one : compare(compiled, kernels).differences) {
    sentences += one.text() + "\n";
  }
  return sentences;
}

TEST(PtxText, NamesAreThoseOfTheEmulator) {
  EXPECT_EQ(read(kText).function, "kernel<float, 4>");
  EXPECT_EQ(
      function_name("_ZN7lamella4cuda12_GLOBAL__N_111fill_kernelI13__nv_bfloat16Li8EEEvlT_PS3_"),
      "fill_kernel<lamella::Bf16, 8>");
  EXPECT_EQ(function_name("not mangled"), "not mangled");
}

TEST(PtxText, BlocksOfALoop) {
  const std::vector<std::size_t> classes = classes_of_blocks(read(kText));
  std::vector<std::size_t> accessing;
  for (const std::size_t number : classes) {
    if (number != ~std::size_t{0}) accessing.push_back(number);
  }
  // Entry, loop before the branch, branch, loop after it, exit, the predicated atomic.
  ASSERT_EQ(accessing.size(), 6U);
  EXPECT_EQ(accessing[0], kOnce);
  EXPECT_EQ(accessing[1], accessing[3]);
  EXPECT_NE(accessing[1], kOnce);
  EXPECT_NE(accessing[2], accessing[1]);
  EXPECT_EQ(accessing[4], kOnce);
  EXPECT_NE(accessing[5], kOnce);
}

TEST(PtxText, EqualKernelsDoNotDiffer) {
  EXPECT_EQ(differences(kText), "");
}

TEST(PtxText, WhatTheCompilerChangesIsSeen) {
  const std::string kernel = "kernel<float, 4>: kernels/cuda/a.cu:";
  EXPECT_EQ(differences(without(kText, "nc.v4.u32", "nc.v2.u32")),
            kernel + "12 global read of 8 bytes is in the PTX only\n" + kernel +
                "12 global read of 16 bytes is in the emulator only\n");
  EXPECT_EQ(differences(without(kText, "st.shared.b8", "mov.b8")),
            kernel + "16 shared write of 1 bytes is in the emulator only\n");
  EXPECT_EQ(
      differences(without(kText, "	st.global.v2.u64",
                          "	st.global.v2.u64 [%rd2], {%rd4, %rd5};\n	st.global.v2.u64")),
      kernel +
          "14 global write of 16 bytes is made 192 times for 192 accesses at "
          "kernels/cuda/a.cu:12 global read of 16 bytes in the emulator, 2 for 1 in the "
          "PTX\n");
}

TEST(PtxText, WhatTheEmulatorMiscountsIsSeen) {
  EmulatedKernels kernels = emulated();
  kernels["kernel<float, 4>"].sites[{"kernels/cuda/a.cu", 10, "global", "read", 4}] = 128;
  EXPECT_EQ(differences(kText, kernels),
            "kernel<float, 4>: kernels/cuda/a.cu:10 global read of 4 bytes is made 128 times for "
            "64 threads in the emulator, 1 for 1 in the PTX\n");
  kernels = emulated();
  kernels["other_kernel"] = {};
  EXPECT_EQ(differences(kText, kernels), "other_kernel: the kernel is in the emulator only\n");
  EXPECT_EQ(differences(kText, {}), "kernel<float, 4>: no call ran the kernel\n");
}

TEST(PtxText, AnUnknownAccessIsAnError) {
  const std::string text = without(kText, "st.shared.b8", "cp.async.ca.shared.global");
  EXPECT_THROW(read(text), std::runtime_error);
}

}  // namespace
}  // namespace lamella::ptx
