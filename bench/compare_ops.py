"""Kernel by kernel, lamella against a peer: `compare.py ops`.

  compare.py ops --shapes tests/shapes/cbr_tiny.txt [--no-backward] [--filter REGEX] [--device cuda]
                 [--dtype bf16] [--rounds 10] [--min-seconds 0.05] [--limit-seconds 480]

Both sides make the same operands by a formula, call once, and say what their outputs amount to; a
line on which they disagree is not timed, and fails the run. Then they take turns, A B A B, and what
pairs.py says of the ratios is the verdict. A round runs batches of a millisecond or more for
--min-seconds, and the least of them is its time; there are more rounds, up to three times as many,
where too many were disturbed. What the peer has no kernel for is left out, by name. Memory that a
call frees stays with the process on both sides (glibc would give it back, and the next call would
spend its time on page faults instead of the kernel).

--peer COMMAND puts another program in the place of bench/peers/torch_ops.py. It reads `open <entry>
key=value ...` and `time SECONDS` and answers each with a line of JSON: {"outputs": {name: [norm,
projection]}}, {"left_out": reason} or {"error": sentence}, and {"seconds": of one call}.
"""

import argparse
import json
import math
import os
import pathlib
import re
import shlex
import statistics
import sys
import time

from machine import ROOT, describe_machine
from pairs import (LEAST_PAIRS, MARGIN, quiet_pairs, ratio_of_pairs, reference_loop, settle, usual,
                   verdict)
from ratio_plot import ratio_plot
from shapes_lines import Line, measured_lines
from side import Side

KEEP_MEMORY = {"MALLOC_MMAP_MAX_": "0", "MALLOC_TRIM_THRESHOLD_": str(2**40)}
SETTLE_SECONDS = 0.03
# Of the norm of an output. It tells another operation from rounding; the op suite checks values.
TOLERANCES = {"f32": 1e-3, "bf16": 2e-2, "f16": 1e-2}
# PyTorch adds up in f32: over the 786432 pixels of cbr_tiny:bn1 its batch norm backward is 3e-3 off
# float64's.
NORM_TOLERANCE = 1e-2


class SideEnded(Exception):
    """A process has ended before its time; the sentence says which, where and why."""


def ask(side, name, command):
    answer = side.ask(command)
    if side.problem is not None:
        raise SideEnded(f"{side.name} ended at {name}: {side.problem}")
    return answer


def quiet_reference():
    settle(SETTLE_SECONDS)
    return reference_loop(products=1)


def rounded(seconds):
    return float(f"{seconds:.5g}")


def tolerance_of(line):
    least = NORM_TOLERANCE if line.entry.startswith("batch_norm") else 0
    return max(least, TOLERANCES[line.dtype()])


def disagreement(ours, theirs, tolerance):
    """A sentence where the outputs of one line are not the same, else None."""
    common = [name for name in ours if name in theirs]
    if not common:
        return f"no output in common: {', '.join(ours)} and {', '.join(theirs)}"
    for name in common:
        # JSON has no NaN: what is none is written as null.
        pairs = [[math.nan if value is None else value for value in side[name]]
                 for side in (ours, theirs)]
        norm = pairs[0][0]
        if not norm > 0:
            return f"{name} has the norm {norm}"
        for what, mine, other in zip(("norm", "projection"), *pairs, strict=True):
            if not abs(mine - other) <= tolerance * norm:
                return f"{name} has the {what} {mine:.7g}, the peer's {other:.7g}"
    return None


def take_turns(sides, name, args, reference, earlier):
    """Seconds of one call by side and round, and the reference loop's around the rounds. Rounds go
    on, to three times their number, until enough of them were undisturbed; `earlier` are the
    reference loop's times on the lines before."""
    seconds = {side.name: [] for side in sides}
    command = f"time {args.min_seconds}"
    for side in sides:
        ask(side, name, command)  # warm-up
    marks = [rounded(reference())]
    for count in range(3 * args.rounds):
        if count >= args.rounds:
            if len(quiet_pairs(marks, usual(earlier + marks))) >= LEAST_PAIRS:
                break
        for side in sides:
            settle(SETTLE_SECONDS)
            answer = ask(side, name, command)
            if "seconds" not in answer:
                raise SideEnded(f"{side.name} cannot time {name}: {answer.get('error')}")
            seconds[side.name].append(rounded(answer["seconds"]))
        marks.append(rounded(reference()))
    return seconds, marks


