#!/usr/bin/env python3
"""Something on the way between the program and the attendance server: a proxy, a firewall, a portal. Now and then it
answers in the server's place, in words that are none of the API's.

    attendance_proxy.py --port 5001 --to 5000 --chaos 7                the same faults again for the same number
    attendance_proxy.py --port 5001 --to 5000 --weights "403=50,portal=100" --latency 0.3
    curl -d '{"weights": {"502": 1000}, "latency": 1}' http://127.0.0.1:5001/_proxy    changes that while it runs
    curl http://127.0.0.1:5001/_counts                                 how often each fault was acted out

Weights are for a thousand requests each. Kinds: 400, 403, 404, 409, 410, 429 (with Retry-After), 502 (all of them pages
of HTML); json400 (JSON of somebody else); portal (status 200 and a page to log in); portal-json (status 200 and JSON to
log in); redirect (to that page); lost (the server gets the request, its answer is replaced by the page of a 502).

Where the server does not answer, the program gets a 502, rubbish, or nothing.
"""

import argparse
import http.client
import json
import random
import sys
import threading
import time
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

WEIGHTS = {"400": 8, "403": 8, "404": 8, "409": 8, "410": 8, "429": 8, "502": 8, "json400": 4, "portal": 8,
           "portal-json": 4, "redirect": 8, "lost": 10}
# One request in three.
HEAVY = {name: 4 * weight for name, weight in WEIGHTS.items()}
REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 403: "Forbidden", 404: "Not Found", 409: "Conflict",
           410: "Gone", 429: "Too Many Requests", 502: "Bad Gateway"}
# Longer than the server's slowest answer.
PATIENCE = 15


class Fate:
    """Draws faults, and counts them."""

    def __init__(self, seed, weights, latency):
        self.random, self.lock = random.Random(seed), threading.Lock()
        self.weights, self.latency = weights, latency
        self.counts = {}

    def change(self, order):
        with self.lock:
            self.weights = order.get("weights", self.weights)
            self.latency = order.get("latency", self.latency)

    def draw(self):
        """The fault of a request, and how long it is on its way."""
        with self.lock:
            rest = max(0, 1000 - sum(self.weights.values()))
            kind = self.random.choices([*self.weights, "none"], [*self.weights.values(), rest])[0]
            return kind, self.latency

    def choose(self, *options):
        with self.lock:
            return self.random.choice(options)

    def count(self, kind):
        with self.lock:
            self.counts[kind] = self.counts.get(kind, 0) + 1


def page(status):
    reason = REASONS[status]
    return f"<html><head><title>{status} {reason}</title></head><body><h1>{reason}</h1>nginx</body></html>".encode()


def answer(status, body, *headers, content="text/html"):
    head = [f"HTTP/1.1 {status} {REASONS[status]}", f"Content-Type: {content}", *headers,
            f"Content-Length: {len(body)}"]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


class Handler(BaseHTTPRequestHandler):
    """One client's connection, with a connection of its own to the server."""

    protocol_version = "HTTP/1.1"
    upstream = None

    def do_GET(self):
        self.serve(b"")

    def do_POST(self):
        self.serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def log_message(self, *_):
        pass

    def serve(self, body):
        fate = self.server.fate
        if self.path == "/_proxy":
            fate.change(json.loads(body))
            self.say(answer(200, b"{}", content="application/json"))
        elif self.path == "/_counts":
            self.say(answer(200, json.dumps(fate.counts).encode(), content="application/json"))
        else:
            kind, latency = fate.draw()
            time.sleep(latency)
            if kind == "none":
                self.say(self.forward(body))
                return
            fate.count(kind)
            if kind == "lost":
                self.forward(body)
            self.say(self.act(kind))

    def act(self, kind):
        """The answer of a fault."""
        if kind == "429":
            later = self.server.fate.choose("0", "1", "2", formatdate(time.time() + 2, usegmt=True), "soon")
            return answer(429, page(429), f"Retry-After: {later}")
        if kind == "json400":
            body = {"status": 400, "title": "Bad Request", "detail": "Invalid Hostname"}
            return answer(400, json.dumps(body).encode(), content="application/json")
        if kind == "portal":
            return answer(200, b"<html><body>Welcome to the hotel network. Please log in.</body></html>")
        if kind == "portal-json":
            return answer(200, b'{"login": "required"}', content="application/json")
        if kind == "redirect":
            return answer(302, page(302), "Location: http://portal.invalid/login")
        status = 502 if kind == "lost" else int(kind)
        return answer(status, page(status))

    def forward(self, body):
        """What the server answers; something of our own if it does not."""
        if self.upstream is None:
            self.upstream = http.client.HTTPConnection("127.0.0.1", self.server.to, timeout=PATIENCE)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
        try:
            self.upstream.request(self.command, self.path, body or None, headers)
            reply = self.upstream.getresponse()
            data = reply.read()
        except (OSError, http.client.HTTPException):
            self.upstream.close()
            self.upstream = None
            self.server.fate.count("no answer of the server")
            return self.server.fate.choose(answer(502, page(502)), bytes(range(128, 256)), b"")
        head = [f"HTTP/1.1 {reply.status} {reply.reason}"]
        head += [f"{name}: {value}" for name, value in reply.getheaders()]
        return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + data

    def say(self, data):
        """One write an answer: a second one would wait for the client's acknowledgement of the first."""
        if not data.startswith(b"HTTP/"):
            self.close_connection = True
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True  # The client has given up.

    def finish(self):
        super().finish()
        if self.upstream is not None:
            self.upstream.close()


class Proxy(ThreadingHTTPServer):
    daemon_threads = True
    disable_nagle_algorithm = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A client that hangs up, because it was killed, is no news."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(request, client_address)


def weights(text):
    return {name: int(weight) for name, weight in (pair.split("=") for pair in text.split(","))} if text else {}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=5001)
    parser.add_argument("--to", type=int, default=5000, help="port of the server, on this machine")
    parser.add_argument("--chaos", type=int, default=0, metavar="SEED")
    parser.add_argument("--weights", type=weights, default=WEIGHTS)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds that every request takes besides")
    args = parser.parse_args()
    proxy = Proxy(("127.0.0.1", args.port), Handler)
    proxy.fate, proxy.to = Fate(args.chaos, args.weights, args.latency), args.to
    print(f"listening on http://127.0.0.1:{proxy.server_port}", flush=True)
    proxy.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
