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
    Entry{"cbr_small", networks::cbr},
    Entry{"cbr_tiny", networks::cbr},
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
  return entry->build(ctx, spec);
}

}  // namespace lamella
