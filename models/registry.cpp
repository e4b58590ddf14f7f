#include <algorithm>
#include <array>
#include <string_view>

#include "engine/errors.h"
#include "models/networks.h"

namespace lamella {
namespace {

struct Entry {
  std::string_view name;
  Model (*build)(Context& ctx, const ModelSpec& spec);
};

constexpr std::array kNetworks{
    Entry{"cbr_large_t", networks::cbr},
    Entry{"cbr_large_w", networks::cbr},
    Entry{"cbr_small", networks::cbr},
    Entry{"cbr_tiny", networks::cbr},
    Entry{"cbr_tiny_wide", networks::cbr},
    Entry{"densenet121", networks::densenet},
    Entry{"densenet161", networks::densenet},
    Entry{"densenet169", networks::densenet},
    Entry{"densenet201", networks::densenet},
    Entry{"densenet_bc_100_12", networks::densenet},
    Entry{"googlenet", networks::googlenet},
    Entry{"inception_v3", networks::inception_v3},
    Entry{"inception_v3_tf", networks::inception_v3},
    Entry{"inception_v4", networks::inception_v4},
    Entry{"squeezenet1_0", networks::squeezenet},
    Entry{"squeezenet1_1", networks::squeezenet},
    Entry{"tem_small", networks::tem_small},
};

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kNetworks) names.emplace_back(entry.name);
  return names;
}

Model make_model(Context& ctx, const ModelSpec& spec) {
  const auto entry = std::find_if(kNetworks.begin(), kNetworks.end(),
                                  [&](const Entry& e) { return e.name == spec.name; });
  if (entry == kNetworks.end()) {
    std::string names;
    for (const Entry& known : kNetworks) names += " " + std::string(known.name);
    fail("there is no model ", spec.name, "; the models are", names);
  }
  if (spec.classes < 1 || spec.channels < 1 || spec.height < 1 || spec.width < 1) {
    fail(spec.name, ": ", spec.height, "x", spec.width, "x", spec.channels, " images and ",
         spec.classes, " classes; all must be at least 1");
  }
  Model model = entry->build(ctx, spec);
  if (!spec.cut.empty()) model.cut_behind(spec.cut);
  if (spec.auxiliary && model.auxiliary().empty()) {
    fail(spec.name, spec.cut.empty() ? "" : " cut behind " + spec.cut,
         " has no auxiliary classifiers; googlenet and inception_v3 have, uncut");
  }
  if (spec.head == "none") {
    if (spec.cut.empty()) fail(spec.name, ": without a head it must be cut behind some layer");
  } else if (spec.head != "own") {
    model.set_head(ctx, spec.head);
  } else if (!spec.cut.empty()) {
    model.set_head(ctx, "linear");
  }
  return model;
}

}  // namespace lamella
