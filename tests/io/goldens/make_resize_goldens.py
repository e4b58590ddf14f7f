#!/usr/bin/env python3
"""Writes resize.txt: what Pillow's BILINEAR and BICUBIC make of small patterned images.

Each case is one line `filter mode height width -> height width : samples`. Mode L and RGB are
8-bit; mode F stands for 16-bit gray: Pillow resizes it as floats, rounded here to the nearest
integer of 16 bits. The input is the formula in `pattern`, repeated in resize_test.cpp, so only
results are kept.
Line 1 states the version of Pillow.
"""

from pathlib import Path

import numpy as np
import PIL
from PIL import Image

CASES = [
    ("L", (16, 16), (8, 8)), ("L", (16, 16), (7, 5)), ("L", (5, 7), (16, 13)),
    ("L", (1, 1), (4, 3)), ("L", (9, 9), (1, 1)), ("L", (17, 1), (5, 1)), ("L", (1, 13), (1, 4)),
    ("L", (64, 48), (10, 11)), ("L", (13, 13), (13, 6)), ("L", (13, 13), (6, 13)),
    ("L", (100, 3), (3, 20)), ("L", (256, 256), (7, 9)),
    ("RGB", (12, 9), (5, 7)), ("RGB", (6, 5), (11, 13)), ("RGB", (31, 33), (1, 3)),
    ("F", (16, 16), (7, 5)), ("F", (5, 7), (13, 11)), ("F", (31, 3), (2, 8)), ("F", (9, 9), (9, 4)),
]


def pattern(mode, height, width):
    y, x, c = np.meshgrid(np.arange(height), np.arange(width),
                          np.arange(3 if mode == "RGB" else 1), indexing="ij")
    value = y * 1237 + x * 3391 + c * 20011 + (x * y % 7) * 911
    return value % (65536 if mode == "F" else 256)


def resize(name, mode, source, target):
    samples = pattern(mode, *source)
    dtype = np.float32 if mode == "F" else np.uint8
    if mode != "RGB":
        samples = samples[:, :, 0]
    image = Image.fromarray(samples.astype(dtype))
    assert image.mode == mode
    out = image.resize((target[1], target[0]), Image.Resampling[name])
    return np.rint(np.clip(np.asarray(out), 0, 65535)).astype(int).reshape(-1)


def main():
    lines = [f"# Pillow {PIL.__version__}"]
    for name in ("BILINEAR", "BICUBIC"):
        for mode, source, target in CASES:
            samples = " ".join(map(str, resize(name, mode, source, target)))
            shapes = f"{source[0]} {source[1]} -> {target[0]} {target[1]}"
            lines.append(f"{name} {mode} {shapes} : {samples}")
    Path(__file__).with_name("resize.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