def measure_line(sides, name, text, args, reference, earlier):
    """A row: what was found of one line. Its `state` is timed, left out, failed or disagrees."""
    ours, peer = sides
    row = {"name": name, "line": text}
    theirs = ask(peer, name, f"open {text}")  # first: what it leaves out costs us nothing
    if "left_out" in theirs:
        return {**row, "state": "left out", "why": theirs["left_out"]}
    mine = ask(ours, name, f"open {text}")
    for side, answer in ((ours, mine), (peer, theirs)):
        if "outputs" not in answer:
            return {**row, "state": "failed", "why": f"{side.name}: {answer.get('error')}"}
    row["outputs"] = {side.name: answer["outputs"] for side, answer in
                      ((ours, mine), (peer, theirs))}
    why = disagreement(mine["outputs"], theirs["outputs"], tolerance_of(Line(text)))
    if why:
        return {**row, "state": "disagrees", "why": why}
    row["seconds"], row["reference_seconds"] = take_turns(sides, name, args, reference,
                                                            earlier)
    return {**row, "state": "timed", "flops": mine.get("flops"),
            "least_bytes": mine.get("least_bytes")}


def marks_of(rows):
    return [mark for row in rows for mark in row.get("reference_seconds", [])]


def measure(sides, lines, args, reference):
    """The rows of all lines that the time allows, the names of the others, and what ended it."""
    rows, started = [], time.monotonic()
    for at, (name, text) in enumerate(lines):
        if args.limit_seconds and time.monotonic() - started > args.limit_seconds:
            return rows, [name for name, _ in lines[at:]], None
        print(f"{at + 1}/{len(lines)} {name}", file=sys.stderr)
        try:
            rows.append(measure_line(sides, name, text, args, reference, marks_of(rows)))
        except SideEnded as ended:
            return rows, [name for name, _ in lines[at:]], str(ended)
    return rows, [], None


def judge(rows, names):
    """Adds pairs that count, ratio and verdict to each timed row. What is usual for the reference
    loop is so for the whole run: a busy minute is no measure of itself."""
    timed = [row for row in rows if row["state"] == "timed"]
    quiet = usual(marks_of(rows)) if timed else None
    for row in timed:
        kept = row["undisturbed_pairs"] = quiet_pairs(row["reference_seconds"], quiet)
        ours, theirs = ([row["seconds"][name][i] for i in kept] for name in names)
        row["ratio"] = ratio_of_pairs(theirs, ours) if kept else None
        row["verdict"] = verdict(row["ratio"], len(kept))


def print_table(rows, names):
    ours, peer = names
    print(f"{'verdict':9} {'ratio':>6} {'95 % of it':>13} {ours + ' us':>11} {peer + ' us':>11} "
          f"{'pairs':>7}  call")
    for row in rows:
        if row["state"] != "timed":
            continue
        kept = row["undisturbed_pairs"] or range(len(row["seconds"][ours]))
        mine, other = (1e6 * statistics.median(row["seconds"][name][i] for i in kept)
                       for name in names)
        ratio = row["ratio"] or dict.fromkeys(("median", "lower", "upper"), float("nan"))
        pairs = f"{len(row['undisturbed_pairs'])}/{len(row['seconds'][ours])}"
        print(f"{row['verdict']:9} {ratio['median']:6.2f} {ratio['lower']:6.2f} "
              f"{ratio['upper']:6.2f} {mine:11.2f} {other:11.2f} {pairs:>7}  {row['name']}")


def print_rest(rows, not_reached, names):
    timed = [row for row in rows if row["state"] == "timed"]
    counts = {word: sum(row["verdict"] == word for row in timed)
              for word in ("FASTER", "SAME", "SLOWER", "AMBIGUOUS")}
    print(", ".join(f"{word} {count}" for word, count in counts.items()),
          f"(ratio: {names[1]}'s time / {names[0]}'s; margin {MARGIN:.0%})")
    discarded = sum(len(row["reference_seconds"]) - 1 - len(row["undisturbed_pairs"])
                    for row in timed)
    pairs = sum(len(row["reference_seconds"]) - 1 for row in timed)
    print(f"{discarded} of {pairs} pairs were disturbed and do not count")
    for state in ("failed", "disagrees"):
        for row in rows:
            if row["state"] == state:
                print(f"{state}: {row['name']}: {row['why']}")
    reasons = {}
    for row in rows:
        if row["state"] == "left out":
            reasons.setdefault((Line(row["line"]).entry, row["why"]), []).append(row["name"])
    for (entry, why), lines in reasons.items():
        print(f"left out: {entry}, {len(lines)} lines: {why}")
    if not_reached:
        print(f"not reached: {len(not_reached)} lines from {not_reached[0]} on")


