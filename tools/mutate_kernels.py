#!/usr/bin/env python3
"""Do the tests see a kernel that is a little wrong? Makes mechanical mutants of the kernel files
(a barrier deleted, a bound off by one, an index, a stride or a sign exchanged, a swizzle dropped),
runs the tests of the file's kernels on each, and shows those that no test kills.

  tools/mutate_kernels.py [--file kernels/cuda/softmax.cu]... [--sample N --seed K] [--jobs N]
                          [--match REGEX] [--from RESULT.json] [--json OUT.json] [--list]

Needs g++ and a release build. All mutants of run time are compiled at once and chosen by the
environment; the others one by one. A mutant that changes nothing that can be seen is listed in
tools/mutants/equivalent.txt with the reason. Exit: 0 every mutant is killed or listed; 1 not.
"""

import argparse
import json
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "mutants"))
from library import DoesNotCompile, Library, Project, build_all, mutants_of, with_one  # noqa: E402
from sites import Finder  # noqa: E402

ROOT = Path(__file__).resolve().parent.parent
# Neither kernels nor what they share: the table, and the words of CUDA for two compilers.
NOT_MUTATED = {"families.h", "table.h"}
DEVICE = ["device/block.h", "device/warp.h"]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--file", action="append", default=[], help="default: all")
    parser.add_argument("--sample", type=int, help="so many of them, chosen by --seed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--match", default="", help="only mutants whose key has this REGEX")
    parser.add_argument("--from", dest="earlier", help="only mutants not killed in this result")
    parser.add_argument("--json", help="where the result of every mutant goes")
    parser.add_argument("--list", action="store_true", help="only show the mutants")
    parser.add_argument("--build", default=str(ROOT / "build/release"))
    return parser.parse_args()


def all_files():
    folder = ROOT / "kernels/cuda"
    paths = [*folder.glob("*.cu"), *folder.glob("*.h"), *folder.glob("product/*.h"),
             *(folder / name for name in DEVICE)]
    return sorted(str(path.relative_to(ROOT)) for path in paths if path.name not in NOT_MUTATED)


def entries_of(unit):
    """The entries that the file fills, or that those fill which include its header."""
    folder = ROOT / "kernels/cuda"
    own = re.findall(r"  table\.(\w+) = ", (folder / unit).read_text())
    header = f'"kernels/cuda/{Path(unit).stem}.h"'
    return own or [entry for path in sorted(folder.glob("*.cu"))
                   if path.name != unit and header in path.read_text()
                   for entry in entries_of(path.name)]


def filter_of(units):
    """The GoogleTest filter for the cases of the entries that these files fill."""
    suites = set()
    for unit in units:
        for entry in entries_of(unit):
            forward = re.sub("_bwd.*", "_fwd", entry)
            suites |= {f"{forward}.*", f"{entry}.*"}
            if entry.startswith("batch_norm"):
                suites.add("batch_norm*")
    if "pointwise.cu" in units:
        suites.add("concat.*")
    return ":".join(sorted(suites))


class Killer:
    """One run of tests: fails, crashes or does not end on what is wrong."""

    def __init__(self, name, emulator, command, environment=None):
        self.name, self.emulator, self.command = name, emulator, command
        self.environment = environment or {}
        self.limit, self.wrong = 600, None

    def run(self, library, number):
        """None where all tests pass, else how they did not."""
        environment = {**library.environment(number), **self.environment}
        try:
            done = subprocess.run(self.command, env=environment, timeout=self.limit, check=False,
                                  capture_output=True, text=True, errors="replace")
        except subprocess.TimeoutExpired:
            return "does not end"
        if done.returncode == 0:
            return None if re.search(r"PASSED  \] [1-9]", done.stdout) else "runs no test"
        if done.returncode < 0:
            return f"crash, signal {-done.returncode}"
        found = re.search(r"\[  FAILED  \] ([^\n]*?)(?: \(\d+ ms\))?\n", done.stdout)
        return found[1] if found else "fails"


