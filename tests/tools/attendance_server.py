#!/usr/bin/env python3
"""The old attendance server, as far as its clients can tell, with faults on request.

    attendance_server.py --port 5000 --log rows.jsonl          the log is its database too
    attendance_server.py --port 5000 --fail 500
    attendance_server.py --port 5000 --chaos 7                 faults at random, the same for the same number
    curl -d '{"mode": "html"}' http://127.0.0.1:5000/_mode      changes the fault while it runs
    curl http://127.0.0.1:5000/_rows                            what has been stored, and how often asked
    curl http://127.0.0.1:5000/_counts                          the latter alone, with the faults acted out

Modes: ok; 500; 400; 401; html (a page instead of the API); garbage (bytes that are no HTTP); nothing (hangs up
without an answer); drop (stores the row, then hangs up); stall (stores the row, and answers after --delay seconds); slow
(stores and answers after --delay seconds, even if nobody waits for it any more); redirect. A mode may be limited to one
card: {"mode": "500", "idm": "04A1B2C3D4E5F6"}. {"mode": "chaos"} needs --chaos; with --weights
"500=10,drop=20" its faults per thousand requests are others. It also closes its port for a moment now and then.

A card whose identifier begins as --unwelcome says is refused with the API's own 400, and noted as "refused".

Its rule: a tap is a duplicate if the row last received from the same card and terminal lies within ten
seconds of it. It knows nothing of Idempotency-Key, but notes it, and FaceTap-Clock. A timestamp with an offset is
answered with 500, as the original does.
"""

import argparse
import json
import os
import random
import socket
import sys
import threading
import time
from datetime import datetime

NEAR = 10  # seconds
# Faults of chaos, each in so many of a thousand requests.
WEIGHTS = {"500": 30, "nothing": 15, "drop": 40, "garbage": 10, "html": 10, "stall": 2, "slow": 3}
# Chaos closes the port this often, on average, and for up to so long, in seconds.
CLOSED_EVERY, CLOSED_FOR = 6.0, 1.5
REASONS = {200: "OK", 302: "Found", 400: "Bad Request", 404: "Not Found", 500: "Internal Server Error"}