def write(args, lines, result):
    """<out>/ops_<device>_<dtype>_<networks>.json, a line a row, and the plot beside it."""
    networks = list(dict.fromkeys(name.partition(":")[0] for name, _ in lines))
    dtypes = list(dict.fromkeys(Line(text).dtype() for _, text in lines))
    path = args.out / f"ops_{args.device}_{'-'.join(dtypes)}_{'-'.join(networks)}.json"
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"schema": "lamella.bench.ops/1",
              "machine": describe_machine(args.bin / "lamella", args.threads), **result}
    rows = ",\n  ".join(json.dumps(row) for row in record.pop("rows"))
    head = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in record.items())
    path.write_text(f'{{\n{head},\n "rows": [\n  {rows}]\n}}\n')
    title = f"{args.device}, {', '.join(dtypes)}, {args.threads} threads: {', '.join(networks)}"
    timed = [row for row in result["rows"] if row.get("ratio")]
    path.with_suffix(".svg").write_text(ratio_plot(timed, title, result["sides"]))
    print(f"written: {path} and its .svg")


def peer_command(args):
    if args.peer:
        return "peer", shlex.split(args.peer)
    script = ROOT / "bench" / "peers" / "torch_ops.py"
    return "torch", [sys.executable, script, "--serve", "--device", args.device, "--threads",
                     args.threads]


def run(args, reference=quiet_reference):
    try:
        lines = [(name, text) for name, text in
                 measured_lines(args.shapes, not args.no_backward, args.dtype)
                 if args.filter.search(name)]
    except (OSError, ValueError) as error:
        sys.exit(f"--shapes: {error}")
    if not lines:
        sys.exit(f"no call of {', '.join(map(str, args.shapes))} matches --filter "
                 f"{args.filter.pattern}")
    ours = ("lamella", [args.bin / "ops_side", f"--device={args.device}",
                        f"--threads={args.threads}"])
    sides = [Side(name, command, KEEP_MEMORY) for name, command in (ours, peer_command(args))]
    names = [side.name for side in sides]
    environment = {name: value for name, value in {**os.environ, **KEEP_MEMORY}.items()
                   if re.match("(OMP|GOMP|KMP|MKL|MALLOC)_", name)}
    rows, not_reached, ended = measure(sides, lines, args, reference)
    for side in sides:
        side.finish()
    judge(rows, names)
    print_table(rows, names)
    print_rest(rows, not_reached, names)
    write(args, lines, {"sides": names, "device": args.device, "filter": args.filter.pattern,
                        "rounds": args.rounds, "min_seconds": args.min_seconds,
                        "not_reached": not_reached, "ended": ended, "environment": environment,
                        "rows": rows})
    wrong = sum(row["state"] in ("failed", "disagrees") for row in rows)
    if ended or wrong:
        sys.exit(ended or f"{wrong} lines failed or disagree; they are named above")


def add_arguments(parser):
    parser.set_defaults(function=run)
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--shapes", type=pathlib.Path, nargs="+",
                        default=[ROOT / "tests" / "shapes"])
    parser.add_argument("--filter", type=re.compile, default=re.compile(""),
                        help="only names in which this expression is found")
    parser.add_argument("--no-backward", action="store_true")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--dtype", choices=list(TOLERANCES), help="instead of the lines' own")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=10, choices=range(1, 1001), metavar="N")
    parser.add_argument("--min-seconds", type=float, default=0.05, help="of a round and side")
    parser.add_argument("--limit-seconds", type=float, help="then the lines left are not reached")
    parser.add_argument("--peer", help="a command instead of bench/peers/torch_ops.py")
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build" / "release" / "bin")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "results")
