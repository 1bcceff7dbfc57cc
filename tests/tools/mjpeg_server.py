#!/usr/bin/env python3
"""An MJPEG camera on the network, for end-to-end tests: plays an MJPEG AVI file in a loop.

    mjpeg_server.py PORT CLIP [--fps N] [--chunked]

Serves http://127.0.0.1:PORT/ as multipart/x-mixed-replace to any number of viewers. Standard library only.
"""

import argparse
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


def main():
    options = argparse.ArgumentParser()
    options.add_argument("port", type=int)
    options.add_argument("clip")
    options.add_argument("--fps", type=float, default=25)
    options.add_argument("--chunked", action="store_true")
    options = options.parse_args()
    frames = pictures(options.clip)

    class Camera(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_):
            pass

        def put(self, data):
            if options.chunked:
                data = b"%x\r\n%s\r\n" % (len(data), data)
            self.wfile.write(data)

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
            self.send_header("Connection", "close")
            if options.chunked:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            try:
                while True:
                    for jpeg in frames:
                        head = "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
                        self.put(head.encode() + jpeg + b"\r\n")
                        time.sleep(1 / options.fps)
            except OSError:
                self.close_connection = True

    ThreadingHTTPServer.allow_reuse_address = True
    ThreadingHTTPServer.daemon_threads = True
    ThreadingHTTPServer(("127.0.0.1", options.port), Camera).serve_forever()


if __name__ == "__main__":
    main()
