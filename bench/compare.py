"""Compares lamella with its peers, alternating A B A B in one run.

  compare.py train-step --model tem_small    time and memory of forward + backward, against PyTorch
                                             eager, channels_last and compiled; or --mode inference,
                                             against ONNX Runtime and OpenVINO too
  compare.py cold-start --model cbr_small    one `lamella predict` of one image, against its forward
  compare.py ops --shapes tests/shapes/cbr_tiny.txt    every kernel, against PyTorch's
                                                       (compare_ops.py)

What counts is the lower 95 % bound of the ratio (bootstrap over pairs). Before every pair a fixed
loop that has nothing to do with either side is timed: pairs during which the machine was slower
than usual by more than a tenth are discarded, and counted in the result.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import compare_ops
from machine import ROOT, describe_machine
from pairs import bootstrap_medians, quantile, quiet_pairs, reference_loop, settle
from side import Side

SETTLE_SECONDS = 0.25


class StepSide(Side):
    """A process that runs an iteration per line it reads."""

    def __init__(self, name, command):
        super().__init__(name, command)
        self.seconds, self.loss = [], self.answer().get("loss")

    def iterate(self):
        """Seconds of one iteration, or None once the process has failed."""
        return self.ask().get("seconds")


def quiet_reference():
    settle(SETTLE_SECONDS)
    return reference_loop()


def bootstrap_ratio(theirs, ours, draws=10000):
    """Median of the ratios of pairs, and the lower end of its one-sided 95 % interval."""
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    return {"median": statistics.median(ratios),
            "lower95": quantile(bootstrap_medians(ratios, draws), 0.05)}


def alternate(sides, pairs, warm_up):
    """Times all sides in turn; returns the reference loop's time before and after each round."""
    for side in sides:
        for _ in range(warm_up):
            side.iterate()
    reference = [quiet_reference()]
    for _ in range(pairs):
        for side in sides:
            settle(SETTLE_SECONDS)
            side.seconds.append(side.iterate())
        reference.append(quiet_reference())
    return reference


def summary_of_peer(peer, ours, kept, memory):
    if peer.problem is not None:
        print(f"  SKIP {peer.name}: {peer.problem}")
        return {"skipped": peer.problem}
    difference = abs(peer.loss - ours.loss) / abs(ours.loss)
    if difference > 1e-4:
        sys.exit(f"{peer.name} computes the loss {peer.loss}, lamella {ours.loss}: not comparable")
    used = memory[peer.name]["peak_bytes"] - memory[peer.name]["initial_bytes"]
    our_memory = memory["lamella"]["peak_bytes"] - memory["lamella"]["initial_bytes"]
    result = {"loss_difference": difference, "memory_ratio": our_memory / used}
    if kept:
        times = [peer.seconds[i] for i in kept]
        result.update(seconds=statistics.median(times), speed=bootstrap_ratio(
            times, [ours.seconds[i] for i in kept]))
        print(f"  {peer.name}: {result['seconds']:.3f} s; lamella is "
              f"{result['speed']['median']:.2f} times as fast (at least "
              f"{result['speed']['lower95']:.2f}), and takes {result['memory_ratio']:.2f} of "
              f"its {used / 2**20:.0f} MiB")
    return result


def train_step(args):
    options = ["--model", args.model, "--mode", args.mode, "--batch", args.batch, "--size",
               args.size, "--channels", args.channels, "--threads", args.threads]
    sides = [StepSide("lamella", [args.bin / "train_step", *options])]
    peers = ROOT / "bench" / "peers"
    for variant in args.variants:
        command = [sys.executable, peers / "train_step.py", *options, "--variant", variant]
        sides.append(StepSide(f"torch {variant}", command))
    for runtime in args.runtimes if args.mode == "inference" else []:
        command = [sys.executable, peers / "inference_step.py", *options, "--runtime", runtime]
        sides.append(StepSide(runtime, command))
    ours = sides[0]
    if ours.problem is not None:
        sys.exit(f"lamella: {ours.problem}")
    reference = alternate(sides, args.pairs, args.warm_up)
    memory = {side.name: side.finish() for side in sides}
    kept = quiet_pairs(reference)
    print(f"{args.model}, {args.mode}, batch {args.batch}, {args.size}x{args.size}, "
          f"{args.threads} threads: {len(kept)} of {args.pairs} pairs undisturbed")
    if kept:
        print(f"  lamella: {statistics.median(ours.seconds[i] for i in kept):.3f} s")
    peers = {side.name: summary_of_peer(side, ours, kept, memory) for side in sides[1:]}
    timed = [peer for peer in peers.values() if "speed" in peer]
    result = {"model": args.model, "mode": args.mode, "batch": args.batch, "size": args.size,
              "pairs": args.pairs, "undisturbed_pairs": kept, "reference_seconds": reference,
              "seconds": {side.name: side.seconds for side in sides}, "memory": memory,
              "peers": peers}
    if timed:
        best = min(timed, key=lambda peer: peer["seconds"])
        result["against_best"] = {"lower95": best["speed"]["lower95"],
                                  "memory_ratio": max(peer["memory_ratio"] for peer in timed)}
        print(f"  against the best: speed at least {result['against_best']['lower95']:.2f}, memory "
              f"{result['against_best']['memory_ratio']:.2f} of the one that takes least")
    batch = f"_batch{args.batch}" if args.mode == "inference" else ""
    write(args, f"train_step_{args.model}_{args.mode}{batch}", result)
    if len(kept) < min(9, args.pairs):
        sys.exit(f"only {len(kept)} undisturbed pairs: measure again on a quiet machine")


