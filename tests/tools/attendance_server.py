#!/usr/bin/env python3
"""The old attendance server, as far as its clients can tell, with faults on request.

    attendance_server.py --port 5000 --log rows.jsonl          the log is its database too
    attendance_server.py --port 5000 --fail 500
    curl -d '{"mode": "html"}' http://127.0.0.1:5000/_mode      changes the fault while it runs
    curl http://127.0.0.1:5000/_rows                            what has been stored, and how often asked

Modes: ok; 500; 400; 401; html (a page instead of the API); nothing (hangs up without an answer); drop
(stores the row, then hangs up); slow (answers after --delay seconds); redirect. A mode may be limited to
one card: {"mode": "500", "idm": "04A1B2C3D4E5F6"}.

Its rule: a tap is a duplicate if the row last received from the same card and terminal lies within ten
seconds of it. It knows nothing of Idempotency-Key, but notes it. A timestamp with an offset is answered
with 500, as the original does.
"""

import argparse
import json
import os
import sys
import threading
import time
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NEAR = 10  # seconds


class Store:
    """Rows received, in the order of their receipt."""

    def __init__(self, log):
        self.lock = threading.Lock()
        self.rows = []
        self.last = {}
        if log and os.path.exists(log):
            self.remember(log)
        self.log = open(log, "a", buffering=1) if log else None
        self.mode = {"mode": "ok"}
        self.counts = {"posts": 0, "health": 0, "duplicates": 0}

    def remember(self, log):
        """What an earlier run stored: the original has a database."""
        with open(log) as lines:
            for row in map(json.loads, lines):
                if row["status"] == "success":
                    who = (row["idm"], row["terminal_id"])
                    self.last[who] = datetime.fromisoformat(row["timestamp"])
                    self.rows.append({k: row[k] for k in ("idm", "timestamp", "terminal_id")})

    def receive(self, body, key):
        data = json.loads(body)
        missing = [k for k in ("idm", "timestamp", "terminal_id") if not data.get(k)]
        if missing:
            return 400, {"status": "error", "message": "missing " + ", ".join(missing)}
        stamp = datetime.fromisoformat(data["timestamp"])
        who = (data["idm"], data["terminal_id"])
        with self.lock:
            last = self.last.get(who)
            # Comparing a time without offset with one that has one raises, as in the original.
            difference = abs((stamp - (last or datetime.min)).total_seconds())
            if last is not None and difference <= NEAR:
                self.counts["duplicates"] += 1
                message = {"status": "duplicate", "message": "重複データ", "time_diff": difference}
                self.note("duplicate", data, key, body)
                return 200, message
            self.last[who] = stamp
            self.rows.append(data)
            self.note("success", data, key, body)
            return 200, {"status": "success", "attendance_id": len(self.rows)}

    def note(self, status, data, key, body):
        if self.log:
            row = {"status": status, **data, "key": key, "body": body.decode(), "at": time.time()}
            self.log.write(json.dumps(row, ensure_ascii=False) + "\n")


class Handler(BaseHTTPRequestHandler):
    """One request. `store` and `delay` are set on the class."""

    store = None
    delay = 0.0
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def answer(self, status, value, content="application/json"):
        body = value if isinstance(value, bytes) else json.dumps(value, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", content)
        self.send_header("Content-Length", str(len(body)))
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        self.wfile.write(body)

    def fault(self, idm=None):
        """Acts out the present fault. True if nothing is left to do."""
        mode = self.store.mode
        if mode.get("idm") not in (None, idm):
            return False
        name = str(mode["mode"])
        if name == "slow":
            time.sleep(self.delay)
        elif name == "html":
            self.answer(200, b"<html><body>Welcome to the hotel network</body></html>", "text/html")
        elif name == "redirect":
            self.answer(302, b"")
        elif name == "nothing":
            self.close_connection = True
        elif name.isdigit():
            self.answer(int(name), {"status": "error", "message": "on request"})
        return name not in ("ok", "slow", "drop")

    def do_GET(self):
        if self.path == "/_rows":
            self.answer(200, {"rows": self.store.rows, **self.store.counts})
        elif self.path == "/api/health":
            self.store.counts["health"] += 1
            if self.store.mode.get("health", True) or not self.fault():
                self.answer(200, {"status": "ok"})
        else:
            self.answer(404, {"status": "error"})

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/_mode":
            self.store.mode = json.loads(body)
            self.answer(200, self.store.mode)
            return
        if self.path != "/api/attendance":
            self.answer(404, {"status": "error"})
            return
        self.store.counts["posts"] += 1
        try:
            idm = json.loads(body).get("idm")
            if self.fault(idm):
                return
            status, value = self.store.receive(body, self.headers.get("Idempotency-Key"))
        except (ValueError, TypeError) as e:
            status, value = 500, {"status": "error", "message": str(e)}
        if self.store.mode["mode"] == "drop":
            self.close_connection = True
            return
        try:
            self.answer(status, value)
        except BrokenPipeError:
            pass  # The client did not wait.


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--log", help="file for received rows, one JSON object a line")
    parser.add_argument("--fail", default="ok", help="mode to start in")
    parser.add_argument("--delay", type=float, default=8.0, help="seconds of the mode slow")
    args = parser.parse_args()
    Handler.store = Store(args.log)
    Handler.store.mode = {"mode": args.fail}
    Handler.delay = args.delay
    server = ThreadingHTTPServer(("127.0.0.1", args.port), Handler)
    server.daemon_threads = True
    print(f"listening on http://127.0.0.1:{server.server_port}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(0)
