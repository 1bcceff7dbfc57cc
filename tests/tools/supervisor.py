#!/usr/bin/env python3
"""A service manager as small as can be: speaks sd_notify as systemd does for facetap.service, and starts again.

    supervisor.py --log events.jsonl -- target/debug/facetap run --demo --trace 'run-{run}.jsonl'
    supervisor.py --no-restart -- COMMAND...           what a manager without Restart= does
    supervisor.py --restart-sec 10 -- COMMAND...       one that is slow about it

Type=notify, Restart=always; the limits are those of the unit unless others are given. {run} in the command is the number
of the run, from 0. As systemd does it (252):

* A start has --start seconds until READY=1; EXTEND_TIMEOUT_USEC= gives more. Who is late gets SIGTERM, then SIGKILL.
* From READY=1 on WATCHDOG=1 must come at least every --watchdog seconds (WATCHDOG_USEC, WATCHDOG_PID). Who misses it,
  or says WATCHDOG=trigger, gets SIGABRT, and SIGCONT with it, so that it is heard by a stopped process, too; SIGKILL
  follows after --abort seconds.
* What the main process leaves behind is killed when it has ended. After --restart-sec it is started again.
* SIGTERM or SIGINT to the supervisor: the service gets SIGTERM, after --stop seconds SIGKILL.

Every event is one JSON object a line with "t" in seconds of CLOCK_MONOTONIC: start, ready, status, stopping, extend,
watchdog (missed or triggered), kill (with the signal), exit (with status or signal), end. No file is ever removed.
"""

import argparse
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

CREDENTIALS = struct.Struct("3i")  # struct ucred


@dataclass
class Limits:
    """Seconds, as in systemd/facetap.service."""

    watchdog: float = 20.0
    abort: float = 8.0
    restart: float = 1.0
    start: float = 10.0
    stop: float = 5.0
    restarts: bool = True


