// A library of test kernels, loaded as the engine loads a backend.
#pragma once

#include <dlfcn.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/simt/simt.h"
#include "tests/simt/exported.h"

namespace lamella::simt {

class Library {
 public:
  explicit Library(const char* path) : handle_(dlopen(path, RTLD_NOW | RTLD_LOCAL)) {
    if (handle_ == nullptr) throw std::runtime_error(dlerror());
    backend_ = function<LamellaBackendFunction>(kLamellaBackendSymbol)();
    control_ = function<ControlFunction>(kControlSymbol)();
  }
  const Backend& backend() const { return *backend_; }
  const Control& control() const { return *control_; }

  void run(const std::string& kernel, int n, const float* x, float* y) const {
    function<LamellaTestKernel>("lamella_test_" + kernel)(n, x, y);
  }

 private:
  template <class Function>
  Function* function(const std::string& name) const {
    void* symbol = dlsym(handle_, name.c_str());
    if (symbol == nullptr) throw std::runtime_error("the library has no " + name);
    return reinterpret_cast<Function*>(symbol);
  }

  void* handle_;  // stays open: buffers may outlive this object
  const Backend* backend_;
  const Control* control_;
};

// Device memory of floats, or of ints of the same size.
class Buffer {
 public:
  Buffer(const Library& library, std::size_t count)
      : backend_(library.backend()),
        count_(count),
        data_(static_cast<float*>(backend_.allocate(count * sizeof(float)))) {}
  ~Buffer() { backend_.release(data_, count_ * sizeof(float)); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  float* data() const { return data_; }
  template <class T>
  void write(const std::vector<T>& values) {
    backend_.copy_to_device(data_, values.data(), values.size() * sizeof(T), nullptr);
  }
  template <class T = float>
  std::vector<T> read() const {
    std::vector<T> values(count_ * sizeof(float) / sizeof(T));
    backend_.copy_to_host(values.data(), data_, count_ * sizeof(float), nullptr);
    return values;
  }

 private:
  const Backend& backend_;
  std::size_t count_;
  float* data_;
};

// What running the kernel throws; empty when nothing.
inline std::string error_of(const Library& library, const char* kernel, int n, const float* x,
                            float* y) {
  try {
    library.run(kernel, n, x, y);
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace lamella::simt