def killers_of(project, units):
    tests = project.build / "bin"
    cases = filter_of(units)

    def ops(name, emulator, *options):
        device = emulator.replace("_", "-")
        return Killer(name, emulator, [str(tests / "op_tests"), f"--device={device}", *options,
                                       f"--gtest_filter={cases}", "--gtest_fail_fast"])

    entries = ",".join(entry for unit in units for entry in entries_of(unit))
    # Of products, what is counted in seconds; CI counts all of it.
    products = any(entry.startswith(("linear", "conv2d")) for entry in entries.split(","))
    traffic_tests = "*Product*densenet121*bf16*:*Product*linear_" if products else "-*Product*"
    traffic = Killer("traffic", "simt_counted",
                     [str(tests / "traffic_tests"), "--gtest_fail_fast",
                      f"--gtest_filter={traffic_tests}"],
                     {"LAMELLA_TRAFFIC_ENTRIES": entries})
    contracts = Killer("contracts", "simt",
                       [str(tests / "op_unit_tests"), "--gtest_filter=*Contracts.*",
                        "--gtest_fail_fast"], {"LAMELLA_TEST_DEVICE": "simt"})
    # Every case has run in two orders of threads by then; what all kernels share would take long.
    orders = 8 if len(units) == 1 else 3
    return [ops("simt f32", "simt"), contracts, ops("counted f32", "simt_counted"),
            ops("simt bf16", "simt", "--dtype=bf16"),
            ops("counted bf16", "simt_counted", "--dtype=bf16"),
            ops("orders", "simt", f"--simt-seeds={orders}"), traffic]


class Run:
    def __init__(self, args, folder):
        self.args, self.folder = args, Path(folder)
        self.project = Project(ROOT, args.build)
        files = [str(Path(name).resolve().relative_to(ROOT)) for name in args.file] or all_files()
        self.texts = {name: (ROOT / name).read_text() for name in files}
        self.trees = {name: Finder(name, text).find() for name, text in self.texts.items()}
        self.mutants = mutants_of(self.trees)
        seen = Counter()
        for number, mutant in enumerate(sorted(self.mutants, key=lambda one: one.line), 1):
            mutant.number = number
            seen[mutant.key] += 1
            times = seen[mutant.key]
            mutant.repeat = f" #{times}" if times > 1 else ""
        self.equivalent = read_equivalent(ROOT / "tools/mutants/equivalent.txt")
        self.killers = {}

    def chosen(self):
        args, chosen = self.args, self.mutants
        if args.match:
            chosen = [mutant for mutant in chosen if re.search(args.match, mutant.key)]
        if args.earlier:
            kept = {(row["key"], row["line"]) for row in
                    json.loads(Path(args.earlier).read_text())["mutants"]
                    if row["result"] in ("survived", "equivalent")}
            chosen = [mutant for mutant in chosen if (mutant.key, mutant.line) in kept]
        if args.sample and args.sample < len(chosen):
            chosen = random.Random(args.seed).sample(chosen, args.sample)
        return sorted(chosen, key=lambda mutant: mutant.number)

    def prepare(self):
        """Compiles, and runs everything on the kernels as they are: that must pass."""
        self.library, self.refused = build_all(self.project, self.folder / "all", self.texts,
                                               self.trees, self.args.jobs)
        for file in self.texts:
            self.killers[file] = killers_of(self.project, self.project.units([file]))

        def measure(killer):
            start = time.time()
            killer.wrong = killer.run(self.library, 0)
            killer.limit = 3 * (time.time() - start) + 3

        with ThreadPoolExecutor(self.args.jobs) as pool:
            list(pool.map(measure, sum(self.killers.values(), [])))
        for file, killers in self.killers.items():
            # Operands of some entries are f32 whatever is asked for: nothing to run in bf16.
            self.killers[file] = [one for one in killers if one.wrong != "runs no test"]
            for killer in self.killers[file]:
                if killer.wrong:
                    raise SystemExit(f"the kernels of {file} as they are do not pass "
                                     f"{killer.name}: {killer.wrong}")

    def judge(self, mutant):
        start = time.time()
        result, by, how = self.kill(mutant)
        listed = next((reason for pattern, reason in self.equivalent
                       if re.fullmatch(pattern, mutant.key)), None)
        if listed is not None and result == "survived":
            result, how = "equivalent", listed
        return {"key": mutant.key, "line": mutant.line, "what": mutant.what, "result": result,
                "by": by, "how": how, "wrongly_listed": listed is not None and result == "killed",
                "seconds": round(time.time() - start, 1)}

    def kill(self, mutant):
        if mutant.number in self.refused:
            return "stillborn", "", "does not compile"
        library, number = self.library, mutant.number
        own = self.folder / f"own{number}"
        if mutant.site.compiled:
            text = with_one(self.texts[mutant.file], mutant)
            library, number = Library(self.project, own, {mutant.file: text}, 1), 0
        try:
            for killer in self.killers[mutant.file]:
                library.need(killer.emulator)
                how = killer.run(library, number)
                if how:
                    return "killed", killer.name, how
        except DoesNotCompile:
            return "stillborn", "", "does not compile"
        finally:
            shutil.rmtree(own, ignore_errors=True)
        return "survived", "", ""