class Supervisor:
    """One service. run() returns when it was told to stop, or when the service has ended and is not started again."""

    def __init__(self, command, limits, log=None, env=None, output=None, speaks=True):
        self.command, self.limits, self.log = [str(word) for word in command], limits, log
        self.env, self.output = dict(os.environ if env is None else env), output
        self.events = []  # Grows only; others read it.
        self.process, self.runs = None, 0
        self.ordered = threading.Event()
        self.wake_read, self.wake_write = os.pipe()
        # A path has to be short, so it is not below the folder of a test.
        self.folder = tempfile.TemporaryDirectory(prefix="facetap-notify-")
        self.address = str(Path(self.folder.name) / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.bind(self.address)
        self.deadline, self.phase = None, "dead"
        self.speaks = speaks  # Otherwise as a shell that has started it, which nobody can tell anything.

    def note(self, event, **more):
        entry = {"t": round(time.monotonic(), 4), "event": event, "run": self.runs - 1, **more}
        self.events.append(entry)
        if self.log:
            self.log.write(json.dumps(entry) + "\n")
            self.log.flush()

    def stop(self):
        """Ends the service and run(). May be called from another thread or a signal handler."""
        self.ordered.set()
        os.write(self.wake_write, b"x")

    def run(self):
        try:
            while not self.ordered.is_set():
                self.one_run()
                if not self.limits.restarts or self.ordered.is_set():
                    break
                self.phase, self.deadline = "waiting", None
                self.ordered.wait(self.limits.restart)
        finally:
            self.phase = "dead"
            self.note("end")
            self.socket.close()
            self.folder.cleanup()

    def one_run(self):
        command = [word.replace("{run}", str(self.runs)) for word in self.command]
        env = dict(self.env)
        if self.speaks:
            env |= {"NOTIFY_SOCKET": self.address, "WATCHDOG_USEC": str(round(self.limits.watchdog * 1e6))}
        # A shell knows the number of the process before the program begins.
        line = ["/bin/sh", "-c", 'WATCHDOG_PID=$$ exec "$@"', "sh", *command]
        self.runs += 1
        # Before, not after: a starved machine may come back here seconds after the service has begun.
        began = round(time.monotonic(), 4)
        self.process = subprocess.Popen(
            line, stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.output, env=env, start_new_session=True)
        self.note("start", t=began, pid=self.process.pid)
        self.phase = "starting" if self.speaks else "running"
        self.deadline = time.monotonic() + self.limits.start if self.speaks else None
        ended = os.pidfd_open(self.process.pid)
        try:
            self.watch(ended)
        finally:
            os.close(ended)

    def watch(self, ended):
        poll = select.poll()
        for descriptor in (ended, self.socket.fileno(), self.wake_read):
            poll.register(descriptor, select.POLLIN)
        while True:
            wait = None if self.deadline is None else max(0.0, self.deadline - time.monotonic()) * 1000 + 1
            ready = {descriptor for descriptor, _ in poll.poll(wait)}
            if self.socket.fileno() in ready:
                self.receive()
            if ended in ready:
                return self.ended()
            if self.wake_read in ready:
                os.read(self.wake_read, 16)
                self.begin_stop()
            if self.deadline is not None and time.monotonic() >= self.deadline:
                self.too_late()

    def begin_stop(self):
        if self.phase not in ("stopping", "aborting", "killed"):
            self.kill(signal.SIGTERM, "stopping", self.limits.stop)

    def too_late(self):
        if self.phase == "starting":
            self.note("late")
            self.kill(signal.SIGTERM, "stopping", self.limits.stop)
        elif self.phase == "running":
            self.watchdog("missed")
        else:
            self.kill(signal.SIGKILL, "killed", None)

    def watchdog(self, why):
        self.note("watchdog", why=why)
        self.kill(signal.SIGABRT, "aborting", self.limits.abort)

    def kill(self, number, phase, limit):
        self.phase = phase
        self.deadline = None if limit is None else time.monotonic() + limit
        self.note("kill", signal=number.name)
        self.process.send_signal(number)
        if number != signal.SIGKILL:
            self.process.send_signal(signal.SIGCONT)

    def ended(self):
        status = self.process.wait()
        while self.receive(wait=False):
            pass
        if status < 0:
            self.note("exit", signal=signal.Signals(-status).name, status=None)
        else:
            self.note("exit", signal=None, status=status)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # It left nothing behind.

    def receive(self, wait=True):
        """Takes one message. Whether there was one."""
        try:
            data, extra, _, _ = self.socket.recvmsg(
                4096, socket.CMSG_SPACE(CREDENTIALS.size), 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        pids = [CREDENTIALS.unpack(value)[0] for _, kind, value in extra if kind == socket.SCM_CREDENTIALS]
        # NotifyAccess=main
        if pids == [self.process.pid]:
            for line in data.decode(errors="replace").splitlines():
                name, _, value = line.partition("=")
                self.told(name, value)
        return True

    def told(self, name, value):
        now = time.monotonic()
        if name == "READY" and value == "1" and self.phase == "starting":
            self.note("ready")
            self.phase, self.deadline = "running", now + self.limits.watchdog
        elif name == "WATCHDOG" and value == "1" and self.phase == "running":
            self.deadline = now + self.limits.watchdog
        elif name == "WATCHDOG" and value == "trigger" and self.phase == "running":
            self.watchdog("triggered")
        elif name == "EXTEND_TIMEOUT_USEC" and self.phase == "starting":
            self.note("extend", seconds=int(value) / 1e6)
            self.deadline = max(self.deadline, now + int(value) / 1e6)
        elif name == "STOPPING" and value == "1":
            self.note("stopping")
            if self.phase in ("starting", "running"):
                self.phase, self.deadline = "stopping", now + self.limits.stop
        elif name == "STATUS":
            self.note("status", text=value)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("watchdog", "abort", "start", "stop"):
        parser.add_argument("--" + name, type=float, default=getattr(Limits, name), metavar="SECONDS")
    parser.add_argument("--restart-sec", type=float, default=Limits.restart, metavar="SECONDS")
    parser.add_argument("--no-restart", action="store_true")
    parser.add_argument("--log", metavar="FILE", help="events; standard output if none is named")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    limits = Limits(args.watchdog, args.abort, args.restart_sec, args.start, args.stop, not args.no_restart)
    with open(args.log, "a", encoding="utf-8") if args.log else sys.stdout as log:
        supervisor = Supervisor(args.command, limits, log)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: supervisor.stop())
        supervisor.run()


if __name__ == "__main__":
    main()
