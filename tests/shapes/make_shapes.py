#!/usr/bin/env python3
"""Prints the file of a network: the kernel calls of its training forward, one named line each.

    python3 tests/shapes/make_shapes.py densenet121 > tests/shapes/densenet121.txt
    python3 tests/shapes/make_shapes.py inception_v3 > tests/shapes/inception_v3.txt

For one image. Names are those of torchvision's modules, so they are those of its weight files too;
what torchvision computes without a module is named after what it makes.

Convolutions read and write dense tensors only; everything else may read or write a channel slice,
whose pitch is the width of the buffer it lies in (docs/design.md). Hence a dense block is one
buffer of its final width, of which each layer reads the channels written so far, and the branches
of an Inception block write where its consumer reads. Average pools and the 1x1 convolutions beside
them commute and come in the order that has less to compute.
"""

import sys
from typing import NamedTuple

CLASSES = 1000


class Map(NamedTuple):
    """The feature map of one image, in a buffer `pitch` channels wide."""
    H: int
    W: int
    C: int
    pitch: int


def extent(size, window, stride, pad):
    return (size + 2 * pad - window) // stride + 1


class Calls:
    """Prints kernel calls and returns the map each makes; without `pitch` that is dense."""

    def __init__(self, network, eps):
        self.network, self.eps = network, eps

    def line(self, name, kernel, **values):
        words = [f"{key}={value}" for key, value in values.items()]
        print(f"{self.network}:{name}", kernel, *words, "dtype=f32")

    def conv(self, name, x, K, R, S, stride, pad_h, pad_w):
        assert x.pitch == x.C, f"{name}: a convolution reads dense tensors only"
        P, Q = extent(x.H, R, stride, pad_h), extent(x.W, S, stride, pad_w)
        self.line(name, "conv2d_fwd", N=1, H=x.H, W=x.W, C=x.C, K=K, R=R, S=S, P=P, Q=Q,
                  stride=f"{stride}x{stride}", pad=f"{pad_h}x{pad_w}", x_pitch=x.pitch, y_pitch=K)
        return Map(P, Q, K, K)

    def norm_relu(self, name, x, pitch=None):
        y = x._replace(pitch=pitch or x.C)
        self.line(name, "batch_norm_apply", pixels=x.H * x.W, C=x.C, x_pitch=x.pitch,
                  y_pitch=y.pitch, eps=self.eps, relu_in=0, relu_out=1, training=1)
        return y

    def pool(self, name, kind, x, size, stride, pad=0, pitch=None):
        y = Map(extent(x.H, size, stride, pad), extent(x.W, size, stride, pad), x.C, pitch or x.C)
        self.line(name, f"{kind}_pool2d_fwd", N=1, H=x.H, W=x.W, C=x.C, R=size, S=size, P=y.H,
                  Q=y.W, stride=f"{stride}x{stride}", pad=f"{pad}x{pad}", x_pitch=x.pitch,
                  y_pitch=y.pitch, count_include_pad=1)
        return y

    def copy_with_statistics(self, name, x, pitch):
        self.line(name, "batch_norm_copy_stats", pixels=x.H * x.W, C=x.C, x_pitch=x.pitch,
                  y_pitch=pitch, eps=self.eps, relu_in=0, relu_out=0, training=1)

    def slice_op(self, name, kernel, x, pitch):
        self.line(name, kernel, pixels=x.H * x.W, C=x.C, x_pitch=x.pitch, y_pitch=pitch)

    def global_pool(self, name, x):
        self.line(name, "global_avg_pool_fwd", N=1, pixels=x.H * x.W, C=x.C, x_pitch=x.pitch,
                  y_pitch=x.C)
        return Map(1, 1, x.C, x.C)

    def linear_and_loss(self, name, x):
        self.line(name, "linear_fwd", N=1, C=x.C, K=CLASSES, x_pitch=x.pitch, y_pitch=CLASSES)
        self.line("loss", "softmax_cross_entropy_fwd", N=1, C=CLASSES, x_pitch=CLASSES)


# --- DenseNet-121 ---------------------------------------------------------------------------------

STEM_CHANNELS = 64
GROWTH = 32
BOTTLENECK = 4 * GROWTH
LAYERS = (6, 12, 24, 16)  # of the dense blocks


