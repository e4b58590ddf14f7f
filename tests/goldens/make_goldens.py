"""Makes the committed goldens: what PyTorch computes in float64 for a fixed network and input.

    python make_goldens.py [--only REGEX] [--out FOLDER]

The committed ones, or those that match REGEX, next to this script or in FOLDER. The tests read
them from LAMELLA_GOLDENS where that is set, so all networks can be tried at all sizes.

A case NAME.safetensors holds F64 tensors, in the engine's memory order (NHWC, KRSC):
  labels            [N]
  shift/PARAM       I8: the bias is golden_values() plus so many SHIFTs (see choose_shifts); all
                    other weights are golden_values()
  logits_training, logits_inference   [N, classes]
  loss              cross-entropy of the training logits, without the L2 penalty; with auxiliary
                    classifiers (model NAME_aux) theirs is added
  grad/PARAM        its gradient; more than FULL elements are given as their sketch() of 32 sums
  losses, data_losses   of ten optimiser steps, with and without the penalty, dropout active
  running/BUFFER    running statistics after these steps
  own/KEY           PyTorch float32's own relative L2 error in KEY: the largest of four ways of
                    computing it (NCHW, channels_last, one thread, without oneDNN)
and says in its metadata how it was made.
"""

import argparse
import hashlib
import pathlib
import platform
import re

import numpy as np
import timm
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from safetensors.numpy import save_file

from philox import Rng, TEST, fnv1a64, golden_values, sketch
from torch_nets import (data_loss, from_memory_order, make_net, set_dropout_key,
                        to_memory_order)

HERE = pathlib.Path(__file__).parent
FULL = 64  # elements up to which a gradient is stored whole
DROPOUT_SEED = 7
STEPS = 10
SHIFT = 0.05 / 127  # the unit in which biases are moved

# The rates are small: ten steps must be continuous in the weights for rounding to be what is
# measured (Adam turns a gradient near zero into a whole step of either sign).
# name: (model, batch, height, width, channels, classes, (optimiser, rate), inputs to try)
CASES = {
    "tem_small_48x48": ("tem_small", 3, 48, 48, 1, 14, ("adam", 1e-5), 24),
    "tem_small_53x70": ("tem_small", 3, 53, 70, 1, 14, ("adam", 1e-5), 24),
    "tem_small_256x256": ("tem_small", 2, 256, 256, 1, 14, ("adam", 1e-5), 2),
    "cbr_tiny_33x47": ("cbr_tiny", 3, 33, 47, 3, 5, ("adam", 1e-5), 24),
    "cbr_tiny_64x40": ("cbr_tiny", 5, 64, 40, 1, 14, ("sgd", 1e-3), 24),
    "cbr_small_33x47": ("cbr_small", 3, 33, 47, 3, 5, ("adam", 1e-5), 24),
    "cbr_small_64x40": ("cbr_small", 5, 64, 40, 1, 14, ("sgd", 1e-4), 24),
    "cbr_large_t_41x33": ("cbr_large_t", 3, 41, 33, 3, 5, ("sgd", 1e-4), 8),
    "cbr_large_w_41x33": ("cbr_large_w", 3, 41, 33, 3, 5, ("sgd", 1e-4), 24),
    "cbr_tiny_wide_41x33": ("cbr_tiny_wide", 3, 41, 33, 1, 5, ("sgd", 1e-4), 8),
    "densenet121_64x64": ("densenet121", 3, 64, 64, 3, 14, ("sgd", 1e-6), 2),
    "densenet_bc_100_12_32x32": ("densenet_bc_100_12", 3, 32, 32, 3, 10, ("sgd", 1e-4), 2),
    "densenet_bc_100_12_19x26": ("densenet_bc_100_12", 5, 19, 26, 3, 10, ("sgd", 1e-4), 2),
    "googlenet_64x64": ("googlenet", 3, 64, 64, 3, 14, ("sgd", 1e-7), 4),
    "googlenet_aux_80x70": ("googlenet_aux", 3, 80, 70, 1, 5, ("sgd", 1e-7), 8),
    "inception_v3_139x139": ("inception_v3", 4, 139, 139, 3, 14, ("sgd", 1e-7), 2),
    "inception_v3_aux_299x299": ("inception_v3_aux", 3, 299, 299, 3, 14, ("sgd", 1e-7), 1),
    "inception_v4_139x139": ("inception_v4", 4, 139, 139, 3, 14, ("sgd", 1e-7), 2),
    "squeezenet1_0_64x64": ("squeezenet1_0", 3, 64, 64, 3, 14, ("sgd", 1e-4), 4),
    "squeezenet1_0_75x58": ("squeezenet1_0", 5, 75, 58, 1, 5, ("sgd", 1e-4), 4),
    "squeezenet1_1_64x64": ("squeezenet1_1", 3, 64, 64, 3, 14, ("sgd", 1e-4), 4),
    "squeezenet1_1_75x58": ("squeezenet1_1", 5, 75, 58, 1, 5, ("sgd", 1e-4), 4),
}

