#!/usr/bin/env python3
"""Writes published.txt: what torchvision and timm say their ImageNet weights expect.

One line a network: name, crop, side before the crop, interpolation, mean, std, and whether the
network turns its input over again (transform_input). Line 1 states the versions. Needs torchvision
and timm, no weights.
"""

import math
from pathlib import Path

import timm
import torchvision
from torchvision import models

TORCHVISION = {
    "densenet121": models.DenseNet121_Weights, "densenet161": models.DenseNet161_Weights,
    "densenet169": models.DenseNet169_Weights, "densenet201": models.DenseNet201_Weights,
    "googlenet": models.GoogLeNet_Weights, "inception_v3": models.Inception_V3_Weights,
    "squeezenet1_0": models.SqueezeNet1_0_Weights, "squeezenet1_1": models.SqueezeNet1_1_Weights,
}
# Both torchvision builders set transform_input where they are asked for these weights.
TRANSFORM_INPUT = {"googlenet", "inception_v3"}
TIMM = {"inception_v3_tf": "inception_v3.tf_in1k", "inception_v4": "inception_v4.tf_in1k"}


def line(name, crop, side, interpolation, mean, std, transform):
    numbers = [",".join(f"{value:g}" for value in values) for values in (mean, std)]
    return " ".join([name, str(crop), str(side), interpolation, *numbers, str(int(transform))])


def of_torchvision(name, weights):
    rule = weights.IMAGENET1K_V1.transforms()
    (crop,), (side,) = rule.crop_size, rule.resize_size
    return line(name, crop, side, rule.interpolation.value, rule.mean, rule.std,
                name in TRANSFORM_INPUT)


def of_timm(name, tag):
    cfg = timm.models.get_pretrained_cfg(tag)
    crop = cfg.input_size[1]
    assert cfg.crop_mode == "center" and cfg.num_classes == 1000
    return line(name, crop, math.floor(crop / cfg.crop_pct), cfg.interpolation, cfg.mean, cfg.std,
                False)


def main():
    lines = [f"# torchvision {torchvision.__version__.split('+')[0]}, timm {timm.__version__}"]
    lines += [of_torchvision(*pair) for pair in TORCHVISION.items()]
    lines += [of_timm(*pair) for pair in TIMM.items()]
    Path(__file__).with_name("published.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
