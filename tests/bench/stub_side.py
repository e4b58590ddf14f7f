#!/usr/bin/env python3
"""A side of `compare.py ops` that computes nothing: it answers as it is told to.

  stub_side.py [--seconds 0.001] [--noise 0] [--norm 1] [--left-out ENTRY] [--refuse ENTRY]
               [--die-after COMMANDS]
"""

import argparse
import json
import random
import sys

parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float, default=0.001)
parser.add_argument("--noise", type=float, default=0, help="factor that seconds are spread by")
parser.add_argument("--norm", type=float, default=1)
parser.add_argument("--left-out")
parser.add_argument("--refuse")
parser.add_argument("--die-after", type=int, default=1 << 30)
args, _ = parser.parse_known_args()  # it is given --device and --threads too
source = random.Random(1)
for count, command in enumerate(sys.stdin):
    if count == args.die_after:
        sys.exit("stub: a kernel wrote where it must not")
    word, entry = command.split()[:2]
    if word == "time":
        answer = {"seconds": args.seconds * (1 + args.noise) ** source.uniform(-1, 1)}
    elif entry == args.left_out:
        answer = {"left_out": "the stub has none"}
    elif entry == args.refuse:
        answer = {"error": "the stub does not like it"}
    else:
        answer = {"outputs": {"y": [args.norm, 0.5], "other": [2, 1]}}
    print(json.dumps(answer), flush=True)
