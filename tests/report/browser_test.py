#!/usr/bin/env python3
"""Reports in headless Chromium: nothing is wider than the window at 400 and 1200 pixels, no text is
smaller than 11 pixels, no file is larger than 3 MB; with 1, 2 and 50 classes, and of a
cross-validation. browser_test.py LAMELLA. CHROMIUM names another browser of its kind."""

import html
import json
import os
import random
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path

WIDTHS = (400, 1200)
PROBE = """<script>
const small = [...document.querySelectorAll('body *')].filter(e => [...e.childNodes].some(
    n => n.nodeType === 3 && n.textContent.trim()) && !['SCRIPT', 'STYLE'].includes(e.tagName))
  .map(e => {
    const box = e.ownerSVGElement ? e.ownerSVGElement.getScreenCTM().a : 1;
    return [parseFloat(getComputedStyle(e).fontSize) * box, e.textContent.trim().slice(0, 40)];
  }).sort((a, b) => a[0] - b[0])[0];
document.body.setAttribute('data-probe', JSON.stringify({
  wide: document.documentElement.scrollWidth, window: innerWidth, small}));
</script>"""


def write_png(path, rows):
    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    header = struct.pack(">IIBBBBB", len(rows[0]), len(rows), 8, 0, 0, 0, 0)
    pixels = b"".join(b"\0" + bytes(row) for row in rows)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
                     chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b""))


def make_data(folder, classes):
    draw = random.Random(classes)
    for c in range(classes):
        name = f"a class with a long name, number {c} <{'very ' * (c % 3)}long>"
        (folder / name).mkdir(parents=True)
        for i in range(5):
            write_png(folder / name / f"{i}.png",
                      [[draw.randrange(256) for _ in range(32)] for _ in range(32)])


# Chromium makes no window narrower than 500 pixels, but a frame may be.
FRAME = """<!doctype html><body><iframe style="width:{width}px;height:900px;border:0"
srcdoc="{page}"></iframe><script>
const frame = document.querySelector('iframe');
frame.onload = () => document.body.setAttribute(
    'data-probe', frame.contentDocument.body.getAttribute('data-probe'));
</script></body>"""


def probe(browser, page, width):
    text = page.read_text()
    assert "</body>" in text, f"{page} has no end"
    probed = page.with_name(f"probed-{width}.html")
    probed.write_text(FRAME.format(width=width, page=html.escape(
        text.replace("</body>", PROBE + "</body>"))))
    dom = subprocess.run(
        [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
         "--window-size=1400,1000", "--dump-dom", probed.as_uri()],
        check=True, capture_output=True, text=True, timeout=120).stdout
    found = re.search(r'<body data-probe="([^"]*)"', dom)
    assert found, f"{page.name}: the probe did not run"
    return json.loads(html.unescape(found[1]))


def faults(browser, page, what):
    if page.stat().st_size > 3_000_000:
        yield f"{what}: {page.stat().st_size} bytes"
    for width in WIDTHS:
        seen = probe(browser, page, width)
        print(what, width, seen)
        if seen["window"] != width:
            yield f"{what}: the browser made the frame {seen['window']} wide, not {width}"
        if seen["wide"] > width:
            yield f"{what}: {seen['wide']} pixels wide in a frame of {width}"
        if seen["small"][0] < 11:
            yield f"{what}: text of {seen['small'][0]:.1f} pixels at {width}: {seen['small'][1]}"


def main():
    names = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    browser = next((path for path in map(shutil.which, filter(None, names)) if path), None)
    if not browser:
        print("SKIP: no Chromium; CHROMIUM may name one")
        sys.exit(77)
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for classes in (1, 2, 50):
            data, run = Path(folder) / f"data{classes}", Path(folder) / f"run{classes}"
            make_data(data, classes)
            command = [sys.argv[1], "train", "--model", "cbr_tiny", "--data", data, "--size", "32",
                       "--epochs", "2", "--out"]
            subprocess.run([*command, run], check=True, capture_output=True)
            wrong += faults(browser, run / "report.html", f"{classes} classes")
            if classes == 2:
                both = Path(folder) / "folds"
                subprocess.run([*command, both, "--folds", "2", "--repeats", "2", "--test-fraction",
                                "0.2"], check=True, capture_output=True)
                wrong += faults(browser, both / "report.html", "cross-validation")
    sys.exit("\n".join(wrong) if wrong else 0)


if __name__ == "__main__":
    main()
