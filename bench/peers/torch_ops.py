"""The PyTorch side of bench/ops_side.cpp and ops_bench.cpp: the same lines of tests/shapes, by the
same names, as eager calls of the ATen operator that does the same, channels last.

  torch_ops.py [--shapes FILE|FOLDER ...] [--backward] [--dtype f32|bf16|f16] [--seconds 0.2]
               [--device cpu|cuda] [--threads 2]     a line of JSON for each line; what is left out
  torch_ops.py --serve [--device ...] [--threads 2]  answers the commands of bench/ops_side.cpp

Operands are dense, but for those of `copy`: PyTorch's kernels for channels last take no slices.
ReLUs that lamella computes inside batch norm are calls of their own here, in place where training
code would have them so.
"""

import argparse
import json
import math
import pathlib
import sys
import time

import torch

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "bench"))
from shapes_lines import Line, measured_lines  # noqa: E402
from torch_operands import DTYPES, Operands, amounts  # noqa: E402

aten = torch.ops.aten
BATCH_SECONDS = 1e-3
LEFT_OUT = {
    "batch_norm_update": "part of PyTorch's native_batch_norm: see batch_norm_fwd",
    "batch_norm_bwd_reduce": "part of native_batch_norm_backward: see batch_norm_bwd",
    "batch_norm_bwd_apply": "part of native_batch_norm_backward: see batch_norm_bwd",
    "batch_norm_copy_stats": "PyTorch has no copy that makes statistics on the way",
    "batch_norm_bwd_shared": "PyTorch does not share statistics between layers",
    "batch_norm_stats_bwd": "PyTorch does not share statistics between layers",
    "dropout_fwd": "PyTorch draws other random numbers, so results cannot be compared",
    "dropout_bwd": "PyTorch reads a mask that it has drawn, lamella draws it again",
}
FURTHER_KEYS = {"add", "soft", "weights", "smoothing", "master", "control"}


class LeftOut(Exception):
    """PyTorch has no kernel that does this; the sentence says why."""


# --- operators: each makes its operands and returns the call and the names of what it returns -----

OPERATORS = {}


def operator(entry):
    def add(make):
        OPERATORS[entry] = make
        return make
    return add


@operator("copy")
def copy(o):
    pixels, C = o.sizes("pixels", "C")
    x = torch.empty(pixels, o.line.get("x_pitch", C), dtype=o.dtype, device=o.device)[:, :C]
    y = torch.empty(pixels, o.line.get("y_pitch", C), dtype=o.dtype, device=o.device)[:, :C]
    x.copy_(o.matrix("x", pixels, C))
    return lambda: (y.copy_(x),), ["y"]


@operator("relu_fwd")
def relu_fwd(o):
    x = o.matrix("x", *o.sizes("pixels", "C"))
    return lambda: (torch.relu(x),), ["y"]


@operator("relu_bwd")
def relu_bwd(o):
    y = torch.relu(o.matrix("x", *o.sizes("pixels", "C")))
    dy = o.matrix("dy", *o.sizes("pixels", "C"))
    return lambda: (aten.threshold_backward(dy, y, 0),), ["dx"]


def convolution_operands(o):
    N, H, W, C, K, R, S = o.sizes("N", "H", "W", "C", "K", "R", "S")
    stride, pad = o.pair("stride", 1), o.pair("pad", 0)
    P, Q = ((size + 2 * p - window) // s + 1
            for size, p, window, s in ((H, pad[0], R, stride[0]), (W, pad[1], S, stride[1])))
    x, w = o.images("x", N, H, W, C), o.images("w", K, R, S, C)
    return x, w, o.images("dy", N, P, Q, K), [stride, pad, [1, 1], False, [0, 0], 1]


@operator("conv2d_fwd")
def conv2d_fwd(o):
    x, w, _, rest = convolution_operands(o)
    bias = o.vector("bias", w.size(0)).to(o.dtype) if o.line.get("bias", 0) else None
    return lambda: (aten.convolution(x, w, bias, *rest),), ["y"]


def convolution_backward(o, mask, name):
    x, w, dy, rest = convolution_operands(o)
    at = mask.index(True)
    return lambda: (aten.convolution_backward(dy, x, w, None, *rest, mask)[at],), [name]


@operator("conv2d_bwd_data")
def conv2d_bwd_data(o):
    return convolution_backward(o, [True, False, False], "dx")


@operator("conv2d_bwd_weight")
def conv2d_bwd_weight(o):
    return convolution_backward(o, [False, True, False], "dw")


@operator("linear_fwd")
def linear_fwd(o):
    N, C, K = o.sizes("N", "C", "K")
    x, w = o.matrix("x", N, C), o.matrix("w", K, C)
    if o.line.get("bias", 0):
        bias = o.vector("bias", K).to(o.dtype)
        return lambda: (torch.addmm(bias, x, w.t()),), ["y"]
    return lambda: (torch.mm(x, w.t()),), ["y"]


