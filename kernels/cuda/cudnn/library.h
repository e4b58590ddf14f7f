// The functions of cuDNN that are used, and its descriptors. Private to this folder, the only one
// that sees cuDNN.
#pragma once

#if __has_include(<cudnn.h>)
#include <cudnn.h>
#endif

// Plans without a device came with 9.8.
#if defined(CUDNN_VERSION) && CUDNN_VERSION >= 90800
#define LAMELLA_HAS_CUDNN 1

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace lamella::cuda {

struct Library {
  decltype(&cudnnGetVersion) version = nullptr;
  decltype(&cudnnGetErrorString) error_string = nullptr;
  decltype(&cudnnGetLastErrorString) last_error = nullptr;
  decltype(&cudnnCreate) create = nullptr;
  decltype(&cudnnSetStream) set_stream = nullptr;
  decltype(&cudnnBackendCreateDescriptor) create_descriptor = nullptr;
  decltype(&cudnnBackendDestroyDescriptor) destroy_descriptor = nullptr;
  decltype(&cudnnBackendSetAttribute) set_attribute = nullptr;
  decltype(&cudnnBackendGetAttribute) get_attribute = nullptr;
  decltype(&cudnnBackendFinalize) finalize = nullptr;
  decltype(&cudnnBackendExecute) execute = nullptr;
  std::string problem;
};

// Loaded with the first call.
const Library& cudnn();

// Throws std::runtime_error with cuDNN's words.
void check(cudnnStatus_t status, const char* what);

// The attribute type that stands for a C++ type; descriptors are pointers to void.
template <class T>
constexpr cudnnBackendAttributeType_t kTypeOf = CUDNN_TYPE_BACKEND_DESCRIPTOR;
template <>
constexpr auto kTypeOf<std::int64_t> = CUDNN_TYPE_INT64;
template <>
constexpr auto kTypeOf<float> = CUDNN_TYPE_FLOAT;
template <>
constexpr auto kTypeOf<cudnnHandle_t> = CUDNN_TYPE_HANDLE;
template <>
constexpr auto kTypeOf<char> = CUDNN_TYPE_CHAR;
template <>
constexpr auto kTypeOf<cudnnDataType_t> = CUDNN_TYPE_DATA_TYPE;
template <>
constexpr auto kTypeOf<cudnnConvolutionMode_t> = CUDNN_TYPE_CONVOLUTION_MODE;
template <>
constexpr auto kTypeOf<cudnnBackendHeurMode_t> = CUDNN_TYPE_HEUR_MODE;
template <>
constexpr auto kTypeOf<cudnnBackendNumericalNote_t> = CUDNN_TYPE_NUMERICAL_NOTE;

class Descriptor {
 public:
  explicit Descriptor(cudnnBackendDescriptorType_t type) {
    check(cudnn().create_descriptor(type, &raw_), "making a descriptor");
  }
  Descriptor(Descriptor&& other) noexcept
      : raw_(std::exchange(other.raw_, nullptr)), parts_(std::move(other.parts_)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (raw_ != nullptr) cudnn().destroy_descriptor(raw_);
  }

  template <class T>
  void set(cudnnBackendAttributeName_t name, std::span<const T> values) {
    check(cudnn().set_attribute(raw_, name, kTypeOf<T>, static_cast<std::int64_t>(values.size()),
                                values.data()),
          "setting an attribute");
  }
  template <class T>
  void set(cudnnBackendAttributeName_t name, const T& value) {
    set(name, std::span<const T>(&value, 1));
  }
  void set_pointers(cudnnBackendAttributeName_t name, std::span<void* const> pointers) {
    check(cudnn().set_attribute(raw_, name, CUDNN_TYPE_VOID_PTR,
                                static_cast<std::int64_t>(pointers.size()), pointers.data()),
          "setting an attribute");
  }
  void set(cudnnBackendAttributeName_t name, const Descriptor& other) {
    check(cudnn().set_attribute(raw_, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &other.raw_),
          "setting an attribute");
  }
  void set(cudnnBackendAttributeName_t name, Descriptor&& other) {
    set(name, other);
    parts_.push_back(std::move(other));
  }
  void finalize() { check(cudnn().finalize(raw_), "finalising a descriptor"); }
  bool try_finalize() { return cudnn().finalize(raw_) == CUDNN_STATUS_SUCCESS; }

  // Up to values.size() of them; returns how many there are. Descriptors are filled in place.
  template <class T>
  std::size_t get(cudnnBackendAttributeName_t name, std::span<T> values) const {
    std::int64_t count = 0;
    check(cudnn().get_attribute(raw_, name, kTypeOf<T>, static_cast<std::int64_t>(values.size()),
                                &count, values.data()),
          "reading an attribute");
    return static_cast<std::size_t>(count);
  }
  template <class T>
  T get(cudnnBackendAttributeName_t name) const {
    T value{};
    get(name, std::span<T>(&value, 1));
    return value;
  }
  cudnnBackendDescriptor_t raw() const { return raw_; }

 private:
  cudnnBackendDescriptor_t raw_ = nullptr;
  std::vector<Descriptor> parts_;  // kept alive with it
};

}  // namespace lamella::cuda
#endif