# The other networks and sizes, for --only: too much to commit.
MORE_CASES = {
    "densenet121_97x70": ("densenet121", 5, 97, 70, 1, 5, ("sgd", 1e-6), 2),
    "densenet161_64x64": ("densenet161", 3, 64, 64, 3, 14, ("sgd", 1e-6), 2),
    "densenet161_97x70": ("densenet161", 5, 97, 70, 1, 5, ("sgd", 1e-6), 2),
    "densenet169_64x64": ("densenet169", 3, 64, 64, 3, 14, ("sgd", 1e-6), 2),
    "densenet169_97x70": ("densenet169", 5, 97, 70, 1, 5, ("sgd", 1e-6), 2),
    "densenet201_64x64": ("densenet201", 3, 64, 64, 3, 14, ("sgd", 1e-6), 2),
    "densenet201_97x70": ("densenet201", 5, 97, 70, 1, 5, ("sgd", 1e-6), 2),
    "googlenet_91x70": ("googlenet", 5, 91, 70, 1, 5, ("sgd", 1e-7), 4),
    "inception_v3_111x139": ("inception_v3", 5, 111, 139, 1, 5, ("sgd", 1e-7), 2),
    "inception_v4_111x139": ("inception_v4", 5, 111, 139, 1, 5, ("sgd", 1e-7), 2),
}


def golden_range(name, shape):
    """(low, high) of a parameter's values; golden_values.h has the same rule."""
    if len(shape) > 1:
        bound = float(np.sqrt(3.0 / np.prod(shape[1:])))
        return -bound, bound
    if name.endswith((".weight", "running_var")):
        return 0.5, 1.5
    return -0.2, 0.2


def load_golden_values(net, model):
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if name.endswith("num_batches_tracked"):
                continue
            values = golden_values(f"{model}/{name}", tensor.numel(),
                                   *golden_range(name, tensor.shape))
            tensor.copy_(from_memory_order(values, tensor))


def shifted(bias, count):
    """In double, rounded to float32 once, as golden_case.cpp does."""
    moved = bias.detach().double() + torch.from_numpy(count).double() * SHIFT
    return moved.float().to(bias.dtype)


def golden_input(case, attempt, n, h, w, c):
    name = f"{case}/input/{attempt}"
    values = golden_values(name, n * h * w * c, -1.0, 1.0).reshape(n, h, w, c)
    return name, torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()


def choose_shift(values):
    """The number of SHIFTs, at most 127 either way, that keeps `values` farthest from zero."""
    near = np.sort(values[np.abs(values) < 256 * SHIFT])
    if near.size == 0:
        return 0
    candidates = np.arange(-127, 128)
    zeros = -candidates * SHIFT
    right = np.searchsorted(near, zeros)
    distance = np.minimum(np.abs(near[np.minimum(right, near.size - 1)] - zeros),
                          np.abs(near[np.maximum(right - 1, 0)] - zeros))
    return int(candidates[np.argmax(distance)])


