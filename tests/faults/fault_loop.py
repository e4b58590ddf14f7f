#!/usr/bin/env python3
"""What may go wrong while a run is trained, one thing at a time; after each, the run must go on to
the same bits as one that was left alone.

    fault_loop.py LAMELLA SHIM [--every N] [--kills N] [--only REGEX] [--seed N] [--json FILE]

kill, tear, fail, full and memory: as fault_shim.c says, at every step on files, write and
allocation unlike others of a run, from its first to its last. damage: the newest checkpoint cut off
at many lengths, bits of it turned, and then a kill at every step of the first save after that.
random: a run killed again and again, at random times. --every N tries every Nth of them only.
"""
import argparse
import collections
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time

TIME_LIMIT = 60  # seconds of a run that takes a fraction of one
# Two libraries end the program where an allocation of theirs fails: oneDNN, and nlohmann-json,
# whose trees allocate when they are destroyed. The first is known by the trace; of the second there
# are so few that more of them are a fault of ours.
CRASHED, TERMINATED = "ended by oneDNN", "ended by std::terminate"
MOST_TERMINATED = 1 / 40
LAST, PREVIOUS = "checkpoint-last.safetensors", "checkpoint-prev.safetensors"


class Lost(Exception):
    """A run that did not end as it must."""


class Bench:
    """The program, its data, and what a run that is left alone comes to."""

    def __init__(self, args, work):
        self.lamella, self.shim, self.work = args.lamella, args.shim, work
        self.run_folder = work / "run"
        self.data = work / "data"
        self.call(["synth", "tem", "--out", self.data, "--classes", 2, "--per-class", 6, "--size",
                   32, "--per-micrograph", 1, "--format", "png"])
        self.train = ["train", "--model", "cbr_tiny", "--cut", "stage2", "--data", self.data,
                      "--size", 32, "--batch", 4, "--epochs", 2, "--checkpoint-every", 1,
                      "--log-steps", "--ema", 0.9, "--threads", 1, "--out", self.run_folder]

    def call(self, words, fault="", counts=None):
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        if fault or counts:
            environment.update(LD_PRELOAD=str(self.shim), LAMELLA_FAULT=fault,
                               LAMELLA_FAULT_UNDER=str(self.run_folder),
                               LAMELLA_FAULT_COUNTS=str(counts or ""), LAMELLA_FAULT_TRACE="1")
        return subprocess.run([str(word) for word in (self.lamella, *words)], env=environment,
                              capture_output=True, text=True, timeout=TIME_LIMIT)

    def clear(self):
        shutil.rmtree(self.run_folder, ignore_errors=True)

    def resume(self, fault=""):
        return self.call(["train", "--resume", self.run_folder], fault)

    def result(self):
        """The bits of the run: the best weights, the last ones, and the losses of all steps."""
        log = [json.loads(line) for line in (self.run_folder / "log.jsonl").open()]
        steps = [json.loads(line) for line in (self.run_folder / "steps.jsonl").open()]
        status = json.loads((self.run_folder / "run.json").read_text())["status"]
        return (status, tensor_bytes(self.run_folder / "model-best.safetensors"),
                tensor_bytes(self.run_folder / LAST),
                [(line["epoch"], line["train_loss"], line["weights_hash"]) for line in log],
                [(line["step"], line["loss"]) for line in steps])

    def must_end_as(self, expected):
        """Goes on with the run, from where it stands or anew, and looks at what it comes to."""
        started = (self.run_folder / "run.json").exists()
        done = self.resume() if started else self.call(self.train)
        if done.returncode != 0:
            raise Lost(f"going on ended with {done.returncode}: {done.stderr}")
        if self.result() != expected:
            raise Lost("went on to other bits")
        left = [path.name for path in self.run_folder.iterdir() if ".tmp" in path.name]
        if left:
            raise Lost(f"{left} lie about")


