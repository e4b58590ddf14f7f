"""Writes ranking.txt: probabilities and scikit-learn's figures for them.

One line of a case: `case CLASSES IMAGES`, then a line per image, `LABEL k k ...`: the probability
of a class is k / 64, in f32 on both sides, so that there are ties. They need not add up to 1. Then
`name values...`; nan where scikit-learn has no figure. Calibration has none there: its figures are
computed here from their definitions. Made with the versions named in the file's first line; the
tests only read the result.
"""
import pathlib
import warnings

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize_scalar
from scipy.special import logsumexp
from sklearn.metrics import average_precision_score, roc_auc_score

warnings.simplefilter("ignore")
UNIT = 64
BINS = 15


def auroc(positive, score):
    return roc_auc_score(positive, score) if 0 < positive.sum() < len(positive) else np.nan


def auprc(positive, score):
    return average_precision_score(positive, score) if positive.any() else np.nan


def macro(values):
    return np.nanmean(values) if not np.isnan(values).all() else np.nan


def calibration(labels, p):
    confidence, right = p.max(axis=1), p.argmax(axis=1) == labels
    edges = np.arange(1, BINS + 1) / BINS
    bins = np.searchsorted(edges, confidence)
    error = largest = 0.0
    for b in range(BINS):
        here = bins == b
        if here.any():
            gap = abs(right[here].mean() - confidence[here].mean())
            error += gap * here.mean()
            largest = max(largest, gap)
    return error, largest, ((p - np.eye(p.shape[1])[labels]) ** 2).sum(axis=1).mean()


def temperature(labels, p):
    z = np.log(np.maximum(p, 1e-38))
    rows = np.arange(len(labels))

    def loss(log_b):
        scaled = z * np.exp(log_b)
        return (logsumexp(scaled, axis=1) - scaled[rows, labels]).mean()
    bounds = -np.log(100), np.log(100)  # which the search itself does not try
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-12})
    return min(loss(found.x), *map(loss, bounds))


def case(out, labels, counts):
    labels, p = np.array(labels), np.array(counts) / UNIT
    out.append(f"case {p.shape[1]} {len(labels)}")
    out += [f"{label} {' '.join(map(str, row))}" for label, row in zip(labels, counts)]
    positives = [(labels == c).astype(int) for c in range(p.shape[1])]
    roc = np.array([auroc(y, p[:, c]) for c, y in enumerate(positives)])
    pr = np.array([auprc(y, p[:, c]) for c, y in enumerate(positives)])
    for name, values in (("auroc", roc), ("auprc", pr), ("macro", (macro(roc), macro(pr))),
                         ("calibration", calibration(labels, p)),
                         ("cross_entropy", (temperature(labels, p),))):
        out.append(f"{name} {' '.join(repr(float(v)) for v in values)}")


def main():
    rng = np.random.default_rng(20)
    out = [f"# scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, "
           f"numpy {np.__version__}; make_ranking.py"]
    case(out, [0], [[64, 0]])  # one image
    case(out, [1], [[64, 0]])
    case(out, [0, 0, 0], [[40, 24], [64, 0], [32, 32]])  # one class absent
    case(out, [0, 1, 0, 1], [[32, 32]] * 4)  # all scores equal
    case(out, [0, 1, 2, 1], [[0, 0, 64]] * 4)
    case(out, [0, 0, 1, 1], [[64, 0], [63, 1], [2, 62], [1, 63]])  # perfect
    case(out, [1, 1, 0, 0], [[64, 0], [63, 1], [2, 62], [1, 63]])  # all wrong
    case(out, [0], [[64]])  # one class
    while sum(line.startswith("case") for line in out) < 58:
        classes, images = int(rng.integers(2, 7)), int(rng.integers(2, 40))
        labels = rng.integers(0, classes, images)
        skill = rng.uniform(0, 4)
        p = rng.dirichlet(np.ones(classes) * rng.choice([0.2, 1, 5]), images)
        p[np.arange(images), labels] *= 1 + skill
        counts = np.round(UNIT * p / p.sum(axis=1, keepdims=True)).astype(int)
        case(out, labels.tolist(), counts.tolist())
    pathlib.Path(__file__).with_name("ranking.txt").write_text("\n".join(out) + "\n")


main()
