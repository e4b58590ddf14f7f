// The handcrafted network of the TEM virus benchmark: four stages of two 3x3 convolutions, each
// followed by ReLU and then batch norm, joined with the stage's own input, pooled and dropped out;
// one valid 3x3 convolution; three dense layers. 14,649,867 parameters at 256x256x1 and 14 classes.
// Source: Matuszewski & Sintorn, "TEM virus images: Benchmark dataset and deep learning
// classification", CMPB 209 (2021), authors' training code (Keras conventions).
#include "engine/errors.h"
#include "layers/layers.h"
#include "models/networks.h"

namespace lamella::networks {
namespace {

constexpr float kL2 = 0.1F;  // on every filter and dense matrix but the classifier's

BatchNormOptions keras_batch_norm() {
  BatchNormOptions options;
  options.eps = 1e-3F;
  options.momentum = 0.01F;  // Keras writes it 0.99
  options.relu_in = true;
  options.remake = true;  // of all the memory of a training step, a quarter
  return options;
}

Conv2dSpec filter3x3(std::int64_t in, std::int64_t out, std::int64_t pad) {
  Conv2dSpec spec = square(in, out, 3, 1, pad);
  spec.l2 = kL2;
  return spec;
}

// y = [bn(relu(conv(bn(relu(conv x))))), x], halved by max pooling, dropped out.
class Stage : public Module {
 public:
  Stage(Context& ctx, std::int64_t in, std::int64_t middle, std::int64_t out, float p,
        std::uint32_t number)
      : conv1_(std::make_unique<Conv2d>(ctx, filter3x3(in, middle, 1))),
        bn1_(std::make_unique<BatchNorm2d>(ctx, middle, keras_batch_norm())),
        conv2_(std::make_unique<Conv2d>(ctx, filter3x3(middle, out, 1))),
        bn2_(std::make_unique<BatchNorm2d>(ctx, out, keras_batch_norm())),
        out_(out),
        p_(p),
        number_(number) {}

  Tensor forward(Context& ctx, const Tensor& x, Tensor out) const override {
    const Tensor joined =
        ctx.empty_with_grad({x.dim(0), x.dim(1), x.dim(2), out_ + x.channels()}, x.dtype());
    Tensor hidden = conv1_->forward(ctx, x);
    hidden = bn1_->forward(ctx, hidden);
    hidden = conv2_->forward(ctx, hidden);
    const Tensor made = bn2_->forward(ctx, hidden, joined.slice(0, out_));
    const Tensor kept = copy_into(ctx, x, joined.slice(out_, joined.channels()));
    const bool recorded = made.requires_grad() || kept.requires_grad();
    const Tensor pooled = max_pool2d(ctx, recorded ? joined : joined.detach(), {});
    return dropout(ctx, pooled, p_, number_, std::move(out));
  }

  Shape output_shape(const Shape& x) const override {
    return pool2d_output_shape({x[0], x[1], x[2], out_ + x[3]}, {});
  }

  void collect(const std::string& prefix, std::vector<Parameter>& into) const override {
    conv1_->collect(join_names(prefix, "conv1"), into);
    bn1_->collect(join_names(prefix, "bn1"), into);
    conv2_->collect(join_names(prefix, "conv2"), into);
    bn2_->collect(join_names(prefix, "bn2"), into);
  }

  // The ReLU stands between a convolution and its norm, which so cannot be folded.
  ModulePtr inference_form(Context& ctx, const Shape& x) const override {
    const Shape middle = conv1_->output_shape(x);
    return ModulePtr(new Stage(conv1_->inference_form(ctx, x), bn1_->inference_form(ctx, middle),
                               conv2_->inference_form(ctx, middle),
                               bn2_->inference_form(ctx, conv2_->output_shape(middle)), *this));
  }

 private:
  Stage(ModulePtr conv1, ModulePtr bn1, ModulePtr conv2, ModulePtr bn2, const Stage& like)
      : conv1_(std::move(conv1)),
        bn1_(std::move(bn1)),
        conv2_(std::move(conv2)),
        bn2_(std::move(bn2)),
        out_(like.out_),
        p_(like.p_),
        number_(like.number_) {}

  ModulePtr conv1_, bn1_, conv2_, bn2_;
  std::int64_t out_;
  float p_;
  std::uint32_t number_;
};

ModulePtr dense(Context& ctx, std::int64_t in, std::int64_t out) {
  return std::make_unique<Linear>(ctx, in, out, kL2);
}

}  // namespace

Model tem_small(Context& ctx, const ModelSpec& spec) {
  constexpr std::int64_t kHalvings = 16, kSmallest = 3 * kHalvings;
  if (spec.height < kSmallest || spec.width < kSmallest) {
    fail("tem_small: images of ", spec.height, "x", spec.width,
         " are too small for four poolings and a 3x3 convolution; use at least ", kSmallest, "x",
         kSmallest);
  }
  const std::int64_t in = spec.channels;
  const std::int64_t pixels = (spec.height / kHalvings - 2) * (spec.width / kHalvings - 2);

  Model::Stages stages;
  const auto add = [&stages](const char* name, ModulePtr module) {
    stages.push_back({name, name, std::move(module)});
  };
  // The first stage has 64 - channels filters so that it comes out 64 wide.
  const std::int64_t first = 64 - in;
  if (first < 1) fail("tem_small: ", in, " input channels; it takes 1 to 63");
  add("stage1", std::make_unique<Stage>(ctx, in, 64, first, 0.20F, 1));
  add("stage2", std::make_unique<Stage>(ctx, 64, 64, 64, 0.25F, 2));
  add("stage3", std::make_unique<Stage>(ctx, 128, 128, 128, 0.30F, 3));
  add("stage4", std::make_unique<Stage>(ctx, 256, 128, 128, 0.35F, 4));

  Sequential::Children last;
  last.emplace_back("conv", std::make_unique<ConvRelu>(ctx, filter3x3(384, 256, 0)));
  add("last", std::make_unique<Sequential>(std::move(last)));

  Sequential::Children head;
  head.emplace_back("", flattened());
  head.emplace_back("fc1", dense(ctx, pixels * 256, 256));
  head.emplace_back("", rectified());
  head.emplace_back("", dropped(0.35F, 5));
  head.emplace_back("fc2", dense(ctx, 256, 256));
  head.emplace_back("", rectified());
  stages.push_back({"hidden", "", std::make_unique<Sequential>(std::move(head))});
  add("classifier", std::make_unique<Linear>(ctx, 256, spec.classes));
  return Model(spec, std::move(stages), Init::GlorotUniform);
}

}  // namespace lamella::networks
