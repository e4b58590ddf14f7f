#!/usr/bin/env python3
"""Holds docs/requirements.md to what ctest reported, and prints its table with the counts.

  tools/checks/requirements.py JUNIT_FILE

Exit: 0 every requirement has tests, and none of them failed; 1 not.
"""
import pathlib
import re
import sys
import xml.etree.ElementTree

PAGE = pathlib.Path(__file__).resolve().parent.parent.parent / "docs/requirements.md"
VERDICTS = {"OK": "passed", "FAILED": "failed", "SKIPPED": "skipped"}


def results(path):
    """Name and verdict of each test of ctest, and of each case of GoogleTest inside one."""
    text = pathlib.Path(path).read_text(errors="replace")
    text = re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "?", text)  # what XML may not hold
    for case in xml.etree.ElementTree.fromstring(text).iter("testcase"):
        verdict = {"run": "passed", "fail": "failed"}.get(case.get("status"), "skipped")
        yield case.get("name"), verdict
        for word, name in re.findall(r"^\[ +(OK|FAILED|SKIPPED) +\] (\S+?)(?: \(|$)",
                                     case.findtext("system-out") or "", re.MULTILINE):
            yield name, VERDICTS[word]


def requirements():
    rows = re.findall(r"^\| (.+) \| (`.+`) \|$", PAGE.read_text(), re.MULTILINE)
    return [(text, re.findall(r"`([^`]+)`", tests)) for text, tests in rows]


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    reported = set(results(sys.argv[1]))  # a case that is also a test of ctest counts once
    broken = []
    print("| required | passed | failed | skipped |\n|---|--:|--:|--:|")
    for text, patterns in requirements():
        counts = dict.fromkeys(("passed", "failed", "skipped"), 0)
        for pattern in patterns:
            found = [verdict for name, verdict in reported if re.search(pattern, name)]
            if not found:
                broken.append(f"{text}: there is no test `{pattern}`")
            for verdict in found:
                counts[verdict] += 1
        if counts["failed"]:
            broken.append(f"{text}: {counts['failed']} of its tests failed")
        print(f"| {text} | {counts['passed']} | {counts['failed']} | {counts['skipped']} |")
    print(*broken, sep="\n", file=sys.stderr)
    sys.exit(1 if broken else 0)


main()
