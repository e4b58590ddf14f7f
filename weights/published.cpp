#include "weights/published.h"

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>

namespace lamella {

extern const char* const kImagenetClasses;  // one name per line; made by weights/CMakeLists.txt

namespace {

struct Published {
  std::string_view model;
  std::int64_t size, margin;  // the short side is resized to their sum
  const char* interpolation;
  const char *mean, *std;
};

constexpr const char *kMean = "0.485,0.456,0.406", *kStd = "0.229,0.224,0.225";
constexpr const char* kHalf = "0.5,0.5,0.5";

// torchvision 0.29.2: Weights.IMAGENET1K_V1.transforms(). timm 1.0.31: default_cfg, where a crop of
// 0.875 at 299 is resized to floor(299 / 0.875) = 341.
constexpr std::array kPublished{
    Published{"densenet121", 224, 32, "bilinear", kMean, kStd},
    Published{"densenet161", 224, 32, "bilinear", kMean, kStd},
    Published{"densenet169", 224, 32, "bilinear", kMean, kStd},
    Published{"densenet201", 224, 32, "bilinear", kMean, kStd},
    Published{"googlenet", 224, 32, "bilinear", kHalf, kHalf},
    Published{"inception_v3", 299, 43, "bilinear", kHalf, kHalf},
    Published{"inception_v3_tf", 299, 42, "bicubic", kHalf, kHalf},
    Published{"inception_v4", 299, 42, "bicubic", kHalf, kHalf},
    Published{"squeezenet1_0", 224, 32, "bilinear", kMean, kStd},
    Published{"squeezenet1_1", 224, 32, "bilinear", kMean, kStd},
};

}  // namespace

std::vector<std::string> imagenet_classes() {
  std::vector<std::string> names;
  std::istringstream lines(kImagenetClasses);
  for (std::string name; std::getline(lines, name);) names.push_back(name);
  return names;
}

std::optional<ModelCard> published_card(const std::string& model) {
  const auto found = std::find_if(kPublished.begin(), kPublished.end(),
                                  [&](const Published& p) { return p.model == model; });
  if (found == kPublished.end()) return std::nullopt;
  ModelCard card;
  card.spec = {model, found->size, found->size, 3, 1000};
  card.labels = imagenet_classes();
  const std::pair<const char*, std::string> pairs[] = {{"height", std::to_string(found->size)},
                                                       {"width", std::to_string(found->size)},
                                                       {"channels", "3"},
                                                       {"resize", "short_side"},
                                                       {"interpolation", found->interpolation},
                                                       {"exif", "ignore"},
                                                       {"margin", std::to_string(found->margin)},
                                                       {"normalise", "fixed"},
                                                       {"mean", found->mean},
                                                       {"std", found->std}};
  for (const auto& [key, value] : pairs)
    card.preprocessing[std::string(kPreprocessPrefix) + key] = value;
  return card;
}

}  // namespace lamella
