#!/usr/bin/env python3
"""Kills the service again and again while cards are tapped and the server misbehaves; then counts.

    kill_test.py --binary target/debug/facetap                          10,000 taps, 550 kills, about ten minutes
    kill_test.py --binary FILE --taps 300 --kills 25 --pcscd 0          the short form of the test suite
    kill_test.py --binary FILE --seed 7                                 the same plan of taps, kills and faults again

Every tap whose trace line said that it counted must be at the server exactly once, those of a card in their order, and
none that was refused (kill_judge.py). Status 1 if it is not so. With --keep FOLDER what the parts wrote stays there.
Of the taps, --pcscd N go through the real pcscd and virtual cards, the others through FACETAP_SIMULATED_CARDS.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from pathlib import Path

import kill_judge
import kill_plan
from kill_read import read_ledger, read_server, read_trace

HERE = Path(__file__).parent
REPEAT_SECONDS = 10
# The service must get on with its queue at the end; this long without any progress is a fault.
PATIENCE = 120
# Part of the kills that come while the service starts.
EARLY = 0.3
# Seconds for which the server is gone now and then: longer than a card is left alone, so that it has two taps waiting.
OUTAGE = (kill_plan.APART + 3, kill_plan.APART + 12)
# Seconds of a life with pcscd, on average: long enough to find the readers.
PCSCD_LIFE = 2.0


class Scene:
    """Folder, configuration, server, and the runs of the service."""

    def __init__(self, args, folder):
        self.args, self.folder = args, Path(folder)
        self.random = random.Random(args.seed)
        self.fifo = self.folder / "cards"
        os.mkfifo(self.fifo)
        # Open for reading, too: what the dead service has not taken waits for the next.
        self.feed = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.port = free_port()
        self.server = None
        self.counts = Counter()
        self.runs = []  # (start on the wall clock, trace, log)

    def start_server(self, chaos):
        command = [sys.executable, HERE / "attendance_server.py", "--port", str(self.port),
                   "--log", self.folder / "rows.jsonl", "--delay", "7"]
        if chaos:
            command += ["--chaos", str(self.random.randrange(1 << 30))]
            command += ["--weights", self.args.weights] if self.args.weights else []
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE)
        self.server.stdout.readline()

    def stop_server(self):
        try:
            url = f"http://127.0.0.1:{self.port}/_counts"
            with urllib.request.urlopen(url, timeout=5) as answer:
                self.counts.update(json.load(answer))
        except OSError:
            pass  # Its port happens to be closed; figures of this life of the server are missing.
        self.server.kill()
        self.server.wait()

    def configure(self, readers):
        config = {
            "language": "en",
            "data_dir": str(self.folder / "data"),
            "camera": {"enabled": False},
            "servo": {"enabled": False},
            "cards": {"readers": readers, "repeat_seconds": REPEAT_SECONDS},
            "server_url": f"http://127.0.0.1:{self.port}",
            "retry_interval": 3,
            "terminal_id": "AA:BB:CC:DD:EE:FF",
        }
        (self.folder / "config.json").write_text(json.dumps(config))

    def start_service(self):
        number = len(self.runs)
        trace, log = (self.folder / f"run-{number:04}.{end}" for end in ("jsonl", "log"))
        command = [self.args.binary, "run", "--no-display", "--config", self.folder / "config.json",
                   "--trace", trace, "--log-file", log]
        env = {**os.environ, "FACETAP_SIMULATED_CARDS": str(self.fifo), "STATE_DIRECTORY": str(self.folder),
               "RUNTIME_DIRECTORY": str(self.folder), "LANG": "C.UTF-8"}
        with open(self.folder / "output", "a") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)
        self.runs.append((time.time(), trace, log))
        return process

    def life(self, mean):
        """One life of the service, ended by SIGKILL at a moment drawn by lot."""
        process = self.start_service()
        kind = self.random.random()
        if kind < EARLY / 2:
            time.sleep(self.random.uniform(0.005, 0.06))
        elif kind < EARLY:
            # Most of a start belongs to the loader of libraries: this is the time in which the ledger is opened.
            self.await_ledger(process)
            time.sleep(self.random.uniform(0, 0.06))
        else:
            self.await_ledger(process)
            time.sleep(self.random.uniform(0.02, 2 * mean))
        if process.poll() is not None:
            sys.exit(f"the service ended by itself with status {process.returncode}:\n" + self.tail())
        process.kill()
        process.wait()
        self.counts["kills"] += 1

    def await_ledger(self, process):
        """Waits until the service has begun to open the ledger: its number stands in the lock then. A busy machine may
        take its time for that."""
        lock = self.folder / "data" / "attendance.lock"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                if lock.read_text() == str(process.pid):
                    return
            except OSError:
                pass  # Not there yet.
            time.sleep(0.001)

    def phase(self, readers, feeder, kills, mean):
        """Kills at least `kills` times, and until `feeder` has nothing more to tap."""
        self.configure(readers)
        failures = []

        def feed():
            try:
                feeder()
            except Exception as e:  # Whatever it is, the figures would be worth nothing.
                failures.append(e)

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        lives = 0
        while thread.is_alive() or lives < kills:
            self.life(mean)
            lives += 1
        if failures:
            raise failures[0]

    def outages(self, ended):
        """Takes the server away for longer than it takes a card to be tapped twice, now and then."""
        draw = random.Random(self.args.seed + 1)
        # The first one comes early, so that the short form has it, too.
        pause = 4.0
        while not ended.wait(pause):
            self.stop_server()
            self.counts["outages"] += 1
            ended.wait(3 if self.args.short else draw.uniform(*OUTAGE))
            self.start_server(chaos=True)
            pause = draw.uniform(30, 60)

    def drain(self):
        """With server and service well, waits until all is delivered. Returns how long that took."""
        self.configure("simulated")
        begin = progress = time.monotonic()
        process = self.start_service()
        before = None
        while True:
            time.sleep(0.25)
            kept = read_ledger(self.folder)
            waiting = sum(tap.state == "pending" for tap in kept)
            # Before it is ready, SIGTERM is the system's business and not yet its own.
            if waiting == 0 and not kill_plan.not_taken(self.feed) and self.ready():
                break
            if (waiting, len(kept)) != before:
                before, progress = (waiting, len(kept)), time.monotonic()
            if time.monotonic() - progress > PATIENCE:
                process.kill()
                print(f"RED: {waiting} taps wait, and nothing moves\n" + self.tail())
                return None
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=10) != 0:
            sys.exit(f"the service ended with status {process.returncode}:\n" + self.tail())
        return time.monotonic() - begin

    def ready(self):
        log = self.runs[-1][2]
        return log.exists() and "[SERVER_START]" in log.read_text()

    def tail(self):
        log = self.runs[-1][2]
        return log.read_text()[-3000:] if log.exists() else (self.folder / "output").read_text()[-3000:]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def run(args, folder):
    scene = Scene(args, folder)
    plan = kill_plan.Plan(scene.random, args.taps - args.pcscd, args.rate)
    scene.start_server(chaos=True)
    ended = threading.Event()
    outages = threading.Thread(target=scene.outages, args=(ended,))
    outages.start()
    try:
        pcscd_kills = 0
        if args.pcscd:
            seconds = kill_plan.pcscd_seconds(args.pcscd)
            pcscd_kills = int(seconds / PCSCD_LIFE)
            with kill_plan.Pcscd() as daemon:
                cards = lambda: daemon.tap(scene.random.randrange(1 << 30), args.pcscd)
                scene.phase("all", cards, pcscd_kills, PCSCD_LIFE)
        kills = max(0, args.kills - pcscd_kills)
        mean = plan.seconds / max(kills, 1) / (1 - EARLY)
        scene.phase("simulated", lambda: plan.feed(scene.feed), kills, mean)
    finally:
        ended.set()
        outages.join()
        scene.stop_server()
    scene.start_server(chaos=False)
    try:
        drained = scene.drain()
    finally:
        scene.stop_server()
    return report(scene, plan, drained)


def report(scene, plan, drained):
    said = [tap for run in scene.runs for tap in read_trace(*run[:2])]
    kept, stored = read_ledger(scene.folder), read_server(scene.folder)
    faults = kill_judge.judge(said, kept, stored, REPEAT_SECONDS, plan.forbidden)
    logs = [log.read_text() if log.exists() else "" for _, _, log in scene.runs[:-1]]
    outcomes = Counter(tap.outcome for tap in said)
    kinds = Counter(kind for kind, _ in faults)
    posts = scene.counts["posts"]
    rows = [
        ("seed", scene.args.seed),
        ("taps fed to the readers", plan.fed + scene.args.pcscd),
        ("  of these through pcscd", scene.args.pcscd),
        ("kills", scene.counts["kills"]),
        ("  before the service was ready", sum("[SERVER_START]" not in log for log in logs)),
        ("outages of the server", scene.counts["outages"]),
        *((f"  {name}", n) for name, n in sorted(scene.counts.items()) if name.startswith("fault ")),
        ("requests (as far as counted)", posts),
        *((f"said: {word}", outcomes[word]) for word in ("counted", "repeat", "refused", "failed")),
        ("  counted, and through pcscd", sum(
            tap.outcome == "counted" and tap.reader.startswith("Virtual PCD") for tap in said)),
        ("in the ledger", len(kept)),
        ("  of these never said", len(kept) - outcomes["counted"]),
        ("attempts at delivery", sum(tap.attempts for tap in kept)),
        ("rows at the server", sum(row.status == "success" for row in stored)),
        ("answered as duplicates", sum(row.status == "duplicate" for row in stored)),
        ("seconds to deliver what was left", "NEVER" if drained is None else f"{drained:.1f}"),
        *((f"FAULTS: {kind}", kinds[kind]) for kind in
          ("lost", "twice", "order", "forbidden", "unknown", "altered", "undelivered", "swallowed")),
    ]
    for name, value in rows:
        print(f"{name:36} {value:>12}")
    for kind, sentence in faults[:20]:
        print(f"  {kind}: {sentence}")
    panics = sum("panicked" in log or "UNCAUGHT" in log for log in logs)
    if panics:
        print(f"RED: {panics} runs panicked")
    # A slow machine loses more taps on their way from reader to ledger, for which nobody heard a beep.
    enough = scene.counts["kills"] >= scene.args.kills and outcomes["counted"] >= scene.args.taps * 0.3
    if not enough:
        print("RED: too few kills, or too few taps were counted for a proof")
    return not faults and not panics and enough and drained is not None


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", required=True)
    parser.add_argument("--taps", type=int, default=10_000)
    parser.add_argument("--kills", type=int, default=550)
    parser.add_argument("--pcscd", type=int, default=200, help="so many of the taps through pcscd")
    parser.add_argument("--rate", type=float, default=40.0, help="taps a second")
    parser.add_argument("--weights", help="faults of the server, see attendance_server.py")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", metavar="FOLDER", help="leave ledger, rows, traces and logs there")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    args.seed = random.randrange(1 << 30) if args.seed is None else args.seed
    args.short = args.taps < 1000
    print(f"seed {args.seed}", flush=True)
    kill_judge.self_test()
    if args.keep:
        os.makedirs(args.keep)
        fine = run(args, args.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="facetap-kill-") as folder:
            fine = run(args, folder)
    print("GREEN: no tap lost, none counted twice" if fine else "RED")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
