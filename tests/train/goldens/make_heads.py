"""Writes heads.txt: feature vectors, and the minima that the linear heads must find.

The objective of train/head.h, minimised in double by scipy's L-BFGS-B until the gradient is below
1e-9. That scikit-learn's LogisticRegression finds the same softmax weights is asserted here. The
tests only read the result, made with the versions named in its first line.
"""
import pathlib

import numpy as np
import scipy
import sklearn
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression


def softmax_loss(scores, labels):
    shifted = scores - scores.max(1, keepdims=True)
    p = np.exp(shifted)
    p /= p.sum(1, keepdims=True)
    rows = np.arange(len(labels))
    loss = -np.log(p[rows, labels]).mean()
    p[rows, labels] -= 1
    return loss, p / len(labels)


def hinge_loss(scores, labels):
    y = np.where(np.arange(scores.shape[1]) == labels[:, None], 1.0, -1.0)
    lacking = np.maximum(0, 1 - y * scores)
    return (lacking**2).sum(1).mean(), -2 * y * lacking / len(labels)


def solve(loss, x, labels, classes, l2):
    width = x.shape[1]

    def objective(flat):
        w, b = flat[:classes * width].reshape(classes, width), flat[classes * width:]
        value, slope = loss(x @ w.T + b, labels)
        return (value + l2 / 2 * (w**2).sum(),
                np.concatenate([(slope.T @ x + l2 * w).ravel(), slope.sum(0)]))

    found = minimize(objective, np.zeros(classes * (width + 1)), jac=True, method="L-BFGS-B",
                     options={"maxiter": 100000, "maxfun": 100000, "gtol": 1e-9, "ftol": 0})
    assert np.abs(found.jac).max() < 1e-7, np.abs(found.jac).max()
    return found.x[:classes * width].reshape(classes, width), found.x[classes * width:], found.fun


def line(name, values):
    return name + " " + " ".join(repr(float(v)) for v in np.ravel(values))


def lines_of(rng, count, width, classes):
    labels = np.arange(count) % classes
    centres = rng.normal(0, 1, (classes, width))
    x = np.round(centres[labels] + rng.normal(0, 1.2, (count, width)), 3)
    yield f"case {count} {width} {classes}"
    yield line("x", x)
    yield line("labels", labels)
    for name, loss in (("softmax", softmax_loss), ("svm", hinge_loss)):
        for l2 in (0.1, 0.003):
            w, b, value = solve(loss, x, labels, classes, l2)
            if name == "softmax" and classes > 2:
                peer = LogisticRegression(C=1 / (l2 * count), tol=1e-9, max_iter=100000)
                peer.fit(x, labels)
                assert np.abs(peer.coef_ - w).max() < 1e-4, np.abs(peer.coef_ - w).max()
            yield f"{name} {l2}"
            yield line("objective", value)
            yield line("w", w)
            # Softmax knows biases up to a constant: those found from 0 have sum 0.
            yield line("b", b)


def main():
    rng = np.random.default_rng(11)
    lines = [f"# scikit-learn {sklearn.__version__}, scipy {scipy.__version__}, "
             f"numpy {np.__version__}; make_heads.py"]
    for count, width, classes in ((60, 7, 4), (15, 20, 3), (24, 5, 2)):
        lines += lines_of(rng, count, width, classes)
    pathlib.Path(__file__).with_name("heads.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
