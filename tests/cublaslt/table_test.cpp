// The products of the table by a cuBLASLt that stands in for the real one: what the host asks for,
// when it goes another way, and what it says when cuBLASLt fails. Run with the folder of the
// stand-in in LD_LIBRARY_PATH.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <string>
#include <vector>

#include "kernels/cuda/cublaslt/cublaslt.h"
#include "kernels/half.h"
#include "kernels/ref/linear.h"
#include "tests/cublaslt/own_products.h"
#include "tests/stand_in/host.h"
#include "tests/stand_in/numbers.h"

namespace lamella::cuda {
namespace {

using namespace lamella::stand_in;

const StandIn& library() {
  static const StandIn loaded(LAMELLA_CUBLASLT_FILE);
  return loaded;
}

const KernelTable& table() {
  static const KernelTable made = [] {
    KernelTable own = counting_products();
    own.cast = [](const KernelContext&, const CastShape& s, const void* x, void* y, Write) {
      for (std::int64_t i = 0; i < s.pixels; ++i) {
        for (std::int64_t c = 0; c < s.C; ++c) {
          const auto from = static_cast<std::size_t>(i * s.x_pitch + c) * size_of(s.x_dtype);
          const auto to = static_cast<std::size_t>(i * s.y_pitch + c) * size_of(s.y_dtype);
          put_number(static_cast<char*>(y) + to, s.y_dtype,
                     number_at(static_cast<const char*>(x) + from, s.x_dtype));
        }
      }
    };
    return with_cublaslt(own);
  }();
  return made;
}

LinearShape shape(std::int64_t n, std::int64_t c, std::int64_t k, std::int64_t x_gap = 0,
                  std::int64_t y_gap = 0, DType dtype = DType::F32) {
  return {n, c, k, c + x_gap, k + y_gap, dtype};
}

// An operand that starts `offset` elements after an address of the best alignment.
template <class T>
struct Matrix {
  static constexpr std::size_t kBest = 256 / sizeof(T);
  Operand<T> values;
  T* data;
  std::vector<T> room;

  Matrix(std::int64_t count, unsigned seed, std::size_t offset) : values(count, seed) {
    room.resize(values.stored.size() + 2 * kBest);
    const auto past = reinterpret_cast<std::uintptr_t>(room.data()) / sizeof(T) % kBest;
    data = room.data() + (kBest - past) + offset;
    std::copy(values.stored.begin(), values.stored.end(), data);
  }
  const double* exact() const { return values.exact.data(); }
  std::vector<T> now() const { return {data, data + values.stored.size()}; }

