#!/usr/bin/env python3
"""The face tracking of a robot of today (reachy_mini, 2026), without the robot, as a peer for scripts/bench.sh.

    peer_yunet.py CLIP TRACE MODEL

YuNet on the whole picture, 320 wide, at most ten times a second; the largest face is taken, then the nearest one as
long as it does not jump; a loop of 50 turns a second moves the aim towards the newest target by a small step. Pictures
that are not looked at are not even decoded here (on the robot the camera's own pipeline does that). The clip plays at
its own rate, over and over, until SIGTERM. Needs what peer_yunet.txt names.
"""

import math
import sys
import threading
import time

import cv2
import numpy

from peer import Camera, Trace, play

WIDTH = 320
LOOK_EVERY_S, TOO_EARLY_S = 0.1, 0.025
SCORE, OVERLAP = 0.6, 0.3
# Of the picture's area; of half of its width or height; looks.
SMALLEST, FARTHEST_JUMP, MISSES = 0.003, 0.5, 20
TURNS_A_SECOND, STEP_DEGREES, RANGE_DEGREES = 50, 2.0, 50.0
FIELD_OF_VIEW = 65.0


class Chooser:
    """Keeps to one face."""

    def __init__(self):
        self.centre, self.misses = None, 0

    def choose(self, faces, width, height):
        """The number of the chosen one of these rows of the detector, or None."""

        def centre(face):
            return numpy.array([face[8] / (width - 1), face[9] / (height - 1)]) * 2 - 1

        chosen = None
        if len(faces) and self.centre is None:
            chosen = max(range(len(faces)), key=lambda n: faces[n][2] * faces[n][3])
            if faces[chosen][2] * faces[chosen][3] < SMALLEST * width * height:
                chosen = None
        elif len(faces):
            ways = [float(numpy.linalg.norm(centre(face) - self.centre)) for face in faces]
            chosen = ways.index(min(ways))
            if ways[chosen] > FARTHEST_JUMP:
                chosen = None
        if chosen is None:
            self.misses += 1
            if self.misses > MISSES:
                self.centre = None
        else:
            self.centre, self.misses = centre(faces[chosen]), 0
        return chosen


class Aim(threading.Thread):
    """Moves pan and tilt towards the newest target."""

    def __init__(self, trace):
        super().__init__(daemon=True)
        self.trace, self.target, self.pose = trace, None, numpy.zeros(2)
        self.ended = threading.Event()

    def run(self):
        due, known = time.monotonic(), None
        while not self.ended.is_set():
            target = self.target
            if target:
                self.pose = self.pose + numpy.clip(target[1] - self.pose, -STEP_DEGREES, STEP_DEGREES)
                if target is not known:
                    self.trace.commanded(target[0], dict(zip(("pan", "tilt"), self.pose.round(2).tolist())))
                    known = target
            due = max(due + 1 / TURNS_A_SECOND, time.monotonic())
            self.ended.wait(due - time.monotonic())


def angles(face, width, height):
    """Where the nose is, in degrees from the middle of the picture."""
    focal = width / 2 / math.tan(math.radians(FIELD_OF_VIEW / 2))
    return numpy.degrees(numpy.arctan2([face[8] - width / 2, face[9] - height / 2], focal))


def main():
    camera, trace, chooser = Camera(sys.argv[1]), Trace(sys.argv[2]), Chooser()
    detector = cv2.FaceDetectorYN.create(sys.argv[3], "", (WIDTH, WIDTH), SCORE, OVERLAP)
    aim = Aim(trace)

    def loop():
        aim.start()
        due, size = 0.0, None
        while True:
            number, captured, data = camera.read()
            now = time.monotonic()
            if now < due - TOO_EARLY_S:
                continue
            due = max(due + LOOK_EVERY_S, now)
            whole = cv2.imdecode(numpy.frombuffer(data, numpy.uint8), cv2.IMREAD_COLOR)
            scale = whole.shape[1] / WIDTH
            picture = cv2.resize(whole, (WIDTH, round(whole.shape[0] / scale / 2) * 2))
            height, width = picture.shape[:2]
            # The priors are made anew at every call, so only when the size changes.
            if size != (width, height):
                size = width, height
                detector.setInputSize(size)
            _, faces = detector.detect(picture)
            faces = [] if faces is None else faces
            chosen = chooser.choose(faces, width, height)
            trace.result(number, captured, [(*(face[:4] * scale).tolist(), float(face[14]), n == chosen)
                                            for n, face in enumerate(faces)])
            if chosen is not None:
                target = aim.pose + angles(faces[chosen], width, height)
                aim.target = captured, target.clip(-RANGE_DEGREES, RANGE_DEGREES)

    try:
        play(loop)
    finally:
        aim.ended.set()
        trace.finish()


if __name__ == "__main__":
    main()
