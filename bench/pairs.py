"""Times of two sides that took turns: which pairs count, how sure their ratio is, and the verdict.

A ratio is the peer's time over lamella's: above 1 lamella is faster. The statistics need nothing
but Python.
"""

import random
import statistics
import time

DISTURBED = 1.10  # of the reference loop's lower quartile
MARGIN = 0.02  # what counts as no difference, either way
LEAST_PAIRS = 6  # fewer say nothing


def settle(seconds):
    """Waits until the threads that the last iteration left spinning have gone to sleep."""
    time.sleep(seconds)


def reference_loop(products=4):
    """Seconds of products of fixed matrices: the speed of the machine at this moment. The least
    of three, so that it is the machine's and not that of one interrupt."""
    import numpy as np  # here: what only computes with times runs without it
    a = np.full((768, 768), 0.5, np.float32)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        for _ in range(products):
            a @ a
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def usual(reference):
    """The reference loop's time on the machine when it is quiet."""
    return statistics.quantiles(reference, n=4)[0] if len(reference) > 1 else reference[0]


def quiet_pairs(reference, quiet_seconds=None):
    """The pairs that lie between two undisturbed runs of the reference loop; pair i is between
    reference[i] and reference[i + 1]."""
    limit = DISTURBED * (quiet_seconds or usual(reference))
    quiet = [value <= limit for value in reference]
    return [i for i in range(len(reference) - 1) if quiet[i] and quiet[i + 1]]


def bootstrap_medians(ratios, draws):
    """Medians of samples drawn from the ratios with replacement, in order; the same every time."""
    source = random.Random(0)
    return sorted(statistics.median(source.choices(ratios, k=len(ratios))) for _ in range(draws))


def quantile(ordered, share):
    """With linear interpolation between neighbours."""
    at = share * (len(ordered) - 1)
    low = int(at)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (at - low) * (ordered[high] - ordered[low])


def ratio_of_pairs(theirs, ours, draws=2000):
    """Median of the ratios of pairs, and the two-sided 95 % interval of that median."""
    ratios = [their / our for their, our in zip(theirs, ours, strict=True)]
    medians = bootstrap_medians(ratios, draws)
    return {"median": statistics.median(ratios), "lower": quantile(medians, 0.025),
            "upper": quantile(medians, 0.975)}


def verdict(ratio, pairs):
    """FASTER or SLOWER where the whole interval lies beyond the margin, SAME where all of it lies
    within, AMBIGUOUS otherwise and where there are too few undisturbed pairs."""
    if ratio is None or pairs < LEAST_PAIRS:
        return "AMBIGUOUS"
    if ratio["lower"] > 1 + MARGIN:
        return "FASTER"
    if ratio["upper"] < 1 / (1 + MARGIN):
        return "SLOWER"
    if ratio["lower"] >= 1 / (1 + MARGIN) and ratio["upper"] <= 1 + MARGIN:
        return "SAME"
    return "AMBIGUOUS"