@operator("linear_bwd_data")
def linear_bwd_data(o):
    N, C, K = o.sizes("N", "C", "K")
    dy, w = o.matrix("dy", N, K), o.matrix("w", K, C)
    return lambda: (torch.mm(dy, w),), ["dx"]


@operator("linear_bwd_weight")
def linear_bwd_weight(o):
    N, C, K = o.sizes("N", "C", "K")
    dy, x = o.matrix("dy", N, K), o.matrix("x", N, C)
    return lambda: (torch.mm(dy.t(), x),), ["dw"]


class BatchNorm:
    """What batch norm entries share. `z` is x behind the ReLU that comes first, if one does."""

    def __init__(self, o):
        pixels, C = o.sizes("pixels", "C")
        self.eps = o.line.number("eps", 1e-5)
        self.relu_in, self.relu_out = (o.line.get(key, 0) for key in ("relu_in", "relu_out"))
        self.x, self.dy = (o.images(name, 1, pixels, 1, C) for name in ("x", "dy"))
        self.gamma, self.beta = o.vector("gamma", C, 1.0), o.vector("beta", C)
        self.mean, self.var = o.vector("mean", C), o.vector("var", C, 1.0)
        self.running = o.vector("running_mean", C), o.vector("running_var", C, 1.0)
        self.momentum = o.line.number("momentum", 0.1)

    def z(self):
        return torch.relu_(self.x) if self.relu_in else self.x

    def forward(self, mean, var, training):
        y, mean, invstd = aten.native_batch_norm(self.z(), self.gamma, self.beta, mean, var,
                                                 training, self.momentum, self.eps)
        return torch.relu_(y) if self.relu_out else y, mean, invstd

    def backward(self, y, mean, invstd):
        g = aten.threshold_backward(self.dy, y, 0) if self.relu_out else self.dy
        dz, _, _ = aten.native_batch_norm_backward(g, self.x, self.gamma, None, None, mean, invstd,
                                                   True, self.eps, [True, True, True])
        return aten.threshold_backward(dz, self.x, 0) if self.relu_in else dz


@operator("batch_norm_stats")
def batch_norm_stats(o):
    norm = BatchNorm(o)
    return lambda: aten.batch_norm_update_stats(norm.z(), None, None, 0.0), ["mean", "var"]


@operator("batch_norm_apply")
def batch_norm_apply(o):
    norm = BatchNorm(o)
    return lambda: norm.forward(norm.mean, norm.var, False)[:1], ["y"]


@operator("batch_norm_fwd")
def batch_norm_fwd(o):
    norm = BatchNorm(o)
    return (lambda: (norm.forward(*norm.running, True)[0], *norm.running),
            ["y", "running_mean", "running_var"])


@operator("batch_norm_bwd")
def batch_norm_bwd(o):
    norm = BatchNorm(o)
    kept = norm.forward(None, None, True)
    return lambda: (norm.backward(*kept),), ["dx"]


def pooling_operands(o):
    N, H, W, C, R, S = o.sizes("N", "H", "W", "C", "R", "S")
    stride, pad = o.pair("stride", 1), o.pair("pad", 0)
    floor = [(size + 2 * p - window) // s + 1
             for size, p, window, s in ((H, pad[0], R, stride[0]), (W, pad[1], S, stride[1]))]
    P, Q = (o.line.get(key, otherwise) for key, otherwise in zip("PQ", floor))
    ceil = bool(o.line.get("ceil", 0)) or [P, Q] != floor
    return o.images("x", N, H, W, C), o.images("dy", N, P, Q, C), [[R, S], stride, pad], ceil


@operator("max_pool2d_fwd")
def max_pool2d_fwd(o):
    x, _, window, ceil = pooling_operands(o)
    return lambda: aten.max_pool2d_with_indices(x, *window, [1, 1], ceil)[:1], ["y"]


@operator("max_pool2d_bwd")
def max_pool2d_bwd(o):
    x, dy, window, ceil = pooling_operands(o)
    _, argmax = aten.max_pool2d_with_indices(x, *window, [1, 1], ceil)
    return (lambda: (aten.max_pool2d_with_indices_backward(dy, x, *window, [1, 1], ceil, argmax),),
            ["dx"])


@operator("avg_pool2d_fwd")
def avg_pool2d_fwd(o):
    x, _, window, ceil = pooling_operands(o)
    counted = bool(o.line.get("count_include_pad", 1))
    return lambda: (aten.avg_pool2d(x, *window, ceil, counted),), ["y"]


