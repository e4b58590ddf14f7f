// What the public ImageNet weights of a network expect: weight files of torchvision and timm say
// nothing about themselves.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "weights/model_io.h"

namespace lamella {

// The names of the 1000 ImageNet classes, by number.
std::vector<std::string> imagenet_classes();

// The card of the public weights of `model`, a name of model_names(); none where there are none.
//   densenet*, squeezenet*, googlenet, inception_v3   torchvision's, *_Weights.IMAGENET1K_V1
//   inception_v3_tf, inception_v4                     timm's, tag tf_in1k
// torchvision's googlenet and inception_v3 are given pixels normalised for ImageNet and turn them
// into (x - 0.5) / 0.5 (transform_input); mean and std here are those of both steps together.
std::optional<ModelCard> published_card(const std::string& model);

}  // namespace lamella
