"""Reads tests/shapes/*.txt as the benches do: the kernel calls by name, as bench/ops_side --list
prints them. The grammar is that of kernels/calls/kernel_line.h."""

import pathlib
import re

# What belongs to a forward line in a training step, in this order (kernels/calls/kernel_call.cpp).
# Behind those of a batch norm come what PyTorch has as one kernel each (bench/measured_call.h).
COMPANIONS = {
    "relu_fwd": ["relu_bwd"],
    "dropout_fwd": ["dropout_bwd"],
    "conv2d_fwd": ["conv2d_bwd_data", "conv2d_bwd_weight"],
    "linear_fwd": ["linear_bwd_data", "linear_bwd_weight"],
    "batch_norm_apply": ["batch_norm_fwd", "batch_norm_bwd", "batch_norm_stats",
                         "batch_norm_bwd_reduce", "batch_norm_bwd_apply", "batch_norm_update"],
    "batch_norm_copy_stats": ["batch_norm_stats_bwd"],
    "max_pool2d_fwd": ["max_pool2d_bwd"],
    "avg_pool2d_fwd": ["avg_pool2d_bwd"],
    "global_avg_pool_fwd": ["global_avg_pool_bwd"],
    "softmax_cross_entropy_fwd": ["softmax_cross_entropy_bwd"],
    "l2_penalty_fwd": ["l2_penalty_bwd"],
}


class Line:
    """`<entry> key=value ...`; a pair such as stride=2x1 becomes the keys stride_h and stride_w."""

    def __init__(self, text):
        self.text = text
        self.entry, *words = text.split() or [""]
        if not self.entry:
            raise ValueError("a line is empty; it must be `<entry> key=value ...`")
        self.values = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not (key and equals and value):
                raise ValueError(f'"{word}" in "{text}" is not key=value')
            first, by, second = value.partition("x")
            self.values.update({f"{key}_h": first, f"{key}_w": second} if by else {key: value})

    def get(self, key, otherwise=None):
        """The whole number of a key; without `otherwise` the key must be there."""
        if key not in self.values and otherwise is not None:
            return otherwise
        return int(self._value(key))

    def number(self, key, otherwise):
        return float(self.values.get(key, otherwise))

    def dtype(self):
        return self.values.get("dtype", "f32")

    def _value(self, key):
        if key not in self.values:
            raise ValueError(f'"{self.text}" has no {key}=')
        return self.values[key]


def measured_lines(paths, backward=False, dtype=None):
    """[(name, text)] of the lines of files and folders, each distinct call once."""
    lines, seen = [], set()
    for path in _files(paths):
        for text in path.read_text().splitlines():
            if not text or text.startswith("#"):
                continue
            layer, space, call = text.partition(" ")
            if not space:
                raise ValueError(f'"{text}" in {path} is not `name entry key=value ...`')
            if dtype:
                call = re.sub(r" dtype=\S*", "", call) + f" dtype={dtype}"
            line = Line(call)
            entry = line.entry
            companions = COMPANIONS.get(entry, []) if backward else []
            if companions and entry == "batch_norm_apply" and line.get("x_pitch") > line.get("C"):
                companions = companions + ["batch_norm_bwd_shared"]  # a slice, read by several
            for one in [entry] + companions:
                whole = one + call[len(entry):]
                if whole not in seen:
                    seen.add(whole)
                    lines.append((f"{layer}/{one}", whole))
    return lines


def _files(paths):
    for path in map(pathlib.Path, paths):
        yield from sorted(path.glob("*.txt")) if path.is_dir() else [path]