def choose_shifts(net, x):
    """Moves each bias in front of a ReLU a little, in order of execution, so that no value lies
    so close to zero that float32 rounding could flip it: gradients are continuous only then, and
    errors measure arithmetic instead of luck. Returns (least distance of a value from zero, least
    distance between the two largest unequal values of a pooling window, SHIFTs by bias)."""
    margin, tie, counts = [], [], {}

    def shift(owner, output):
        channels = output.detach().movedim(1, -1).reshape(-1, output.shape[1]).numpy()
        counts[owner] = np.array([choose_shift(column) for column in channels.T], dtype=np.int8)
        with torch.no_grad():
            before = owner.bias.clone()
            owner.bias.copy_(shifted(before, counts[owner]))
            moved = (owner.bias - before).reshape((1, -1) + (1,) * (output.dim() - 2))
        output = output + moved
        margin.append(float(output.abs().min()))
        return output

    def watch(pool, inputs):
        size, stride, pad = pool.kernel_size, pool.stride, pool.padding
        far = pad + (stride if pool.ceil_mode else 0)
        padded = F.pad(inputs[0], (pad, far, pad, far), value=-1e30)
        windows = padded.unfold(2, size, stride).unfold(3, size, stride).flatten(4)
        first = windows.max(dim=-1, keepdim=True).values
        second = windows.where(windows < first, -torch.inf).max(dim=-1, keepdim=True).values
        tie.append(float((first - second).min()))

    handles = [point.register_forward_hook(lambda module, _, output, owner=owner:
                                           shift(owner, output))
               for owner, point in net.before_relu()]
    handles += [pool.register_forward_pre_hook(watch) for pool in net.modules()
                if isinstance(pool, nn.MaxPool2d)]
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    names = {module: f"{name}.bias" for name, module in net.named_modules()}
    shifts = {names[owner]: count for owner, count in counts.items()}
    return min(margin), min(tie, default=float("inf")), shifts


def find_input(case, spec):
    """Of the inputs tried, the one whose pooling windows are farthest from ties."""
    model, n, h, w, c, classes, _, attempts = spec
    best = None
    for attempt in range(attempts):
        name, x = golden_input(case, attempt, n, h, w, c)
        net = make_net(model, h, w, c, classes).double()
        load_golden_values(net, model)
        set_dropout_key(net, (DROPOUT_SEED, 0))
        margin, tie, shifts = choose_shifts(net, x.double())
        if best is None or tie > best["tie"]:
            best = {"name": name, "x": x, "margin": margin, "tie": tie, "shifts": shifts}
    return best


def stored(tensor):
    values = to_memory_order(tensor.detach()).double().numpy()
    return np.ascontiguousarray(values) if values.size <= FULL else sketch(values)


def evaluate(spec, found, labels, dtype, channels_last=False):
    """Everything a golden holds, computed in `dtype`."""
    model, _, h, w, c, classes, (optimiser, rate), _ = spec
    net = make_net(model, h, w, c, classes)
    load_golden_values(net, model)
    with torch.no_grad():
        for key, count in found["shifts"].items():
            bias = net.get_parameter(key)
            bias.copy_(shifted(bias, count))
    net, x = net.to(dtype), found["x"].to(dtype)
    if channels_last:
        net, x = (v.to(memory_format=torch.channels_last) for v in (net, x))
    out = {}
    with torch.no_grad():
        out["logits_inference"] = stored(net.eval()(x))
    initial = {key: value.clone() for key, value in net.state_dict().items()}
    net.train()
    set_dropout_key(net, (DROPOUT_SEED, 0))
    outputs = net(x)
    logits = outputs[0] if isinstance(outputs, tuple) else outputs
    loss = data_loss(model, outputs, labels)
    loss.backward()
    out["logits_training"], out["loss"] = stored(logits), np.array([loss.item()])
    for name, parameter in net.named_parameters():
        out[f"grad/{name}"] = stored(parameter.grad)
    net.load_state_dict(initial)
    make = {"adam": lambda p: torch.optim.Adam(p, lr=rate),
            "sgd": lambda p: torch.optim.SGD(p, lr=rate, momentum=0.9)}[optimiser]
    out["losses"], out["data_losses"] = ten_losses(model, net, x, labels,
                                                    make(net.parameters()))
    for name, buffer in net.named_buffers():
        if not name.endswith("num_batches_tracked"):
            out[f"running/{name}"] = stored(buffer)
    return out


