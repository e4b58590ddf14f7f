"""Judges what `train_cbr.py --seeds` wrote: do lamella and PyTorch reach the same accuracy?

  compare_accuracy.py bench/results/accuracy_cbr.json

Accuracy is that of the last epoch's weights on the validation images: nothing was chosen by it.
The interval of the difference is a bootstrap over micrographs, because crops of one micrograph are
alike. Both must reach twice the share of the largest class, and differ by at most two points.
"""

import json
import pathlib
import sys

import numpy as np

MOST_DIFFERENCE = 0.02


def right_answers(record, side):
    """[seeds, images], 1 where the predicted class is the true one."""
    labels = np.array(record["labels"])
    return np.array([np.array(seed[side]["predicted"]) == labels for seed in record["seeds"]],
                    dtype=np.float64)


def bootstrap_difference(ours, theirs, micrograph, draws=10000):
    """95 % interval of the difference of mean accuracies, micrographs drawn with replacement."""
    groups = np.unique(micrograph)
    gain = (ours - theirs).mean(axis=0)
    sums = np.array([gain[micrograph == group].sum() for group in groups])
    sizes = np.array([(micrograph == group).sum() for group in groups])
    picks = np.random.default_rng(0).integers(0, len(groups), (draws, len(groups)))
    differences = sums[picks].sum(axis=1) / sizes[picks].sum(axis=1)
    return [float(value) for value in np.quantile(differences, [0.025, 0.975])]


def judge(record):
    ours, theirs = right_answers(record, "lamella"), right_answers(record, "torch")
    micrograph = np.array(record["micrograph"])
    majority = float(np.bincount(record["labels"]).max() / len(record["labels"]))
    means = {"lamella": float(ours.mean()), "torch": float(theirs.mean())}
    return {
        "images": ours.shape[1], "micrographs": len(np.unique(micrograph)),
        "seeds": len(record["seeds"]), "majority_share": majority,
        "accuracy": {"lamella": ours.mean(axis=1).tolist(), "torch": theirs.mean(axis=1).tolist()},
        "mean_accuracy": means, "difference": means["lamella"] - means["torch"],
        "difference_interval95": bootstrap_difference(ours, theirs, micrograph),
        "seconds": {side: float(np.mean([seed[side]["seconds"] for seed in record["seeds"]]))
                    for side in ("lamella", "torch")},
        "same": abs(means["lamella"] - means["torch"]) <= MOST_DIFFERENCE
        and min(means.values()) >= 2 * majority}


def main():
    path = pathlib.Path(sys.argv[1])
    record = json.loads(path.read_text())
    verdict = judge(record)
    record["verdict"] = verdict
    path.write_text(json.dumps(record) + "\n")
    for side, accuracy in verdict["accuracy"].items():
        print(f"{side:8} mean {verdict['mean_accuracy'][side]:.4f}  seeds "
              + " ".join(f"{value:.4f}" for value in accuracy)
              + f"  training {verdict['seconds'][side]:.0f} s")
    low, high = verdict["difference_interval95"]
    print(f"difference {verdict['difference']:+.4f} (95 % interval {low:+.4f} to {high:+.4f}, "
          f"{verdict['micrographs']} micrographs, {verdict['images']} images); largest class "
          f"{verdict['majority_share']:.4f}")
    print("the same within two points, both at least twice the largest class's share"
          if verdict["same"] else "NOT the same, or not better than twice the largest class")
    return 0 if verdict["same"] else 1


if __name__ == "__main__":
    sys.exit(main())