def dense_layer(calls, name, x):
    """Reads the channels that the block has so far and adds GROWTH to them, in place."""
    y = calls.norm_relu(f"{name}.norm1", x)
    y = calls.conv(f"{name}.conv1", y, BOTTLENECK, 1, 1, 1, 0, 0)
    y = calls.norm_relu(f"{name}.norm2", y)
    y = calls.conv(f"{name}.conv2", y, GROWTH, 3, 3, 1, 1, 1)
    calls.copy_with_statistics(f"{name}.output", y, x.pitch)
    return x._replace(C=x.C + GROWTH)


def transition(calls, name, x):
    """Halves channels, height and width. The pool comes before the convolution, with which it
    commutes."""
    y = calls.norm_relu(f"{name}.norm", x)
    y = calls.pool(f"{name}.pool", "avg", y, 2, 2)
    return calls.conv(f"{name}.conv", y, x.C // 2, 1, 1, 1, 0, 0)


def densenet121():
    calls = Calls("densenet121", "1e-05")
    x = calls.conv("features.conv0", Map(224, 224, 3, 3), STEM_CHANNELS, 7, 7, 2, 3, 3)
    x = calls.norm_relu("features.norm0", x)
    x = calls.pool("features.pool0", "max", x, 3, 2, 1)
    for block, layers in enumerate(LAYERS, 1):
        width = x.C + layers * GROWTH
        calls.copy_with_statistics(f"features.denseblock{block}.input", x, width)
        x = x._replace(pitch=width)
        for layer in range(1, layers + 1):
            x = dense_layer(calls, f"features.denseblock{block}.denselayer{layer}", x)
        assert x.C == x.pitch, "the layers fill the buffer of their block"
        if block < len(LAYERS):
            x = transition(calls, f"features.transition{block}", x)
    x = calls.norm_relu("features.norm5", x)
    calls.linear_and_loss("classifier", calls.global_pool("global_pool", x))


# --- Inception-v3 ---------------------------------------------------------------------------------
# A block is a list of branches, a branch a list of steps. Each step of a branch reads what the one
# before it made, and the last one writes its slice of the block's output; where the last one is a
# tuple, its steps all read the same and write side by side.

def conv(name, K, R, S=None, stride=1, pad=True):
    """The step BasicConv2d: convolution without bias, batch norm, ReLU. At stride 1 padding keeps
    height and width; at stride 2, or without `pad`, there is none."""
    S = S or R
    pad_h, pad_w = (R // 2, S // 2) if pad and stride == 1 else (0, 0)

    def step(calls, prefix, x, pitch=None):
        y = calls.conv(f"{prefix}{name}.conv", x, K, R, S, stride, pad_h, pad_w)
        return calls.norm_relu(f"{prefix}{name}.bn", y, pitch)
    return step


def max_pool(name):
    return lambda calls, prefix, x, pitch=None: calls.pool(prefix + name, "max", x, 3, 2, 0, pitch)


def pool_branch(K):
    """1x1 convolution, average pool, batch norm, ReLU."""

    def step(calls, prefix, x, pitch=None):
        y = calls.conv(f"{prefix}branch_pool.conv", x, K, 1, 1, 1, 0, 0)
        y = calls.pool(f"{prefix}branch_pool.pool", "avg", y, 3, 1, 1)
        return calls.norm_relu(f"{prefix}branch_pool.bn", y, pitch)
    return step


STEM = [
    conv("Conv2d_1a_3x3", 32, 3, stride=2),
    conv("Conv2d_2a_3x3", 32, 3, pad=False),
    conv("Conv2d_2b_3x3", 64, 3),
    max_pool("maxpool1"),
    conv("Conv2d_3b_1x1", 80, 1),
    conv("Conv2d_4a_3x3", 192, 3, pad=False),
    max_pool("maxpool2"),
]


def block_a(pool_channels):
    return [
        [conv("branch1x1", 64, 1)],
        [conv("branch5x5_1", 48, 1), conv("branch5x5_2", 64, 5)],
        [conv("branch3x3dbl_1", 64, 1), conv("branch3x3dbl_2", 96, 3),
         conv("branch3x3dbl_3", 96, 3)],
        [pool_branch(pool_channels)],
    ]


def block_b():
    return [
        [conv("branch3x3", 384, 3, stride=2)],
        [conv("branch3x3dbl_1", 64, 1), conv("branch3x3dbl_2", 96, 3),
         conv("branch3x3dbl_3", 96, 3, stride=2)],
        [max_pool("branch_pool")],
    ]


def block_c(c7):
    return [
        [conv("branch1x1", 192, 1)],
        [conv("branch7x7_1", c7, 1), conv("branch7x7_2", c7, 1, 7),
         conv("branch7x7_3", 192, 7, 1)],
        [conv("branch7x7dbl_1", c7, 1), conv("branch7x7dbl_2", c7, 7, 1),
         conv("branch7x7dbl_3", c7, 1, 7), conv("branch7x7dbl_4", c7, 7, 1),
         conv("branch7x7dbl_5", 192, 1, 7)],
        [pool_branch(192)],
    ]


def block_d():
    return [
        [conv("branch3x3_1", 192, 1), conv("branch3x3_2", 320, 3, stride=2)],
        [conv("branch7x7x3_1", 192, 1), conv("branch7x7x3_2", 192, 1, 7),
         conv("branch7x7x3_3", 192, 7, 1), conv("branch7x7x3_4", 192, 3, stride=2)],
        [max_pool("branch_pool")],
    ]


def block_e():
    return [
        [conv("branch1x1", 320, 1)],
        [conv("branch3x3_1", 384, 1),
         (conv("branch3x3_2a", 384, 1, 3), conv("branch3x3_2b", 384, 3, 1))],
        [conv("branch3x3dbl_1", 448, 1), conv("branch3x3dbl_2", 384, 3),
         (conv("branch3x3dbl_3a", 384, 1, 3), conv("branch3x3dbl_3b", 384, 3, 1))],
        [pool_branch(192)],
    ]


BLOCKS = [  # name, channels of its output, branches
    ("Mixed_5b", 256, block_a(32)),
    ("Mixed_5c", 288, block_a(64)),
    ("Mixed_5d", 288, block_a(64)),
    ("Mixed_6a", 768, block_b()),
    ("Mixed_6b", 768, block_c(128)),
    ("Mixed_6c", 768, block_c(160)),
    ("Mixed_6d", 768, block_c(160)),
    ("Mixed_6e", 768, block_c(192)),
    ("Mixed_7a", 1280, block_d()),
    ("Mixed_7b", 2048, block_e()),
    ("Mixed_7c", 2048, block_e()),
]


def inception_block(calls, name, x, width, branches):
    written = 0
    for *steps, last in branches:
        y = x
        for step in steps:
            y = step(calls, f"{name}.", y)
        for step in last if isinstance(last, tuple) else (last,):
            part = step(calls, f"{name}.", y, width)
            written += part.C
    assert written == width, f"{name}: the branches make {written} channels, not {width}"
    return Map(part.H, part.W, width, width)


def inception_v3():
    calls = Calls("inception_v3", "0.001")
    x = Map(299, 299, 3, 3)
    for step in STEM:
        x = step(calls, "", x)
    for name, width, branches in BLOCKS:
        x = inception_block(calls, name, x, width, branches)
    x = calls.global_pool("avgpool", x)
    calls.slice_op("dropout", "dropout_fwd", x, x.C)
    calls.linear_and_loss("fc", x)


# --- files ----------------------------------------------------------------------------------------

NETWORKS = {  # calls, height and width of the image, source
    "densenet121": (densenet121, 224, """Huang et al. 2017, arXiv 1608.06993;
# details and names as in torchvision."""),
    "inception_v3": (inception_v3, 299, """Szegedy et al. 2015, arXiv
# 1512.00567; details and names as in torchvision, without the auxiliary classifier."""),
}


def main():
    if len(sys.argv) != 2 or sys.argv[1] not in NETWORKS:
        sys.exit(f"usage: make_shapes.py {'|'.join(NETWORKS)}")
    network = sys.argv[1]
    print_calls, size, source = NETWORKS[network]
    images = f"1 image of {size}x{size}x3 and {CLASSES}"
    print(f"""\
# {network}: one line per kernel call of a training forward, {images}
# classes (the statistics of a batch norm go with its line), written by
# `python3 tests/shapes/make_shapes.py {network}`. Source: {source}""")
    print_calls()


if __name__ == "__main__":
    main()
