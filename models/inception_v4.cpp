// Inception-v4 as timm has it (ported from Cadene's, from TF-slim's). Szegedy, Ioffe, Vanhoucke,
// Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning",
// AAAI 2017, figures 3 to 9. How it starts is not published; here as Inception-v3.
#include "models/blocks.h"

namespace lamella::networks {
namespace {

struct Builder {
  Context& ctx;

  ModulePtr branch(std::int64_t in, const std::vector<Unit>& units) const {
    return chain(ctx, in, units);
  }
  ModulePtr pooled_branch(std::int64_t in, std::int64_t out) const {
    return pool_branch(ctx, in, {"branch3.1", out, 1, 1}, false);
  }

  ModulePtr mixed_4a() const {
    return side_by_side(branch(160, {{"branch0.0", 64, 1, 1}, {"branch0.1", 96, 3, 3, 1, false}}),
                        branch(160, {{"branch1.0", 64, 1, 1},
                                     {"branch1.1", 64, 1, 7},
                                     {"branch1.2", 64, 7, 1},
                                     {"branch1.3", 96, 3, 3, 1, false}}));
  }

  ModulePtr a() const {
    return side_by_side(
        branch(384, {{"branch0", 96, 1, 1}}),
        branch(384, {{"branch1.0", 64, 1, 1}, {"branch1.1", 96, 3, 3}}),
        branch(384, {{"branch2.0", 64, 1, 1}, {"branch2.1", 96, 3, 3}, {"branch2.2", 96, 3, 3}}),
        pooled_branch(384, 96));
  }

  ModulePtr reduction_a() const {
    return side_by_side(branch(384, {{"branch0", 384, 3, 3, 2, false}}),
                        branch(384, {{"branch1.0", 192, 1, 1},
                                     {"branch1.1", 224, 3, 3},
                                     {"branch1.2", 256, 3, 3, 2, false}}),
                        max_pool(window(3, 2)));
  }

  ModulePtr b() const {
    return side_by_side(
        branch(1024, {{"branch0", 384, 1, 1}}),
        branch(1024,
               {{"branch1.0", 192, 1, 1}, {"branch1.1", 224, 1, 7}, {"branch1.2", 256, 7, 1}}),
        branch(1024, {{"branch2.0", 192, 1, 1},
                      {"branch2.1", 192, 7, 1},
                      {"branch2.2", 224, 1, 7},
                      {"branch2.3", 224, 7, 1},
                      {"branch2.4", 256, 1, 7}}),
        pooled_branch(1024, 128));
  }

  ModulePtr reduction_b() const {
    return side_by_side(
        branch(1024, {{"branch0.0", 192, 1, 1}, {"branch0.1", 192, 3, 3, 2, false}}),
        branch(1024, {{"branch1.0", 256, 1, 1},
                      {"branch1.1", 256, 1, 7},
                      {"branch1.2", 320, 7, 1},
                      {"branch1.3", 320, 3, 3, 2, false}}),
        max_pool(window(3, 2)));
  }

  // The two filters at the end of a branch, 1x3 and 3x1, side by side.
  ModulePtr both(std::int64_t in, const std::string& wide, const std::string& high) const {
    return side_by_side(branch(in, {{wide, 256, 1, 3}}), branch(in, {{high, 256, 3, 1}}));
  }

  ModulePtr c() const {
    return side_by_side(
        branch(1536, {{"branch0", 256, 1, 1}}),
        after(branch(1536, {{"branch1_0", 384, 1, 1}}), both(384, "branch1_1a", "branch1_1b")),
        after(
            branch(1536,
                   {{"branch2_0", 384, 1, 1}, {"branch2_1", 448, 3, 1}, {"branch2_2", 512, 1, 3}}),
            both(512, "branch2_3a", "branch2_3b")),
        pooled_branch(1536, 256));
  }
};

}  // namespace

Model inception_v4(Context& ctx, const ModelSpec& spec) {
  const Builder build{ctx};
  Model::Stages stages;
  const auto add = [&stages](ModulePtr module) {
    const std::string name = "features." + std::to_string(stages.size());
    stages.push_back({name, name, std::move(module)});
  };
  add(build.branch(spec.channels, {{"", 32, 3, 3, 2, false}}));
  add(build.branch(32, {{"", 32, 3, 3, 1, false}}));
  add(build.branch(32, {{"", 64, 3, 3}}));
  add(side_by_side(max_pool(window(3, 2)), build.branch(64, {{"conv", 96, 3, 3, 2, false}})));
  add(build.mixed_4a());
  add(side_by_side(build.branch(192, {{"conv", 192, 3, 3, 2, false}}), max_pool(window(3, 2))));
  for (int i = 0; i < 4; ++i) add(build.a());
  add(build.reduction_a());
  for (int i = 0; i < 7; ++i) add(build.b());
  add(build.reduction_b());
  for (int i = 0; i < 3; ++i) add(build.c());
  stages.push_back({"pool", "", global_pool()});
  stages.push_back(
      {"classifier", "last_linear", std::make_unique<Linear>(ctx, 1536, spec.classes)});
  return Model(spec, std::move(stages), Init::TruncatedNormal);
}

}  // namespace lamella::networks
