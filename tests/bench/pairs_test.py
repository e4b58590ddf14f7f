#!/usr/bin/env python3
"""bench/pairs.py: times with a known answer get the verdict they must. pairs_test.py SOURCE"""

import random
import sys
import unittest

sys.path.append(f"{sys.argv.pop(1)}/bench")
from pairs import quiet_pairs, ratio_of_pairs, verdict  # noqa: E402


def times(seconds, spread, count=10, seed=0):
    source = random.Random(seed)
    return [seconds * source.uniform(1 - spread, 1 + spread) for _ in range(count)]


def word(theirs, ours):
    return verdict(ratio_of_pairs(theirs, ours), len(ours))


class Verdicts(unittest.TestCase):
    def test_clear_differences_are_told(self):
        for seed in range(20):
            ours = times(1e-3, 0.02, seed=seed)
            self.assertEqual(word(times(1.2e-3, 0.02, seed=100 + seed), ours), "FASTER")
            self.assertEqual(word(times(0.8e-3, 0.02, seed=100 + seed), ours), "SLOWER")

    def test_sides_change_places(self):
        opposite = {"FASTER": "SLOWER", "SLOWER": "FASTER", "SAME": "SAME",
                    "AMBIGUOUS": "AMBIGUOUS"}
        for factor in (0.5, 0.97, 1.0, 1.03, 2.0):
            theirs, ours = times(factor, 0.01, seed=1), times(1, 0.01, seed=2)
            self.assertEqual(word(ours, theirs), opposite[word(theirs, ours)])

    def test_little_noise_without_a_difference_is_the_same(self):
        for seed in range(20):
            self.assertEqual(word(times(1, 0.005, seed=seed), times(1, 0.005, seed=50 + seed)),
                             "SAME")

    def test_noise_is_ambiguous(self):
        for seed in range(20):
            self.assertEqual(word(times(1, 0.4, seed=seed), times(1, 0.4, seed=50 + seed)),
                             "AMBIGUOUS")

    def test_few_pairs_say_nothing(self):
        self.assertEqual(word([2.0] * 5, [1.0] * 5), "AMBIGUOUS")
        self.assertEqual(word([2.0] * 6, [1.0] * 6), "FASTER")
        self.assertEqual(verdict(None, 0), "AMBIGUOUS")

    def test_a_difference_within_the_margin_is_none(self):
        self.assertEqual(word([1.015] * 10, [1.0] * 10), "SAME")
        self.assertEqual(word([1.025] * 10, [1.0] * 10), "FASTER")

    def test_interval_holds_the_median(self):
        ratio = ratio_of_pairs(times(1, 0.3), times(1, 0.3, seed=7))
        self.assertLess(ratio["lower"], ratio["median"])
        self.assertLess(ratio["median"], ratio["upper"])
        self.assertEqual(ratio, ratio_of_pairs(times(1, 0.3), times(1, 0.3, seed=7)))

    def test_pairs_are_not_cut_to_the_shorter_side(self):
        with self.assertRaises(ValueError):
            ratio_of_pairs([1.0, 1.0], [1.0])


class Disturbance(unittest.TestCase):
    def test_a_pair_counts_between_two_quiet_loops(self):
        self.assertEqual(quiet_pairs([1, 1, 1, 1.5, 1, 1.05]), [0, 1, 4])

    def test_disturbed_pairs_do_not_change_the_verdict(self):
        # Eight pairs in which lamella needs half the time; before them eight in which, while the
        # machine is busy with something else, it needs four times as much.
        reference = [1.6] * 8 + [1.0] * 9
        ours, theirs = [4.0] * 8 + [1.0] * 8, [2.0] * 16
        kept = quiet_pairs(reference)
        self.assertEqual(kept, list(range(8, 16)))
        self.assertEqual(word([theirs[i] for i in kept], [ours[i] for i in kept]), "FASTER")
        self.assertNotEqual(word(theirs, ours), "FASTER")

    def test_what_is_usual_can_come_from_the_whole_run(self):
        busy = [1.6] * 11
        self.assertEqual(len(quiet_pairs(busy)), 10)
        self.assertEqual(quiet_pairs(busy, quiet_seconds=1.0), [])


if __name__ == "__main__":
    unittest.main()
