#!/usr/bin/env python3
"""bin/ops_side: names, values and sentences are those that peers rely on.
ops_side_test.py SOURCE BUILD"""

import argparse
import contextlib
import io
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

SOURCE, BUILD = pathlib.Path(sys.argv.pop(1)), pathlib.Path(sys.argv.pop(1))
sys.path.append(str(SOURCE / "bench"))
import compare_ops  # noqa: E402
from shapes_lines import Line, measured_lines  # noqa: E402

SIDE = BUILD / "bin" / "ops_side"
PERIOD = 1048571
# One small line for each entry that networks call, so that its backward comes with it.
SMALL = """net:conv conv2d_fwd N=2 H=9 W=8 C=3 K=5 R=3 S=3 pad=1x1 dtype=f32
net:bn batch_norm_apply pixels=40 C=5 x_pitch=7 relu_in=1 relu_out=1 dtype=f32
net:copy copy pixels=12 C=3 x_pitch=4 y_pitch=8 dtype=f32
net:max max_pool2d_fwd N=1 H=8 W=8 C=3 R=3 S=3 stride=2x2 pad=1x1 dtype=f32
net:avg avg_pool2d_fwd N=1 H=8 W=8 C=3 R=2 S=2 stride=2x2 dtype=f32
net:global global_avg_pool_fwd N=2 pixels=20 C=6 dtype=f32
net:relu relu_fwd pixels=12 C=5 dtype=f32
net:drop dropout_fwd pixels=12 C=5 dtype=f32
net:linear linear_fwd N=3 C=7 K=5 dtype=f32
net:loss softmax_cross_entropy_fwd N=4 C=6 dtype=f32
"""


def k(j):
    return (pow(j, 3, PERIOD) - PERIOD // 2) / 2**19


def values(name, count):
    """The formula of bench/formula_values.h once more, around 0."""
    seed = 0
    for letter in name.encode():
        seed = (seed * 31 + letter) % PERIOD
    return [k(seed * 7919 + i) + 0.25 for i in range(count)]


def amounts(elements):
    return [sum(v * v for v in elements) ** 0.5, sum(v * k(i) for i, v in enumerate(elements))]


def ask(*commands):
    done = subprocess.run([SIDE, "--threads=1"], input="\n".join(commands) + "\n", text=True,
                          capture_output=True, check=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def listed(*options):
    done = subprocess.run([SIDE, "--list", *options], text=True, capture_output=True, check=True)
    return [tuple(line.split(" ", 1)) for line in done.stdout.splitlines()]


class Names(unittest.TestCase):
    def test_both_readers_of_the_networks_agree(self):
        folder = SOURCE / "tests" / "shapes"
        for options, how in (([], {}), (["--backward"], {"backward": True}),
                             (["--backward", "--dtype=bf16"], {"backward": True, "dtype": "bf16"})):
            ours, theirs = listed(*options), measured_lines([folder], **how)
            self.assertEqual(ours, theirs)
            self.assertEqual(len({name for name, _ in ours}), len(ours))
        self.assertGreater(len(ours), 500)
        self.assertTrue(any(name == "cbr_small:bn4/batch_norm_bwd" for name, _ in ours))

    def test_lines_that_are_none_are_named(self):
        for text, words in (("", "empty"), ("relu_fwd pixels", '"pixels" in "relu_fwd pixels"')):
            with self.assertRaisesRegex(ValueError, words):
                Line(text)
        with self.assertRaisesRegex(ValueError, "has no C="):
            Line("relu_fwd pixels=4").get("C")
        line = Line("conv2d_fwd stride=2x1 N=3")
        self.assertEqual([line.get(key) for key in ("stride_h", "stride_w", "N")], [2, 1, 3])
        self.assertEqual(line.get("H", 7), 7)


class Values(unittest.TestCase):
    def check(self, answer, name, expected):
        for one, other in zip(answer["outputs"][name], amounts(expected), strict=True):
            self.assertAlmostEqual(one, other, delta=1e-6 * amounts(expected)[0])

    def test_operands_are_those_of_the_formula(self):
        x, dy = values("x", 60), values("dy", 60)
        relu, copy, backward, long = ask(
            "open relu_fwd pixels=12 C=5 y_pitch=8", "open copy pixels=12 C=5 x_pitch=9",
            "open relu_bwd pixels=12 C=5", "open copy pixels=300000 C=4")
        self.check(relu, "y", [max(v, 0) for v in x])
        self.check(copy, "y", x)
        self.check(backward, "dx", [g if v > 0 else 0 for v, g in zip(x, dy)])
        self.check(long, "y", values("x", 1200000))  # longer than the formula's period
        self.assertEqual(relu["least_bytes"], 2 * 60 * 4)

    def test_entries_of_one_kernel_elsewhere_are_one(self):
        forward, backward = ask("open batch_norm_fwd pixels=30 C=4",
                                "open batch_norm_bwd pixels=30 C=4")
        self.assertEqual(set(forward["outputs"]),
                         {"mean", "var", "y", "running_mean", "running_var"})
        self.assertEqual(set(backward["outputs"]), {"sums", "dx"})
        columns = [values("x", 120)[c::4] for c in range(4)]
        self.check(forward, "mean", [sum(column) / 30 for column in columns])
        self.assertEqual(backward["least_bytes"], 4 * (3 * 120 + 4 * 4 + 2 * 4))

    def test_what_is_wrong_is_said_and_the_next_line_works(self):
        answers = ask("time 0.001", "open conv3d_fwd N=1", "open relu_fwd pixels=4", "start",
                      "time soon", "open relu_fwd pixels=4 C=2", "time 0.001", "time soon")
        for answer, words in zip(answers, ("nothing is open", 'no kernel "conv3d_fwd"',
                                           "has no C=", '"start" is no command',
                                           "nothing is open")):
            self.assertIn(words, answer["error"])
        self.assertGreater(answers[6]["seconds"], 0)
        self.assertIn('"time soon" does not say', answers[7]["error"])
        done = subprocess.run([SIDE, "--speed=9"], text=True, capture_output=True, check=False)
        self.assertEqual(done.returncode, 1)
        self.assertIn("ops_side does not know --speed=9", done.stderr)


class AgainstItself(unittest.TestCase):
    def test_every_entry_agrees(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "net.txt").write_text(SMALL)
            parser = argparse.ArgumentParser()
            compare_ops.add_arguments(parser)
            args = parser.parse_args(["--shapes", str(folder), "--bin", str(BUILD / "bin"), "--out",
                                      name, "--peer", f"{SIDE} --threads=2", "--rounds", "1",
                                      "--min-seconds", "0"])
            with contextlib.redirect_stdout(io.StringIO()), \
                    contextlib.redirect_stderr(io.StringIO()):
                args.function(args, reference=lambda: 1.0)
            rows = json.loads((folder / "ops_cpu_f32_net.json").read_text())["rows"]
        self.assertEqual({row["state"] for row in rows}, {"timed"})
        self.assertEqual(len({row["name"].split("/")[1] for row in rows}), 27)


if __name__ == "__main__":
    unittest.main()
