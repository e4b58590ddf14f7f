// What tests of a vendor's kernels need where a library stands in for the vendor's: that library,
// host memory for kernels, and operands with double copies.
#pragma once

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/kernel_table.h"
#include "tests/stand_in/control.h"

namespace lamella::stand_in {

// The library of this name in LD_LIBRARY_PATH.
class StandIn {
 public:
  explicit StandIn(const char* file) : handle_(dlopen(file, RTLD_NOW | RTLD_LOCAL)) {
    find("lamella_stand_in_fail", fail_);
    find("lamella_stand_in_live", live_);
    find("lamella_stand_in_executed", executed_);
  }
  void fail_call(int call) const { fail_(call); }
  int live() const { return live_(); }
  long executed() const { return executed_(); }

 private:
  template <class Function>
  void find(const char* name, Function*& function) {
    void* found = handle_ == nullptr ? nullptr : dlsym(handle_, name);
    if (found == nullptr) throw std::runtime_error(std::string("no stand-in: ") + name);
    function = reinterpret_cast<Function*>(found);
  }

  void* handle_;
  decltype(&lamella_stand_in_fail) fail_ = nullptr;
  decltype(&lamella_stand_in_live) live_ = nullptr;
  decltype(&lamella_stand_in_executed) executed_ = nullptr;
};

// Host memory for kernels, and what they note.
struct Host {
  alignas(64) char scratch[16384];
  std::string note;
  KernelContext ctx;

  Host() {
    ctx.workspace_owner = this;
    ctx.workspace = [](void* owner, std::size_t bytes) -> void* {
      if (bytes > sizeof scratch) throw std::runtime_error("too much workspace");
      return static_cast<Host*>(owner)->scratch;
    };
    ctx.note = [](void* owner, const char* line) { static_cast<Host*>(owner)->note = line; };
  }
};

// Values of a type, with double copies of them.
template <class T>
struct Operand {
  std::vector<T> stored;
  std::vector<double> exact;

  Operand(std::int64_t count, unsigned seed) {
    std::mt19937 draw(seed);
    std::uniform_real_distribution<float> uniform(-1, 1);
    for (std::int64_t i = 0; i < count; ++i) {
      stored.emplace_back(uniform(draw));
      exact.push_back(static_cast<float>(stored.back()));
    }
  }
};

template <class T>
void expect_close(const std::vector<T>& got, const std::vector<double>& wanted, double tolerance) {
  for (std::size_t i = 0; i < got.size(); ++i) {
    ASSERT_NEAR(static_cast<float>(got[i]), wanted[i], tolerance * (1 + std::abs(wanted[i]))) << i;
  }
}

}  // namespace lamella::stand_in
