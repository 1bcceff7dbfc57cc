#!/usr/bin/env python3
"""Kills the service again and again while cards are tapped, the server misbehaves, something on the way answers in its
place, another program locks the ledger and the disk fills up; then counts.

    kill_test.py --binary target/debug/facetap                          10,000 taps, 550 kills, about twenty minutes
    kill_test.py --binary FILE --taps 300 --kills 25 --pcscd 0          the short form of the test suite
    kill_test.py --binary FILE --proxy --kills 60 --pcscd 0             10,000 taps, one answer in three from a proxy
    kill_test.py --binary FILE --seed 7                                 the same plan of taps, kills and faults again

Every tap whose trace line said that it counted must be at the server exactly once, those of a card in their order, and
none that was refused; what the server refuses, and nothing else, must be rejected (kill_judge.py). Status 1 if it is not
so. With --keep FOLDER what the parts wrote stays there. Of the taps, --pcscd N go through the real pcscd and virtual
cards, the others through FACETAP_SIMULATED_CARDS.
"""

import argparse
import os
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

import kill_judge
import kill_plan
import kill_read
from kill_read import in_time, read_ledger, read_server, read_trace
from kill_scene import EARLY, REPEAT_SECONDS, Scene, ask
from kill_siege import Siege
from kill_trouble import Background

# Seconds of a life with pcscd, on average: long enough to find the readers.
PCSCD_LIFE = 2.0


def phase(scene, readers, feeder, kills, mean):
    """Kills at least `kills` times, and until `feeder` has nothing more to tap."""
    with Background(feeder) as feeding:
        lives = 0
        while feeding.thread.is_alive() or lives < kills:
            scene.life(readers, mean)
            lives += 1


def run(args, folder):
    scene = Scene(args, folder)
    try:
        return run_in(scene)
    finally:
        scene.close()


def run_in(scene):
    args = scene.args
    plan = kill_plan.Plan(scene.random, args.taps - args.pcscd, args.rate)
    scene.start_server(chaos=True)
    scene.start_proxy()
    draw = random.Random(args.seed + 2)
    befall = lambda ended: scene.trouble.befall(draw, args.short, ended)
    with Background(scene.outages), Background(befall):
        pcscd_kills = 0
        if args.pcscd:
            seconds = kill_plan.pcscd_seconds(args.pcscd)
            pcscd_kills = int(seconds / PCSCD_LIFE)
            with kill_plan.Pcscd() as daemon:
                cards = lambda _: daemon.tap(scene.random.randrange(1 << 30), args.pcscd)
                phase(scene, "all", cards, pcscd_kills, PCSCD_LIFE)
        kills = max(0, args.kills - pcscd_kills)
        mean = plan.seconds / max(kills, 1) / (1 - EARLY)
        phase(scene, "simulated", lambda ended: plan.feed(scene.feed, ended), kills, mean)
    scene.stop_server()
    scene.start_server(chaos=False)
    siege = Siege(scene)
    fine = siege.run()
    answered = ask(scene.proxy_port, "/_counts") or {}
    scene.counts.update({f"proxy {kind}": n for kind, n in answered.items()})
    scene.stop_server()
    return report(scene, plan, siege) and fine


def report(scene, plan, siege):
    kept, stored = read_ledger(scene.data), read_server(scene.folder)
    said = [tap for run in scene.runs for tap in in_time(list(read_trace(*run[:2])), kept)]
    forbidden = plan.forbidden | siege.plan.forbidden
    faults = siege.faults + kill_judge.judge(
        said, kept, stored, REPEAT_SECONDS, forbidden, kill_plan.UNWELCOME_PREFIX, siege.calm)
    logs = [log.read_text() if log.exists() else "" for _, _, log in scene.runs[:-1]]
    outcomes = Counter(tap.outcome for tap in said)
    kinds = Counter(kind for kind, _ in faults)
    rows = [
        ("seed", scene.args.seed),
        ("taps fed to the readers", plan.fed + siege.plan.fed + scene.args.pcscd),
        ("  of these through pcscd", scene.args.pcscd),
        ("  of these in the last life", siege.plan.fed),
        ("kills", scene.counts["kills"]),
        ("  before the service was ready", sum("[SERVER_START]" not in log for log in logs)),
        ("outages of the server", scene.counts["outages"]),
        *((f"  {name}", n) for name, n in sorted(scene.counts.items()) if name.startswith("fault ")),
        *((name, n) for name, n in sorted(scene.counts.items()) if name.startswith("proxy ")),
        ("locks of the ledger", scene.counts["locks of the ledger"]),
        ("  seconds", round(scene.counts["  seconds"], 1)),
        ("times that the disk was full", scene.counts["times that the disk was full"]),
        ("  starts refused for it", scene.counts["starts refused for a full disk"]),
        ("requests (as far as counted)", scene.counts["posts"]),
        *((f"said: {word}", outcomes[word]) for word in ("counted", "repeat", "refused", "failed")),
        ("  counted, and through pcscd", sum(
            tap.outcome == "counted" and tap.reader.startswith("Virtual PCD") for tap in said)),
        ("in the ledger", len(kept)),
        ("  of these never said", len(kept) - outcomes["counted"]),
        ("  of these refused by the server", sum(tap.state == "rejected" for tap in kept)),
        ("attempts at delivery", sum(tap.attempts for tap in kept)),
        ("rows at the server", sum(row.status == "success" for row in stored)),
        ("answered as duplicates", sum(row.status == "duplicate" for row in stored)),
        ("answered as refused", sum(row.status == "refused" for row in stored)),
        ("seconds to deliver what was left", "NEVER" if siege.drained is None else f"{siege.drained:.1f}"),
        ("looks at what is on its way", siege.looks),
        *((f"FAULTS: {kind}", kinds[kind]) for kind in
          ("lost", "twice", "order", "forbidden", "unknown", "altered", "undelivered", "rejected", "unrefused", "again",
           "swallowed", "count")),
    ]
    for name, value in rows:
        print(f"{name:36} {value:>12}")
    for kind, sentence in faults[:20]:
        print(f"  {kind}: {sentence}")
    panics = sum("panicked" in log or "UNCAUGHT" in log for log in [*logs, scene.runs[-1][2].read_text()])
    if panics:
        print(f"RED: {panics} runs panicked")
    # A slow machine loses more taps on their way from reader to ledger, for which nobody heard a beep.
    enough = scene.counts["kills"] >= scene.args.kills and outcomes["counted"] >= scene.args.taps * 0.3
    if not enough:
        print("RED: too few kills, or too few taps were counted for a proof")
    return not faults and not panics and enough


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
    parser.add_argument("--proxy", action="store_true", help="every request through a proxy that answers one in three")
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--keep", metavar="FOLDER", help="leave ledger, rows, traces and logs there")
    args = parser.parse_args()
    args.binary = os.path.abspath(args.binary)
    args.seed = random.randrange(1 << 30) if args.seed is None else args.seed
    args.short = args.taps < 1000
    print(f"seed {args.seed}", flush=True)
    kill_judge.self_test()
    kill_read.self_test()
    if args.keep:
        os.makedirs(args.keep)
        fine = run(args, Path(args.keep))
    else:
        with tempfile.TemporaryDirectory(prefix="facetap-kill-") as folder:
            fine = run(args, Path(folder))
    print("GREEN: no tap lost, none counted twice" if fine else "RED")
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
