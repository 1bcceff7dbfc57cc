#!/usr/bin/env python3
"""Lets the service crash and hang in every way, under the small supervisor, and looks at what comes of it.

    crash_test.py --binary target/debug/facetap                        every kind 25 times
    crash_test.py --binary FILE --short                                 the short form of the test suite
    crash_test.py --binary FILE --trials 3 --only segv,'panic servo'    these kinds
    crash_test.py --binary FILE --only SIGKILL --no-restart             must be red, as must be --restart-sec 10

Several services run side by side, each with its own folder, server and taps; a hang takes half a minute. Faults are
planted through FACETAP_FAULTS, signals sent from outside. After a crash the service has to be back within 5 s (ready,
and a picture worked on), after a hang within 40 s, a loop that panicked within 5 s in the same process. A trace must be
there (crash_judge.py), and at the end every tap that was confirmed is in the ledger and once at the server.
Status 1 if anything is not so. With --keep FOLDER what the parts wrote stays there.
"""

import argparse
import os
import queue
import random
import statistics
import sys
import tempfile
import threading
import time
import traceback
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import crash_judge
from crash_judge import KINDS, LOOPS
from crash_scene import Scene
from supervisor import Limits

HANGS = [f"hang {loop}" for loop in LOOPS]
PANICS = [f"panic {loop}" for loop in LOOPS]
QUICK = ["segv", "segv-cpp", "stack-overflow", "abort", "SIGKILL", *PANICS, "panic too often"]
# The kinds that one service goes through, as often as trials are asked for.
LONG_FORM = [[hang] for hang in HANGS] + [["SIGSTOP"], ["memory"], QUICK, QUICK, QUICK]
SHORT_FORM = [["hang vision"], ["hang upkeep"], ["SIGSTOP"], ["memory"], ["segv", "segv-cpp", "panic too often"],
              ["stack-overflow", "abort"], PANICS[:4], [*PANICS[4:], "SIGKILL"]]


class Results:
    """What came of the trials, of all services."""

    def __init__(self):
        self.lock = threading.Lock()
        self.seconds, self.traces, self.faults = defaultdict(list), defaultdict(int), []
        self.trials, self.taps, self.services = defaultdict(int), 0, 0

    def add(self, kind, seen, where, slack):
        faults = crash_judge.judge(replace(kind, limit=kind.limit * slack), seen)
        with self.lock:
            self.trials[kind.name] += 1
            self.traces[kind.name] += crash_judge.traced(kind, seen)
            if seen.seconds is not None:
                self.seconds[kind.name].append(seen.seconds)
            self.faults += [(kind.name, f"{where}: {fault}") for fault in faults]
        return faults

    def fault(self, name, sentence):
        with self.lock:
            self.faults.append((name, sentence))

    def print(self):
        failed = defaultdict(int)
        for name in {(name, sentence.partition(":")[0]) for name, sentence in self.faults}:
            failed[name[0]] += 1
        print(f"{'':16} {'trials':>6} {'traces':>6} {'median':>8} {'slowest':>8} {'limit':>6} {'failures':>8}")
        for name, kind in KINDS.items():
            if trials := self.trials[name]:
                times = self.seconds[name]
                middle, slowest = (f"{f(times):.2f} s" if times else "never" for f in (statistics.median, max))
                traces = "-" if kind.what is None else self.traces[name]
                print(f"{name:16} {trials:6} {traces:>6} {middle:>8} {slowest:>8} {kind.limit:4.0f} s {failed[name]:8}")
        print(f"{self.taps} taps confirmed by {self.services} services; lost or twice: {failed['taps']}")
        for name, sentence in self.faults[:30]:
            print(f"  {name}: {sentence}")


