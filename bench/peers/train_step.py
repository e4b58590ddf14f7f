"""The PyTorch side of bench/train_step.cpp: the same options, the same lines on stdin and stdout.

  train_step.py --model NAME [--batch 12] [--size 256] [--channels 1] [--classes 14] [--threads 2]
                [--mode inference|forward|backward|step] [--variant eager|channels_last|compile]
"""

import argparse
import json
import pathlib
import sys
import time

import torch
from torch.nn import functional as F

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "tests" / "goldens"))
from make_goldens import load_golden_values  # noqa: E402
from philox import golden_values  # noqa: E402
from torch_nets import make_net  # noqa: E402


def status_bytes(key):
    for line in pathlib.Path("/proc/self/status").read_text().splitlines():
        if line.startswith(key + ":"):
            return 1024 * int(line.split()[1])
    return 0


def say(**values):
    print(json.dumps(values), flush=True)


class Side:
    def __init__(self, args):
        n, size = args.batch, args.size
        channels = args.channels
        net = make_net(args.model, size, size, channels, args.classes)
        load_golden_values(net, args.model)
        x = golden_values("bench/x", n * size * size * channels, -1.0, 1.0)
        x = torch.from_numpy(x).reshape(n, size, size, channels)
        self.x = x.permute(0, 3, 1, 2).contiguous()
        self.labels = torch.arange(n) % args.classes
        if args.variant != "eager":  # the compiled one too: it is faster so
            net = net.to(memory_format=torch.channels_last)
            self.x = self.x.contiguous(memory_format=torch.channels_last)
        self.plain = net
        self.mode = "forward" if args.mode == "inference" else args.mode
        self.net = torch.compile(net) if args.variant == "compile" else net
        self.optimiser = torch.optim.Adam(net.parameters(), lr=1e-5)

    @torch.inference_mode()
    def loss(self):
        loss = F.cross_entropy(self.plain.eval()(self.x), self.labels).item()
        self.plain.train(self.mode != "forward")
        return loss

    def iterate(self):
        if self.mode == "forward":
            with torch.inference_mode():
                F.cross_entropy(self.net(self.x), self.labels).item()
            return
        self.optimiser.zero_grad(set_to_none=True)
        loss = F.cross_entropy(self.net(self.x), self.labels)
        penalty = self.plain.penalty() if hasattr(self.plain, "penalty") else None
        loss = loss if penalty is None else loss + penalty
        loss.backward()
        if self.mode == "step":
            self.optimiser.step()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", required=True)
    parser.add_argument("--mode", default="backward",
                        choices=["inference", "forward", "backward", "step"])
    parser.add_argument("--variant", default="eager",
                        choices=["eager", "channels_last", "compile"])
    for name, default in (("batch", 12), ("size", 256), ("channels", 1), ("classes", 14),
                          ("threads", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    side = Side(args)
    initial = status_bytes("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from here
    say(loss=side.loss())
    for _ in sys.stdin:
        start = time.perf_counter()
        side.iterate()
        say(seconds=time.perf_counter() - start)
    say(initial_bytes=initial, peak_bytes=status_bytes("VmHWM"))


if __name__ == "__main__":
    main()
