"""Writes metrics.txt: confusion matrices and scikit-learn's figures for them.

One line of a case: `case CLASSES`, the matrix row by row, then `name values...`. Made with the
versions named in the file's first line; the tests only read the result.
"""
import pathlib
import warnings

import numpy as np
import sklearn
from sklearn.metrics import (accuracy_score, balanced_accuracy_score, fbeta_score,
                             precision_recall_fscore_support)

warnings.simplefilter("ignore")


def labels_of(matrix):
    truth, predicted = [], []
    for t, row in enumerate(matrix):
        for p, count in enumerate(row):
            truth += [t] * int(count)
            predicted += [p] * int(count)
    return np.array(truth), np.array(predicted)


def wilson(hits, n, z=1.959963984540054):
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def lines_of(matrix):
    truth, predicted = labels_of(matrix)
    yield f"case {len(matrix)}"
    for row in matrix:
        yield " ".join(str(int(count)) for count in row)
    every = list(range(len(matrix)))
    per_class = precision_recall_fscore_support(truth, predicted, labels=every, zero_division=0)
    for name, values in zip(("precision", "recall", "f1"), per_class):
        yield name + " " + " ".join(repr(float(v)) for v in values)
    for average in ("macro", "weighted"):
        p, r, f1, _ = precision_recall_fscore_support(truth, predicted, average=average,
                                                      zero_division=0)
        f2 = fbeta_score(truth, predicted, beta=2, average=average, zero_division=0)
        f0_5 = fbeta_score(truth, predicted, beta=0.5, average=average, zero_division=0)
        yield f"{average} " + " ".join(repr(float(v)) for v in (p, r, f1, f2, f0_5))
    accuracy = accuracy_score(truth, predicted)
    low, high = wilson(round(accuracy * len(truth)), len(truth))
    figures = (accuracy, low, high, balanced_accuracy_score(truth, predicted))
    yield "accuracy " + " ".join(repr(float(v)) for v in figures)


def main():
    rng = np.random.default_rng(7)
    cases = [np.array([[5, 1], [0, 3]]), np.array([[0, 4], [0, 0]]), np.array([[3]]),
             np.array([[2, 0, 1], [0, 0, 0], [0, 0, 0]]),  # a class neither true nor predicted
             np.array([[0, 2, 0], [3, 0, 1], [1, 1, 0]]),  # nothing right
             np.array([[4, 1, 0], [1, 5, 2], [0, 0, 0]])]  # a class predicted, never true
    for classes in (4, 14, 22):
        matrix = rng.integers(0, 6, (classes, classes)) * (rng.random((classes, classes)) < 0.3)
        matrix[np.arange(classes), np.arange(classes)] += rng.integers(0, 40, classes)
        cases.append(matrix)
    lines = [f"# scikit-learn {sklearn.__version__}, numpy {np.__version__}; make_metrics.py"]
    for matrix in cases:
        lines += lines_of(matrix)
    path = pathlib.Path(__file__).with_name("metrics.txt")
    path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
