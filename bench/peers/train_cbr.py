"""The recipe of a CBR network trained by lamella and by PyTorch, from the same initial weights.

Both sides see the same images in the same order with the same augmentation, the same preprocessing
and the same optimiser and schedule; only the arithmetic differs.

  train_cbr.py --data DIR --compare-losses 50     do the first 50 losses agree within 1e-3?
  train_cbr.py --data DIR --seeds 0..4            whole recipe, both sides, per-image predictions

DIR holds {train,validation}/<Class>/*.png and manifest.csv (path, class, micrograph), as
`lamella train` reads them. Writes JSON into --out. compare_accuracy.py judges the second form.
"""

import argparse
import csv
import json
import math
import pathlib
import subprocess
import sys
import time
import tomllib

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import load_file
from torch.nn import functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path += [str(ROOT / "tests" / "goldens"), str(ROOT / "bench")]
from machine import describe_machine  # noqa: E402
from philox import AUGMENT, SHUFFLE, Rng, permutation  # noqa: E402
from torch_nets import from_memory_order, make_net  # noqa: E402


class Images:
    """One split as the loader of io/ gives it: resized 8-bit gray, sorted by path."""

    def __init__(self, data, split, size):
        with open(data / "manifest.csv", newline="") as file:
            rows = {row["path"]: row for row in csv.DictReader(file)}
        self.classes = sorted({row["class"] for row in rows.values()}, key=str.encode)
        self.paths = sorted((p for p in rows if p.startswith(split + "/")), key=str.encode)
        self.labels = np.array([self.classes.index(rows[p]["class"]) for p in self.paths])
        self.groups = [rows[p]["micrograph"] for p in self.paths]
        self.pixels = [self._read(data / p, size) for p in self.paths]

    @staticmethod
    def _read(path, size):
        image = Image.open(path).convert("L")
        return np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))


def z_score(image):
    """(x - mean) / std over the image, biased; a constant image becomes zeros."""
    x = image.astype(np.float64)
    std = x.std()
    return ((x - x.mean()) / std if std > 0 else x * 0.0).astype(np.float32)


def augment(image, augmentations, seed, epoch, index):
    """Flips and quarter turns, drawn as io/augment.h says."""
    rng = Rng((seed + epoch * 0x9E3779B97F4A7C15) % 2**64, AUGMENT, index)
    rng.below(1), rng.below(1)  # the place of a crop that is switched off
    left_right, upside_down, turns = rng.below(2), rng.below(2), rng.below(4)
    if "flips" in augmentations:
        image = image[:, ::-1] if left_right else image
        image = image[::-1] if upside_down else image
    return np.rot90(image, turns) if "turns" in augmentations else image


def batches(images, recipe, seed, epoch):
    order = permutation(len(images.paths), Rng(seed, SHUFFLE, epoch))
    augmentations = recipe.get("augment", "none").split(",")
    for first in range(0, len(order), recipe["batch"]):
        chosen = order[first : first + recipe["batch"]]
        pixels = [z_score(augment(images.pixels[i], augmentations, seed, epoch, i))
                  for i in chosen]
        yield torch.from_numpy(np.stack(pixels)[:, None]), torch.from_numpy(images.labels[chosen])


def load_initial_weights(net, run):
    """From the run folder of `lamella train --epochs 0`; there filters are [K,R,S,C]."""
    stored = load_file(run / "model-best.safetensors")
    state = {name: from_memory_order(stored.pop(name), like)
             for name, like in net.state_dict().items() if not name.endswith("batches_tracked")}
    assert not stored, f"tensors that the twin lacks: {sorted(stored)}"
    net.load_state_dict(state, strict=False)


def learning_rate(recipe, step, total):
    if recipe["schedule"] == "constant":
        return recipe["lr"]
    assert recipe["schedule"] == "cosine", "the twin knows the schedules constant and cosine"
    return recipe["lr"] * 0.5 * (1.0 + math.cos(math.pi * min(1.0, step / total)))


def predict(net, images, batch):
    net.eval()
    pixels = torch.from_numpy(np.stack([z_score(image) for image in images.pixels])[:, None])
    with torch.inference_mode():
        logits = torch.cat([net(part) for part in pixels.split(batch)])
    return logits.argmax(dim=1).tolist()


def train_torch(recipe, train, validation, run, seed, epochs, most_steps=None,
                layout=torch.channels_last):
    """Losses of all steps, predictions of the last epoch, and seconds of training alone."""
    net = make_net(recipe["model"], recipe["size"], recipe["size"], 1, len(train.classes))
    load_initial_weights(net, run)
    net = net.to(memory_format=layout)
    make = {"adam": lambda p: torch.optim.Adam(p, lr=recipe["lr"]),
            "sgd": lambda p: torch.optim.SGD(p, lr=recipe["lr"],
                                             momentum=recipe.get("momentum", 0.9))}
    optimiser = make[recipe["optimizer"]](net.parameters())
    total = epochs * math.ceil(len(train.paths) / recipe["batch"])
    losses, seconds = [], 0.0
    for epoch in range(epochs):
        started = time.perf_counter()
        net.train()
        for x, labels in batches(train, recipe, seed, epoch):
            for group in optimiser.param_groups:
                group["lr"] = learning_rate(recipe, len(losses), total)
            optimiser.zero_grad()
            loss = F.cross_entropy(net(x.contiguous(memory_format=layout)), labels)
            loss.backward()
            optimiser.step()
            losses.append(loss.item())
            if len(losses) == most_steps:
                return losses, None, None
        seconds += time.perf_counter() - started
        print(f"  torch seed {seed} epoch {epoch + 1}/{epochs} loss {losses[-1]:.4f}", flush=True)
    return losses, predict(net, validation, recipe["batch"]), seconds


