#!/usr/bin/env python3
"""Transfer to real TEM crops: networks, how much of them is trained, learning rates, seeds and
shares of the training images, all with the same budget of training time.

    LAMELLA_TEST_DATA=FOLDER bench/transfer.py [--work FOLDER] [--budget 120] [--only REGEX]
    bench/transfer.py --table

First, on a quiet machine, one epoch of every cell is timed; the budget divided by that is the
number of epochs of its runs. So the runs themselves may share the machine with other work: their
results do not depend on time. What is done is kept in --work and not done again. The validation
split is tested after every epoch; what counts is the last epoch, since the best would be chosen on
the images that it is tested on. Results: results/transfer_tem.json; --table prints them.
"""
import argparse
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess

from machine import ROOT, describe_machine

SEEDS = (0, 1, 2)
RATES = {"scratch": (3e-4, 1e-3, 3e-3), "head": (1e-3, 3e-3, 1e-2),
         "last block": (1e-4, 3e-4, 1e-3), "all": (1e-4, 3e-4, 1e-3)}
COMMON = ("--augment", "flips,turns", "--batch", 12, "--optimizer", "adam", "--schedule", "cosine")
INCEPTION = ("--model", "inception_v3_tf", "--size", 299, "--channels", 3, "--normalise",
             "0,0,0/1,1,1")
SQUEEZENET = ("--model", "squeezenet1_1", "--size", 224, "--channels", 3, "--normalise",
              "0.485,0.456,0.406/0.229,0.224,0.225")
BACKBONE, SQUEEZED = "inception_v3_backbone.safetensors", "squeezenet1_1_imagenet.safetensors"


def cells():
    """Name, what is trained, options, weight file."""
    yield "inception_v3", "scratch", INCEPTION, None
    for train, freeze in (("head", "body"), ("last block", "before:Mixed_7c"), ("all", "none")):
        yield "inception_v3", train, (*INCEPTION, "--head", "new", "--freeze", freeze), BACKBONE
    cut = (*INCEPTION, "--cut", "Mixed_6c")
    for train, freeze in (("head", "body"), ("last block", "before:Mixed_6c"), ("all", "none")):
        yield "inception_v3 to Mixed_6c", train, (*cut, "--freeze", freeze), BACKBONE
    yield "squeezenet1_1", "scratch", SQUEEZENET, None
    for train, freeze in (("head", "body"), ("last block", "before:fire9"), ("all", "none")):
        yield "squeezenet1_1", train, (*SQUEEZENET, "--head", "new", "--freeze", freeze), SQUEEZED
    yield "cbr_small", "scratch", ("--model", "cbr_small", "--size", 64), None
    yield "tem_small", "scratch", ("--model", "tem_small", "--size", 128), None


def jobs():
    """Every run: of all cells with all images, of two with a quarter and half of them."""
    for (name, train, options, weights), seed in itertools.product(cells(), SEEDS):
        shares = (0.25, 0.5, 1) if (name, train) in (
            ("inception_v3 to Mixed_6c", "last block"), ("cbr_small", "scratch")) else (1,)
        for rate, share in itertools.product(RATES[train], shares):
            yield {"network": name, "train": train, "rate": rate, "share": share, "seed": seed,
                   "options": options, "weights": weights}


def label(job):
    return (f"{job['network']} {job['train']} lr {job['rate']:g} share {job['share']:g} "
            f"seed {job['seed']}").replace(" ", "_")