def ten_losses(model, net, x, labels, optimiser):
    losses, data_losses = [], []
    for step in range(STEPS):
        set_dropout_key(net, (DROPOUT_SEED, step))
        optimiser.zero_grad()
        loss = data_loss(model, net(x), labels)
        data_losses.append(loss.item())
        penalty = net.penalty()
        loss = loss if penalty is None else loss + penalty
        losses.append(loss.item())
        loss.backward()
        optimiser.step()
    return np.array(losses), np.array(data_losses)


def own_errors(spec, found, labels, golden):
    """Of float32, per key: the largest relative L2 error among four ways PyTorch computes it."""
    threads = torch.get_num_threads()
    runs = [evaluate(spec, found, labels, torch.float32),
            evaluate(spec, found, labels, torch.float32, channels_last=True)]
    torch.set_num_threads(1)
    runs.append(evaluate(spec, found, labels, torch.float32))
    torch.set_num_threads(threads)
    with torch.backends.mkldnn.flags(enabled=False):
        runs.append(evaluate(spec, found, labels, torch.float32))
    return {f"own/{key}": np.array([max(relative_error(run[key], value) for run in runs)])
            for key, value in golden.items()}


def relative_error(value, reference):
    norm = np.linalg.norm(reference)
    return float(np.linalg.norm(value - reference) / norm) if norm > 0 else 0.0


def make_case(case, folder):
    spec = {**CASES, **MORE_CASES}[case]
    model, n, h, w, c, classes, (optimiser, rate), attempts = spec
    found = find_input(case, spec)
    rng = Rng(fnv1a64(f"{case}/labels"), TEST)
    labels = torch.tensor([rng.below(classes) for _ in range(n)])
    golden = evaluate(spec, found, labels, torch.float64)
    own = own_errors(spec, found, labels, golden)
    shifts = {f"shift/{key}": count for key, count in found["shifts"].items()}
    sources = b"".join((HERE / f).read_bytes() for f in
                       ("make_goldens.py", "torch_nets.py", "philox.py"))
    metadata = {
        "model": model, "batch": n, "height": h, "width": w, "channels": c, "classes": classes,
        "optimizer": optimiser, "learning_rate": rate, "input": found["name"],
        "dropout_seed": DROPOUT_SEED,
        "relu_margin": found["margin"], "pool_margin": found["tie"], "inputs_tried": attempts,
        "made_by": "tests/goldens/make_goldens.py", "sources_sha256":
        hashlib.sha256(sources).hexdigest(), "torch": torch.__version__,
        "torchvision": torchvision.__version__, "timm": timm.__version__, "numpy": np.__version__,
        "python": platform.python_version(), "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability()}
    tensors = {"labels": labels.double().numpy(), **golden, **own}
    tensors = {k: np.ascontiguousarray(v, dtype=np.float64) for k, v in tensors.items()}
    path = folder / f"{case}.safetensors"
    save_file({**tensors, **shifts}, path, {k: str(v) for k, v in metadata.items()})
    path.chmod(0o644)
    grads = {k: v[0] for k, v in own.items() if k.startswith("own/grad")}
    worst = max(grads, key=grads.get)
    print(f"{case}: margins relu {found['margin']:.1e} pool {found['tie']:.1e}; own errors: "
          f"logits {own['own/logits_training'][0]:.1e}, losses {own['own/losses'][0]:.1e}, "
          f"data losses {own['own/data_losses'][0]:.1e}, worst gradient {worst[9:]} "
          f"{grads[worst]:.1e}; losses {golden['losses'][0]:.4f} -> {golden['losses'][-1]:.4f}, "
          f"data {golden['data_losses'][0]:.4f} -> {golden['data_losses'][-1]:.4f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", help="REGEX of the cases wanted; default: the committed ones")
    parser.add_argument("--out", type=pathlib.Path, default=HERE)
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    for case in [*CASES, *MORE_CASES]:
        if re.search(arguments.only, case) if arguments.only else case in CASES:
            make_case(case, arguments.out)
