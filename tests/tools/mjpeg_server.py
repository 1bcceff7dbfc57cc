#!/usr/bin/env python3
"""An MJPEG camera on the network, for end-to-end tests: plays an MJPEG AVI file in a loop.

    mjpeg_server.py PORT CLIP [--fps N] [--chunked] [HABIT...]

Serves http://127.0.0.1:PORT/ as multipart/x-mixed-replace to any number of viewers. Standard library only.

Habits of real cameras:
    --no-lengths            parts have no Content-Length; the boundary comes with the next picture
    --lengths zero|short|long   or a false one
    --no-first-boundary     the boundary stands behind each picture only
    --boundary NAME         which is another one than the header says
    --blank-lines           before the head of a part and before its picture
    --no-end-marker         pictures end without FF D9
    --freeze-after N        sends the same picture for ever from then on
    --auth basic|digest|digest-sha256|digest-old|unknown   wants the name "cam" and the password "pass:word"
"""

import argparse
import base64
import hashlib
import os
import re
import struct
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def pictures(path):
    """The JPEG pictures of an AVI file, in order."""
    with open(path, "rb") as clip:
        data = clip.read()
    at = data.index(b"movi") + 4
    found = []
    while at + 8 <= len(data):
        name, size = data[at:at + 4], struct.unpack("<I", data[at + 4:at + 8])[0]
        if name == b"00dc" and size:
            found.append(data[at + 8:at + 8 + size])
        elif name == b"idx1":
            break
        at += 8 + size + size % 2
    return found


NONCE = os.urandom(8).hex()
CHALLENGES = {
    "digest": f'Digest realm="a camera", nonce="{NONCE}", qop="auth,auth-int", opaque="x"',
    "digest-sha256": f'Digest realm="a camera", nonce="{NONCE}", qop="auth", algorithm=SHA-256',
    "digest-old": f'Digest realm="a camera", nonce="{NONCE}"',
    "unknown": f'Digest realm="a camera", nonce="{NONCE}", algorithm=SHA-3',
}


class Door:
    """Lets in who knows the password."""

    def __init__(self, kind):
        self.kind = kind
        self.counts = set()

    def challenge(self, authorization, path):
        """None for somebody who may come in."""
        if self.kind is None:
            return None
        if self.kind == "basic":
            want = "Basic " + base64.b64encode(b"cam:pass:word").decode()
            return None if authorization == want else 'Basic realm="a camera"'
        if authorization and authorization.startswith("Digest ") and self.right(authorization, path):
            return None
        return CHALLENGES[self.kind]

    def right(self, authorization, path):
        said = {name: quoted or bare for name, quoted, bare in
                re.findall(r'(\w+)=(?:"([^"]*)"|([^ ,]+))', authorization)}
        digest = hashlib.sha256 if self.kind == "digest-sha256" else hashlib.md5

        def h(text):
            return digest(text.encode()).hexdigest()

        secret, place = h("cam:a camera:pass:word"), h("GET:" + path)
        if self.kind == "digest-old":
            want = h(f"{secret}:{NONCE}:{place}")
        else:
            use = (said.get("nc"), said.get("cnonce"))
            if said.get("qop") != "auth" or use in self.counts:
                return False
            self.counts.add(use)
            want = h(f"{secret}:{NONCE}:{said.get('nc')}:{said.get('cnonce')}:auth:{place}")
        return said.get("response") == want and said.get("uri") == path and said.get("nonce") == NONCE


def main():
    options = argparse.ArgumentParser()
    options.add_argument("port", type=int)
    options.add_argument("clip")
    options.add_argument("--fps", type=float, default=25)
    options.add_argument("--chunked", action="store_true")
    options.add_argument("--no-lengths", action="store_true")
    options.add_argument("--lengths", choices=["right", "zero", "short", "long"], default="right")
    options.add_argument("--no-first-boundary", action="store_true")
    options.add_argument("--boundary", default="frame")
    options.add_argument("--blank-lines", action="store_true")
    options.add_argument("--no-end-marker", action="store_true")
    options.add_argument("--freeze-after", type=int, default=0)
    options.add_argument("--auth", choices=["basic", *CHALLENGES])
    options = options.parse_args()
    frames = pictures(options.clip)
    if options.no_end_marker:
        frames = [jpeg.removesuffix(b"\xff\xd9") for jpeg in frames]
    door = Door(options.auth)
    sent = 0

    class Camera(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def put(self, data):
            if options.chunked:
                data = b"%x\r\n%s\r\n" % (len(data), data)
            self.wfile.write(data)

        def do_GET(self):
            challenge = door.challenge(self.headers.get("Authorization"), self.path)
            if challenge:
                self.send_response(401)
                self.send_header("WWW-Authenticate", challenge)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.send_header("Connection", "close")
            if options.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                if not options.no_first_boundary:
                    self.put(b"--%s\r\n" % options.boundary.encode())
                while True:
                    for jpeg in frames:
                        self.part(jpeg)
                        time.sleep(1 / options.fps)
            except OSError:
                self.close_connection = True

        def part(self, jpeg):
            """What stands between two boundaries, and the second one unless it is to come late."""
            nonlocal sent
            sent += 1
            if options.freeze_after and sent >= options.freeze_after:
                jpeg = frames[options.freeze_after % len(frames)]
            blank = b"\r\n" if options.blank_lines else b""
            length = {"right": len(jpeg), "zero": 0, "short": len(jpeg) // 2, "long": len(jpeg) + 7000}[options.lengths]
            head = b"" if options.no_lengths else b"Content-Length: %d\r\n" % length
            boundary = b"\r\n--%s\r\n" % options.boundary.encode()
            part = blank + b"Content-Type: image/jpeg\r\n" + head + b"\r\n" + blank + jpeg
            if options.no_lengths:
                self.put((boundary if self.begun else b"") + part)
                self.begun = True
            else:
                self.put(part + boundary)

        begun = False

    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", options.port), Camera).serve_forever()


if __name__ == "__main__":
    main()