  // What a kernel should make of it: the `columns` of each row of `result`, at `pitch`, and in a
  // gap what was there before. What is overwritten becomes NaN.
  std::vector<double> expect(const std::vector<double>& result, std::int64_t columns,
                             std::int64_t pitch, Write write) {
    std::vector<double> wanted = values.exact;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      if (static_cast<std::int64_t>(i) % pitch >= columns) continue;
      wanted[i] = result[i] + (write == Write::Add ? wanted[i] : 0);
      if (write == Write::Set) data[i] = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
    }
    return wanted;
  }
};

struct Call {
  LinearShape shape;
  Write write;
  bool bias;
  std::size_t offset;
};

template <class T>
void expect_all_three(const Call& call, double tolerance) {
  const LinearShape& s = call.shape;
  Host host;
  Matrix<T> x(s.N * s.x_pitch, 1, call.offset), w(s.K * s.C, 2, call.offset),
      y(s.N * s.y_pitch, 3, call.offset), dx(s.N * s.x_pitch, 4, call.offset),
      dw(s.K * s.C, 5, call.offset);
  const Matrix<float> bias(s.K, 6, call.offset);
  std::vector<double> forward(y.values.exact.size()), to_x(x.values.exact.size()),
      to_w(w.values.exact.size());
  ref::linear_fwd(s, x.exact(), w.exact(), call.bias ? bias.exact() : nullptr, forward.data());
  ref::linear_bwd(s, x.exact(), w.exact(), y.exact(), to_x.data(), to_w.data());
  const long before = library().executed();
  const auto wanted_dx = dx.expect(to_x, s.C, s.x_pitch, call.write);
  table().linear_bwd_data(host.ctx, s, y.data, w.data, dx.data, call.write);
  expect_close(dx.now(), wanted_dx, tolerance);
  const auto wanted_dw = dw.expect(to_w, s.C, s.C, call.write);
  table().linear_bwd_weight(host.ctx, s, x.data, y.data, dw.data, call.write);
  expect_close(dw.now(), wanted_dw, tolerance);
  const auto wanted_y = y.expect(forward, s.K, s.y_pitch, Write::Set);
  table().linear_fwd(host.ctx, s, x.data, w.data, call.bias ? bias.data : nullptr, y.data);
  expect_close(y.now(), wanted_y, tolerance);
  EXPECT_EQ(library().executed(), before + 3) << host.note;
}

TEST(CublasLtTable, MultipliesAsTheReferenceDoes) {
  own_calls = 0;
  for (Call call :
       {Call{shape(5, 7, 3), Write::Set, false, 0}, Call{shape(5, 7, 3), Write::Add, true, 0},
        Call{shape(5, 7, 3, 4, 0), Write::Add, true, 0},
        Call{shape(5, 7, 3, 0, 2), Write::Set, false, 0},
        Call{shape(5, 7, 3, 0, 2), Write::Set, true, 1},
        Call{shape(5, 7, 3, 1, 5), Write::Add, false, 3}, Call{shape(1, 1, 1), Write::Set, true, 0},
        Call{shape(1, 16, 9, 3, 2), Write::Set, true, 2},
        Call{shape(13, 2, 8, 6, 8), Write::Add, true, 16},
        Call{shape(3, 33, 17), Write::Add, true, 8}}) {
    expect_all_three<float>(call, 1e-6);
    call.shape.dtype = DType::BF16;
    expect_all_three<Bf16>(call, 0.01);
    call.shape.dtype = DType::F16;
    expect_all_three<F16>(call, 0.002);
  }
  EXPECT_EQ(own_calls, 0);
}

TEST(CublasLtTable, RoundsOnceWhereABiasCancels) {
  Host host;
  alignas(256) Bf16 x[1] = {Bf16(1.0F)}, w[1] = {Bf16(-1.0F)}, y[1] = {};
  const float bias[1] = {1.001F};  // not a number of bf16
  table().linear_fwd(host.ctx, shape(1, 1, 1, 0, 0, DType::BF16), x, w, bias, y);
  EXPECT_NEAR(float(y[0]), 0.001F, 1e-5F);
}

TEST(CublasLtTable, APlanTakesTheBiasOfTheCall) {
  Host host;
  alignas(256) float x[4] = {}, w[4] = {}, y[2] = {}, biases[2][64] = {{1, 2}, {3, 4}};
  for (const float* bias : {biases[0], biases[1], biases[0]}) {
    table().linear_fwd(host.ctx, shape(1, 2, 2), x, w, bias, y);
    EXPECT_EQ(y[0], bias[0]);
    EXPECT_EQ(y[1], bias[1]);
  }
}

TEST(CublasLtTable, APlanIsForOperandsOfOneAlignment) {
  Host host;
  alignas(256) float x[64] = {3, 3}, w[64] = {5, 5}, y[64] = {};
  own_calls = 0;
  for (const auto& [at_x, at_w, at_y] :
       {std::array{0, 0, 0}, std::array{1, 0, 0}, std::array{0, 1, 0}, std::array{0, 0, 1}}) {
    y[at_y] = 0;
    table().linear_fwd(host.ctx, shape(1, 1, 1), x + at_x, w + at_w, nullptr, y + at_y);
    EXPECT_EQ(y[at_y], 15) << host.note;
  }
  EXPECT_EQ(own_calls, 0);
}

TEST(CublasLtTable, TellsTheAlgorithmAndKeepsToTheRules) {
  Host host;
  alignas(256) float data[64] = {};
  table().linear_fwd(host.ctx, shape(2, 3, 4), data, data, nullptr, data + 32);
  EXPECT_EQ(host.note, "cuBLASLt 13.99.0 algorithm 4 splits=2 workspace=192");
}

TEST(CublasLtTable, LeavesToTheOwnKernelsWhatCublasLtDoesNotTake) {
  Host host;
  const long before = library().executed();
  own_calls = 0;
  float data[64] = {};
  for (const LinearShape& s : {shape(0, 3, 4), shape(2, 0, 4), shape(2, 3, 0)}) {
    table().linear_fwd(host.ctx, s, data, data, nullptr, data + 32);
    table().linear_bwd_data(host.ctx, s, data, data, data + 32, Write::Set);
    table().linear_bwd_weight(host.ctx, s, data, data, data + 32, Write::Set);
  }
  EXPECT_EQ(own_calls, 9);
  const LinearShape large = shape(8192, 1, 4096, 0, 0, DType::F16);
  table().linear_fwd(host.ctx, large, data, data, data, data + 32);
  EXPECT_EQ(own_calls, 10);
  EXPECT_NE(host.note.find("own kernel: cuBLASLt: the result in f32"), std::string::npos)
      << host.note;
  EXPECT_EQ(library().executed(), before);
}

// Every call of cuBLASLt fails once and leads to the own kernel, with a sentence. That of a plan is
// remembered, that of a launch is not; the next product works, and nothing is left behind.
TEST(CublasLtTable, AnyFailureIsToldAndLeavesItUsable) {
  Host host;
  alignas(256) static char data[4096] = {};
  const auto forward = [&](const LinearShape& s) {
    own_calls = 0;
    table().linear_fwd(host.ctx, s, data, data, reinterpret_cast<float*>(data + 1024), data + 2048);
    return own_calls;
  };
  int plans = 0, launches = 0;
  for (int call = 1;; ++call) {
    ASSERT_LT(call, 100) << host.note;
    const LinearShape fresh =
        shape(call, 2, 3, 0, 0, DType::BF16);  // of which there is no plan yet
    const int live = library().live();
    const long before = library().executed();
    library().fail_call(call);
    const int own = forward(fresh);
    library().fail_call(0);
    if (own == 0) {  // it needs fewer calls than that
      EXPECT_EQ(library().executed(), before + 1);
      break;
    }
    EXPECT_EQ(library().executed(), before);
    EXPECT_NE(host.note.find("own kernel: cuBLASLt: "), std::string::npos) << host.note;
    if (library().live() == live) {
      EXPECT_EQ(forward(fresh), 1) << "after call " << call << ": " << host.note;
      ++plans;
    } else {
      EXPECT_EQ(forward(fresh), 0) << "after call " << call << ": " << host.note;
      ++launches;
    }
    EXPECT_EQ(forward(shape(call, 2, 4, 0, 0, DType::BF16)), 0) << host.note;
  }
  EXPECT_GE(plans, 15);
  EXPECT_EQ(launches, 2);  // the bias, and the product
}

}  // namespace
}  // namespace lamella::cuda