def jobs(args):
    """Lists of kinds, one for each service."""
    if args.only:
        unknown = [name for name in args.only.split(",") if name not in KINDS]
        if unknown:
            sys.exit(f"unknown: {', '.join(unknown)}; there are: {', '.join(KINDS)}")
        return [[name] * args.trials for name in args.only.split(",")]
    if args.short:
        return SHORT_FORM
    draw, made = random.Random(args.seed), []
    share = -(-args.trials // LONG_FORM.count(QUICK))
    for kinds in LONG_FORM:
        rounds = min(share, args.trials) if kinds is QUICK else args.trials
        made.append([name for _ in range(rounds) for name in draw.sample(kinds, len(kinds))])
    return made


def serve(args, folder, number, names, results):
    """One service goes through these kinds."""
    over = {"monitor": {"interval": 1, "rss_limit_mb": 300}} if "memory" in names else None
    scene = Scene(args.binary, folder, args.limits, args.seed + number, over)
    try:
        for n, name in enumerate(names):
            kind = KINDS[name]
            seen = scene.trial(kind)
            faults = results.add(kind, seen, f"service {number}, trial {n}", args.slack)
            if args.verbose or faults:
                took = "never" if seen.seconds is None else f"{seen.seconds:.2f} s"
                print(f"service {number}: {name}: {took} {'; '.join(faults)}", flush=True)
            if seen.seconds is None:
                print(scene.tail(), flush=True)
                return
        faults, taps = scene.finish()
        for fault in faults:
            results.fault("taps", f"service {number} {fault}")
        with results.lock:
            results.taps, results.services = results.taps + taps, results.services + 1
        if taps == 0:
            results.fault("taps", f"service {number}: none was confirmed, which proves nothing")
    finally:
        if not scene.over.is_set() or scene.supervisor.phase != "dead":
            scene.close()


def run(args, folder):
    results, waiting = Results(), queue.Queue()
    work = jobs(args)
    # The long ones first.
    for number, names in enumerate(work):
        waiting.put((number, names))

    def worker():
        while True:
            try:
                number, names = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                serve(args, Path(folder) / f"service-{number}", number, names, results)
            except Exception as e:  # Whatever it is, the figures would be worth nothing.
                traceback.print_exc()
                results.fault("test", f"service {number}: {e!r}")

    threads = [threading.Thread(target=worker) for _ in range(min(args.side_by_side, len(work)))]
    begin = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.print()
    done, planned = sum(results.trials.values()), sum(map(len, work))
    if done < planned:
        results.fault("test", f"only {done} of {planned} trials")
    print(f"{done} of {planned} trials in {(time.monotonic() - begin) / 60:.1f} minutes")
    return not results.faults


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--binary", required=True)
    parser.add_argument("--trials", type=int, default=25)
    parser.add_argument("--short", action="store_true", help="each cheap kind once, two of the hangs")
    parser.add_argument("--only", metavar="KIND,...")
    parser.add_argument("--side-by-side", type=int, default=8, metavar="N", help="so many services at once")
    parser.add_argument("--no-restart", action="store_true", help="a supervisor that does not start it again")
    parser.add_argument("--restart-sec", type=float, default=Limits.restart, help="seconds until it starts it again")
    parser.add_argument("--watchdog", type=float, default=Limits.watchdog, help="seconds of its watchdog")
    parser.add_argument("--slack", type=float, default=1, metavar="FACTOR", help="so much longer everything may take")
    parser.add_argument("--seed", type=int, default=None, help="of the order of the kinds")
    parser.add_argument("--keep", metavar="FOLDER")
    parser.add_argument("--verbose", action="store_true", help="a line for each trial")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    if not os.access(args.binary, os.X_OK):
        parser.error(f"{args.binary} is no program")
    args.seed = random.randrange(1 << 30) if args.seed is None else args.seed
    args.limits = Limits(watchdog=args.watchdog, restart=args.restart_sec, restarts=not args.no_restart)
    print(f"seed {args.seed}", flush=True)
    crash_judge.self_test()
    if args.keep:
        os.makedirs(args.keep)
        fine = run(args, args.keep)
    else:
        with tempfile.TemporaryDirectory(prefix="facetap-crash-") as folder:
            fine = run(args, folder)
    print("GREEN: a trace each time, back in time, no tap lost" if fine else "RED")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
