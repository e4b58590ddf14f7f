// Inception-v3 as torchvision has it; inception_v3_tf as TensorFlow has it, for weights that come
// from there: its average pools leave the padding out of the count. Szegedy, Vanhoucke, Ioffe,
// Shlens, Wojna, "Rethinking the Inception Architecture for Computer Vision", CVPR 2016; blocks A
// to E are its figures 5 to 7.
#include "models/blocks.h"
#include "models/parts.h"

namespace lamella::networks {
ModulePtr InceptionV3Blocks::branch(std::int64_t in, const std::vector<Unit>& units) const {
  return chain(ctx, in, units);
}

ModulePtr InceptionV3Blocks::pooled_branch(std::int64_t in, std::int64_t out) const {
  return pool_branch(ctx, in, {"branch_pool", out, 1, 1}, include_pad);
}

ModulePtr InceptionV3Blocks::a(std::int64_t in, std::int64_t pool) const {
  return side_by_side(branch(in, {{"branch1x1", 64, 1, 1}}),
                      branch(in, {{"branch5x5_1", 48, 1, 1}, {"branch5x5_2", 64, 5, 5}}),
                      branch(in, {{"branch3x3dbl_1", 64, 1, 1},
                                  {"branch3x3dbl_2", 96, 3, 3},
                                  {"branch3x3dbl_3", 96, 3, 3}}),
                      pooled_branch(in, pool));
}

ModulePtr InceptionV3Blocks::b(std::int64_t in) const {
  return side_by_side(branch(in, {{"branch3x3", 384, 3, 3, 2, false}}),
                      branch(in, {{"branch3x3dbl_1", 64, 1, 1},
                                  {"branch3x3dbl_2", 96, 3, 3},
                                  {"branch3x3dbl_3", 96, 3, 3, 2, false}}),
                      max_pool(window(3, 2)));
}

ModulePtr InceptionV3Blocks::c(std::int64_t in, std::int64_t narrow) const {
  return side_by_side(branch(in, {{"branch1x1", 192, 1, 1}}),
                      branch(in, {{"branch7x7_1", narrow, 1, 1},
                                  {"branch7x7_2", narrow, 1, 7},
                                  {"branch7x7_3", 192, 7, 1}}),
                      branch(in, {{"branch7x7dbl_1", narrow, 1, 1},
                                  {"branch7x7dbl_2", narrow, 7, 1},
                                  {"branch7x7dbl_3", narrow, 1, 7},
                                  {"branch7x7dbl_4", narrow, 7, 1},
                                  {"branch7x7dbl_5", 192, 1, 7}}),
                      pooled_branch(in, 192));
}

ModulePtr InceptionV3Blocks::d(std::int64_t in) const {
  return side_by_side(
      branch(in, {{"branch3x3_1", 192, 1, 1}, {"branch3x3_2", 320, 3, 3, 2, false}}),
      branch(in, {{"branch7x7x3_1", 192, 1, 1},
                  {"branch7x7x3_2", 192, 1, 7},
                  {"branch7x7x3_3", 192, 7, 1},
                  {"branch7x7x3_4", 192, 3, 3, 2, false}}),
      max_pool(window(3, 2)));
}

// The two filters at the end of a branch, 1x3 and 3x1, side by side.
ModulePtr InceptionV3Blocks::both(std::int64_t in, const std::string& name) const {
  return side_by_side(branch(in, {{name + "a", 384, 1, 3}}), branch(in, {{name + "b", 384, 3, 1}}));
}

ModulePtr InceptionV3Blocks::e(std::int64_t in) const {
  return side_by_side(
      branch(in, {{"branch1x1", 320, 1, 1}}),
      after(branch(in, {{"branch3x3_1", 384, 1, 1}}), both(384, "branch3x3_2")),
      after(branch(in, {{"branch3x3dbl_1", 448, 1, 1}, {"branch3x3dbl_2", 384, 3, 3}}),
            both(384, "branch3x3dbl_3")),
      pooled_branch(in, 192));
}

namespace {

// The paper's figure 8 with batch norm, as torchvision has it. The paper gives no weight for its
// loss; 0.4 is what training code commonly uses.
Model::Auxiliary auxiliary(Context& ctx, std::int64_t classes) {
  Sequential::Children children;
  children.emplace_back("", avg_pool(window(5, 3)));
  children.emplace_back("", chain(ctx, 768, {{"conv0", 128, 1, 1}}));
  Conv2dSpec wide = spec_of(128, {"conv1", 768, 5, 5, 1, false});
  wide.stddev = 0.01F;
  children.emplace_back("conv1", std::make_unique<ConvNorm>(ctx, wide, kInceptionNorm));
  children.emplace_back("", global_pool());
  children.emplace_back("fc", std::make_unique<Linear>(ctx, 768, classes, 0.0F, 0.001F));
  return {"Mixed_6e", "AuxLogits", 0.4F, std::make_unique<Sequential>(std::move(children))};
}

}  // namespace

Model inception_v3(Context& ctx, const ModelSpec& spec) {
  const InceptionV3Blocks build{ctx, spec.name != "inception_v3_tf"};
  Model::Stages stages;
  const auto add = [&stages](const std::string& name, ModulePtr module) {
    stages.push_back({name, name, std::move(module)});
  };
  const auto unit = [&](std::int64_t in, const Unit& unit) {
    stages.push_back({unit.name, "", build.branch(in, {unit})});
  };
  unit(spec.channels, {"Conv2d_1a_3x3", 32, 3, 3, 2, false});
  unit(32, {"Conv2d_2a_3x3", 32, 3, 3, 1, false});
  unit(32, {"Conv2d_2b_3x3", 64, 3, 3});
  add("maxpool1", max_pool(window(3, 2)));
  unit(64, {"Conv2d_3b_1x1", 80, 1, 1});
  unit(80, {"Conv2d_4a_3x3", 192, 3, 3, 1, false});
  add("maxpool2", max_pool(window(3, 2)));
  add("Mixed_5b", build.a(192, 32));
  add("Mixed_5c", build.a(256, 64));
  add("Mixed_5d", build.a(288, 64));
  add("Mixed_6a", build.b(288));
  add("Mixed_6b", build.c(768, 128));
  add("Mixed_6c", build.c(768, 160));
  add("Mixed_6d", build.c(768, 160));
  add("Mixed_6e", build.c(768, 192));
  add("Mixed_7a", build.d(768));
  add("Mixed_7b", build.e(1280));
  add("Mixed_7c", build.e(2048));
  add("pool", after(global_pool(), dropped(0.5F, 1)));
  stages.push_back({"classifier", "fc", std::make_unique<Linear>(ctx, 2048, spec.classes)});
  Model::Auxiliaries more;
  if (spec.auxiliary) more.push_back(auxiliary(ctx, spec.classes));
  return Model(spec, std::move(stages), Init::TruncatedNormal, 0.1F, std::move(more));
}

}  // namespace lamella::networks
