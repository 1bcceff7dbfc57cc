"""What the peers of scripts/bench.sh share: a clip as their camera, and the trace. Standard library only."""

import json
import signal
import sys
import threading
import time

from clips import Clip


class Ended(Exception):
    """The order to end was given."""


class Camera:
    """A clip, over and over, as a camera: picture K is there K intervals after the first one, whoever looks.

    Who comes late gets the newest picture, as from a camera with one buffer.
    """

    def __init__(self, path):
        self.clip = Clip(path)
        self.start = None
        self.next = 0

    def read(self):
        """Waits for the next picture: its position in the file, when it was there, its JPEG."""
        if self.start is None:
            self.start = time.monotonic()
        else:
            self.next = max(self.next, int((time.monotonic() - self.start) * self.clip.rate))
        captured = self.start + self.next / self.clip.rate
        time.sleep(max(0.0, captured - time.monotonic()))
        number = self.next % len(self.clip.pictures)
        self.next += 1
        return number, captured, self.clip.pictures[number]


class Trace:
    """Lines of the form of `facetap run --trace`; a line waits for its picture's command or the next line."""

    def __init__(self, path):
        self.file = open(path, "w", encoding="utf-8")
        self.zero = time.monotonic()
        self.lock = threading.Lock()
        self.pending = None

    def result(self, number, captured, faces):
        """The faces of a picture are known: (x, y, w, h, score, whether it is the followed one)."""
        line = {
            "frame": number,
            "t": round(captured - self.zero, 6),
            "age_ms": round((time.monotonic() - captured) * 1000, 3),
            "faces": [{"x": round(x, 1), "y": round(y, 1), "w": round(w, 1), "h": round(h, 1),
                       "score": round(score, 3), "followed": followed} for x, y, w, h, score, followed in faces],
            "command": None,
            "command_age_ms": None,
        }
        with self.lock:
            self.write()
            self.pending = captured, line

    def commanded(self, captured, command):
        """A command that used the picture of this time would be on its way to the servos now."""
        age = round((time.monotonic() - captured) * 1000, 3)
        with self.lock:
            if self.pending and self.pending[0] == captured:
                self.pending[1].update(command=command, command_age_ms=age)
                self.write()

    def write(self):
        if self.pending:
            json.dump(self.pending[1], self.file)
            self.file.write("\n")
            self.pending = None

    def finish(self):
        with self.lock:
            self.write()
            self.file.close()


def play(loop):
    """Runs LOOP until SIGTERM or SIGINT; status 0 then."""

    def end(*_):
        raise Ended

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        loop()
    except Ended:
        sys.exit(0)
