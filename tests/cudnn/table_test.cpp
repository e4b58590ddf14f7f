// The convolutions of the table by a cuDNN that stands in for the real one: what the host asks for,
// when it goes another way, and what it says when cuDNN fails. Run with the folder of the stand-in
// in LD_LIBRARY_PATH.
#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/cuda/cudnn/cudnn.h"
#include "kernels/half.h"
#include "kernels/ref/conv.h"
#include "tests/stand_in/host.h"

namespace lamella::cuda {
namespace {

using namespace lamella::stand_in;

const StandIn& library() {
  static const StandIn loaded("libcudnn.so.9");
  return loaded;
}

int own_calls = 0;

const KernelTable& table() {
  static const KernelTable made = [] {
    KernelTable own;
    own.conv2d_fwd = [](const KernelContext&, const Conv2dShape&, const void*, const void*,
                        const float*, void*) { ++own_calls; };
    own.conv2d_bwd_data = [](const KernelContext&, const Conv2dShape&, const void*, const void*,
                             void*, Write) { ++own_calls; };
    own.conv2d_bwd_weight = [](const KernelContext&, const Conv2dShape&, const void*, const void*,
                               void*, Write) { ++own_calls; };
    return with_cudnn(own);
  }();
  return made;
}

Conv2dShape shape(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c, std::int64_t k,
                  std::int64_t r, std::int64_t s) {
  Conv2dShape made;
  made.N = n, made.H = h, made.W = w, made.C = c, made.K = k, made.R = r, made.S = s;
  made.pad_h = r / 2, made.pad_w = s / 3;
  made.stride_h = 2, made.stride_w = 1;
  made.P = (h + 2 * made.pad_h - r) / 2 + 1;
  made.Q = w + 2 * made.pad_w - s + 1;
  made.x_pitch = c, made.y_pitch = k;
  return made;
}

template <class T>
void expect_all_three(Conv2dShape s, DType dtype, Write write, double tolerance) {
  s.dtype = dtype;
  Host host;
  Operand<T> x(s.N * s.H * s.W * s.C, 1), w(s.K * s.R * s.S * s.C, 2), y(s.N * s.P * s.Q * s.K, 3);
  std::vector<double> forward(y.exact.size());
  ref::conv2d_fwd(s, x.exact.data(), w.exact.data(), nullptr, forward.data());
  std::vector<double> dx(x.exact.size()), dw(w.exact.size());
  ref::conv2d_bwd(s, x.exact.data(), w.exact.data(), y.exact.data(), dx.data(), dw.data());
  const long before = library().executed();
  Operand<T> out_x(s.N * s.H * s.W * s.C, 4), out_w(s.K * s.R * s.S * s.C, 5);
  for (std::size_t i = 0; write == Write::Add && i < dx.size(); ++i) dx[i] += out_x.exact[i];
  for (std::size_t i = 0; write == Write::Add && i < dw.size(); ++i) dw[i] += out_w.exact[i];
  table().conv2d_bwd_data(host.ctx, s, y.stored.data(), w.stored.data(), out_x.stored.data(),
                          write);
  expect_close(out_x.stored, dx, tolerance);
  table().conv2d_bwd_weight(host.ctx, s, x.stored.data(), y.stored.data(), out_w.stored.data(),
                            write);
  expect_close(out_w.stored, dw, tolerance);
  table().conv2d_fwd(host.ctx, s, x.stored.data(), w.stored.data(), nullptr, y.stored.data());
  expect_close(y.stored, forward, tolerance);
  EXPECT_EQ(library().executed(), before + 3) << host.note;
}

TEST(CudnnTable, ConvolvesAsTheReferenceDoes) {
  own_calls = 0;
  for (const Write write : {Write::Set, Write::Add}) {
    for (const auto& s : {shape(2, 7, 5, 3, 4, 3, 3), shape(1, 6, 9, 2, 8, 1, 7),
                          shape(3, 8, 4, 5, 2, 5, 1), shape(1, 1, 1, 16, 1, 1, 1)}) {
      expect_all_three<float>(s, DType::F32, write, 1e-6);
      expect_all_three<Bf16>(s, DType::BF16, write, 0.01);
      expect_all_three<F16>(s, DType::F16, write, 0.002);
    }
  }
  EXPECT_EQ(own_calls, 0);
}

TEST(CudnnTable, TellsTheEngineAndKeepsToTheRules) {
  Host host;
  const auto note = [&](DType dtype) {
    Conv2dShape s = shape(1, 4, 4, 8, 8, 3, 3);
    s.dtype = dtype;
    alignas(16) char x[2048] = {}, w[4096] = {}, y[2048] = {};
    table().conv2d_fwd(host.ctx, s, x, w, nullptr, y);
    return host.note;
  };
  EXPECT_NE(note(DType::F32).find("engine 2 workspace=192"), std::string::npos) << host.note;
  EXPECT_NE(note(DType::BF16).find("engine 0"), std::string::npos) << host.note;
}

TEST(CudnnTable, LeavesToTheOwnKernelsWhatCudnnDoesNotTake) {
  Host host;
  const long before = library().executed();
  own_calls = 0;
  alignas(16) float data[4096] = {};
  const auto forward = [&](const Conv2dShape& s, const float* bias, int offset) {
    table().conv2d_fwd(host.ctx, s, data + offset, data, bias, data + 2048);
  };
  const Conv2dShape plain = shape(1, 4, 4, 4, 4, 3, 3);
  Conv2dShape slice = plain, wide = plain, odd = plain, none = plain;
  slice.x_pitch = 8, wide.y_pitch = 8, odd.P += 1, none.N = 0;
  forward(slice, nullptr, 0);
  forward(wide, nullptr, 0);
  forward(odd, nullptr, 0);
  forward(none, nullptr, 0);
  forward(plain, data, 0);     // a bias
  forward(plain, nullptr, 1);  // not aligned
  EXPECT_EQ(own_calls, 6);
  EXPECT_EQ(library().executed(), before);
}

// Every call of cuDNN fails once: that of a plan leads to the own kernel, that of a launch to a
// sentence; the next convolution works, and nothing is left behind.
TEST(CudnnTable, AnyFailureIsToldAndLeavesItUsable) {
  Host host;
  alignas(16) static float data[65536] = {};
  int sentences = 0, fallbacks = 0, call = 1;
  for (;; ++call) {
    const Conv2dShape fresh = shape(call, 3, 3, 4, 4, 3, 3);  // of which there is no plan yet
    const int live = library().live();
    const long before = library().executed();
    own_calls = 0;
    library().fail_call(call);
    try {
      table().conv2d_bwd_data(host.ctx, fresh, data, data + 4096, data + 32768, Write::Set);
    } catch (const std::runtime_error& error) {
      EXPECT_NE(std::string(error.what()).find("cuDNN: "), std::string::npos) << error.what();
      ++sentences;
    }
    library().fail_call(0);
    if (own_calls == 1) {
      EXPECT_EQ(library().live(), live) << "after call " << call;
      EXPECT_NE(host.note.find("own kernel: cuDNN: "), std::string::npos) << host.note;
      ++fallbacks;
    } else if (library().executed() == before + 1 && sentences + fallbacks > 0 &&
               host.note.find("own kernel") == std::string::npos && call > 60) {
      break;  // it needs fewer calls than that
    }
    const long now = library().executed();
    Conv2dShape next = fresh;
    next.K = 8, next.y_pitch = 8;
    table().conv2d_bwd_data(host.ctx, next, data, data + 4096, data + 32768, Write::Set);
    EXPECT_EQ(library().executed(), now + 1) << "after call " << call << ": " << host.note;
  }
  EXPECT_GE(sentences, 5);  // of the pack, the stream and the launch
  EXPECT_GE(fallbacks, 40);
}

}  // namespace
}  // namespace lamella::cuda