def tensor_bytes(path):
    """Hash of a safetensors file without its metadata, which hold times."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8:8 + length])
    header.pop("__metadata__", None)
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    digest.update(content[8 + length:])
    return digest.hexdigest()


def how_it_ended(done, kind):
    """Killed where it is to be killed; otherwise all done, or a sentence that says why not."""
    if kind in ("kill", "tear"):
        if done.returncode != -signal.SIGKILL:
            raise Lost(f"was not killed but ended with {done.returncode}: {done.stderr}")
        return "killed"
    if done.returncode == 0:
        return "done all the same"
    if done.returncode == 1 and re.search(r"^lamella: .{10,}|^libgomp: Out of memory", done.stderr,
                                          re.MULTILINE):
        return "ended with a sentence"
    if kind == "memory" and "libdnnl" in done.stderr:
        return CRASHED
    if kind == "memory" and "std::bad_alloc" in done.stderr:
        return TERMINATED
    raise Lost(f"ended with {done.returncode}: {done.stderr}")


def faults(bench, expected, kind, numbers):
    """Pairs of what is tried and a function that tries it and says what came of it."""
    def attempt(what):
        bench.clear()
        done = bench.call(bench.train, what)
        how = how_it_ended(done, kind)
        if not bench.run_folder.exists():
            return f"{how} before the run began"
        bench.must_end_as(expected)
        return how

    for number in numbers:
        what = f"{kind} {number}"
        yield what, lambda what=what: attempt(what)


def half_way(bench, steps):
    """The content of a run folder with two whole checkpoints."""
    bench.clear()
    bench.call(bench.train, f"kill {steps // 2}")
    files = {path.name: path.read_bytes() for path in bench.run_folder.iterdir()}
    if LAST not in files or PREVIOUS not in files:
        raise Lost("a run killed half way has no two checkpoints")
    return files


def put_back(bench, files):
    bench.clear()
    bench.run_folder.mkdir()
    for name, content in files.items():
        (bench.run_folder / name).write_bytes(content)


def damaged(content, every, draw):
    """The file cut off and with a bit turned, at places all over it, most of them in the header."""
    (header,) = struct.unpack("<Q", content[:8])
    places = [*range(0, 8 + header, 97), *range(8 + header, len(content), len(content) // 60)]
    for place in places[::every]:
        yield f"cut off at {place}", content[:place]
        bit = 1 << draw.randrange(8)
        yield (f"bit {bit} of byte {place} turned",
               content[:place] + bytes([content[place] ^ bit]) + content[place + 1:])


def damages(bench, expected, steps, every, draw):
    files = half_way(bench, steps)

    def attempt(content, fault=""):
        put_back(bench, {**files, LAST: content})
        if fault:
            bench.resume(fault)
        bench.must_end_as(expected)
        return "went on after a kill" if fault else "went on"

    for how, content in damaged(files[LAST], every, draw):
        yield f"checkpoint {how}", lambda content=content: attempt(content)
    for step in range(1, 40, every):  # more than the steps of the first save
        yield f"checkpoint damaged, then kill {step}", \
            lambda step=step: attempt(files[LAST][:-5], f"kill {step}")


def random_kills(bench, kills, draw):
    """One run of many short epochs, killed over and over, and begun again when it is done."""
    long_run = [*bench.train, "--epochs", 60]
    bench.clear()
    started = time.monotonic()
    bench.call(long_run)
    seconds = time.monotonic() - started
    expected = bench.result()
    info = bench.run_folder / "run.json"

    def attempt():
        if info.exists() and json.loads(info.read_text())["status"] == "finished":
            bench.must_end_as(expected)
            bench.clear()
        words = ["train", "--resume", bench.run_folder] if info.exists() else long_run
        process = subprocess.Popen([str(word) for word in (bench.lamella, *words)], text=True,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            complaint = process.communicate(timeout=draw.uniform(0, seconds / 4))[1]
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            killed.append(process.pid)
            return "killed"
        if process.returncode != 0:
            raise Lost(complaint)
        return "finished"

    bench.clear()
    killed = []
    while len(killed) < kills:
        yield f"random kill {len(killed)}", attempt
    yield "the end", lambda: bench.must_end_as(expected) or "same bits"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lamella", type=pathlib.Path)
    parser.add_argument("shim", type=pathlib.Path)
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    draw = random.Random(args.seed)
    counts, lost = {}, []
    memory = "/dev/shm"  # a file system in memory, where there is one: faster
    with tempfile.TemporaryDirectory(prefix="lamella-faults-",
                                     dir=memory if os.path.isdir(memory) else None) as work:
        bench = Bench(args, pathlib.Path(work))
        bench.call(bench.train, counts=bench.work / "counts")
        steps, writes, allocations = map(int, (bench.work / "counts").read_text().split())
        expected = bench.result()

        def some(most):
            return range(1 + draw.randrange(args.every), most + 1, args.every)

        tries = {kind: faults(bench, expected, kind, some(most)) for kind, most in (
            ("kill", steps), ("tear", writes), ("fail", steps), ("full", steps),
            ("memory", allocations))}
        tries["damage"] = damages(bench, expected, steps, args.every, draw)
        tries["random"] = random_kills(bench, args.kills, draw)
        for name, attempts in tries.items():
            if not re.search(args.only, name):
                continue
            counts[name] = collections.Counter()
            for what, attempt in attempts:
                try:
                    counts[name][attempt()] += 1
                except (Lost, subprocess.TimeoutExpired) as reason:
                    counts[name]["lost"] += 1
                    lost.append(f"{what}: {reason}")
                    print(f"LOST {lost[-1]}", flush=True)
            if counts[name][TERMINATED] > 2 + MOST_TERMINATED * sum(counts[name].values()):
                lost.append(f"{name}: {counts[name][TERMINATED]} {TERMINATED}")
            print(f"{name}: {', '.join(f'{n} {how}' for how, n in counts[name].items())}",
                  flush=True)
    if args.json:
        args.json.write_text(json.dumps({"counts": counts, "lost": lost}, indent=1) + "\n")
    print(f"{len(lost)} lost")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
