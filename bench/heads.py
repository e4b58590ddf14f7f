#!/usr/bin/env python3
"""Small heads on frozen features of real TEM crops: accuracy and seconds.

    LAMELLA_TEST_DATA=FOLDER bench/heads.py [--bin build/release/bin] [--work FOLDER]

For each layer of Inception-v3, `lamella embed` runs once over all crops, then every kind of head is
trained on the train split, its L2 chosen by grouped cross-validation there, and tested on the
validation split. Softmax and svm are convex: they have no seed but that of the folds, so each head
is trained with three. The answers of the tool are kept whole in results/heads_tem.json. With --work
features are kept, and used again; the seconds of embed are then those of the result before.
"""
import argparse
import json
import os
import pathlib
import subprocess
import tempfile

from machine import ROOT, describe_machine

LAYERS = ("Mixed_6c", "Mixed_6e", "Mixed_7c")
KINDS = ("softmax", "svm", "mlp")
SEEDS = (0, 1, 2)


def run(lamella, *arguments):
    done = subprocess.run([str(lamella), *map(str, arguments), "--json"], text=True,
                          capture_output=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})
    if done.returncode != 0:
        raise SystemExit(f"lamella {arguments[0]}: {done.stderr}")
    return json.loads(done.stdout)


def without_paths(answer):
    """The answer, less the names of this machine's folders and what would only repeat itself."""
    for key in ("data", "out", "predictions"):
        answer.pop(key, None)
    answer.get("features", {}).pop("file", None)
    return answer


def measure(lamella, data, work, threads, earlier):
    for layer in LAYERS:
        before = earlier.get(layer, {})
        features = pathlib.Path(work) / f"{layer}.safetensors"
        embedded = run(lamella, "embed", "--model", "inception_v3_tf", "--weights",
                       data / "weights" / "inception_v3_backbone.safetensors", "--data",
                       data / "tem_virus", "--layer", layer, "--size", 299, "--channels", 3,
                       "--normalise", "0,0,0/1,1,1", "--resize", "stretch", "--margin", 0,
                       "--interpolation", "bilinear", "--out", features, "--threads", threads)
        if embedded["reused"] and before.get("fingerprint") == embedded["fingerprint"]:
            embedded = before  # the seconds are those of the run that made the features
        heads = [without_paths(run(lamella, "head", "--features", features, "--kind", kind,
                                   "--seed", seed, "--threads", threads))
                 for kind in KINDS for seed in SEEDS]
        for head in heads:
            print(f"{layer} {head['kind']:8} seed {head['seed']}: l2 {head['choice']['l2']:<7g} "
                  f"accuracy {head['accuracy']:.4f} balanced {head['balanced_accuracy']:.4f} "
                  f"in {head['seconds']['choice']:.1f} + {head['seconds']['training']:.2f} s",
                  flush=True)
        yield {"embed": without_paths(embedded), "heads": heads}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, default=ROOT / "build/release/bin")
    parser.add_argument("--work", help="folder in which features are kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench/results/heads_tem.json")
    args = parser.parse_args()
    data = os.environ.get("LAMELLA_TEST_DATA")
    if not data:
        raise SystemExit("SKIP heads: LAMELLA_TEST_DATA is not set")
    lamella = args.bin / "lamella"
    earlier = {}
    if args.out.exists():
        for row in json.loads(args.out.read_text())["layers"]:
            earlier[row["embed"]["layer"]] = row["embed"]
    with tempfile.TemporaryDirectory() as temporary:
        layers = list(measure(lamella, pathlib.Path(data), args.work or temporary, args.threads,
                              earlier))
    result = {"what": "heads on frozen features of inception_v3_tf, tem_virus",
              "machine": describe_machine(lamella, args.threads), "layers": layers}
    args.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
