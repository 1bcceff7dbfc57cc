"""A service under the small supervisor, with simulated devices, taps that never end, and an attendance server."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from crash_judge import Seen, judge_taps
from crash_read import read_reports, read_trace_lines
from kill_plan import not_taken
from kill_read import read_ledger, read_server, read_trace
from supervisor import Supervisor

HERE = Path(__file__).parent
# Seconds from one tap to the next.
TAP_EVERY = 0.4
# Nothing takes so long unless it is broken; a busy machine may be slow.
PATIENCE = 90.0
# The service applies the limit of its memory only after so many seconds.
FIRST_REST = 11.0


class Scene:
    """Folder, configuration, server, supervisor and taps of one service."""

    def __init__(self, binary, folder, limits, seed, over=None, speaks=True):
        self.folder, self.random = Path(folder), random.Random(seed)
        self.folder.mkdir()
        self.fifo = self.folder / "cards"
        os.mkfifo(self.fifo)
        # Open for reading, too: what the dead service has not taken waits for the next.
        self.feed = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.fed = {}  # Card -> when it was tapped.
        self.over = threading.Event()
        self.log, self.crashes, self.faults = (self.folder / n for n in ("facetap.log", "crash.log", "faults"))
        self.start_server()
        self.configure(over or {})
        env = {**os.environ, "FACETAP_SIMULATED_CARDS": str(self.fifo), "STATE_DIRECTORY": str(self.folder),
               "RUNTIME_DIRECTORY": str(self.folder), "FACETAP_FAULTS": str(self.faults), "LANG": "C.UTF-8"}
        command = [binary, "run", "--no-display", "--config", self.folder / "config.json", "--log-file", self.log,
                   "--trace", str(self.folder / "run-{run}.jsonl")]
        self.events = open(self.folder / "events.jsonl", "w", encoding="utf-8")
        self.output = open(self.folder / "output", "w", encoding="utf-8")
        self.supervisor = Supervisor(command, limits, self.events, env, self.output, speaks)
        self.started = time.time() - time.monotonic()
        self.threads = [threading.Thread(target=self.supervisor.run), threading.Thread(target=self.tap)]
        for thread in self.threads:
            thread.start()

    def start_server(self):
        command = [sys.executable, HERE / "attendance_server.py", "--port", "0", "--log", self.folder / "rows.jsonl"]
        self.server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.url = self.server.stdout.readline().split()[-1]

    def configure(self, over):
        config = {
            "language": "en",
            "data_dir": str(self.folder / "data"),
            "camera": {"source": "simulated", "width": 320, "height": 240, "fps": 4},
            "detector": {"kind": "haar"},
            "servo": {"port": "simulated"},
            "cards": {"readers": "simulated"},
            "gpio": {pin: None for pin in ("buzzer", "red", "green", "blue")},
            "server_url": self.url,
            "retry_interval": 3,
            "terminal_id": "AA:BB:CC:DD:EE:FF",
            "log": {"max_mb": 500},
            "monitor": {"interval": 1, "rss_limit_mb": 10_000},
            **over,
        }
        (self.folder / "config.json").write_text(json.dumps(config))

    def tap(self):
        """A new card again and again, as soon as the one before was taken."""
        while not self.over.wait(TAP_EVERY):
            if not not_taken(self.feed):
                uid = "04" + self.random.randbytes(6).hex().upper()
                self.fed[uid] = time.monotonic()
                os.write(self.feed, uid.encode() + b"\n")

    # What the service does.

    def run_number(self):
        return self.supervisor.runs - 1

    def pid(self):
        return self.supervisor.process.pid

    def event(self, name, run):
        """When that happened to a run; none if it did not yet."""
        return next((e for e in list(self.supervisor.events) if (e["event"], e["run"]) == (name, run)), None)

    def trace(self, run=None):
        file = self.folder / f"run-{self.run_number() if run is None else run}.jsonl"
        return read_trace_lines(file.read_text()) if file.exists() else ([], [])

    def health(self):
        try:
            return json.loads((self.folder / "health.json").read_text())
        except (OSError, ValueError):
            return {}

    def log_since(self, mark):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            log.seek(mark)
            return log.read()

    def reports(self):
        files = [self.crashes.with_name("crash.log.1"), self.crashes]  # The first was put aside.
        return read_reports("".join(file.read_text(errors="replace") for file in files if file.exists()))

    def wait(self, what, done, look=0.04):
        """Waits until `done` has something, and gives it."""
        end = time.monotonic() + PATIENCE
        while not (result := done()):
            if time.monotonic() > end:
                raise TimeoutError(what)
            if not self.threads[0].is_alive():
                raise TimeoutError(what + ": the service was not started again")
            time.sleep(look)
        return result

    def settle(self, kind):
        """Waits until everything is at work."""
        def at_work():
            run = self.run_number()
            frames, taps = self.trace(run)
            loops = self.health().get("loops", {})
            return (self.event("ready", run) and len(frames) >= 3 and taps and self.health().get("pid") == self.pid()
                    and len(loops) == 8 and any(frame["command"] for frame in frames))
        if kind.fresh:
            self.stop_run()
        self.wait("everything at work", at_work)
        if kind.name == "memory":
            self.wait("the time before the limit of memory is applied",
                      lambda: self.health().get("uptime_s", 0) > FIRST_REST)

    def plant(self, line):
        """All at once: the service takes the file as soon as it is there."""
        new = self.faults.with_suffix(".new")
        new.write_text(line + "\n")
        new.rename(self.faults)

    # Trials.

    def trial(self, kind):
        """Lets the service fail in this way, and tells what came of it."""
        self.settle(kind)
        mark = self.log.stat().st_size
        before = {report.key for report in self.reports()}
        run, pid = self.run_number(), self.pid()
        seen = Seen(None)
        try:
            begin = self.fail(kind, run, mark)
            back = self.loop_back(kind.loop, mark, pid) if kind.survives else self.process_back(run)
            seen.seconds = back - begin
            new = lambda: [report for report in self.reports() if report.key not in before]
            if kind.what:
                named = lambda: new() and all(report.names is not None for report in new())
                in_log = lambda: kind.survives or kind.status is not None or "[CRASH]" in self.log_since(mark)
                self.wait_quietly(lambda: named() and in_log())
        except TimeoutError as e:
            seen.why_not = f"waited in vain for {e}"
        seen.reports = [report for report in self.reports() if report.key not in before]
        seen.same_process = self.run_number() == run and self.pid() == pid
        if end := self.event("exit", run):
            seen.ended_by, seen.status = end["signal"], end["status"]
        seen.log = self.log_since(mark)
        return seen

    def wait_quietly(self, done):
        try:
            self.wait("", done, look=0.3)
        except TimeoutError:
            pass  # The judge says what is missing.

    def fail(self, kind, run, mark):
        """Brings the failure about. When it was."""
        begin = time.monotonic()
        if kind.signal:
            os.kill(self.pid(), getattr(signal, kind.signal))
            return begin
        self.plant(kind.plant)
        for n in range(1, kind.times):
            self.wait("the next panic", lambda: self.log_since(mark).count("is begun again in") >= n)
            begin = time.monotonic()
            self.plant(kind.plant)
        if kind.name == "memory":
            begin = self.wait("the end", lambda: self.event("stopping", run))["t"]
        return begin

    def process_back(self, run):
        """When the next run was ready and had worked on a picture."""
        ready = self.wait("the next start", lambda: self.event("ready", run + 1))["t"]
        self.wait("the first picture", lambda: self.trace(run + 1)[0])
        return max(ready, time.monotonic())

    def loop_back(self, loop, mark, pid):
        """When a loop that panicked was seen at work again."""
        words = f'the loop "{loop}" panicked and is begun again in'
        self.wait("the end of the loop", lambda: words in self.log_since(mark))
        since = time.monotonic()
        start = self.event("start", self.run_number())["t"]
        # The trace and health.json count from a moment after the start, so these are on the safe side.
        newer = lambda t: start + t > since
        fed_after = lambda uid: self.fed.get(uid, 0) > since
        frames = lambda: [f for f in self.trace()[0][-40:] if newer(f["t"])]
        def beats():
            state = self.health().get("loops", {}).get(loop)
            return state and state["restarts"] and newer(self.health().get("uptime_s", 0) - state["silent_s"])
        works = {
            "camera": lambda: len(frames()) >= 2,
            "vision": lambda: len(frames()) >= 2,
            "servo": lambda: any(frame["command"] for frame in frames()),
            "reader": lambda: any(t["outcome"] == "counted" and fed_after(t["uid"]) for t in self.trace()[1][-20:]),
            "uplink": lambda: any(row.status == "success" and fed_after(row.uid) for row in read_server(self.folder)[-20:]),
            "upkeep": beats,
            "monitor": lambda: "[RESOURCE_MONITOR]" in self.log_since(mark).partition(words)[2],
        }
        works["ledger"] = works["reader"]
        self.wait(f"work of the loop {loop}", lambda: self.pid() != pid or works[loop]())
        back = time.monotonic()
        # health.json follows within a second.
        self.wait_quietly(lambda: self.pid() != pid or self.health().get("loops", {}).get(loop, {}).get("restarts"))
        return back

    def stop_run(self):
        """A clean end and another start, so that what was before does not count: panics of the last five minutes, an end
        by the limit of memory, after which the limit is applied later."""
        run = self.run_number()
        self.wait("a start", lambda: self.event("ready", run))
        os.kill(self.pid(), signal.SIGTERM)
        self.wait("another start", lambda: self.event("ready", run + 1))

    # The end.

    def finish(self):
        """Lets everything be delivered, ends all, and gives the faults of the taps and how many there were."""
        self.over.set()
        self.threads[1].join()
        faults = []
        try:
            # Twice in a row: the state is a second old.
            waiting = lambda: not_taken(self.feed) or self.health().get("queues", {}).get("taps_waiting", 1)
            for _ in range(2):
                self.wait("the delivery of all taps", lambda: not waiting())
                time.sleep(2)
        except TimeoutError as e:
            faults.append(f"waited in vain for {e}")
        self.close()
        runs = range(self.supervisor.runs)
        said = [tap for run in runs for tap in read_trace(self.started + self.event("start", run)["t"],
                                                         self.folder / f"run-{run}.jsonl")]
        faults += judge_taps(said, read_ledger(self.folder / "data"), read_server(self.folder))
        return faults, sum(tap.outcome == "counted" for tap in said)

    def close(self):
        self.over.set()
        self.supervisor.stop()
        for thread in self.threads:
            thread.join()
        self.server.kill()
        self.server.wait()
        self.events.close()
        self.output.close()
        os.close(self.feed)

    def tail(self):
        """The end of the log, without the lines that come every second."""
        lines = [line for line in self.log_since(0).splitlines() if not re.search(r"RESOURCE_MONITOR|^\s+#", line)]
        return "\n".join(lines[-25:])
