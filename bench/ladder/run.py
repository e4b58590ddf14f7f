#!/usr/bin/env python3
"""Shows a ladder: what each of its kernels does to memory, from naive to lamella's own.

  bench/ladder/run.py product|convolution|softmax|batch_norm [--dtype bf16] [--call "ENTRY ..."]
  bench/ladder/run.py --check    verifies every rung against the oracles, and README.md
  bench/ladder/run.py --write    puts the counted tables into README.md

Needs a release build with tests, and no GPU: figures are counts, not times.
"""

import argparse
import ctypes
import json
import os
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COLUMNS = ["rung", "idea", "threads", "requested", "by block", "requests", "sectors / request",
           "wavefronts", "conflicts"]
# What each rung improves on the one before, or on another: a column, and how many times at least.
FALLS = {
    "product": {"warp_element": ("requested", 2), "shared_tiles": ("requested", 8),
                "register_tiles": ("wavefronts", 2), "swizzled_tiles": ("wavefronts", 2.5),
                "production": ("wavefronts", 3, "shared_tiles")},
    "convolution": {"warp_channels": ("requested", 2), "explicit_windows": ("requested", 4),
                    "implicit_windows": ("requested", 1.5), "production": ("wavefronts", 1.5)},
    "softmax": {"warp_row": ("requested", 7), "vector_row": ("requests", 3),
                "production": ("requested", 7, "thread_row")},
    "batch_norm": {"coalesced": ("requested", 7), "one_pass": ("requested", 1.8),
                   "production": ("requests", 3)},
}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("ladder", nargs="*", help="product, convolution, softmax, batch_norm")
    parser.add_argument("--dtype", choices=["f32", "bf16", "f16"], default="f32")
    parser.add_argument("--call", help="another call of the ladder's entry")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    return parser.parse_args()


class Ladders:
    def __init__(self, build):
        self.build = Path(build).resolve()
        self.folder = self.build / "lib/ladder"
        library = self.folder / "liblamella_simt.so"
        if not library.exists():
            raise SystemExit(f"{library} is missing: cmake --preset release && cmake --build "
                             "build/release")
        listing = ctypes.CDLL(str(library)).lamella_ladders
        listing.restype = ctypes.c_char_p
        self.ladders = {}
        for line in listing().decode().splitlines():
            ladder, rung, call, idea = line.split("\t")
            self.ladders.setdefault(ladder, (call, []))[1].append((rung, idea))

    def run(self, ladder, rung, *command):
        environment = {**os.environ, "LAMELLA_RUNG": f"{ladder}/{rung}",
                       "LD_LIBRARY_PATH": str(self.folder), "OMP_WAIT_POLICY": "passive"}
        return subprocess.run([str(self.build / "bin" / command[0]), *command[1:]],
                              env=environment, capture_output=True, text=True, check=False)

    def count(self, ladder, rung, call, dtype):
        done = self.run(ladder, rung, "lamella", "bench", "kernels", call, "--dtype", dtype,
                        "--json")
        if done.returncode:
            raise SystemExit(f"{ladder}/{rung}: {done.stderr}")
        rows = json.loads(done.stdout)["rows"]
        lines = [line for row in rows for line in row["lines"]]
        least = rows[0]["bytes_least"]
        reads = [line for line in lines if line["space"] == "global"]
        sectors = sum(line["sectors"] for line in reads)
        requests = sum(line["requests"] for line in reads)
        return {"threads": max(row["threads"] for row in rows),
                "requested": 32 * sectors / least,
                "by block": 32 * sum(row["sectors_distinct_by_block"] for row in rows) / least,
                "requests": requests, "sectors / request": sectors / requests,
                "wavefronts": sum(line["wavefronts"] for line in lines),
                "conflicts": max([line["conflict_ways"] for line in lines] + [1.0])}

    def table(self, ladder, call=None, dtype="f32"):
        own, rungs = self.ladders[ladder]
        return [{"rung": rung, "idea": idea, **self.count(ladder, rung, call or own, dtype)}
                for rung, idea in rungs]


def text_of(row):
    cells = dict(row)
    for name in ("threads", "requests", "wavefronts"):
        cells[name] = f"{row[name]:,}".replace(",", " ")
    for name in ("requested", "by block"):
        cells[name] = f"{row[name]:.2f}x"
    for name in ("sectors / request", "conflicts"):
        cells[name] = f"{row[name]:.1f}"
    return [cells[name] for name in COLUMNS]


def markdown(rows):
    lines = [COLUMNS, ["---", "---"] + ["--:"] * (len(COLUMNS) - 2), *map(text_of, rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def show(ladders, name, args):
    call = args.call or ladders.ladders[name][0]
    rows = ladders.table(name, call, args.dtype)
    print(f"{call} dtype={args.dtype}")
    cells = [COLUMNS, *map(text_of, rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    for line in cells:
        padded = [text.ljust(width) if i < 2 else text.rjust(width)
                  for i, (text, width) in enumerate(zip(line, widths))]
        print("  ".join(padded))


def with_tables(ladders, readme):
    for name, (call, _) in ladders.ladders.items():
        table = f"`{call}`, f32:\n\n{markdown(ladders.table(name))}"
        readme = re.sub(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", lambda m: m[1] + table + m[2],
                        readme, flags=re.DOTALL)
    return readme


def suite_of(call):
    entry = call.split()[0]
    return "batch_norm*" if entry.startswith("batch_norm") else f"{entry}.*"


def what_does_not_fall(ladder, rows):
    by_rung = {row["rung"]: row for row in rows}
    wrong = []
    for before, row in zip(rows, rows[1:]):
        column, times, *other = FALLS[ladder][row["rung"]]
        reference = by_rung[other[0]] if other else before
        if row[column] * times > reference[column]:
            wrong.append(f"{ladder}/{row['rung']}: {column} is {row[column]}, not {times} times "
                         f"less than the {reference[column]} of {reference['rung']}")
    return wrong


def check(ladders, readme):
    wrong = []
    for name, (call, rungs) in ladders.ladders.items():
        for rung, _ in rungs[:-1]:  # production is what the op suite runs anyway
            for options in (["--device=simt"], ["--device=simt-counted"],
                            ["--device=simt", "--dtype=bf16"]):
                done = ladders.run(name, rung, "op_tests", *options,
                                   f"--gtest_filter={suite_of(call)}", "--gtest_brief=1")
                passed = re.search(r"PASSED  \] ([1-9]\d*)", done.stdout)
                print(f"{name}/{rung} {' '.join(options)}: {passed[1] if passed else 0} passed")
                if done.returncode or not passed:
                    wrong.append(f"{name}/{rung}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        wrong += what_does_not_fall(name, ladders.table(name))
    if with_tables(ladders, readme) != readme:
        wrong.append("the tables of bench/ladder/README.md are not what is counted: "
                     "bench/ladder/run.py --write")
    print("\n".join(wrong) or "every rung is right, and counts what README.md says")
    return 1 if wrong else 0


def main():
    args = arguments()
    ladders = Ladders(args.build)
    readme = HERE / "README.md"
    if args.check:
        return check(ladders, readme.read_text())
    if args.write:
        readme.write_text(with_tables(ladders, readme.read_text()))
        return 0
    for name in args.ladder or ladders.ladders:
        if name not in ladders.ladders:
            raise SystemExit(f"there is no ladder {name}, but {', '.join(ladders.ladders)}")
        show(ladders, name, args)
    return 0


if __name__ == "__main__":
    sys.exit(main())
