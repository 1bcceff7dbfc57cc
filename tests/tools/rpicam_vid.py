#!/usr/bin/env python3
"""A stand-in for rpicam-vid, for tests. Started through a link of that name; in the link's folder lie

    picture.jpg   the picture that the "camera" sees
    picture.yuv   the same as YUV 4:2:0 without gaps, of the size that is asked for (default: a pattern that changes)
    script.json   what each start does, a list of objects; the last one goes for all further starts:
        "frames": 20        pictures, then ...        (default: without end)
        "then": "exit"      ... exit with "status", "hang", or "close" the output and hang
        "status": 255
        "rate": 30          pictures a second
        "chunk": 1000       bytes in one write        (default: a whole picture)
        "garbage": "text"   between the pictures
        "stray": "text"     once, before the fifth picture
        "cut": 3            every third picture is cut short
        "complain": 1000    lines on standard error before each picture
        "deaf": true        takes no notice of SIGINT
        "refuses": ["--mode"]   an older version: words of the command line that it does not know
        "multiple": 64      rows of raw pictures are filled up to a multiple of so many bytes
        "more": 0           bytes that each raw picture has at its end besides
        "size": [400, 300]  size of raw pictures, whatever is asked for
        "says": "400x300-YUV420"    the stream in libcamera's log; "" for no such line
    idle          appears when it hangs
    launches      one line for every start is added: process number, arguments

It refuses what the real one would refuse, and what the service must not ask for. Standard library only.
"""

import argparse
import json
import os
import signal
import sys
import time

HERE = os.path.dirname(os.path.abspath(sys.argv[0]))

LIST = """Available cameras
-----------------
0 : imx708 [4608x2592 10-bit RGGB] (/base/soc/i2c0mux/i2c@1/imx708@1a)
    Modes: 'SRGGB10_CSI2P' : 1536x864 [120.13 fps - (768, 432)/3072x1728 crop]

"""


def options():
    known = argparse.ArgumentParser(allow_abbrev=False)
    known.add_argument("--list-cameras", action="store_true")
    known.add_argument("--codec", choices=["h264", "mjpeg", "yuv420"], default="h264")
    known.add_argument("--width", type=int, default=0)
    known.add_argument("--height", type=int, default=0)
    known.add_argument("--mode", default="")
    known.add_argument("--framerate", type=float, default=-1)
    known.add_argument("--timeout", type=int, default=5000)
    known.add_argument("--output", default="")
    known.add_argument("--nopreview", action="store_true")
    known.add_argument("--flush", action="store_true")
    given = known.parse_args()
    if not given.list_cameras:
        wanted = {"timeout": 0, "output": "-", "nopreview": True, "flush": True}
        for name, value in wanted.items():
            if getattr(given, name) != value:
                known.error(f"--{name} should be {value!r}")
        if given.codec not in ("mjpeg", "yuv420"):
            known.error("no codec that the service can read")
        if given.mode and [int(n) for n in given.mode.split(":")][:2] < [given.width, given.height]:
            known.error("the sensor gives less than is asked for")
    return given


def behaviour():
    """What this start does; counts the starts."""
    with open(os.path.join(HERE, "launches"), "a+", encoding="utf-8") as launches:
        launches.write(f"{os.getpid()} {' '.join(sys.argv[1:])}\n")
        launches.flush()
        launches.seek(0)
        number = len(launches.readlines())
    with open(os.path.join(HERE, "script.json"), encoding="utf-8") as script:
        starts = json.load(script)
    return starts[min(number, len(starts)) - 1]


def raw(given, todo, count):
    """The rows of a raw picture, filled up as the image processor does it, and its size."""
    width, height = todo.get("size", [given.width, given.height])
    path = os.path.join(HERE, "picture.yuv")
    if os.path.exists(path):
        with open(path, "rb") as file:
            packed = file.read()
    else:
        row = bytes(x * 200 // width for x in range(width))
        packed = row * (height - 1) + bytes([count % 200]) * width + bytes([128]) * (width * height // 2)
    multiple = todo.get("multiple", 64)
    stride = -(-width // multiple) * multiple
    rows, at = [], 0
    for length, fill, lines in [(width, stride, height)] + 2 * [(width // 2, stride // 2, height // 2)]:
        for _ in range(lines):
            rows.append(packed[at:at + length] + b"\x55" * (fill - length))
            at += length
    return b"".join(rows) + b"\xAA" * todo.get("more", 0)


def write(data, chunk):
    for at in range(0, len(data), chunk):
        sys.stdout.buffer.write(data[at:at + chunk])
        sys.stdout.buffer.flush()


def main():
    given = options()
    if given.list_cameras:
        print(LIST)
        return 0
    todo = behaviour()
    for word in todo.get("refuses", []):
        if word in sys.argv:
            what = "codec" if word == "yuv420" else "option"
            print(f"ERROR: *** unrecognised {what} '{word}' ***", file=sys.stderr)
            return 255
    with open(os.path.join(HERE, "picture.jpg"), "rb") as file:
        picture = file.read()
    ended = []
    signal.signal(signal.SIGINT, signal.SIG_IGN if todo.get("deaf") else lambda *_: ended.append(True))
    print("[0:24:11.415660787] [10635]  INFO Camera camera_manager.cpp:327 libcamera v0.4.0", file=sys.stderr)
    is_raw = given.codec == "yuv420"
    size = "x".join(str(side) for side in todo.get("size", [given.width, given.height]))
    said = todo.get("says", f"{size}-YUV420/sYCC")
    if said:
        print(f"[0:24:11.5] [10635]  INFO Camera camera.cpp:1197 configuring streams: (0) {said} "
              "(1) 640x480-SBGGR10_CSI2P/RAW", file=sys.stderr, flush=True)
    fixed = raw(given, todo, 0) if is_raw and os.path.exists(os.path.join(HERE, "picture.yuv")) else None
    count = 0
    while not ended and count < todo.get("frames", 1 << 62):
        for line in range(todo.get("complain", 0)):
            print(f"[0:24:12] [10635] WARN RPI complaint {line} " + 80 * "!", file=sys.stderr)
        data = picture
        if is_raw:
            data = fixed or raw(given, todo, count)
        if "cut" in todo and count % todo["cut"] == todo["cut"] - 1:
            data = data[:len(data) * 2 // 3]
        if count == 4:
            data = todo.get("stray", "").encode() + data
        data = todo.get("garbage", "").encode() + data
        write(data, todo.get("chunk", len(data)))
        count += 1
        time.sleep(1 / todo.get("rate", 30))
    if ended:
        return 0
    if todo.get("then", "exit") == "exit":
        print("ERROR: *** the stand-in was told to end ***", file=sys.stderr)
        return todo.get("status", 0)
    if todo["then"] == "close":
        os.close(1)
    with open(os.path.join(HERE, "idle"), "w", encoding="utf-8"):
        pass
    while not ended:
        time.sleep(0.05)
    return 0


if __name__ == "__main__":
    sys.exit(main())