class Store:
    """Rows received, in the order of their receipt."""

    def __init__(self, log, unwelcome=None):
        self.lock = threading.Lock()
        self.unwelcome = unwelcome
        self.rows = []
        self.last = {}
        if log and os.path.exists(log):
            self.remember(log)
        # One write a line: a killed server has noted a row before it answers, and never half of one.
        self.log = open(log, "ab", buffering=0) if log else None
        self.mode = {"mode": "ok"}
        self.counts = {"posts": 0, "health": 0, "duplicates": 0}

    def remember(self, log):
        """What an earlier run stored: the original has a database."""
        with open(log, encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if row["status"] == "success":
                    who = (row["idm"], row["terminal_id"])
                    self.last[who] = datetime.fromisoformat(row["timestamp"])
                    self.rows.append({k: row[k] for k in ("idm", "timestamp", "terminal_id")})

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    def receive(self, body, headers):
        data = json.loads(body)
        missing = [k for k in ("idm", "timestamp", "terminal_id") if not data.get(k)]
        if missing:
            return 400, {"status": "error", "message": "missing " + ", ".join(missing)}
        if self.unwelcome and data["idm"].startswith(self.unwelcome):
            with self.lock:
                self.note("refused", data, headers, body)
            return 400, {"status": "error", "message": "this card is not registered"}
        stamp = datetime.fromisoformat(data["timestamp"])
        who = (data["idm"], data["terminal_id"])
        with self.lock:
            last = self.last.get(who)
            # Comparing a time without offset with one that has one raises, as in the original.
            difference = abs((stamp - (last or datetime.min)).total_seconds())
            if last is not None and difference <= NEAR:
                self.counts["duplicates"] += 1
                message = {"status": "duplicate", "message": "重複データ", "time_diff": difference}
                self.note("duplicate", data, headers, body)
                return 200, message
            self.last[who] = stamp
            self.rows.append(data)
            self.note("success", data, headers, body)
            return 200, {"status": "success", "attendance_id": len(self.rows)}

    def note(self, status, data, headers, body):
        if self.log:
            row = {
                "status": status,
                **data,
                "key": headers.get("idempotency-key"),
                "clock": headers.get("facetap-clock"),
                "body": body.decode(),
                "at": time.time(),
            }
            self.log.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


class Chaos:
    """Draws faults."""

    def __init__(self, seed, weights):
        self.random = random.Random(seed)
        self.names, self.weights = list(weights), list(weights.values())
        self.lock = threading.Lock()

    def draw(self):
        with self.lock:
            names = [*self.names, "ok"]
            weights = [*self.weights, max(0, 1000 - sum(self.weights))]
            return self.random.choices(names, weights)[0]


class Connection:
    """One client's connection, with as many requests as it likes. One write an answer: a second one would wait for
    the client's acknowledgement of the first."""

    def __init__(self, server, link):
        self.server, self.store, self.link = server, server.store, link
        self.file = link.makefile("rb")

    def serve(self):
        try:
            while self.request():
                pass
        except (OSError, ValueError):
            pass  # The client went away, or speaks no HTTP.
        finally:
            self.server.forget(self.link)
            self.file.close()
            self.link.close()

    def request(self):
        """Serves one request. False if the connection is to end."""
        line = self.file.readline().split()
        if len(line) < 2:
            return False
        headers = {}
        while (header := self.file.readline().strip()):
            name, _, value = header.partition(b":")
            headers[name.decode("latin-1").lower()] = value.strip().decode("latin-1")
        body = self.file.read(int(headers.get("content-length", 0)))
        method, path = line[0].decode(), line[1].decode()
        if self.server.closed:
            return False  # It came on a connection that was open when the port was closed.
        return self.post(path, body, headers) if method == "POST" else self.get(path)

    def answer(self, status, value, content="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        more = "Location: /elsewhere\r\n" if status == 302 else ""
        head = (
            f"HTTP/1.1 {status} {REASONS.get(status, 'On Request')}\r\nContent-Type: {content}\r\n"
            f"{more}Content-Length: {len(body)}\r\n\r\n"
        )
        self.link.sendall(head.encode() + body)
        return True

    def get(self, path):
        if path == "/_rows":
            return self.answer(200, {"rows": self.store.rows, **self.store.counts})
        if path == "/_counts":
            return self.answer(200, self.store.counts)
        if path != "/api/health":
            return self.answer(404, {"status": "error"})
        self.store.count("health")
        mode = self.store.mode
        fault = "ok" if mode.get("health", True) else self.fault(None)
        done, more = self.act(fault)
        return more if done else self.answer(200, {"status": "ok"})

    def post(self, path, body, headers):
        if path == "/_mode":
            self.store.mode = json.loads(body)
            return self.answer(200, self.store.mode)
        if path != "/api/attendance":
            return self.answer(404, {"status": "error"})
        self.store.count("posts")
        fault = "ok"
        try:
            fault = self.fault(json.loads(body).get("idm"))
            done, more = self.act(fault)
            if done:
                return more
            status, value = self.store.receive(body, headers)
        except (ValueError, TypeError, AttributeError) as e:
            status, value = 500, {"status": "error", "message": str(e)}
        if fault == "stall":
            time.sleep(self.server.delay)
        return fault != "drop" and self.answer(status, value)

    def fault(self, idm):
        mode = self.store.mode
        if mode.get("idm") not in (None, idm):
            return "ok"
        name = str(mode["mode"])
        if name == "chaos":
            name = self.server.chaos.draw()
            if name != "ok":
                self.store.count("fault " + name)
        return name

    def act(self, name):
        """Acts out a fault before the row is stored. Whether that was all, and whether the connection goes on."""
        if name == "slow":
            time.sleep(self.server.delay)
        elif name == "html":
            page = b"<html><body>Welcome to the hotel network</body></html>"
            return True, self.answer(200, page, "text/html")
        elif name == "redirect":
            return True, self.answer(302, b"")
        elif name == "garbage":
            self.link.sendall(bytes(range(128, 256)))
            return True, False
        elif name == "nothing":
            return True, False
        elif name.isdigit():
            return True, self.answer(int(name), {"status": "error", "message": "on request"})
        return False, True


class Server:
    """Listens, and hands each connection to a thread of its own."""

    def __init__(self, port, store, chaos, delay):
        self.port, self.store, self.chaos, self.delay = port, store, chaos, delay
        self.closed = False
        self.links = set()
        self.lock = threading.Lock()
        self.listener = None
        self.listen()

    def listen(self):
        self.listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = self.listener.getsockname()[1]
        self.closed = False

    def forget(self, link):
        with self.lock:
            self.links.discard(link)

    def serve(self):
        while True:
            try:
                link, _ = self.listener.accept()
            except OSError:
                time.sleep(0.01)  # The port is closed for a moment.
                continue
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.links.add(link)
            threading.Thread(target=Connection(self, link).serve, daemon=True).start()

    def close_now_and_then(self, seed):
        draw = random.Random(seed + 1)
        while True:
            time.sleep(draw.expovariate(1 / CLOSED_EVERY))
            if self.store.mode["mode"] != "chaos":
                continue
            self.store.count("fault closed")
            self.closed = True
            # The call wakes accept(), which closing alone does not.
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            with self.lock:
                for link in self.links:
                    try:
                        link.shutdown(socket.SHUT_RDWR)
                    except OSError:
                        pass  # It ended by itself.
            time.sleep(draw.uniform(0.1, CLOSED_FOR))
            self.listen()


def weights(text):
    return {name: int(weight) for name, weight in (pair.split("=") for pair in text.split(","))}


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--log", help="file for received rows, one JSON object a line")
    parser.add_argument("--fail", default="ok", help="mode to start in")
    parser.add_argument("--delay", type=float, default=8.0, help="seconds of the mode slow")
    parser.add_argument("--chaos", type=int, metavar="SEED", help="start in the mode chaos")
    parser.add_argument("--weights", type=weights, default=WEIGHTS, help="faults of chaos per thousand requests")
    parser.add_argument("--unwelcome", metavar="PREFIX", help="cards that are refused")
    args = parser.parse_args()
    store = Store(args.log, args.unwelcome)
    chaos = None
    store.mode = {"mode": args.fail}
    if args.chaos is not None:
        store.mode = {"mode": "chaos"}
        chaos = Chaos(args.chaos, args.weights)
    server = Server(args.port, store, chaos, args.delay)
    if chaos:
        threading.Thread(target=server.close_now_and_then, args=(args.chaos,), daemon=True).start()
    print(f"listening on http://127.0.0.1:{server.port}", flush=True)
    server.serve()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
