// Stands in for libcudnn.so.9 where there is no device: keeps every attribute that descriptors are
// given, checks types and finalisation, and convolves on the host, in double, from the dimensions,
// strides, paddings and pointers it was told. So what the host says to cuDNN is tested by what
// comes out. Engines: 0 is refused to f32 (tensor cores), 1 cannot be finalised, 2 may do
// everything.
#include <cudnn.h>

#include <cstdio>
#include <cstring>
#include <map>
#include <string>
#include <vector>

#include "tests/stand_in/calls.h"
#include "tests/stand_in/control.h"
#include "tests/stand_in/numbers.h"

namespace {
using namespace lamella::stand_in;
using lamella::DType;

constexpr std::int64_t kWorkspace = 192;

struct Attribute {
  cudnnBackendAttributeType_t type;
  std::int64_t count;
  std::vector<unsigned char> bytes;
};

struct Thing {
  cudnnBackendDescriptorType_t type;
  std::map<int, Attribute> attributes;
  bool final = false;
  std::int64_t engine = 0;  // of an engine
  Thing* of = nullptr;      // engine -> graph, configuration -> graph
};

std::string last_words;

cudnnStatus_t say(cudnnStatus_t status, const std::string& words) {
  last_words = words;
  return status;
}

std::size_t size_of(cudnnBackendAttributeType_t type) {
  switch (type) {
    case CUDNN_TYPE_CHAR:
      return 1;
    case CUDNN_TYPE_FLOAT:
    case CUDNN_TYPE_DATA_TYPE:
    case CUDNN_TYPE_CONVOLUTION_MODE:
    case CUDNN_TYPE_HEUR_MODE:
    case CUDNN_TYPE_NUMERICAL_NOTE:
      return 4;
    default:
      return 8;
  }
}

template <class T>
std::vector<T> read(const Thing* thing, int name) {
  const Attribute& attribute = thing->attributes.at(name);
  std::vector<T> values(static_cast<std::size_t>(attribute.count));
  std::memcpy(values.data(), attribute.bytes.data(), attribute.bytes.size());
  return values;
}
Thing* child(const Thing* thing, int name) {
  return static_cast<Thing*>(read<void*>(thing, name).at(0));
}

// --- the convolution --------------------------------------------------------------------------

struct Operand {
  std::vector<std::int64_t> dims, strides;
  cudnnDataType_t type;
  void* data;

  void* at(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) const {
    const std::int64_t i = a * strides[0] + b * strides[1] + c * strides[2] + d * strides[3];
    return static_cast<char*>(data) + i * (type == CUDNN_DATA_FLOAT ? 4 : 2);
  }
  double get(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d) const {
    return number_at(at(a, b, c, d), dtype());
  }
  void put(std::int64_t a, std::int64_t b, std::int64_t c, std::int64_t d, double value) const {
    put_number(at(a, b, c, d), dtype(), value);
  }
  DType dtype() const {
    if (type == CUDNN_DATA_FLOAT) return DType::F32;
    return type == CUDNN_DATA_BFLOAT16 ? DType::BF16 : DType::F16;
  }
};

struct Names {
  int x, w, y, convolution, alpha, beta;
};

Names names_of(cudnnBackendDescriptorType_t type) {
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR) {
    return {704, 703, 705, 702, 700, 701};
  }
  if (type == CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR) {
    return {710, 709, 711, 708, 706, 707};
  }
  return {716, 715, 717, 714, 712, 713};
}