def train(args, job, epochs, out):
    command = [args.bin / "lamella", "train", *job["options"], *COMMON, "--data",
               args.data / "tem_virus", "--lr", job["rate"], "--seed", job["seed"],
               "--train-fraction", job["share"], "--epochs", epochs, "--threads", args.threads,
               "--out", out]
    if job["weights"]:
        command += ["--weights", args.data / "weights" / job["weights"]]
    done = subprocess.run([str(word) for word in command], text=True, capture_output=True,
                          env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if done.returncode != 0:
        raise SystemExit(f"{label(job)}: {done.stderr}")
    lines = (out / "log.jsonl").read_text().splitlines()
    for file in out.glob("*.safetensors"):
        file.unlink()  # hundreds of them would fill the disk
    return [json.loads(line) for line in lines]


def epoch_seconds(args):
    """Of every cell, with all images; timed once."""
    file = args.work / "epoch_seconds.json"
    known = json.loads(file.read_text()) if file.exists() else {}
    for job in jobs():
        cell = f"{job['network']}, {job['train']}"
        if cell in known or job["share"] != 1 or not re.search(args.only, cell):
            continue
        out = args.work / f"timing_{label(job)}"
        known[cell] = train(args, job, 1, out)[0]["seconds"]
        print(f"{cell}: {known[cell]:.1f} s an epoch", flush=True)
        file.write_text(json.dumps(known, indent=1))
    return known


def run_all(args):
    seconds = epoch_seconds(args)
    for job in jobs():
        cell, out = f"{job['network']}, {job['train']}", args.work / label(job)
        result = args.work / f"{label(job)}.json"
        if result.exists() or not re.search(args.only, cell):
            continue
        epochs = max(1, round(args.budget / (seconds[cell] * job["share"])))
        if out.exists():  # of a run that was cut off
            for file in out.iterdir():
                file.unlink()
            out.rmdir()
        log = train(args, job, epochs, out)
        last = log[-1]
        accuracies = [line["val"]["accuracy"] for line in log]
        kept = {key: job[key] for key in ("network", "train", "rate", "share", "seed")}
        kept.update(epochs=epochs, epoch_seconds=seconds[cell] * job["share"],
                    train_loss=last["train_loss"], validation=last["val"],
                    best_epoch=1 + accuracies.index(max(accuracies)), best=max(accuracies))
        result.write_text(json.dumps(kept))
        print(f"{label(job)}: {epochs} epochs, accuracy {last['val']['accuracy']:.4f}", flush=True)


def collect(args):
    return [json.loads(file.read_text()) for file in sorted(args.work.glob("*_seed_*.json"))]


def table(runs):
    """Of every cell the learning rate with the best mean over the seeds, and the others' means."""
    def key(run):
        return run["network"], run["train"], run["share"]
    for (network, train_, share), group in itertools.groupby(sorted(runs, key=key), key):
        by_rate = {}
        for run in group:
            by_rate.setdefault(run["rate"], []).append(run)
        means = {rate: statistics.mean(r["validation"]["accuracy"] for r in rs)
                 for rate, rs in by_rate.items()}
        rate = max(means, key=means.get)
        chosen = by_rate[rate]
        accuracy = [100 * r["validation"]["accuracy"] for r in chosen]
        balanced = statistics.mean(100 * r["validation"]["balanced_accuracy"] for r in chosen)
        spread = f"{min(accuracy):.1f} to {max(accuracy):.1f}"
        best = statistics.mean(r["best_epoch"] * r["epoch_seconds"] for r in chosen)
        others = ", ".join(f"{r:g}: {100 * m:.1f}" for r, m in sorted(means.items()) if r != rate)
        print(f"| {network} | {train_} | {100 * share:g} % | {statistics.mean(accuracy):.1f} "
              f"({spread}) | {balanced:.1f} | {rate:g} ({others}) | "
              f"{chosen[0]['epoch_seconds']:.1f} s | {best:.0f} s |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/transfer")
    parser.add_argument("--budget", type=float, default=120, help="seconds of training per run")
    parser.add_argument("--only", default="", help="cells whose name has this REGEX")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--table", action="store_true")
    args = parser.parse_args()
    target = ROOT / "bench/results/transfer_tem.json"
    if args.table:
        table(json.loads(target.read_text())["runs"])
        return
    if "LAMELLA_TEST_DATA" not in os.environ:
        raise SystemExit("LAMELLA_TEST_DATA is not set: it names the folder with tem_virus/")
    args.data = pathlib.Path(os.environ["LAMELLA_TEST_DATA"])
    args.work.mkdir(parents=True, exist_ok=True)
    run_all(args)
    runs = collect(args)
    target.write_text(json.dumps({
        "schema": "lamella.bench.transfer/1", "budget_seconds": args.budget,
        "machine": describe_machine(args.bin / "lamella", args.threads), "runs": runs}, indent=1)
        + "\n")
    table(runs)


if __name__ == "__main__":
    main()
