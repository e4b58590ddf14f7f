// A network as a list of named stages, made by name from the registry.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "layers/module.h"

namespace lamella {

struct ModelSpec {
  std::string name;  // a name of model_names()
  std::int64_t height = 256, width = 256, channels = 1, classes = 14;
  // Not empty: the network ends behind this layer, and a head follows.
  std::string cut = {};
  // "own": the network's classifier; where it is cut, as "linear". "linear": global average pool
  // and one linear layer. "mlp": the image as one vector and three linear layers, of 1024, 1024 and
  // `classes` (models/heads.cpp). "none": nothing follows the cut; `classes` means nothing then.
  std::string head = "own";
  // With the auxiliary classifiers that the papers of googlenet and inception_v3 train with.
  bool auxiliary = false;

  bool operator==(const ModelSpec&) const = default;
};

// Of the parameters of a head that is not a network's own.
inline constexpr const char* kHeadPrefix = "head.";

class Model {
 public:
  // In order of execution. The last one is the classifier; the output of the one before it, pooled
  // where it is an image, is the layer "features".
  struct Stage {
    std::string name;    // as forward() and layer_names() know it
    std::string prefix;  // of its parameters' names
    ModulePtr module;
  };
  using Stages = std::vector<Stage>;
  // A classifier that in training reads the output of an inner stage and helps those up to there to
  // learn. Nothing else runs it.
  struct Auxiliary {
    std::string behind;  // name of a stage
    std::string prefix;  // of its parameters' names
    float weight;        // of its loss, beside 1 of the network's own
    ModulePtr module;    // image -> logits
  };
  using Auxiliaries = std::vector<Auxiliary>;
  // `stddev` is that of Init::TruncatedNormal. Throws Error where the spec's images do not fit.
  Model(ModelSpec spec, Stages stages, Init init, float stddev = 0.1F, Auxiliaries auxiliary = {});

  const ModelSpec& spec() const { return spec_; }
  // x [N,H,W,C] -> logits [N,classes], f32 whatever the layers compute in; or, with `layer`, the
  // output of that stage ("features": the vector before the classifier).
  Tensor forward(Context& ctx, const Tensor& x, const std::string& layer = "") const;
  // What training compares with the labels: the logits with weight 1, then those of the auxiliary
  // classifiers.
  struct Output {
    Tensor logits;
    float weight;
  };
  std::vector<Output> outputs(Context& ctx, const Tensor& x) const;
  // The L2 penalty of all parameters that have one; undefined where none has.
  Tensor penalty(Context& ctx) const;

  // Parameters and buffers in order of execution; those of an auxiliary classifier behind the stage
  // that it reads.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  std::vector<std::string> layer_names() const;
  // Where in the order of execution a layer of layer_names() is: Parameter::stage.
  std::size_t stage_of(const std::string& layer) const;
  // Leaves out all stages behind `layer`, a name of layer_names(), and their parameters. The end of
  // what is left takes the place of the logits; there is no layer "features" any more, unless it is
  // that end.
  void cut_behind(const std::string& layer);
  // Puts a head in place of the classifier; after cut_behind, behind what is left. `kind`: "linear"
  // or "mlp", as in ModelSpec. Its parameters' names begin with kHeadPrefix.
  void set_head(Context& ctx, const std::string& kind);
  // What the names of the classifier's parameters begin with: "fc", "classifier".
  const std::string& classifier_prefix() const { return stages_.back().prefix; }
  const Auxiliaries& auxiliary() const { return auxiliary_; }
  std::int64_t parameter_count() const;  // trained ones
  // Whether some parameter's name begins so.
  bool has_parameter(const std::string& beginning) const;
  void zero_grad() const;
  // The same network for inference only, at its best for batches of `batch` images: batch norm
  // folded into the convolution before it, filters packed as the backend computes with them. It
  // keeps the weights of today; this model may go. It is run once, on zeros, which plans its
  // memory: calls with this batch take none from the device, but for what they return. Every
  // Context that runs it plans anew with its first call.
  Model inference_form(Context& ctx, std::int64_t batch) const;
  // Lets training change only the parameters that `frozen` says no to. A batch norm whose scale is
  // frozen uses its running statistics and keeps them.
  void freeze(const std::function<bool(const Parameter&)>& frozen) const;
  // Draws every weight from Philox (seed, RngStream::Init, index of the parameter).
  void initialise(Context& ctx, std::uint64_t seed) const;

 private:
  // The output of `layer`, and of the auxiliary classifiers on the way where `more` is given.
  Tensor run(Context& ctx, const Tensor& x, const std::string& layer,
             std::vector<Output>* more = nullptr) const;
  void check_images(const Tensor& x) const;
  void collect();                                // the parameters of all stages
  Shape shape_behind(std::size_t stages) const;  // for one image
  Shape output_shape(const Module& module, const std::string& name, const Shape& x) const;
  Shape shape_of(const std::string& layer, std::int64_t images) const;

  ModelSpec spec_;
  Stages stages_;
  Auxiliaries auxiliary_;
  Init init_;
  float stddev_;
  bool cut_ = false;
  bool inference_ = false;  // a forward is a pass of the memory plan
  std::vector<Parameter> parameters_;
};

std::vector<std::string> model_names();
// Builds the network on ctx's device with uninitialised weights. Throws Error for an unknown name
// or an input too small for it.
Model make_model(Context& ctx, const ModelSpec& spec);

}  // namespace lamella