Operand operand(const Thing* tensor, const Thing* pack) {
  const auto uids = read<std::int64_t>(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
  const auto data = read<void*>(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS);
  Operand made{read<std::int64_t>(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS),
               read<std::int64_t>(tensor, CUDNN_ATTR_TENSOR_STRIDES),
               read<cudnnDataType_t>(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE).at(0), nullptr};
  for (std::size_t i = 0; i < uids.size(); ++i) {
    if (uids[i] == read<std::int64_t>(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID).at(0)) {
      made.data = data[i];
    }
  }
  return made;
}

// Calls visit(n, c, h, w, k, r, s, p, q) for every product of the convolution.
template <class Visit>
void each_product(const Operand& x, const Operand& w, const Operand& y, const Thing* convolution,
                  Visit visit) {
  const auto pads = read<std::int64_t>(convolution, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS);
  const auto steps = read<std::int64_t>(convolution, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES);
  for (std::int64_t n = 0; n < y.dims[0]; ++n)
    for (std::int64_t k = 0; k < y.dims[1]; ++k)
      for (std::int64_t p = 0; p < y.dims[2]; ++p)
        for (std::int64_t q = 0; q < y.dims[3]; ++q)
          for (std::int64_t c = 0; c < x.dims[1]; ++c)
            for (std::int64_t r = 0; r < w.dims[2]; ++r)
              for (std::int64_t s = 0; s < w.dims[3]; ++s) {
                const std::int64_t h = p * steps[0] - pads[0] + r, v = q * steps[1] - pads[1] + s;
                if (h < 0 || h >= x.dims[2] || v < 0 || v >= x.dims[3]) continue;
                visit(n, c, h, v, k, r, s, p, q);
              }
}

void convolve(const Thing* operation, const Thing* pack) {
  const Names names = names_of(operation->type);
  const Operand x = operand(child(operation, names.x), pack);
  const Operand w = operand(child(operation, names.w), pack);
  const Operand y = operand(child(operation, names.y), pack);
  const Thing* convolution = child(operation, names.convolution);
  const double alpha = read<float>(operation, names.alpha).at(0);
  const double beta = read<float>(operation, names.beta).at(0);
  const Operand& out = names.x == 704 ? y : names.x == 710 ? x : w;
  const auto& d = out.dims;
  std::vector<double> sums(static_cast<std::size_t>(d[0] * d[1] * d[2] * d[3]));
  const auto sum = [&](auto a, auto b, auto c, auto e) -> double& {
    return sums[static_cast<std::size_t>(((a * d[1] + b) * d[2] + c) * d[3] + e)];
  };
  each_product(x, w, y, convolution,
               [&](auto n, auto c, auto h, auto v, auto k, auto r, auto s, auto p, auto q) {
                 if (&out == &y) sum(n, k, p, q) += x.get(n, c, h, v) * w.get(k, c, r, s);
                 if (&out == &x) sum(n, c, h, v) += y.get(n, k, p, q) * w.get(k, c, r, s);
                 if (&out == &w) sum(k, c, r, s) += y.get(n, k, p, q) * x.get(n, c, h, v);
               });
  for (std::int64_t a = 0; a < d[0]; ++a)
    for (std::int64_t b = 0; b < d[1]; ++b)
      for (std::int64_t c = 0; c < d[2]; ++c)
        for (std::int64_t e = 0; e < d[3]; ++e) {
          const double before = beta == 0 ? 0 : beta * out.get(a, b, c, e);
          out.put(a, b, c, e, alpha * sum(a, b, c, e) + before);
        }
}

cudnnStatus_t give(std::int64_t value, std::int64_t* count, void* values) {
  *count = 1;
  std::memcpy(values, &value, sizeof value);
  return CUDNN_STATUS_SUCCESS;
}

}  // namespace

// --- cuDNN ------------------------------------------------------------------------------------