@operator("avg_pool2d_bwd")
def avg_pool2d_bwd(o):
    x, dy, window, ceil = pooling_operands(o)
    counted = bool(o.line.get("count_include_pad", 1))
    return lambda: (aten.avg_pool2d_backward(dy, x, *window, ceil, counted, None),), ["dx"]


@operator("global_avg_pool_fwd")
def global_avg_pool_fwd(o):
    N, pixels, C = o.sizes("N", "pixels", "C")
    x = o.images("x", N, pixels, 1, C)
    return lambda: (aten.mean.dim(x, [2, 3]),), ["y"]


@operator("global_avg_pool_bwd")
def global_avg_pool_bwd(o):
    N, pixels, C = o.sizes("N", "pixels", "C")
    dy = o.matrix("dy", N, C)[:, None, :].expand(N, pixels, C)
    return lambda: (torch.div(dy, pixels),), ["dx"]


def loss_operands(o):
    N, C = o.sizes("N", "C")
    return o.matrix("x", N, C), (torch.arange(N, device=o.device) % C)


@operator("softmax_cross_entropy_fwd")
def softmax_cross_entropy_fwd(o):
    x, labels = loss_operands(o)
    return (lambda: aten.nll_loss_forward(aten._log_softmax(x, 1, False), labels, None, 1,
                                          -100)[:1], ["loss"])


@operator("softmax_cross_entropy_bwd")
def softmax_cross_entropy_bwd(o):
    x, labels = loss_operands(o)
    logs = aten._log_softmax(x, 1, False)
    _, total = aten.nll_loss_forward(logs, labels, None, 1, -100)
    dloss = o.vector("dloss", 1, 1.0).to(o.dtype).reshape(())
    return (lambda: (aten._log_softmax_backward_data(
        aten.nll_loss_backward(dloss, logs, labels, None, 1, -100, total), logs, 1, o.dtype),),
        ["dx"])


# --- one line, and the program --------------------------------------------------------------------

class Call:
    def __init__(self, line, device):
        further = sorted(FURTHER_KEYS & set(line.values))
        why = LEFT_OUT.get(line.entry) or (f"this peer does not have {further[0]}=" if further else
                                           None)
        if why or line.entry not in OPERATORS:
            raise LeftOut(why or "this peer has no operator for it")
        self.wait = torch.cuda.synchronize if device == "cuda" else lambda: None
        self.run, self.names = OPERATORS[line.entry](Operands(line, device))
        self.outputs = {name: amounts(value) for name, value in zip(self.names, self.run())}
        self.calls = 1  # of a batch

    def batch(self):
        """Seconds of a batch of calls, waited for once."""
        start = time.perf_counter()
        for _ in range(self.calls):
            self.run()
        self.wait()
        return time.perf_counter() - start

    def seconds(self, least):
        """Of a call, as MeasuredCall::seconds_of_a_call finds it."""
        start, found = time.perf_counter(), math.inf
        while math.isinf(found) or time.perf_counter() - start < least:
            batch = self.batch()
            if batch < BATCH_SECONDS:
                self.calls *= 2
            else:
                found = min(found, batch / self.calls)
        return found


class Side:
    def __init__(self, device):
        self.device, self.call = device, None

    def answer(self, command):
        word, _, rest = command.partition(" ")
        if word == "open":
            self.call = None  # first: two calls may not fit into memory
            self.call = Call(Line(rest), self.device)
            return {"outputs": self.call.outputs}
        if word != "time" or self.call is None:
            raise ValueError(f'"{command}" is no command now; open a line, then time it')
        return {"seconds": self.call.seconds(float(rest))}

    def serve(self):
        for command in sys.stdin:
            try:
                answer = self.answer(command.strip())
            except LeftOut as left_out:
                answer = {"left_out": str(left_out)}
            except (ValueError, RuntimeError, NotImplementedError) as error:
                answer = {"error": str(error).splitlines()[0]}
            print(json.dumps(answer), flush=True)


def time_all(args):
    for name, text in measured_lines(args.shapes, args.backward, args.dtype):
        try:
            call = Call(Line(text), args.device)
            call.seconds(0)
            print(json.dumps({"name": name, "seconds": call.seconds(args.seconds)}), flush=True)
        except LeftOut as left_out:
            print(json.dumps({"name": name, "left_out": str(left_out)}), flush=True)


@torch.inference_mode()
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--serve", action="store_true")
    parser.add_argument("--shapes", type=pathlib.Path, nargs="+",
                        default=[ROOT / "tests" / "shapes"])
    parser.add_argument("--backward", action="store_true")
    parser.add_argument("--dtype", choices=list(DTYPES))
    parser.add_argument("--seconds", type=float, default=0.2)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        sys.exit("torch_ops: PyTorch finds no CUDA device")
    torch.set_num_threads(args.threads)
    if args.serve:
        Side(args.device).serve()
    else:
        time_all(args)


if __name__ == "__main__":
    main()
