#!/usr/bin/env python3
"""`bench/compare.py ops` from the command line to the files it writes, with sides that answer as
they are told to (stub_side.py). compare_ops_test.py SOURCE"""

import argparse
import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest
import xml.etree.ElementTree

STUB = pathlib.Path(__file__).resolve().parent / "stub_side.py"
sys.path.append(f"{sys.argv.pop(1)}/bench")
import compare_ops  # noqa: E402

SHAPES = """# a comment
net:conv conv2d_fwd N=1 H=4 W=4 C=2 K=2 R=1 S=1 dtype=f32
net:relu relu_fwd pixels=16 C=2 dtype=f32
net:again relu_fwd pixels=16 C=2 dtype=f32
"""
NAMES = ["net:conv/conv2d_fwd", "net:conv/conv2d_bwd_data", "net:conv/conv2d_bwd_weight",
         "net:relu/relu_fwd", "net:relu/relu_bwd"]


class Loop(unittest.TestCase):
    def compare(self, peer="", ours="", options="", reference=lambda: 1.0):
        """Runs `ops`; the JSON it wrote, what it printed, and the sentence it ended with."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "net.txt").write_text(SHAPES)
            side = folder / "ops_side"
            side.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{STUB}" {ours} "$@"\n')
            side.chmod(0o755)
            parser = argparse.ArgumentParser()
            compare_ops.add_arguments(parser)
            args = parser.parse_args([
                "--shapes", str(folder / "net.txt"), "--bin", name, "--out", name, "--peer",
                f"{sys.executable} {STUB} {peer}", "--rounds", "8", *options.split()])
            out, ended = io.StringIO(), None
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
                try:
                    args.function(args, reference=reference)
                except SystemExit as stopped:
                    ended = stopped.code
            path = folder / "ops_cpu_f32_net.json"
            result = json.loads(path.read_text()) if path.exists() else None
            if result:
                xml.etree.ElementTree.parse(path.with_suffix(".svg"))
            return result, out.getvalue(), ended

    def setUp(self):
        self.settle, compare_ops.SETTLE_SECONDS = compare_ops.SETTLE_SECONDS, 0

    def tearDown(self):
        compare_ops.SETTLE_SECONDS = self.settle

    def verdicts(self, **how):
        result, out, ended = self.compare(**how)
        self.assertIsNone(ended)
        self.assertEqual([row["name"] for row in result["rows"]], NAMES)
        for row in result["rows"]:
            self.assertIn(row["verdict"], out)
        return {row["verdict"] for row in result["rows"]}

    def test_known_times_get_their_verdict(self):
        self.assertEqual(self.verdicts(peer="--seconds 0.002"), {"FASTER"})
        self.assertEqual(self.verdicts(peer="--seconds 0.0005"), {"SLOWER"})
        self.assertEqual(self.verdicts(), {"SAME"})
        self.assertEqual(self.verdicts(peer="--noise 1 --seconds 0.0011"), {"AMBIGUOUS"})

    def test_a_disturbed_machine_is_said(self):
        # 9 marks a line of 8 rounds; the last two of five lines never become quiet.
        marks = iter([1.0] * 27 + [1.5] * 50)
        result, out, _ = self.compare(peer="--seconds 0.002", reference=lambda: next(marks))
        self.assertEqual([row["verdict"] for row in result["rows"]],
                         ["FASTER"] * 3 + ["AMBIGUOUS"] * 2)
        self.assertEqual(result["rows"][4]["undisturbed_pairs"], [])
        self.assertIn("48 of 72 pairs were disturbed", out)
        self.assertEqual(len(result["rows"][4]["seconds"]["lamella"]), 24)

    def test_disturbed_rounds_are_made_up_for(self):
        # On the second of five lines only the tenth round and those after it are undisturbed.
        marks = iter([1.0] * 9 + [1.5] * 9 + [1.0] * 34)
        result, out, _ = self.compare(peer="--seconds 0.002", reference=lambda: next(marks))
        self.assertEqual({row["verdict"] for row in result["rows"]}, {"FASTER"})
        self.assertEqual(result["rows"][1]["undisturbed_pairs"], list(range(9, 15)))
        self.assertEqual([len(row["seconds"]["peer"]) for row in result["rows"]],
                         [8, 15, 8, 8, 8])

    def test_other_values_are_refused_and_not_timed(self):
        for peer in ("--norm 1.02", "--norm nan"):
            result, out, ended = self.compare(peer=peer)
            self.assertIn("5 lines failed or disagree", ended)
            self.assertIn("disagrees: net:conv/conv2d_fwd: y has the norm 1,", out)
            for row in result["rows"]:
                self.assertEqual(row["state"], "disagrees")
                self.assertNotIn("seconds", row)

    def test_what_is_no_number_agrees_with_nothing(self):
        for ours, theirs in (([None, 1], [1, 1]), ([1, None], [1, 1]), ([1, 1], [1, None]),
                             ([None, None], [None, None])):
            self.assertIn("nan", compare_ops.disagreement({"y": ours}, {"y": theirs}, 1e-3))
        self.assertIn("no output in common", compare_ops.disagreement({"y": [1, 1]},
                                                                      {"z": [1, 1]}, 1e-3))

    def test_rounding_is_no_disagreement(self):
        self.assertEqual(self.verdicts(peer="--norm 1.001"), {"SAME"})

    def test_nothing_but_zeros_is_refused(self):
        _, out, ended = self.compare(peer="--norm 0", ours="--norm 0")
        self.assertIn("y has the norm 0", out)
        self.assertIsNotNone(ended)

    def test_a_peer_that_dies_ends_the_run_and_keeps_what_was_measured(self):
        result, out, ended = self.compare(peer="--die-after 15")
        self.assertIn("peer ended at net:conv/conv2d_bwd_data: stub: a kernel wrote where", ended)
        self.assertEqual(result["ended"], ended)
        self.assertEqual([row["name"] for row in result["rows"]], NAMES[:1])
        self.assertEqual(result["not_reached"], NAMES[1:])
        self.assertIn("not reached: 4 lines", out)

    def test_a_side_that_dies_at_once_is_said(self):
        for sides, name in (({"ours": "--die-after 0"}, "lamella"),
                            ({"peer": "--die-after 0"}, "peer")):
            result, _, ended = self.compare(**sides)
            self.assertIn(f"{name} ended at net:conv/conv2d_fwd: stub: a kernel", ended)
            self.assertEqual(result["rows"], [])

    def test_a_program_that_is_missing_is_said(self):
        _, _, ended = self.compare(options="--bin /nowhere")
        self.assertIn("lamella ended", ended)
        self.assertIn("/nowhere/ops_side cannot be started", ended)

    def test_what_the_peer_lacks_is_left_out_by_name(self):
        result, out, ended = self.compare(peer="--left-out relu_bwd")
        self.assertIsNone(ended)
        self.assertEqual(result["rows"][4]["state"], "left out")
        self.assertIn("left out: relu_bwd, 1 lines: the stub has none", out)

    def test_a_refusal_fails_the_run(self):
        _, out, ended = self.compare(ours="--refuse relu_bwd")
        self.assertIn("1 lines failed", ended)
        self.assertIn("failed: net:relu/relu_bwd: lamella: the stub does not like it", out)

    def test_the_limit_names_what_is_not_reached(self):
        result, out, ended = self.compare(options="--limit-seconds 1e-9")
        self.assertIsNone(ended)
        self.assertEqual(result["not_reached"], NAMES)
        self.assertIn("not reached: 5 lines from net:conv/conv2d_fwd on", out)

    def test_filter(self):
        result, _, _ = self.compare(options="--filter relu/.*bwd")
        self.assertEqual([row["name"] for row in result["rows"]], NAMES[4:])
        _, _, ended = self.compare(options="--filter nothing")
        self.assertIn("matches --filter nothing", ended)
        _, _, ended = self.compare(options="--shapes /nowhere.txt")
        self.assertIn("--shapes: ", ended)
        self.assertIn("/nowhere.txt", ended)
        result, _, _ = self.compare(options="--no-backward")
        self.assertEqual([row["name"] for row in result["rows"]], [NAMES[0], NAMES[3]])


if __name__ == "__main__":
    unittest.main()
