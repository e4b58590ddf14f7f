// The builders behind the registry, one function per family. Private to models/.
#pragma once

#include "models/model.h"

namespace lamella::networks {

// The handcrafted net of the TEM virus benchmark (Matuszewski & Sintorn 2021, authors' code).
Model tem_small(Context& ctx, const ModelSpec& spec);
// The CBR family of Raghu et al. 2019 ("Transfusion").
Model cbr(Context& ctx, const ModelSpec& spec);
Model densenet(Context& ctx, const ModelSpec& spec);
Model googlenet(Context& ctx, const ModelSpec& spec);
Model inception_v3(Context& ctx, const ModelSpec& spec);
Model inception_v4(Context& ctx, const ModelSpec& spec);
Model squeezenet(Context& ctx, const ModelSpec& spec);

// The stages that follow an image or vector of shape x [1,..,C]; the last is the classifier.
using HeadBuilder = Model::Stages (*)(Context& ctx, const Shape& x, std::int64_t classes);
HeadBuilder head_builder(const std::string& kind);  // throws Error for an unknown one

}  // namespace lamella::networks
