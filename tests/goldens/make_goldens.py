"""Makes the committed goldens: what PyTorch computes in float64 for a fixed network and input.

    python make_goldens.py            all cases, next to this script
    python make_goldens.py cbr_tiny   those whose name contains the word

A case NAME.safetensors holds F64 tensors, in the engine's memory order (NHWC, KRSC):
  labels            [N]
  shift/PARAM       biases chosen here (see choose_shifts); all other weights are golden_values()
  logits_training, logits_inference   [N, classes]
  loss              cross-entropy of the training logits, without the L2 penalty
  grad/PARAM        its gradient; more than FULL elements are given as their sketch() of 32 sums
  losses, data_losses   of ten optimiser steps, with and without the penalty, dropout active
  running/BUFFER    running statistics after these steps
  own/KEY           PyTorch float32's own relative L2 error in KEY: the largest of four ways of
                    computing it (NCHW, channels_last, one thread, without oneDNN)
and says in its metadata how it was made.
"""

import hashlib
import pathlib
import platform
import sys

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from safetensors.numpy import save_file

from philox import Rng, TEST, fnv1a64, golden_values, sketch
from torch_nets import from_memory_order, make_net, set_dropout_key, to_memory_order

HERE = pathlib.Path(__file__).parent
FULL = 1024  # elements up to which a gradient is stored whole
DROPOUT_SEED = 7
STEPS = 10

# The rates are small: ten steps must be continuous in the weights for rounding to be what is
# measured (Adam turns a gradient near zero into a whole step of either sign).
# name: (model, batch, height, width, channels, classes, (optimiser, rate), inputs to try)
CASES = {
    "tem_small_48x48": ("tem_small", 3, 48, 48, 1, 14, ("adam", 1e-5), 24),
    "tem_small_53x70": ("tem_small", 3, 53, 70, 1, 14, ("adam", 1e-5), 24),
    "tem_small_256x256": ("tem_small", 2, 256, 256, 1, 14, ("adam", 1e-5), 2),
    "cbr_tiny_33x47": ("cbr_tiny", 3, 33, 47, 3, 5, ("adam", 1e-5), 24),
    "cbr_tiny_64x40": ("cbr_tiny", 5, 64, 40, 1, 14, ("sgd", 1e-2), 24),
    "cbr_small_33x47": ("cbr_small", 3, 33, 47, 3, 5, ("adam", 1e-5), 24),
    "cbr_small_64x40": ("cbr_small", 5, 64, 40, 1, 14, ("sgd", 1e-2), 24),
}


def golden_range(name, shape):
    """(low, high) of a parameter's values; golden_values.h has the same rule."""
    if len(shape) > 1:
        bound = float(np.sqrt(3.0 / np.prod(shape[1:])))
        return -bound, bound
    if name.endswith(("bn1.weight", "bn2.weight", "bn3.weight", "bn4.weight", "running_var")):
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


def golden_input(case, attempt, n, h, w, c):
    name = f"{case}/input/{attempt}"
    values = golden_values(name, n * h * w * c, -1.0, 1.0).reshape(n, h, w, c)
    return name, torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()


def choose_shift(values, radius=0.05):
    """The shift within +-radius that keeps `values` farthest from zero, and that distance."""
    crossings = np.sort(-values[np.abs(values) < radius])
    edges = np.concatenate([[-radius], crossings, [radius]])
    gaps = np.diff(edges)
    widest = int(np.argmax(gaps))
    return (edges[widest] + edges[widest + 1]) / 2.0, gaps[widest] / 2.0


def choose_shifts(net, x):
    """Moves each bias in front of a ReLU a little, in order of execution, so that no value lies
    so close to zero that float32 rounding could flip it: gradients are continuous only then, and
    errors measure arithmetic instead of luck. Returns (least distance of a value from zero, least
    distance between the two largest unequal values of a pooling window)."""
    margin, tie = [], []

    def shift(module, _, output):
        channels = output.detach().movedim(1, -1).reshape(-1, output.shape[1]).numpy()
        with torch.no_grad():
            before = module.bias.clone()
            for c in range(channels.shape[1]):
                delta, _ = choose_shift(channels[:, c])
                module.bias[c] = float(np.float32(float(module.bias[c]) + delta))
            moved = (module.bias - before).reshape((1, -1) + (1,) * (output.dim() - 2))
        output = output + moved
        margin.append(float(output.abs().min()))
        return output

    def watch(pool, inputs):
        size, stride, pad = pool.kernel_size, pool.stride, pool.padding
        padded = F.pad(inputs[0], (pad,) * 4, value=-1e30)
        windows = padded.unfold(2, size, stride).unfold(3, size, stride).flatten(4)
        first = windows.max(dim=-1, keepdim=True).values
        second = windows.where(windows < first, -torch.inf).max(dim=-1, keepdim=True).values
        tie.append(float((first - second).min()))

    handles = [module.register_forward_hook(shift) for module in net.before_relu()]
    handles += [pool.register_forward_pre_hook(watch) for pool in net.modules()
                if isinstance(pool, nn.MaxPool2d)]
    with torch.no_grad():
        net(x)
    for handle in handles:
        handle.remove()
    return min(margin), min(tie)


