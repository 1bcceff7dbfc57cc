"""Clips with the truth about their faces, for the tools beside this file. Standard library only."""

import csv
import struct
from pathlib import Path


class Clip:
    """An MJPEG AVI file: its JPEG pictures in their order, and how many a second."""

    def __init__(self, path):
        self.path = Path(path)
        data = self.path.read_bytes()
        if data[:4] != b"RIFF" or data[8:12] != b"AVI ":
            raise ValueError(f"{path} is not an AVI file")
        # dwScale and dwRate of the first picture stream's header.
        header = data.index(b"strh")
        while data[header + 8:header + 12] != b"vids":
            header = data.index(b"strh", header + 4)
        scale, rate = struct.unpack_from("<II", data, header + 8 + 20)
        self.rate = rate / scale
        self.pictures = []
        at = data.index(b"movi") + 4
        while at + 8 <= len(data):
            name, size = data[at:at + 4], struct.unpack_from("<I", data, at + 4)[0]
            if name == b"idx1":
                break
            if name[2:] in (b"dc", b"db") and size:
                self.pictures.append(data[at + 8:at + 8 + size])
            at += 8 + size + size % 2
        if not self.pictures:
            raise ValueError(f"{path} has not a single picture")


def read_truth(path):
    """The faces of each picture, {picture: [(x, y, w, h, counts)]}, from a CSV file with a line for each face.

    A face that does not count may be found or not. A line without a box is a picture without a face.
    """
    truth = {}
    with open(path, encoding="utf-8", newline="") as lines:
        for line in csv.DictReader(lines):
            faces = truth.setdefault(int(line["frame"]), [])
            if line["w"]:
                box = tuple(float(line[name]) for name in ("x", "y", "w", "h"))
                faces.append((*box, line["ignore"] != "1"))
    return truth
