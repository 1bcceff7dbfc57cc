#!/usr/bin/env python3
"""An attendance server, or what stands in its place, that speaks HTTP as the world does: Python's own http.server, which
does one thing at a time and keeps connections open as HTTP/1.1 wants it.

    odd_server.py --port 5000 --log posts.jsonl --mode 204
    odd_server.py --port 5443 --certificate cert.pem --key key.pem    the same with TLS
    curl -d '{"mode": "ok"}' http://127.0.0.1:5000/_mode              changes what it does while it runs

A mode is {"mode": NAME} or {"mode": NAME, "health": true} where the health is answered in the same way, and further:
"headers" ([["Retry-After", "3"]]), "status" and "page" for the mode "answer".

Modes that store the tap: ok; gzip, deflate, bom, utf16, sjis, html-type (the JSON in that form); http10; chunked;
twice-length; too-long (announces more bytes than come). Those that store it and do not say so: 204, empty, br. Those that
do not store it: answer.

Each line of the log is a tap that came: idm, when, whether it was stored, and whether it came before (again). After each
request the line "idle" says for how long the client kept the connection open without another one.
"""

import argparse
import gzip
import json
import ssl
import time
import zlib
from http.server import BaseHTTPRequestHandler, HTTPServer

STORES = {"ok", "gzip", "deflate", "bom", "utf16", "sjis", "html-type", "http10", "chunked", "twice-length", "too-long",
          "204", "empty", "br"}
# The word "ok" as brotli packs it.
BROTLI = bytes([0x0B, 0x00, 0x80, 0x6F, 0x6B, 0x03])


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 90
    answered = None

    def log_message(self, *_):
        pass

    def finish(self):
        """A server that does not hang up by itself: what the client does is seen."""
        try:
            self.wfile.flush()
            if self.answered is not None:
                self.rfile.read(1)
                self.server.note({"idle": time.time() - self.answered})
        except OSError:
            pass
        super().finish()

    def do_GET(self):
        mode = self.server.mode
        if mode.get("health"):
            self.act(mode)
        else:
            self.say(200, b'{"status": "ok"}')

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_mode":
            self.server.mode = json.loads(body)
            self.say(200, b"{}")
            return
        tap = json.loads(body)
        mode = self.server.mode
        stores = mode["mode"] in STORES
        self.server.note({
            "idm": tap["idm"], "at": time.time(), "stored": stores, "again": tap["idm"] in self.server.seen,
            "authorization": self.headers.get("Authorization"),
        })
        if stores:
            duplicate = tap["idm"] in self.server.seen
            self.server.seen.add(tap["idm"])
            time.sleep(self.server.delay)
            self.act(mode, {"status": "duplicate", "message": "重複データ"} if duplicate else
                     {"status": "success", "attendance_id": len(self.server.seen)})
        else:
            self.act(mode)

    def act(self, mode, value=None):
        value = {"status": "ok"} if value is None else value
        text = json.dumps(value, ensure_ascii=False)
        plain = text.encode()
        name = mode["mode"]
        forms = {
            "gzip": (gzip.compress(plain), [("Content-Encoding", "gzip")]),
            "deflate": (zlib.compress(plain), [("Content-Encoding", "deflate")]),
            "br": (BROTLI, [("Content-Encoding", "br")]),
            "bom": (b"\xef\xbb\xbf" + plain, []),
            "utf16": (text.encode("utf-16"), [("Content-Type", "application/json; charset=utf-16")]),
            "sjis": (text.encode("cp932"), [("Content-Type", "application/json; charset=Shift_JIS")]),
            "html-type": (plain, [("Content-Type", "text/html")]),
            "empty": (b"", []),
        }
        if name == "answer":
            self.say(mode.get("status", 200), mode.get("page", "").encode(), mode.get("headers", []))
        elif name == "204":
            self.say(204, b"")
        elif name == "http10":
            self.raw(b"HTTP/1.0 200 OK\r\n\r\n" + plain)
        elif name == "chunked":
            self.raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(plain), plain))
        elif name == "twice-length":
            length = b"content-length: %d\r\n" % len(plain)
            self.raw(b"HTTP/1.1 200 OK\r\n" + length + length + b"\r\n" + plain + b"\r\nmore")
        elif name == "too-long":
            self.raw(b"HTTP/1.1 200 OK\r\nContent-Length: 4711\r\n\r\n" + plain)
        elif name in forms:
            self.say(200, *forms[name])
        else:
            self.say(200, plain)

    def raw(self, data):
        self.wfile.write(data)
        self.close_connection = True

    def say(self, status, body, headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.answered = time.time()


class Server(HTTPServer):
    request_queue_size = 64

    def note(self, line):
        with open(self.log, "a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")

    def handle_error(self, request, client_address):
        pass  # A client that hangs up is no news.


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--log", required=True)
    parser.add_argument("--mode", default="ok")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds that storing a tap takes")
    parser.add_argument("--certificate")
    parser.add_argument("--key")
    args = parser.parse_args()
    server = Server(("127.0.0.1", args.port), Handler)
    server.log, server.mode, server.seen, server.delay = args.log, {"mode": args.mode}, set(), args.delay
    if args.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(args.certificate, args.key)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
