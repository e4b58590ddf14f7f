#!/usr/bin/env python3
"""Transfer to real TEM crops: networks, how much of them is trained, learning rates, seeds and
shares of the training images, all with the same budget of training time.

    LAMELLA_TEST_DATA=FOLDER bench/transfer.py [--work FOLDER] [--budget 120] [--only REGEX]
    bench/transfer.py --table

First, on a quiet machine, one epoch of every cell is timed; the budget divided by that is the
number of epochs of its runs. So the runs themselves may share the machine with other work, or be
made on another: their results do not depend on time. After every run all of them, and the times of
the epochs, are written to results/transfer_tem.json; what is there is not done again. First comes
every learning rate with the first seed, then the other seeds with the best rate of each cell, then
the rest; the whole of Inception-v3, whose last features are worse than those of Mixed_6c, last. The
validation split is tested after every epoch; what counts is the last epoch, since the best would be
chosen on the images that it is tested on. --table prints the results.
"""
import argparse
import concurrent.futures
import itertools
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess

from machine import ROOT, describe_machine

SEEDS = (0, 1, 2)
RATES = {"scratch": (3e-4, 1e-3, 3e-3), "head": (1e-3, 3e-3, 1e-2),
         "last block": (1e-4, 3e-4, 1e-3), "all": (1e-4, 3e-4, 1e-3)}
COMMON = ("--augment", "flips,turns", "--batch", 12, "--optimizer", "adam", "--schedule", "cosine")
INCEPTION = ("--model", "inception_v3_tf", "--size", 224, "--channels", 3, "--normalise",
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
            yield {"network": name, "train": train, "share": share, "rate": rate, "seed": seed,
                   "options": options, "weights": weights}


def key(run):
    return run["network"], run["train"], run["share"], run["rate"], run["seed"]


def accuracy(run):
    return run["validation"]["accuracy"]


def next_job(todo, done):
    """The most wanted of the runs that are still to do: see above."""
    def best_rate(job):
        first = [run for run in done if key(run)[:3] == key(job)[:3] and run["seed"] == SEEDS[0]]
        return max(first, key=accuracy)["rate"] if len(first) == len(RATES[job["train"]]) else None

    return min(todo, key=lambda job: (
        job["network"] == "inception_v3",
        0 if job["seed"] == SEEDS[0] else 1 if job["rate"] == best_rate(job) else 2))


def label(job):
    return (f"{job['network']} {job['train']} lr {job['rate']:g} share {job['share']:g} "
            f"seed {job['seed']}").replace(" ", "_")


def train(args, job, epochs, threads, out):
    command = [args.bin / "lamella", "train", *job["options"], *COMMON, "--data",
               args.data / "tem_virus", "--lr", job["rate"], "--seed", job["seed"],
               "--train-fraction", job["share"], "--epochs", epochs, "--threads", threads,
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


def cell_of(job):
    return f"{job['network']}, {job['train']}"


def time_epochs(args, results, save):
    """One epoch of every cell, with all images."""
    for job in jobs():
        cell = cell_of(job)
        if cell in results["epoch_seconds"] or job["share"] != 1 or not re.search(args.only, cell):
            continue
        out = args.work / f"timing_{label(job)}"
        shutil.rmtree(out, ignore_errors=True)
        results["epoch_seconds"][cell] = train(args, job, 1, args.threads, out)[0][
            "seconds"]
        print(f"{cell}: {results['epoch_seconds'][cell]:.1f} s an epoch", flush=True)
        save()


def run_one(args, job, epoch_seconds):
    epochs = max(1, round(args.budget / epoch_seconds))
    out = args.work / label(job)
    shutil.rmtree(out, ignore_errors=True)  # of a run that was cut off
    log = train(args, job, epochs, max(1, args.threads // args.jobs), out)
    accuracies = [line["val"]["accuracy"] for line in log]
    kept = {name: job[name] for name in ("network", "train", "share", "rate", "seed")}
    kept.update(epochs=epochs, epoch_seconds=epoch_seconds, train_loss=log[-1]["train_loss"],
                validation=log[-1]["val"], best_epoch=1 + accuracies.index(max(accuracies)),
                best=max(accuracies))
    print(f"{label(job)}: {epochs} epochs, accuracy {accuracies[-1]:.4f}", flush=True)
    return kept


def run_all(args, results, save):
    running = {}  # future: key of its run
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        while True:
            known = {key(run) for run in results["runs"]} | set(running.values())
            todo = [job for job in jobs() if key(job) not in known and
                    cell_of(job) in results["epoch_seconds"] and re.search(args.only, cell_of(job))]
            if todo and len(running) < args.jobs:
                job = next_job(todo, results["runs"])
                seconds = results["epoch_seconds"][cell_of(job)] * job["share"]
                running[pool.submit(run_one, args, job, seconds)] = key(job)
                continue
            if not running:
                return
            for future in concurrent.futures.wait(
                    running, return_when=concurrent.futures.FIRST_COMPLETED).done:
                results["runs"].append(future.result())
                del running[future]
                save()


def table(runs):
    """Of every cell the learning rate with the best mean over the seeds, and the others' means."""
    def cell(run):
        return key(run)[:3]
    for (network, train_, share), group in itertools.groupby(sorted(runs, key=key), cell):
        by_rate = {}
        for run in group:
            by_rate.setdefault(run["rate"], []).append(run)
        means = {rate: statistics.mean(map(accuracy, rs)) for rate, rs in by_rate.items()}
        # A rate tried with fewer seeds cannot be the chosen one.
        most = max(map(len, by_rate.values()))
        rate = max((r for r in by_rate if len(by_rate[r]) == most), key=means.get)
        chosen = by_rate[rate]
        percent = [100 * accuracy(r) for r in chosen]
        balanced = statistics.mean(100 * r["validation"]["balanced_accuracy"] for r in chosen)
        spread = f"{min(percent):.1f} to {max(percent):.1f}, n = {most}"
        best = statistics.mean(r["best_epoch"] * r["epoch_seconds"] for r in chosen)
        others = ", ".join(f"{r:g}: {100 * m:.1f}" for r, m in sorted(means.items()) if r != rate)
        print(f"| {network} | {train_} | {100 * share:g} % | {statistics.mean(percent):.1f} "
              f"({spread}) | {balanced:.1f} | {rate:g} ({others}) | "
              f"{chosen[0]['epoch_seconds']:.1f} s | {best:.0f} s |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--work", type=pathlib.Path, default=ROOT / "build/transfer")
    parser.add_argument("--budget", type=float, default=120, help="seconds of training per run")
    parser.add_argument("--time-only", action="store_true", help="time the epochs, train nothing")
    parser.add_argument("--only", default="", help="cells whose name has this REGEX")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--jobs", type=int, default=1, help="runs at a time, sharing threads")
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
    results = json.loads(target.read_text()) if target.exists() else {
        "schema": "lamella.bench.transfer/1", "budget_seconds": args.budget,
        "machine": describe_machine(args.bin / "lamella", args.threads), "epoch_seconds": {},
        "runs": []}
    args.budget = results["budget_seconds"]  # what was begun with one budget goes on with it

    def save():
        half = target.with_suffix(".part")
        half.write_text(json.dumps(results, indent=1) + "\n")
        half.replace(target)

    time_epochs(args, results, save)
    if not args.time_only:
        run_all(args, results, save)
    table(results["runs"])


if __name__ == "__main__":
    main()
