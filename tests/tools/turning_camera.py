#!/usr/bin/env python3
"""An MJPEG camera on the network that looks where simulated servos stand.

    turning_camera.py PORT FRAMES [--fps N]

Serves http://127.0.0.1:PORT/ to any number of viewers. FRAMES is what sts_servos.py writes; the newest goals of the ids 1
(pan), 2 (roll) and 3 (tilt) are where the camera looks. It sees a room of spots, drawn anew for each picture. Needs Pillow.
"""

import argparse
import io
import json
import math
import random
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from PIL import Image, ImageDraw

SIZE = (320, 240)
# Pixels of a degree in the middle of a picture that is 65 degrees wide.
FOCAL = SIZE[0] / 2 / math.tan(math.radians(65 / 2))
STEPS, MIDDLE = 4096, 2048
ROOM = (1600, 1200)


def room():
    """Spots of all sizes and shades of grey."""
    draw_from, picture = random.Random(7), Image.new("L", ROOM, 110)
    pen = ImageDraw.Draw(picture)
    for _ in range(1500):
        x, y = draw_from.uniform(0, ROOM[0]), draw_from.uniform(0, ROOM[1])
        r = draw_from.uniform(4, 30)
        pen.ellipse((x - r, y - r, x + r, y + r), fill=draw_from.randrange(20, 236))
    return picture


class Pose:
    """Where the servos were sent last, in degrees by id."""

    def __init__(self, path):
        self.path, self.at, self.rest, self.degrees = path, 0, "", {1: 0.0, 2: 0.0, 3: 0.0}

    def now(self):
        try:
            with open(self.path, encoding="utf-8") as frames:
                frames.seek(self.at)
                text = self.rest + frames.read()
                self.at = frames.tell()
        except FileNotFoundError:
            return self.degrees
        *lines, self.rest = text.split("\n")
        for line in lines:
            if '"goals"' not in line:
                continue
            for name, goal in json.loads(line)["goals"].items():
                self.degrees[int(name)] = (goal - MIDDLE) * 360 / STEPS
        return self.degrees


def seen(whole, degrees):
    """What the camera sees of the room."""
    pan, roll, tilt = (math.radians(degrees[n]) for n in (1, 2, 3))
    # Turned to the right it sees what is farther right; clockwise, the room turns the other way.
    middle = (ROOM[0] / 2 + FOCAL * math.tan(pan), ROOM[1] / 2 - FOCAL * math.tan(tilt))
    cos, sin = math.cos(roll), math.sin(roll)
    x, y = SIZE[0] / 2, SIZE[1] / 2
    matrix = (
        cos, -sin, middle[0] - cos * x + sin * y,
        sin, cos, middle[1] - sin * x - cos * y,
    )
    picture = whole.transform(SIZE, Image.AFFINE, matrix, Image.BILINEAR)
    data = io.BytesIO()
    picture.save(data, "JPEG", quality=80)
    return data.getvalue()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("port", type=int)
    parser.add_argument("frames")
    parser.add_argument("--fps", type=float, default=5)
    args = parser.parse_args()
    whole = room()

    class Camera(BaseHTTPRequestHandler):
        def do_GET(self):
            pose = Pose(args.frames)
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=picture")
            self.end_headers()
            due = time.monotonic()
            try:
                while True:
                    jpeg = seen(whole, pose.now())
                    head = f"--picture\r\nContent-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n"
                    self.wfile.write(head.encode() + jpeg + b"\r\n")
                    due = max(due + 1 / args.fps, time.monotonic())
                    time.sleep(max(due - time.monotonic(), 0))
            except OSError:
                pass

        def log_message(self, *_):
            pass

    ThreadingHTTPServer(("127.0.0.1", args.port), Camera).serve_forever()


if __name__ == "__main__":
    main()