def cold_start(args):
    """Wall time of `lamella predict` for one image, minus the forward pass of a warm process."""
    binary = args.bin / "lamella"

    def lamella(*words):
        subprocess.run([str(word) for word in (binary, *words)], check=True, capture_output=True)

    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        lamella("synth", "tem", "--out", work / "data", "--classes", 2, "--per-class", 16,
                "--size", args.size, "--seed", 1)
        lamella("train", "--model", args.model, "--data", work / "data", "--size", args.size,
                "--epochs", 0, "--out", work / "run")
        image = next((work / "data").glob("*/*.tif"))
        side = StepSide("forward", [args.bin / "train_step", "--model", args.model, "--mode",
                                "forward", "--batch", 1, "--size", args.size, "--classes", 2,
                                "--threads", args.threads])
        for _ in range(args.warm_up):
            side.iterate()
        if side.problem is not None:
            sys.exit(f"the forward pass cannot be timed: {side.problem}")
        reference, wall, forward = [quiet_reference()], [], []
        for _ in range(args.pairs):
            start = time.perf_counter()
            lamella("predict", "--weights", work / "run" / "model-best.safetensors", "--threads",
                    args.threads, image)
            wall.append(time.perf_counter() - start)
            forward.append(side.iterate())
            reference.append(quiet_reference())
        side.finish()
    kept = quiet_pairs(reference)
    over = [wall[i] - forward[i] for i in kept]
    result = {"model": args.model, "size": args.size, "wall_seconds": wall,
              "forward_seconds": forward, "reference_seconds": reference,
              "undisturbed_pairs": kept, "median_seconds_over_forward":
              statistics.median(over) if over else None}
    write(args, f"cold_start_{args.model}", result)
    if not over:
        sys.exit("no undisturbed pair: measure again on a quiet machine")
    print(f"{args.model}: one prediction from a cold start takes {statistics.median(over):.3f} s "
          f"more than its forward pass ({statistics.median(forward):.3f} s)")


def write(args, name, result):
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"schema": f"lamella.bench.{args.command}/1",
              "machine": describe_machine(args.bin / "lamella", args.threads), **result}
    (args.out / f"{name}.json").write_text(json.dumps(record, indent=1) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, function in (("train-step", train_step), ("cold-start", cold_start)):
        command = commands.add_parser(name)
        command.set_defaults(function=function)
        command.add_argument("--model", default="tem_small")
        command.add_argument("--size", type=int, default=256)
        command.add_argument("--threads", type=int, default=2)
        command.add_argument("--pairs", type=int, default=15)
        command.add_argument("--warm-up", type=int, default=2)
        command.add_argument("--bin", type=pathlib.Path,
                             default=ROOT / "build" / "release" / "bin")
        command.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "results")
    step = commands.choices["train-step"]
    step.add_argument("--batch", type=int, default=12)
    step.add_argument("--mode", default="backward",
                      choices=["inference", "forward", "backward", "step"])
    step.add_argument("--channels", type=int, default=1)
    step.add_argument("--runtimes", type=lambda text: text.split(","),
                      default=["onnxruntime", "openvino"], help="with --mode inference")
    step.add_argument("--variants", type=lambda text: text.split(","),
                      default=["eager", "channels_last", "compile"])
    compare_ops.add_arguments(commands.add_parser("ops"))
    args = parser.parse_args()
    args.function(args)


if __name__ == "__main__":
    main()
