#!/usr/bin/env python3
"""Five grouped folds of cbr_small on the real TEM crops, and all five models on held-out images.

    LAMELLA_TEST_DATA=FOLDER bench/crossval.py [--run FOLDER] [--bin build/release/bin]

One command, `lamella train --folds 5` with recipes/tem_cbr_small_cpu.toml; its summary is kept in
results/crossval_tem.json. The run stays in --run, default build/crossval, with its report; what was
interrupted there goes on, and what is finished is not done again.
"""
import argparse
import json
import os
import pathlib
import subprocess

from machine import ROOT, describe_machine


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--run", type=pathlib.Path, default=ROOT / "build/crossval")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if "LAMELLA_TEST_DATA" not in os.environ:
        raise SystemExit("SKIP crossval: LAMELLA_TEST_DATA is not set")
    lamella, summary = args.bin / "lamella", args.run / "crossval.json"
    finished = summary.exists() and json.loads(summary.read_text())["status"] == "finished"
    if not finished:
        what = ["--resume", args.run] if args.run.exists() else [
            "--config", ROOT / "recipes/tem_cbr_small_cpu.toml", "--folds", 5, "--out", args.run,
            "--data", pathlib.Path(os.environ["LAMELLA_TEST_DATA"]) / "tem_virus",
            "--threads", args.threads]
        subprocess.run([str(lamella), "train", *map(str, what)], check=True)
    made = json.loads(summary.read_text())
    made.pop("data")
    first = json.loads((args.run / made["runs"][0]["folder"] / "run.json").read_text())
    result = {"what": "recipes/tem_cbr_small_cpu.toml, --folds 5", "made_by": first["machine"],
              "machine": describe_machine(lamella, args.threads), "crossval": made}
    (ROOT / "bench/results/crossval_tem.json").write_text(json.dumps(result, indent=1) + "\n")
    folds, held_out = made["over_runs"]["accuracy"], made["held_out"]
    print(f"folds {folds['mean']:.3f} +- {folds['sd']:.3f}; held out: one model "
          f"{held_out['each']['mean']:.3f}, all {held_out['mean_probability']['accuracy']:.3f}, "
          f"by vote {held_out['majority_vote']['accuracy']:.3f}")


if __name__ == "__main__":
    main()