def find_input(case, spec):
    """Of the inputs tried, the one whose pooling windows are farthest from ties."""
    model, n, h, w, c, classes, _, attempts = spec
    best = None
    for attempt in range(attempts):
        name, x = golden_input(case, attempt, n, h, w, c)
        net = make_net(model, h, w, c, classes).double()
        load_golden_values(net, model)
        set_dropout_key(net, (DROPOUT_SEED, 0))
        margin, tie = choose_shifts(net, x.double())
        if best is None or tie > best["tie"]:
            shifts = {f"{key}.bias": module.bias.detach().clone() for key, module in
                      net.named_modules() if any(module is m for m in net.before_relu())}
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
    net.load_state_dict(found["shifts"], strict=False)
    net, x = net.to(dtype), found["x"].to(dtype)
    if channels_last:
        net, x = (v.to(memory_format=torch.channels_last) for v in (net, x))
    out = {}
    with torch.no_grad():
        out["logits_inference"] = stored(net.eval()(x))
    initial = {key: value.clone() for key, value in net.state_dict().items()}
    net.train()
    set_dropout_key(net, (DROPOUT_SEED, 0))
    logits = net(x)
    loss = F.cross_entropy(logits, labels)
    loss.backward()
    out["logits_training"], out["loss"] = stored(logits), np.array([loss.item()])
    for name, parameter in net.named_parameters():
        out[f"grad/{name}"] = stored(parameter.grad)
    net.load_state_dict(initial)
    make = {"adam": lambda p: torch.optim.Adam(p, lr=rate),
            "sgd": lambda p: torch.optim.SGD(p, lr=rate, momentum=0.9)}[optimiser]
    out["losses"], out["data_losses"] = ten_losses(net, x, labels, make(net.parameters()))
    for name, buffer in net.named_buffers():
        if not name.endswith("num_batches_tracked"):
            out[f"running/{name}"] = stored(buffer)
    return out


def ten_losses(net, x, labels, optimiser):
    losses, data_losses = [], []
    for step in range(STEPS):
        set_dropout_key(net, (DROPOUT_SEED, step))
        optimiser.zero_grad()
        loss = F.cross_entropy(net(x), labels)
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


def make_case(case):
    spec = CASES[case]
    model, n, h, w, c, classes, (optimiser, rate), attempts = spec
    found = find_input(case, spec)
    rng = Rng(fnv1a64(f"{case}/labels"), TEST)
    labels = torch.tensor([rng.below(classes) for _ in range(n)])
    golden = evaluate(spec, found, labels, torch.float64)
    own = own_errors(spec, found, labels, golden)
    shifts = {f"shift/{key}": value.numpy() for key, value in found["shifts"].items()}
    sources = b"".join((HERE / f).read_bytes() for f in
                       ("make_goldens.py", "torch_nets.py", "philox.py"))
    metadata = {
        "model": model, "batch": n, "height": h, "width": w, "channels": c, "classes": classes,
        "optimizer": optimiser, "learning_rate": rate, "input": found["name"],
        "dropout_seed": DROPOUT_SEED,
        "relu_margin": found["margin"], "pool_margin": found["tie"], "inputs_tried": attempts,
        "made_by": "tests/goldens/make_goldens.py", "sources_sha256":
        hashlib.sha256(sources).hexdigest(), "torch": torch.__version__, "numpy": np.__version__,
        "python": platform.python_version(), "machine": platform.machine(),
        "cpu_capability": torch.backends.cpu.get_cpu_capability()}
    tensors = {"labels": labels.double().numpy(), **shifts, **golden, **own}
    path = HERE / f"{case}.safetensors"
    save_file({k: np.ascontiguousarray(v, dtype=np.float64) for k, v in tensors.items()},
              path, {k: str(v) for k, v in metadata.items()})
    path.chmod(0o644)
    grads = {k: v[0] for k, v in own.items() if k.startswith("own/grad")}
    worst = max(grads, key=grads.get)
    print(f"{case}: margins relu {found['margin']:.1e} pool {found['tie']:.1e}; own errors: "
          f"logits {own['own/logits_training'][0]:.1e}, losses {own['own/losses'][0]:.1e}, "
          f"data losses {own['own/data_losses'][0]:.1e}, worst gradient {worst[9:]} "
          f"{grads[worst]:.1e}; losses {golden['losses'][0]:.4f} -> {golden['losses'][-1]:.4f}, "
          f"data {golden['data_losses'][0]:.4f} -> {golden['data_losses'][-1]:.4f}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(2)
    word = sys.argv[1] if len(sys.argv) > 1 else ""
    for case in CASES:
        if word in case:
            make_case(case)