def read_equivalent(path):
    """Pairs of a pattern of keys (... stands for anything) and a reason. Lines that begin with #
    are the reason of the patterns that follow, up to the next empty line."""
    pairs, reason = [], ""
    for line in path.read_text().splitlines():
        if line.startswith("#"):
            reason = (reason + " " + line[1:].strip()).strip()
        elif line.strip():
            pattern = re.escape(line.strip()).replace(r"\.\.\.", ".*")
            pairs.append((pattern, reason))
        else:
            reason = ""
    return pairs


def show(row):
    before, after = row["key"].split(" | ", 2)[2].split(" => ", 1)
    print(f"\n{row['key'].split(' | ')[0]}:{row['line']}: {row['what']}\n- {before}\n+ {after}\n"
          f"  again: tools/mutate_kernels.py --file {row['key'].split(' | ')[0]} "
          f"--match '{re.escape(after)}$'")


def counts_of(rows):
    return Counter(row["by"] if row["result"] == "killed" else row["result"] for row in rows)


def write_json(path, rows):
    """So far: a run of hours that is ended early leaves what it has."""
    text = json.dumps({"schema": "lamella.mutants/1", "counts": counts_of(rows),
                       "mutants": "ROWS"}, indent=1)
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    Path(path).write_text(text.replace('"ROWS"', f"[\n{lines}]") + "\n")


def main():
    args = arguments()
    with tempfile.TemporaryDirectory() as folder:
        run = Run(args, folder)
        chosen = run.chosen()
        if args.list:
            for mutant in chosen:
                print(f"{mutant.line}: {mutant.what}: {mutant.key}")
            return 0
        if not chosen:
            raise SystemExit("there is no such mutant; see --list")
        start = time.time()
        run.prepare()
        print(f"{len(chosen)} mutants; compiled in {time.time() - start:.0f} s", flush=True)
        rows = []
        with ThreadPoolExecutor(args.jobs) as pool:
            for row in pool.map(run.judge, chosen):
                rows.append(row)
                if args.json:
                    write_json(args.json, rows)
                if row["result"] == "survived" or row["wrongly_listed"]:
                    show(row)
                    sys.stdout.flush()
    counts = counts_of(rows)
    wrong = [row for row in rows if row["wrongly_listed"]]
    print("\n" + ", ".join(f"{number} {name}" for name, number in sorted(counts.items())))
    print(f"{sum(row['seconds'] for row in rows):.0f} s of tests, {time.time() - start:.0f} s")
    for row in wrong:
        print(f"is listed as equivalent but killed by {row['by']}: {row['key']}")
    return 1 if counts["survived"] or wrong else 0


if __name__ == "__main__":
    sys.exit(main())
