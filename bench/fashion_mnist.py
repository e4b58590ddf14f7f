#!/usr/bin/env python3
"""A small network on Fashion-MNIST: accuracy on its 10000 test images, and seconds.

    bench/fashion_mnist.py [--data /usr/share/datasets/fashion-mnist] [--bin build/release/bin]

`lamella train` with recipes/fashion_mnist.toml, then `lamella eval` on the test split; what they
say is kept in results/fashion_mnist.json.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile
import time

from machine import ROOT, describe_machine


def run(lamella, *arguments):
    begin = time.monotonic()
    done = subprocess.run([str(lamella), *map(str, arguments), "--json"], text=True,
                          stdout=subprocess.PIPE, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if done.returncode != 0:
        raise SystemExit(f"lamella {arguments[0]} failed")
    return json.loads(done.stdout), round(time.monotonic() - begin, 1)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--data", type=pathlib.Path,
                        default=pathlib.Path("/usr/share/datasets/fashion-mnist"))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    if not args.data.is_dir():
        raise SystemExit(f"SKIP fashion_mnist: no {args.data}; apt install dataset-fashion-mnist")
    lamella = args.bin / "lamella"
    with tempfile.TemporaryDirectory() as work:
        out = pathlib.Path(work) / "run"
        _, train_seconds = run(lamella, "train", "--config", ROOT / "recipes/fashion_mnist.toml",
                               "--data", args.data, "--threads", args.threads, "--out", out)
        scores, eval_seconds = run(lamella, "eval", out, "--split", "test", "--threads",
                                   args.threads)
        epochs = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    scores.pop("data")
    result = {"what": "recipes/fashion_mnist.toml, test split", "train_seconds": train_seconds,
              "eval_seconds": eval_seconds, "machine": describe_machine(lamella, args.threads),
              "epochs": epochs, "eval": scores}
    (ROOT / "bench/results/fashion_mnist.json").write_text(json.dumps(result, indent=1) + "\n")
    print(f"accuracy {scores['accuracy']:.4f} ({scores['n']} images), trained in {train_seconds} s")


if __name__ == "__main__":
    main()
