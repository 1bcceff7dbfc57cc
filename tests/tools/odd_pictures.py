#!/usr/bin/env python3
"""Makes tests/pictures: one drawn face as JPEGs of every kind that cameras and programs write.

    odd_pictures.py FOLDER

Needs numpy, opencv-python-headless and Pillow (10.2 or newer). The pictures lie in the repository, so that the tests need
none of that; what can be made of them by cutting and joining bytes is made by the tests (tests/common/odd_pictures.rs).
"""

import sys
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

FACTORS = {"411": 0x411111, "420": 0x221111, "422": 0x211111, "440": 0x121111, "444": 0x111111}


def face(width, height, across=0.55):
    """A head before a grey wall, so far across the picture, in blue, green, red."""
    random = np.random.default_rng(1)
    picture = np.full((height, width, 3), (150, 160, 165), np.uint8)
    cx, cy, r = width * across, height * 0.5, height * 0.2

    def ellipse(x, y, a, b, colour):
        cv2.ellipse(picture, ((cx + x * r, cy + y * r), (2 * a * r, 2 * b * r), 0), colour, -1, cv2.LINE_AA)

    ellipse(0, 1.9, 1.6, 1.0, (90, 70, 60))
    ellipse(0, -0.25, 0.86, 1.1, (40, 50, 60))
    ellipse(0, 0.05, 0.74, 1.0, (150, 180, 220))
    for side in (-1, 1):
        ellipse(side * 0.32, -0.12, 0.22, 0.14, (115, 140, 180))
        ellipse(side * 0.32, -0.10, 0.15, 0.075, (235, 238, 240))
        ellipse(side * 0.32, -0.10, 0.075, 0.075, (40, 40, 45))
        ellipse(side * 0.33, -0.34, 0.22, 0.045, (50, 60, 70))
    ellipse(0, 0.22, 0.13, 0.24, (135, 165, 205))
    ellipse(0, 0.36, 0.16, 0.06, (110, 135, 175))
    ellipse(0, 0.62, 0.28, 0.075, (95, 95, 175))
    picture = cv2.GaussianBlur(picture, (0, 0), height / 300)
    noise = random.normal(0, 1.5, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(exist_ok=True)
    vga = face(640, 480)
    for name, factor in FACTORS.items():
        options = [cv2.IMWRITE_JPEG_QUALITY, 80, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]
        cv2.imwrite(str(folder / f"{name}.jpg"), vga, options)
    cv2.imwrite(str(folder / "aside.jpg"), face(640, 480, 0.8), [cv2.IMWRITE_JPEG_QUALITY, 80])
    image = Image.fromarray(cv2.cvtColor(vga, cv2.COLOR_BGR2RGB))
    odd = Image.fromarray(cv2.cvtColor(face(643, 481), cv2.COLOR_BGR2RGB))
    turned = Image.Exif()
    turned[0x0112] = 6
    for name, what, more in [
        ("progressive", image, {"progressive": True}),
        ("progressive-grey", image.convert("L"), {"progressive": True}),
        ("grey", image.convert("L"), {}),
        ("cmyk", image.convert("CMYK"), {}),
        ("optimised", image, {"optimize": True}),
        ("restarts", image, {"restart_marker_rows": 1}),
        ("turned", image, {"exif": turned}),
        ("odd-size", odd, {}),
    ]:
        what.save(folder / f"{name}.jpg", quality=80, **more)


if __name__ == "__main__":
    main()
