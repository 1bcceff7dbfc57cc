#!/usr/bin/env python3
"""Restarts in place, again and again: no service manager, so that the process begins anew by exec.

    restart_test.py --binary target/debug/facetap                    50 restarts, about four minutes
    restart_test.py --binary FILE --restarts 8                       the short form of the test suite

restart_hours is 3.6 seconds; taps go in all the time. The number of the process has to stay, descriptors and threads
must not become more from restart to restart, between two pictures there may be three seconds at most,
and at the end every tap that was confirmed is in the ledger and once at the server. Status 1 if it is not so.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from crash_scene import Scene
from supervisor import Limits

HOURS = 0.001
# Seconds between the pictures before and after a restart.
GAP = 3.0
# A run is looked at when all its parts are at work, in seconds from its start.
GROWN_UP = 1.5


def count(folder):
    return len(os.listdir(folder))


class Watcher:
    """What each run of the process uses."""

    def __init__(self, scene):
        self.scene, self.pid = scene, scene.pid()
        self.runs = {}  # When it began -> samples of (descriptors, threads).

    def look(self):
        state = self.scene.health()
        if state.get("state") != "ready" or state.get("uptime_s", 0) < GROWN_UP:
            return
        try:
            used = (count(f"/proc/{self.pid}/fd"), count(f"/proc/{self.pid}/task"))
        except OSError:
            return  # It ends just now; seen below.
        # Only if it is still the same run, after the counting.
        if self.scene.health().get("started") == state["started"]:
            self.runs.setdefault(state["started"], []).append(used)

    def used(self, runs, which):
        """The usual or the least number of descriptors and threads of these runs."""
        samples = [sample for run in runs for sample in run]
        return tuple(which(values) for values in zip(*samples))


def watch(scene, restarts):
    scene.wait("the first picture", lambda: scene.trace(0)[0])
    watcher, again = Watcher(scene), 0
    while again < restarts:
        before = again
        end = time.monotonic() + 90
        while again == before:
            if time.monotonic() > end or not scene.threads[0].is_alive():
                raise TimeoutError(f"restart {again + 1}")
            watcher.look()
            time.sleep(0.1)
            again = scene.log_since(0).count(" - INFO - [AUTO_RESTART] planned")
    starts = lambda: scene.log_since(0).count("[SERVER_START]")
    scene.wait("the last start", lambda: starts() > restarts)
    scene.wait("a picture after it", lambda: scene.health().get("counters", {}).get("frames") and starts() > restarts)
    return watcher


def judge(scene, watcher, restarts, slack):
    """Every fault as a sentence, and the figures."""
    frames = [frame["t"] for frame in scene.trace(0)[0]]
    gaps = sorted(after - before for before, after in zip(frames, frames[1:]))
    runs = list(watcher.runs.values())
    half = max(1, len(runs) // 2)
    # What every restart leaves behind is there in each later run; what is open for a moment only, not at every look.
    first, last = watcher.used(runs[:half], statistics.median_low), watcher.used(runs[-half:], min)
    figures = {
        "restarts": restarts, "runs looked at": len(runs), "longest gap between pictures": f"{gaps[-1]:.2f} s",
        "descriptors, usual at first and least at last": f"{first[0]} {last[0]}",
        "threads, usual at first and least at last": f"{first[1]} {last[1]}",
    }
    faults = []
    if len(runs) < restarts * 0.8:
        faults.append(f"only {len(runs)} runs could be looked at")
    if gaps[-1] > GAP * slack:
        faults.append(f"no picture for {gaps[-1]:.2f} s")
    if last[0] > first[0] or last[1] > first[1]:
        faults.append("descriptors or threads have become more")
    if sum(event["event"] == "start" for event in scene.supervisor.events) != 1:
        faults.append("the process ended instead of beginning anew in place")
    return faults, figures


def run(args, folder):
    scene = Scene(args.binary, Path(folder) / "service", Limits(restarts=False), args.seed, {"restart_hours": HOURS},
                  speaks=False)
    try:
        faults = []
        try:
            watcher = watch(scene, args.restarts)
            faults, figures = judge(scene, watcher, args.restarts, args.slack)
        except TimeoutError as e:
            faults, figures = [f"waited in vain for {e}\n{scene.tail()}"], {}
        lost, taps = scene.finish()
        figures["taps confirmed"] = taps
    finally:
        if not scene.over.is_set() or scene.supervisor.phase != "dead":
            scene.close()
    for name, value in figures.items():
        print(f"{name:34} {value}")
    faults += lost + (["no tap was confirmed, which proves nothing"] if taps == 0 else [])
    for fault in faults:
        print(f"  {fault}")
    return not faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--restarts", type=int, default=50)
    parser.add_argument("--slack", type=float, default=1, metavar="FACTOR", help="so much longer a restart may take")
    parser.add_argument("--seed", type=int, default=1, help="of the cards")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    if not os.access(args.binary, os.X_OK):
        parser.error(f"{args.binary} is no program")
    with tempfile.TemporaryDirectory(prefix="facetap-restart-") as folder:
        fine = run(args, folder)
    print("GREEN: begun anew in place, nothing has grown, no tap lost" if fine else "RED")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
