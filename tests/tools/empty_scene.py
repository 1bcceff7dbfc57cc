#!/usr/bin/env python3
"""Makes a clip of a room without a person: a still scene of 640x480 with a sensor's noise, 30 pictures a second.

    empty_scene.py OUT.avi

The truth about it, OUT.gt.csv, has no faces. The same clip every time. Needs OpenCV (peer_yunet.txt).
"""

import sys
from pathlib import Path

import cv2
import numpy

PICTURES, RATE, NOISE, SEED = 90, 30, 4.0, 1
WIDTH, HEIGHT = 640, 480


def room():
    """A wall that is lit from the left, a floor, a door, a cupboard and a picture on the wall."""
    scene = numpy.zeros((HEIGHT, WIDTH, 3), numpy.float32)
    light = numpy.linspace(190, 130, WIDTH, dtype=numpy.float32)
    scene[:] = light[None, :, None] * numpy.float32([0.92, 0.97, 1.0])
    scene[360:] *= 0.55
    for corner, opposite, colour in (((60, 90), (190, 400), (50, 80, 120)), ((70, 100), (180, 390), (60, 95, 140)),
                                     ((420, 220), (600, 420), (90, 90, 95)), ((300, 80), (390, 150), (140, 90, 70))):
        cv2.rectangle(scene, corner, opposite, colour, -1)
    cv2.circle(scene, (170, 250), 6, (40, 190, 210), -1)
    return cv2.GaussianBlur(scene, (5, 5), 0)


def main():
    out = Path(sys.argv[1])
    scene, chance = room(), numpy.random.default_rng(SEED)
    clip = cv2.VideoWriter(str(out), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter_fourcc(*"MJPG"), RATE, (WIDTH, HEIGHT))
    clip.set(cv2.VIDEOWRITER_PROP_QUALITY, 90)
    for _ in range(PICTURES):
        noisy = scene + chance.normal(0, NOISE, scene.shape).astype(numpy.float32)
        clip.write(noisy.clip(0, 255).astype(numpy.uint8))
    clip.release()
    out.with_suffix(".gt.csv").write_text("frame,face,x,y,w,h,ignore\n")


if __name__ == "__main__":
    main()
