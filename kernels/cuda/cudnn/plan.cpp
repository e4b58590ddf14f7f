#include "kernels/cuda/cudnn/plan.h"

#ifdef LAMELLA_HAS_CUDNN
#include <algorithm>
#include <array>
#include <optional>
#include <stdexcept>
#include <vector>

namespace lamella::cuda {
namespace {
cudnnDataType_t type_of(DType dtype) {
  switch (dtype) {
    case DType::F32:
      return CUDNN_DATA_FLOAT;
    case DType::BF16:
      return CUDNN_DATA_BFLOAT16;
    case DType::F16:
      return CUDNN_DATA_HALF;
    default:
      throw std::runtime_error(std::string("cuDNN: no convolution of ") + name_of(dtype));
  }
}

// `images` x `height` x `width` x `channels`, the last dense.
Descriptor tensor(Uid uid, DType dtype, std::int64_t images, std::int64_t height,
                  std::int64_t width, std::int64_t channels) {
  const std::array<std::int64_t, 4> dims{images, channels, height, width};
  const std::array<std::int64_t, 4> strides{height * width * channels, 1, width * channels,
                                            channels};
  Descriptor made(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
  made.set(CUDNN_ATTR_TENSOR_UNIQUE_ID, std::int64_t{uid});
  made.set(CUDNN_ATTR_TENSOR_DATA_TYPE, type_of(dtype));
  made.set(CUDNN_ATTR_TENSOR_DIMENSIONS, std::span<const std::int64_t>(dims));
  made.set(CUDNN_ATTR_TENSOR_STRIDES, std::span<const std::int64_t>(strides));
  made.set(CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, kAlignment);
  made.finalize();
  return made;
}

Descriptor convolution(const Conv2dShape& s) {
  const std::array<std::int64_t, 2> pads{s.pad_h, s.pad_w}, strides{s.stride_h, s.stride_w},
      ones{1, 1};
  using Pair = std::span<const std::int64_t>;
  Descriptor made(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
  made.set(CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, std::int64_t{2});
  made.set(CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_DATA_FLOAT);
  made.set(CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_CROSS_CORRELATION);
  made.set(CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, Pair(pads));
  made.set(CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, Pair(pads));
  made.set(CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, Pair(strides));
  made.set(CUDNN_ATTR_CONVOLUTION_DILATIONS, Pair(ones));
  made.finalize();
  return made;
}

// The names that one of the three operations gives its attributes.
struct OperationNames {
  cudnnBackendDescriptorType_t type;
  cudnnBackendAttributeName_t convolution, x, w, y, alpha, beta;
};

OperationNames names_of(ConvKind kind) {
  switch (kind) {
    case ConvKind::Forward:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA};
    case ConvKind::BackwardData:
      return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA,
              CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA};
    case ConvKind::BackwardWeight:
      break;
  }
  return {CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA,
          CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA};
}

Descriptor graph_of(ConvKind kind, const Conv2dShape& s, Write write) {
  const OperationNames names = names_of(kind);
  Descriptor operation(names.type);
  operation.set(names.x, tensor(kX, s.dtype, s.N, s.H, s.W, s.C));
  operation.set(names.w, tensor(kW, s.dtype, s.K, s.R, s.S, s.C));
  operation.set(names.y, tensor(kY, s.dtype, s.N, s.P, s.Q, s.K));
  operation.set(names.convolution, convolution(s));
  operation.set(names.alpha, 1.0F);
  operation.set(names.beta, write == Write::Add ? 1.0F : 0.0F);
  operation.finalize();
  Descriptor graph(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
  graph.set(CUDNN_ATTR_OPERATIONGRAPH_OPS, std::move(operation));
  graph.finalize();
  return graph;
}

bool keeps_to_the_rules(const Descriptor& engine, DType dtype) {
  std::vector<cudnnBackendNumericalNote_t> notes(CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
  notes.resize(engine.get(CUDNN_ATTR_ENGINE_NUMERICAL_NOTE, std::span(notes)));
  const bool f32 = dtype == DType::F32;
  return std::all_of(notes.begin(), notes.end(), [&](cudnnBackendNumericalNote_t note) {
    switch (note) {
      case CUDNN_NUMERICAL_NOTE_TENSOR_CORE:
        return !f32;
      case CUDNN_NUMERICAL_NOTE_WINOGRAD:
      case CUDNN_NUMERICAL_NOTE_WINOGRAD_TILE_4x4:
        return f32;
      default:
        return note == CUDNN_NUMERICAL_NOTE_STRICT_NAN_PROP;
    }
  });
}

std::optional<Plan> plan_of(Descriptor config, const Descriptor& device, DType dtype) {
  Descriptor engine(CUDNN_BACKEND_ENGINE_DESCRIPTOR);
  cudnnBackendDescriptor_t raw = engine.raw();
  config.get(CUDNN_ATTR_ENGINECFG_ENGINE, std::span(&raw, 1));
  if (!keeps_to_the_rules(engine, dtype)) return std::nullopt;
  Descriptor plan(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, config);
  plan.set(CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP, device);
  if (!plan.try_finalize()) return std::nullopt;
  CudnnPlan facts;
  facts.workspace = plan.get<std::int64_t>(CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE);
  if (facts.workspace > kWorkspaceCap) return std::nullopt;
  const auto index = engine.get<std::int64_t>(CUDNN_ATTR_ENGINE_GLOBAL_INDEX);
  facts.engine = "engine " + std::to_string(index);
  Plan made{std::move(plan), {}, facts};
  made.made_of.push_back(std::move(engine));
  made.made_of.push_back(std::move(config));
  return made;
}

std::vector<Descriptor> configurations(const Descriptor& graph, const Descriptor& device,
                                       cudnnBackendHeurMode_t mode) {
  Descriptor heuristics(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_MODE, mode);
  heuristics.set(CUDNN_ATTR_ENGINEHEUR_DEVICEPROP, device);
  heuristics.finalize();
  const std::size_t count =
      heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, std::span<cudnnBackendDescriptor_t>());
  std::vector<Descriptor> configs;
  std::vector<cudnnBackendDescriptor_t> raw;
  for (std::size_t i = 0; i < count; ++i) {
    configs.emplace_back(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    raw.push_back(configs.back().raw());
  }
  // Fewer may come than were announced.
  const std::size_t filled = heuristics.get(CUDNN_ATTR_ENGINEHEUR_RESULTS, std::span(raw));
  while (configs.size() > filled) configs.pop_back();
  return configs;
}

Descriptor described_device(const std::string& json) {
  Descriptor device(CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR);
  device.set(CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION,
             std::span<const char>(json.c_str(), json.size() + 1));
  device.finalize();
  return device;
}

}  // namespace

Plan best_plan(ConvKind kind, const Conv2dShape& s, Write write, const Descriptor& device) {
  Descriptor graph = graph_of(kind, s, write);
  int tried = 0;
  for (const auto mode : {CUDNN_HEUR_MODE_A, CUDNN_HEUR_MODE_FALLBACK}) {
    for (Descriptor& config : configurations(graph, device, mode)) {
      if (std::optional<Plan> plan = plan_of(std::move(config), device, s.dtype)) {
        plan->facts.tried = tried;
        plan->made_of.push_back(std::move(graph));
        return std::move(*plan);
      }
      ++tried;
    }
  }
  throw std::runtime_error("cuDNN: none of " + std::to_string(tried) +
                           " configurations is deterministic, exact enough and small enough");
}

CudnnPlan cudnn_plan(ConvKind kind, const Conv2dShape& shape, Write write,
                     const std::string& device) {
  return best_plan(kind, shape, write, described_device(device)).facts;
}

}  // namespace lamella::cuda
#endif
