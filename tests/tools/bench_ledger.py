#!/usr/bin/env python3
"""Measures what a tap costs until it is durable, the start with a million taps that wait, and the rate of delivery.

    bench_ledger.py --binary FILE --folder FOLDER [--limits]

FOLDER must not exist and lies on the disk that is measured. --limits: status 1 above what is promised.
"""

import argparse
import json
import os
import shutil
import signal
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
from pathlib import Path

from kill_plan import not_taken

HERE = Path(__file__).parent
# Promised: milliseconds from the card's answer until the tap is durable, in 99 of 100 taps; seconds of a start;
# taps delivered a second.
DURABLE_P99_MS, START_S, DELIVERED_A_SECOND = 15.0, 1.0, 500.0
TAPS, PAUSE = 2000, 0.02
WAITING, CARDS = 1_000_000, 500
DELIVERIES = 5000
STARTS = 5
PATIENCE = 300


class Bench:
    """A folder with configuration, FIFO and ledger, and the service in it."""

    def __init__(self, binary, folder):
        self.binary, self.folder = binary, Path(folder)
        self.folder.mkdir(parents=True)
        os.mkfifo(self.folder / "cards")
        self.feed = os.open(self.folder / "cards", os.O_RDWR)
        self.ledger = self.folder / "data" / "attendance.db"
        self.log, self.trace = self.folder / "facetap.log", self.folder / "trace.jsonl"

    def configure(self, port):
        config = {
            "language": "en",
            "data_dir": str(self.ledger.parent),
            "camera": {"enabled": False},
            "servo": {"enabled": False},
            "cards": {"readers": "simulated", "repeat_seconds": 10},
            "server_url": f"http://127.0.0.1:{port}",
            "terminal_id": "AA:BB:CC:DD:EE:FF",
        }
        (self.folder / "config.json").write_text(json.dumps(config))

    def start(self):
        """Starts the service. Returns it, and the seconds until it said that it was ready."""
        self.log.unlink(missing_ok=True)
        env = {**os.environ, "FACETAP_SIMULATED_CARDS": str(self.folder / "cards"),
               "STATE_DIRECTORY": str(self.folder), "RUNTIME_DIRECTORY": str(self.folder), "LANG": "C.UTF-8"}
        command = [self.binary, "run", "--no-display", "--config", self.folder / "config.json",
                   "--trace", self.trace, "--log-file", self.log]
        begin = time.monotonic()
        with open(self.folder / "output", "w") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)
        while not (self.log.exists() and "[SERVER_START]" in self.log.read_text()):
            if process.poll() is not None or time.monotonic() - begin > PATIENCE:
                sys.exit("the service does not get ready:\n" + (self.folder / "output").read_text())
            time.sleep(0.001)
        return process, time.monotonic() - begin

    def starts(self):
        """Seconds from start to ready, the median of some."""
        took = []
        for _ in range(STARTS):
            process, seconds = self.start()
            stop(process)
            took.append(seconds)
        return statistics.median(took)

    def durable(self, first):
        """Taps cards whose number begins with `first`; milliseconds until durable, sorted."""
        process, _ = self.start()
        for n in range(TAPS):
            os.write(self.feed, f"{first}{n:06X}\n".encode())
            while not_taken(self.feed):
                time.sleep(0.0005)
            time.sleep(PAUSE)
        time.sleep(1)
        stop(process)
        lines = [json.loads(line) for line in self.trace.read_text().splitlines()]
        took = sorted(line["durable_ms"] for line in lines if line.get("outcome") == "counted")
        if len(took) != TAPS:
            sys.exit(f"{len(took)} of {TAPS} taps were counted:\n" + self.log.read_text()[-2000:])
        return took

    def fill(self, taps):
        """Taps that wait for delivery, in the service's own tables."""
        db = sqlite3.connect(self.ledger)
        db.execute("PRAGMA synchronous = OFF")
        columns = {row[1] for row in db.execute("PRAGMA table_info(tap)")}
        clock = (", clock", ", 'synchronised'") if "clock" in columns else ("", "")
        with db:
            db.execute(
                f"""WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {taps - 1})
                INSERT INTO tap (uid, card, reader, local_time, utc_offset_s, utc_time, boottime_ms, boot_id,
                    clock_synchronised, idempotency_key{clock[0]})
                SELECT printf('012E44A7%08X', n % {CARDS}), 'felica', 'simulated reader',
                    strftime('%Y-%m-%dT%H:%M:%S', 1700000000 + n / {CARDS} * 60, 'unixepoch') || '.000001', 0,
                    strftime('%Y-%m-%dT%H:%M:%S', 1700000000 + n / {CARDS} * 60, 'unixepoch') || '.000001Z',
                    n / {CARDS} * 60000, 'of an earlier boot', 1, printf('%032x', n){clock[1]} FROM n"""
            )
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.close()

    def waiting(self):
        db = sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True, timeout=20)
        try:
            return db.execute("SELECT count(*) FROM tap WHERE state = 'pending'").fetchone()[0]
        finally:
            db.close()

    def delivery(self):
        """Taps delivered a second to a server on this machine."""
        rows = self.folder / "rows.jsonl"
        server, port = start_server(rows)
        self.configure(port)
        process, _ = self.start()
        end = time.monotonic() + PATIENCE
        while self.waiting() and time.monotonic() < end:
            time.sleep(0.2)
        stop(process)
        server.kill()
        server.wait()
        received = [json.loads(line) for line in rows.read_text().splitlines()]
        if len(received) != DELIVERIES or {row["status"] for row in received} != {"success"}:
            sys.exit(f"{len(received)} of {DELIVERIES} taps reached the server once")
        return (DELIVERIES - 1) / (received[-1]["at"] - received[0]["at"])

    def empty(self):
        shutil.rmtree(self.ledger.parent, ignore_errors=True)