def lamella(binary, *arguments):
    done = subprocess.run([str(binary), *map(str, arguments)], text=True, capture_output=True)
    if done.returncode != 0:
        sys.exit(f"lamella {' '.join(map(str, arguments))} failed:\n{done.stderr}")
    return done.stdout


def train_lamella(args, recipe, seed, epochs, name):
    run = args.work / f"{name}-{seed}"
    lamella(args.lamella, "train", "--config", args.recipe, "--data", args.data, "--seed", seed,
            "--epochs", epochs, "--lr", recipe["lr"], "--threads", args.threads, "--log-steps",
            "--device", "cpu", "--out", run)
    return run


def lines_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def predict_lamella(args, run, images):
    """Classes of the last epoch's weights, one per image."""
    files = [args.data / path for path in images.paths]
    answer = json.loads(lamella(args.lamella, "predict", "--weights",
                                run / "checkpoint-last.safetensors", "--json", "--", *files))
    assert answer["labels"] == images.classes and not answer["skipped"]
    top = {p["file"]: p["top"][0]["index"] for p in answer["predictions"]}
    return [top[str(file)] for file in files]


def compare_losses(args, recipe, train, validation):
    steps = args.compare_losses
    epochs = math.ceil(steps / math.ceil(len(train.paths) / recipe["batch"]))
    init = train_lamella(args, recipe, 0, 0, "init")
    ours = lines_of(train_lamella(args, recipe, 0, epochs, "losses") / "steps.jsonl")
    ours = [step["loss"] for step in ours][:steps]
    theirs = train_torch(recipe, train, validation, init, 0, epochs, steps)[0]
    again = train_torch(recipe, train, validation, init, 0, epochs, steps,
                        torch.contiguous_format)[0]
    for step, (a, b) in enumerate(zip(ours, theirs, strict=True), start=1):
        print(f"step {step:3d}  lamella {a:.6f}  torch {b:.6f}  difference {a - b:+.1e}")
    worst = max(abs(a - b) for a, b in zip(ours, theirs))
    own = max(abs(a - b) for a, b in zip(again, theirs))
    print(f"largest difference of {steps} losses: {worst:.2e} (allowed: 1e-3); between PyTorch's "
          f"own two memory formats: {own:.2e}")
    write(args, recipe, "losses_cbr", {
        "lamella": ours, "torch": theirs, "torch_contiguous": again,
        "largest_difference": worst, "largest_difference_within_torch": own})
    return 0 if worst <= 1e-3 else 1


def whole_recipe(args, recipe, train, validation):
    micrographs = sorted(set(validation.groups))
    seeds = []
    for seed in args.seeds:
        init = train_lamella(args, recipe, seed, 0, "init")
        run = train_lamella(args, recipe, seed, recipe["epochs"], "run")
        log = lines_of(run / "log.jsonl")
        losses, predicted, seconds = train_torch(recipe, train, validation, init, seed,
                                                 recipe["epochs"])
        ours = predict_lamella(args, run, validation)
        agree = np.mean(np.array(ours) == validation.labels)
        assert abs(agree - log[-1]["val"]["accuracy"]) < 1e-9, "predict and train disagree"
        seeds.append({
            "seed": seed,
            "lamella": {"predicted": ours, "seconds": sum(line["seconds"] for line in log),
                        "best_epoch_accuracy": max(line["val"]["accuracy"] for line in log),
                        "losses": [step["loss"] for step in lines_of(run / "steps.jsonl")]},
            "torch": {"predicted": predicted, "seconds": seconds, "losses": losses}})
        print(f"seed {seed}: accuracy lamella {agree:.4f}, torch "
              f"{np.mean(np.array(predicted) == validation.labels):.4f}", flush=True)
    write(args, recipe, "accuracy_cbr", {
        "labels": validation.labels.tolist(), "classes": validation.classes,
        "micrograph": [micrographs.index(group) for group in validation.groups], "seeds": seeds})
    return 0


def write(args, recipe, name, results):
    args.out.mkdir(parents=True, exist_ok=True)
    record = {"schema": f"lamella.bench.{name}/1", "recipe": recipe,
              "machine": describe_machine(args.lamella, args.threads), **results}
    (args.out / f"{name}.json").write_text(json.dumps(record) + "\n")
    print(f"wrote {args.out / name}.json")


def parse(arguments):
    def seeds(text):
        first, _, last = text.partition("..")
        return list(range(int(first), int(last or first) + 1))

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--recipe", type=pathlib.Path,
                        default=ROOT / "recipes" / "tem_cbr_small_cpu.toml")
    parser.add_argument("--lamella", type=pathlib.Path,
                        default=ROOT / "build" / "release" / "bin" / "lamella")
    parser.add_argument("--work", type=pathlib.Path, required=True, help="for run folders")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "results")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--epochs", type=int, help="instead of the recipe's")
    parser.add_argument("--lr", type=float, help="instead of the recipe's")
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--compare-losses", type=int, metavar="STEPS")
    mode.add_argument("--seeds", type=seeds, metavar="FIRST..LAST")
    return parser.parse_args(arguments)


def main():
    args = parse(sys.argv[1:])
    recipe = tomllib.loads(args.recipe.read_text())
    recipe.update({key: value for key, value in (("epochs", args.epochs), ("lr", args.lr))
                   if value is not None})
    assert recipe["normalise"] == "zscore" and "crop" not in recipe.get("augment", "")
    torch.set_num_threads(args.threads)
    train = Images(args.data, "train", recipe["size"])
    validation = Images(args.data, "validation", recipe["size"])
    run = compare_losses if args.compare_losses else whole_recipe
    return run(args, recipe, train, validation)


if __name__ == "__main__":
    sys.exit(main())
