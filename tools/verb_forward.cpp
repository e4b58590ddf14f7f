// lamella forward: raw tensors through a network, for comparison with other programs.
#include <cstdio>
#include <filesystem>

#include "engine/errors.h"
#include "tools/common.h"
#include "tools/layer_model.h"
#include "tools/npy.h"
#include "weights/read_weights.h"

namespace lamella::tool {
namespace {

struct ForwardArguments {
  std::string model, weights, input, output, layer, layout = "nhwc";
  std::int64_t classes = 14;
  std::uint64_t seed = 0;
  DeviceOptions device;
};

struct Extent {
  std::int64_t N, H, W, C;
};

// [N,C,H,W] -> [N,H,W,C]; with `back` the other way.
std::vector<float> permuted(const std::vector<float>& from, const Extent& e, bool back) {
  std::vector<float> to(from.size());
  std::size_t nhwc = 0;
  for (std::int64_t n = 0; n < e.N; ++n) {
    for (std::int64_t h = 0; h < e.H; ++h) {
      for (std::int64_t w = 0; w < e.W; ++w) {
        for (std::int64_t c = 0; c < e.C; ++c, ++nhwc) {
          const auto nchw = static_cast<std::size_t>(((n * e.C + c) * e.H + h) * e.W + w);
          if (back) {
            to[nchw] = from[nhwc];
          } else {
            to[nhwc] = from[nchw];
          }
        }
      }
    }
  }
  return to;
}

Tensor read_input(Context& ctx, const ForwardArguments& args) {
  NpyArray array = read_npy(args.input);
  if (array.shape.size() != 4) {
    fail(args.input, " has ", array.shape.size(), " dimensions; a batch of images has 4");
  }
  const bool nchw = args.layout == "nchw";
  const auto& s = array.shape;
  const Extent e = nchw ? Extent{s[0], s[2], s[3], s[1]} : Extent{s[0], s[1], s[2], s[3]};
  if (array.values.empty()) fail(args.input, " holds no image");
  if (nchw) array.values = permuted(array.values, e, false);
  return ctx.from_host(array.values, {e.N, e.H, e.W, e.C});
}

void write_output(Context& ctx, const ForwardArguments& args, const Tensor& y) {
  NpyArray array{{}, ctx.to_host(y)};
  for (int i = 0; i < y.shape().rank(); ++i) array.shape.push_back(y.dim(i));
  if (args.layout == "nchw" && y.shape().rank() == 4) {
    array.values = permuted(array.values, {y.dim(0), y.dim(1), y.dim(2), y.dim(3)}, true);
    array.shape = {y.dim(0), y.dim(3), y.dim(1), y.dim(2)};
  }
  write_npy(args.output, array);
}

// By name, or as the card of the weight file says; sized for the input. It ends with args.layer.
Model build(Context& ctx, const ForwardArguments& args, const Tensor& x) {
  ModelSpec spec{args.model, x.dim(1), x.dim(2), x.dim(3), args.classes};
  if (args.weights.empty()) {
    if (spec.name.empty()) throw UsageError("forward needs --model, or --weights with a card");
    Model model = make_model(ctx, spec);
    model.initialise(ctx, args.seed);
    if (!args.layer.empty()) model.cut_behind(args.layer);
    return model;
  }
  const std::string file = weight_file(args.weights);
  TensorFile weights = read_weights(file);
  if (spec.name.empty() || has_card(weights)) {
    spec = card_of(weights, file, args.model).spec;
    spec.auxiliary = false;
    spec.height = x.dim(1);
    spec.width = x.dim(2);
    return cut_and_load(ctx, make_model(ctx, spec), args.layer, std::move(weights), file);
  }
  const std::int64_t stored = classes_in(weights, make_model(ctx, spec));
  if (stored > 0) spec.classes = stored;
  return cut_and_load(ctx, make_model(ctx, spec), args.layer, std::move(weights), file);
}

int run(const ForwardArguments& args) {
  const auto ctx = make_context(args.device, args.seed);
  const Tensor x = read_input(*ctx, args);
  const Model model = build(*ctx, args, x);
  const Tensor y = model.forward(*ctx, x);
  write_output(*ctx, args, y);
  print_profile(args.device);
  std::printf("%s: %s -> %s\n", args.output.c_str(), x.shape().str().c_str(),
              y.shape().str().c_str());
  return 0;
}

}  // namespace

Verb add_forward(CLI::App& app) {
  CLI::App* parser = app.add_subcommand("forward", "run raw tensors through a network");
  auto args = std::make_shared<ForwardArguments>();
  parser->add_option("--model", args->model, "network; default: what the weight file names");
  parser->add_option("--weights", args->weights, "weight file or run folder; default: drawn");
  parser->add_option("--input", args->input, "batch of images, f32 .npy, preprocessed")->required();
  parser->add_option("--output", args->output, "where the result goes, f32 .npy")->required();
  parser->add_option("--layer", args->layer,
                     "stop behind this stage; features: the vector before the classifier");
  parser->add_option("--layout", args->layout, "of 4-dimensional arrays: nhwc or nchw")
      ->check(CLI::IsMember({"nhwc", "nchw"}))
      ->capture_default_str();
  parser->add_option("--classes", args->classes, "where no weight file says it")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  parser->add_option("--seed", args->seed, "of drawn weights")->capture_default_str();
  add_device_options(*parser, args->device);
  parser->footer(
      "Example:\n  lamella forward --weights run1 --input in.npy --output out.npy --layer "
      "features");
  return {parser, [args] { return run(*args); }};
}

}  // namespace lamella::tool
