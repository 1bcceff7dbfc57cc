"""The scene of a kill test: folder, configuration, server, what is on the way to it, and the runs of the service."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from pathlib import Path

import attendance_proxy
import kill_plan
from kill_trouble import DISK, Disk, Trouble

HERE = Path(__file__).parent
REPEAT_SECONDS = 10
# For whatever a loaded machine may take; reached only when something is broken.
PATIENCE = 120
# Part of the kills that come while the service starts.
EARLY = 0.3
# Seconds for which the server is gone now and then: longer than a card is left alone, so that it has two taps waiting.
OUTAGE = (kill_plan.APART + 3, kill_plan.APART + 12)


class Scene:
    """Everything that the service meets, and the service."""

    def __init__(self, args, folder):
        self.args, self.folder = args, Path(folder)
        self.random = random.Random(args.seed)
        self.fifo = self.folder / "cards"
        os.mkfifo(self.fifo)
        # Open for reading, too: what the dead service has not taken waits for the next.
        self.feed = os.open(self.fifo, os.O_RDWR | os.O_NONBLOCK)
        self.port, self.proxy_port = free_port(), free_port()
        self.server = self.proxy = None
        self.counts = Counter()
        self.runs = []  # (start on the wall clock, trace, log)
        self.disk = Disk.mount(self.folder, DISK[0] if args.short else DISK[1])
        self.data = (self.disk or self.folder) / "data"
        self.trouble = Trouble(self.data, self.disk, self.counts)

    def close(self):
        """Ends what is not the service's; its files stay."""
        for process in (self.server, self.proxy):
            if process is not None:
                process.kill()
                process.wait()
        if self.disk is not None:
            if self.args.keep:
                subprocess.run(["cp", "-a", self.data, self.folder / "data"], check=False)
            Disk.unmount(self.disk)

    def start_server(self, chaos):
        command = [sys.executable, HERE / "attendance_server.py", "--port", str(self.port),
                   "--log", self.folder / "rows.jsonl", "--delay", "7", "--unwelcome", kill_plan.UNWELCOME_PREFIX]
        if chaos:
            command += ["--chaos", str(self.random.randrange(1 << 30))]
            command += ["--weights", self.args.weights] if self.args.weights else []
        self.server = started(command)

    def stop_server(self):
        # Its port may happen to be closed; then figures of this life of the server are missing.
        self.counts.update(ask(self.port, "/_counts") or {})
        self.server.kill()
        self.server.wait()
        self.server = None

    def start_proxy(self):
        self.weights = attendance_proxy.HEAVY if self.args.proxy else attendance_proxy.WEIGHTS
        self.proxy = started([
            sys.executable, HERE / "attendance_proxy.py", "--port", str(self.proxy_port), "--to", str(self.port),
            "--chaos", str(self.random.randrange(1 << 30)),
            "--weights", ",".join(f"{name}={weight}" for name, weight in self.weights.items()),
        ])

    def change_proxy(self, **order):
        if ask(self.proxy_port, "/_proxy", json.dumps(order).encode()) is None:
            sys.exit("the proxy does not answer")

    def configure(self, readers, directly):
        config = {
            "language": "en",
            "data_dir": str(self.data),
            "camera": {"enabled": False},
            "servo": {"enabled": False},
            "cards": {"readers": readers, "repeat_seconds": REPEAT_SECONDS},
            "server_url": f"http://127.0.0.1:{self.port if directly else self.proxy_port}",
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
        # Before, not after: a starved machine may come back here seconds after the service has begun.
        began = time.time()
        with open(self.folder / "output", "a") as output:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=env)
        self.runs.append((began, trace, log))
        return process

    def life(self, readers, mean):
        """One life of the service, ended by SIGKILL at a moment drawn by lot."""
        # Some lives speak to the server itself, whose faults are others.
        self.configure(readers, directly=not self.args.proxy and self.random.random() < 0.5)
        begin = time.monotonic()
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
            # On a full disk a start is refused in words; whoever starts it again has to wait a little.
            if process.returncode == 1 and self.trouble.was_full_since(begin - 1) and not self.ready():
                self.counts["starts refused for a full disk"] += 1
                time.sleep(0.1)
                return
            sys.exit(f"the service ended by itself with status {process.returncode}:\n" + self.tail())
        process.kill()
        process.wait()
        self.counts["kills"] += 1

    def await_ledger(self, process):
        """Waits until the service has begun to open the ledger: its number stands in the lock then. A busy machine may
        take its time for that."""
        lock = self.data / "attendance.lock"
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and process.poll() is None:
            try:
                if lock.read_text() == str(process.pid):
                    return
            except OSError:
                pass  # Not there yet.
            time.sleep(0.001)

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

    def ready(self):
        log = self.runs[-1][2]
        return log.exists() and "[SERVER_START]" in log.read_text()

    def health(self):
        """What the running service says of itself; none while it has not said anything yet."""
        try:
            return json.loads((self.folder / "health.json").read_text())
        except (OSError, ValueError):
            return None

    def end_service(self, process):
        process.send_signal(signal.SIGTERM)
        if process.wait(timeout=PATIENCE) != 0:
            sys.exit(f"the service ended with status {process.returncode}:\n" + self.tail())

    def tail(self):
        log = self.runs[-1][2]
        text = log.read_text() if log.exists() else ""
        return (text or (self.folder / "output").read_text())[-3000:]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def started(command):
    """A server that says when it listens."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    process.stdout.readline()
    return process


def ask(port, path, body=None):
    """The JSON of an answer; none if there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", body, timeout=5) as answer:
            return json.load(answer)
    except OSError:
        return None