extern "C" {

size_t cudnnGetVersion() {
  return 99900;
}
const char* cudnnGetErrorString(cudnnStatus_t) {
  return "CUDNN_STATUS_OF_THE_STAND_IN";
}
void cudnnGetLastErrorString(char* message, size_t size) {
  std::snprintf(message, size, "%s", last_words.c_str());
}

cudnnStatus_t cudnnCreate(cudnnHandle_t* handle) {
  if (fails()) return say(CUDNN_STATUS_NOT_INITIALIZED, "no device");
  static int device = 0;
  *handle = reinterpret_cast<cudnnHandle_t>(&device);
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnSetStream(cudnnHandle_t, cudaStream_t) {
  return fails() ? say(CUDNN_STATUS_BAD_PARAM, "no such stream") : CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendCreateDescriptor(cudnnBackendDescriptorType_t type,
                                           cudnnBackendDescriptor_t* descriptor) {
  if (fails()) return say(CUDNN_STATUS_ALLOC_FAILED, "no memory for a descriptor");
  *descriptor = new Thing{type, {}, false, 0, nullptr};
  ++live;
  return CUDNN_STATUS_SUCCESS;
}
cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor) {
  delete static_cast<Thing*>(descriptor);
  --live;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendSetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t type, int64_t count,
                                       const void* values) {
  if (fails()) return say(CUDNN_STATUS_BAD_PARAM, "an attribute is refused");
  auto* thing = static_cast<Thing*>(descriptor);
  if (thing->final) return say(CUDNN_STATUS_BAD_PARAM, "finalised already");
  const auto* bytes = static_cast<const unsigned char*>(values);
  if (type == CUDNN_TYPE_BACKEND_DESCRIPTOR) {
    for (int64_t i = 0; i < count; ++i) {
      if (!static_cast<Thing* const*>(values)[i]->final) {
        return say(CUDNN_STATUS_BAD_PARAM, "an attribute is not finalised");
      }
    }
  }
  thing->attributes[name] = {
      type, count, {bytes, bytes + static_cast<std::size_t>(count) * size_of(type)}};
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor) {
  if (fails()) return say(CUDNN_STATUS_NOT_SUPPORTED, "not supported");
  auto* thing = static_cast<Thing*>(descriptor);
  if (thing->type == CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR) {
    const Thing* config = child(thing, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
    if (config->engine == 1) return say(CUDNN_STATUS_NOT_SUPPORTED, "engine 1 is broken");
  }
  thing->final = true;
  return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(cudnnBackendDescriptor_t descriptor,
                                       cudnnBackendAttributeName_t name,
                                       cudnnBackendAttributeType_t, int64_t most, int64_t* count,
                                       void* values) {
  if (fails()) return say(CUDNN_STATUS_BAD_PARAM, "an attribute cannot be read");
  auto* thing = static_cast<Thing*>(descriptor);
  switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS: {
      const auto mode = read<cudnnBackendHeurMode_t>(thing, CUDNN_ATTR_ENGINEHEUR_MODE).at(0);
      *count = mode == CUDNN_HEUR_MODE_A ? 2 : 1;
      for (int64_t i = 0; i < *count && i < most; ++i) {
        Thing* config = static_cast<Thing**>(values)[i];
        config->engine = mode == CUDNN_HEUR_MODE_A ? i : 2;
        config->of = child(thing, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH);
        config->final = true;
      }
      return CUDNN_STATUS_SUCCESS;
    }
    case CUDNN_ATTR_ENGINECFG_ENGINE:
      *count = 1;
      static_cast<Thing**>(values)[0]->engine = thing->engine;
      static_cast<Thing**>(values)[0]->final = true;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
      *count = thing->engine == 0 ? 1 : 0;
      if (*count == 1) *static_cast<int*>(values) = CUDNN_NUMERICAL_NOTE_TENSOR_CORE;
      return CUDNN_STATUS_SUCCESS;
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
      return give(thing->engine, count, values);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
      return give(kWorkspace, count, values);
    default:
      return say(CUDNN_STATUS_BAD_PARAM, "the stand-in has no such attribute");
  }
}

cudnnStatus_t cudnnBackendExecute(cudnnHandle_t, cudnnBackendDescriptor_t plan,
                                  cudnnBackendDescriptor_t pack) {
  if (fails()) return say(CUDNN_STATUS_EXECUTION_FAILED, "the launch failed");
  const auto* variant = static_cast<const Thing*>(pack);
  if (!variant->final) return say(CUDNN_STATUS_BAD_PARAM, "the pack is not finalised");
  std::memset(read<void*>(variant, CUDNN_ATTR_VARIANT_PACK_WORKSPACE).at(0), 0xAB, kWorkspace);
  const Thing* config = child(static_cast<Thing*>(plan), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG);
  convolve(child(config->of, CUDNN_ATTR_OPERATIONGRAPH_OPS), variant);
  ++executed;
  return CUDNN_STATUS_SUCCESS;
}

}  // extern "C"
