#!/usr/bin/env python3
"""Writes exif_1.jpg to exif_8.jpg, one for each EXIF orientation, and exif.txt: what Pillow's
exif_transpose makes of them, a line each: `file height width : samples`.

Odd orientations are stored in little-endian order, even ones in big-endian. Line 1 of exif.txt
states the version of Pillow.
"""

import struct
from pathlib import Path

import numpy as np
import PIL
from PIL import Image, ImageOps


def exif(orientation):
    order, mark = ("<", b"II") if orientation % 2 else (">", b"MM")
    entries = [struct.pack(order + "HHII", 0x0100, 4, 1, 13),  # another tag before it
               struct.pack(order + "HHIHH", 0x0112, 3, 1, orientation, 0)]
    head = mark + struct.pack(order + "HI", 42, 8) + struct.pack(order + "H", len(entries))
    return b"Exif\0\0" + head + b"".join(entries) + struct.pack(order + "I", 0)


def main():
    folder = Path(__file__).parent
    y, x = np.mgrid[0:9, 0:13]
    image = Image.fromarray((y * 20 + x * 6).astype(np.uint8))
    lines = [f"# Pillow {PIL.__version__}"]
    for orientation in range(1, 9):
        path = folder / f"exif_{orientation}.jpg"
        image.save(path, quality=95, exif=exif(orientation))
        upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
        samples = " ".join(map(str, upright.reshape(-1)))
        lines.append(f"{path.name} {upright.shape[0]} {upright.shape[1]} : {samples}")
    (folder / "exif.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
