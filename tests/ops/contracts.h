// The fixture of tests that state one contract each: a context on the device named by
// LAMELLA_TEST_DEVICE, default cpu.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "engine/ops.h"

namespace lamella {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

class Contracts : public testing::Test {
 protected:
  static std::string device() {
    const char* named = std::getenv("LAMELLA_TEST_DEVICE");
    return named != nullptr ? named : "cpu";
  }
  void SetUp() override {
    const std::string reason = why_unavailable(device());
    if (!reason.empty()) GTEST_SKIP() << reason;
    Context::Options options;
    options.device = device();
    options.poison = true;
    context = std::make_unique<Context>(options);
  }
  Tensor tensor(const std::vector<float>& values, const Shape& shape) {
    return context->from_host(values, shape);
  }
  std::vector<float> host(const Tensor& t) { return context->to_host(t); }

  std::unique_ptr<Context> context;
};

}  // namespace lamella
