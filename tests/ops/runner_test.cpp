// The runner must find faults: kernels with one seeded fault each, and what it says about them.
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/ops/run_case.h"

namespace lamella::test {
namespace {

using Ctx = const KernelContext&;

const KernelTable& sound() {
  return *find_backend("cpu").kernels;
}

// What the runner says of `line` when the kernel behind `entry` is replaced by `faulty`.
template <class Entry>
std::string verdict(const std::string& line, Entry KernelTable::*entry, Entry faulty) {
  KernelTable table = sound();
  table.*entry = faulty;
  Device device;
  device.kernels = &table;
  return run_case(make_case(line), device);
}

void expect_found(const std::string& verdict, const std::string& words) {
  EXPECT_NE(verdict.find(words), std::string::npos) << "the runner said: \"" << verdict << "\"";
}

const std::string kRelu = "relu_fwd pixels=7 C=5";

TEST(Runner, PassesTheSoundKernel) {
  EXPECT_EQ(run_case(make_case(kRelu), Device{}), "");
}

TEST(Runner, FindsAWriteBesideTheTensor) {
  const auto past = [](Ctx ctx, const SliceShape& s, const void* x, void* y) {
    sound().relu_fwd(ctx, s, x, y);
    static_cast<float*>(y)[s.pixels * s.C] = 1;
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>(kRelu, &KernelTable::relu_fwd, past),
               "past the end of an allocation of 140 bytes");
  const auto before = [](Ctx ctx, const SliceShape& s, const void* x, void* y) {
    sound().relu_fwd(ctx, s, x, y);
    static_cast<float*>(y)[-1] = 1;
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>(kRelu, &KernelTable::relu_fwd, before),
               "before the start of an allocation of 140 bytes");
}

TEST(Runner, FindsAWriteIntoTheGapOfASlice) {
  const auto gap = [](Ctx ctx, const SliceShape& s, const void* x, void* y) {
    sound().relu_fwd(ctx, s, x, y);
    static_cast<float*>(y)[s.C] = 1;
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>("relu_fwd pixels=7 C=5 y_pitch=9",
                                                        &KernelTable::relu_fwd, gap),
               "y: the gap beside the slice was written, at element 7");
  const auto gradient_gap = [](Ctx ctx, const SliceShape& s, const void* y, const void* dy,
                               std::int64_t pitch, void* dx, Write write) {
    sound().relu_bwd(ctx, s, y, dy, pitch, dx, write);
    static_cast<float*>(dx)[s.C] = 1;
  };
  expect_found(verdict<decltype(KernelTable::relu_bwd)>("relu_fwd pixels=7 C=5 x_pitch=9",
                                                        &KernelTable::relu_bwd, gradient_gap),
               "gradient of x was written beside its slice");
}

TEST(Runner, FindsAnElementLeftOut) {
  const auto skips = [](Ctx ctx, const SliceShape& s, const void* x, void* y) {
    SliceShape fewer = s;
    fewer.C -= 1;
    sound().relu_fwd(ctx, fewer, x, y);
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>(kRelu, &KernelTable::relu_fwd, skips),
               "y: relative L2 error nan");
}

TEST(Runner, FindsAReadBesideTheSlice) {
  const auto reads = [](Ctx, const SliceShape& s, const void* x, void* y) {
    const auto* in = static_cast<const float*>(x);
    for (std::int64_t i = 0; i < s.pixels * s.C; ++i) {
      static_cast<float*>(y)[i] = std::max(in[i], 0.0F);  // forgets the pitch
    }
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>("relu_fwd pixels=7 C=5 x_pitch=9",
                                                        &KernelTable::relu_fwd, reads),
               "y: relative L2 error");
}

TEST(Runner, FindsAnInputThatIsWritten) {
  const auto writes = [](Ctx ctx, const SliceShape& s, const void* x, void* y) {
    sound().relu_fwd(ctx, s, x, y);
    static_cast<float*>(const_cast<void*>(x))[3] = 0.5F;
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>(kRelu, &KernelTable::relu_fwd, writes),
               "x: an operand that is only read was written, at element 3");
}

using ReluBwd = decltype(KernelTable::relu_bwd);

TEST(Runner, FindsAGradientScaledByOnePercentOfOnePercent) {
  const ReluBwd scaled = [](Ctx ctx, const SliceShape& s, const void* y, const void* dy,
                            std::int64_t pitch, void* dx, Write write) {
    sound().relu_bwd(ctx, s, y, dy, pitch, dx, write);
    static_cast<float*>(dx)[0] *= 1.001F;
  };
  expect_found(verdict<ReluBwd>("relu_fwd pixels=1 C=3", &KernelTable::relu_bwd, scaled),
               "gradient of x: relative error");
}

TEST(Runner, FindsAFaultyElementOfALargeGradient) {
  const ReluBwd one_wrong = [](Ctx ctx, const SliceShape& s, const void* y, const void* dy,
                               std::int64_t pitch, void* dx, Write write) {
    sound().relu_bwd(ctx, s, y, dy, pitch, dx, write);
    static_cast<float*>(dx)[s.pixels * s.C - 1] += 0.1F;
  };
  expect_found(verdict<ReluBwd>("relu_fwd pixels=1031 C=8", &KernelTable::relu_bwd, one_wrong),
               "gradient of x: along a random direction");
}

TEST(Runner, FindsAGradientThatDoesNotAdd) {
  const ReluBwd sets = [](Ctx ctx, const SliceShape& s, const void* y, const void* dy,
                          std::int64_t pitch, void* dx,
                          Write) { sound().relu_bwd(ctx, s, y, dy, pitch, dx, Write::Set); };
  expect_found(verdict<ReluBwd>(kRelu, &KernelTable::relu_bwd, sets),
               "after a second backward, which must add");
}

TEST(Runner, FindsAGradientThatDoesNotSet) {
  const ReluBwd adds = [](Ctx ctx, const SliceShape& s, const void* y, const void* dy,
                          std::int64_t pitch, void* dx,
                          Write) { sound().relu_bwd(ctx, s, y, dy, pitch, dx, Write::Add); };
  expect_found(verdict<ReluBwd>(kRelu, &KernelTable::relu_bwd, adds), "gradient of x: ");
}

TEST(Runner, FindsBitsThatChangeFromRunToRun) {
  const auto drifts = [](Ctx ctx, const SliceShape& s, const void* x, void* y) {
    static int run = 0;
    sound().relu_fwd(ctx, s, x, y);
    auto* out = static_cast<float*>(y);
    ++run;
    for (std::int64_t i = 0; i < s.pixels * s.C; ++i) {
      out[i] *= 1 + 1e-7F * static_cast<float>(run);
    }
  };
  expect_found(verdict<decltype(KernelTable::relu_fwd)>(kRelu, &KernelTable::relu_fwd, drifts),
               "a rerun gives other bits");
}

TEST(Runner, FindsStateThatIsNotUpdated) {
  const auto forgets = [](Ctx, const BatchNormShape&, float, const float*, const float*, float*,
                          float*) {};
  expect_found(verdict<decltype(KernelTable::batch_norm_update)>(
                   "batch_norm_update pixels=30 C=5", &KernelTable::batch_norm_update, forgets),
               "running_mean: relative L2 error");
}

TEST(CaseLines, AreRefusedInASentence) {
  const auto sentence = [](const std::string& line) {
    try {
      make_case(line);
      return std::string("nothing was refused");
    } catch (const std::runtime_error& error) {
      return std::string(error.what());
    }
  };
  expect_found(sentence(""), "is empty");
  expect_found(sentence("relu_fwd pixels"), "\"pixels\" in \"relu_fwd pixels\" is not key=value");
  expect_found(sentence("relu_fwd pixels=2"), "has no C=");
  expect_found(sentence("relu_fwd pixels=2 C=x3"), "has no C=");
  expect_found(sentence("relu_fwd pixels=2 C=3.5"), "C in \"relu_fwd pixels=2 C=3.5\"");
  expect_found(sentence("gelu_fwd pixels=2 C=3"), "no case family knows the kernel \"gelu_fwd\"");
  expect_found(sentence("conv2d_fwd N=1 H=4 W=4 C=1 K=1 R=3 S=3 P=3"), "should say P=2 Q=2");
}

}  // namespace
}  // namespace lamella::test
