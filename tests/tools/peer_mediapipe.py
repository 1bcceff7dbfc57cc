#!/usr/bin/env python3
"""The old tracker's loop, without a window and without servos, as a peer for scripts/bench.sh.

    peer_mediapipe.py CLIP TRACE

MediaPipe FaceMesh with refined landmarks, one face, on every picture; the middle between the iris centres is aimed at,
a PD law on pixels, one command every fifth picture. The clip plays at its own rate, over and over, until SIGTERM. Needs
what peer_mediapipe.txt names.
"""

import math
import sys

import cv2
import mediapipe
import numpy

from peer import Camera, Trace, play

IRIS_A, IRIS_B = 468, 473
# Points all around the face: their extremes are its box.
OVAL = (10, 338, 284, 454, 361, 397, 152, 172, 132, 234, 54, 109)
COMMAND_EVERY = 5
# For each axis: gains P and D, dead zone (pixels, for roll degrees), factor.
LAW = {"pan": (0.3, 1.2, 20, 1), "tilt": (0.3, 1.0, 20, 1), "roll": (0.3, 1.0, 6, 5)}
RANGE = 568
DEGREES_A_STEP = 360 / 4096
HOME_AFTER_S = 10


class Law:
    """Offsets of the three axes from their centre, in steps."""

    def __init__(self):
        self.home()

    def home(self):
        self.offset = dict.fromkeys(LAW, 0.0)
        self.before = dict.fromkeys(LAW, 0.0)

    def turn(self, errors):
        for axis, error in errors.items():
            gain, damping, dead_zone, factor = LAW[axis]
            if abs(error) > dead_zone:
                step = factor * (gain * error + damping * (error - self.before[axis]))
                self.offset[axis] = max(-RANGE, min(RANGE, self.offset[axis] + step))
            self.before[axis] = error

    def command(self):
        return {axis: round(offset * DEGREES_A_STEP, 2) for axis, offset in self.offset.items()}


def look(mesh, data):
    """The box of the face and the errors of the three axes, or None twice."""
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    picture = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
    picture.flags.writeable = False
    found = mesh.process(picture).multi_face_landmarks
    if not found:
        return None, None
    points = found[0].landmark
    a, b = ((points[n].x * width, points[n].y * height) for n in (IRIS_A, IRIS_B))
    lean = math.degrees(math.atan2(b[1] - a[1], b[0] - a[0]))
    errors = {"pan": (a[0] + b[0] - width) / 2, "tilt": (a[1] + b[1] - height) / 2, "roll": lean}
    xs, ys = [points[n].x * width for n in OVAL], [points[n].y * height for n in OVAL]
    return (min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys)), errors


def main():
    camera, trace, law = Camera(sys.argv[1]), Trace(sys.argv[2]), Law()
    mesh = mediapipe.solutions.face_mesh.FaceMesh(max_num_faces=1, refine_landmarks=True,
                                                  min_detection_confidence=0.5, min_tracking_confidence=0.5)

    def loop():
        seen, turn = 0.0, 0
        while True:
            number, captured, data = camera.read()
            box, errors = look(mesh, numpy.frombuffer(data, numpy.uint8))
            trace.result(number, captured, [(*box, 1.0, True)] if box else [])
            turn += 1
            if box:
                seen = captured
                if turn % COMMAND_EVERY == 0:
                    law.turn(errors)
                    trace.commanded(captured, law.command())
            elif captured - seen > HOME_AFTER_S:
                law.home()

    try:
        play(loop)
    finally:
        trace.finish()


if __name__ == "__main__":
    main()