def start_server(rows):
    command = [sys.executable, HERE / "attendance_server.py", "--port", "0", "--log", rows]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    return server, int(server.stdout.readline().rsplit(":", 1)[1])


def stop(process):
    process.send_signal(signal.SIGTERM)
    if process.wait(timeout=30) != 0:
        sys.exit(f"the service ended with status {process.returncode}")


def nobody():
    """A port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def percentile(ordered, part):
    return ordered[min(len(ordered) - 1, int(len(ordered) * part))]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--limits", action="store_true")
    args = parser.parse_args()
    bench = Bench(os.path.abspath(args.binary), args.folder)
    above = []

    def show(name, value, unit, limit=None, good=True):
        print(f"{name:58} {value:9.2f} {unit}" + (f"   limit {limit:g}" if limit else ""), flush=True)
        if not good:
            above.append(name)

    def show_durable(name, first, limited=True):
        took = bench.durable(first)
        show(f"card's answer to durable, {name}: median", statistics.median(took), "ms")
        p99 = percentile(took, 0.99)
        limit = DURABLE_P99_MS if limited else None
        show(f"card's answer to durable, {name}: p99", p99, "ms", limit, not limited or p99 <= DURABLE_P99_MS)
        show(f"card's answer to durable, {name}: longest", took[-1], "ms")

    # A server that cannot be reached, so that the taps stay.
    bench.configure(nobody())
    show("start to ready, empty ledger", bench.starts(), "s")
    show_durable("empty ledger", "10")
    bench.fill(WAITING)
    seconds = bench.starts()
    show("start to ready, a million taps waiting", seconds, "s", START_S, seconds < START_S)
    show_durable("a million taps waiting", "20")

    bench.empty()
    server, port = start_server(bench.folder / "meanwhile.jsonl")
    bench.configure(port)
    # Thousands of deliveries a second write as much as the disk takes; a figure, not a promise.
    show_durable("delivering meanwhile", "30", limited=False)
    server.kill()
    server.wait()

    bench.empty()
    bench.configure(nobody())
    stop(bench.start()[0])
    bench.fill(DELIVERIES)
    rate = bench.delivery()
    show(f"delivered of {DELIVERIES} taps of {CARDS} cards", rate, "/s", DELIVERED_A_SECOND, rate >= DELIVERED_A_SECOND)
    if args.limits and above:
        sys.exit("not as promised: " + "; ".join(above))


if __name__ == "__main__":
    main()
