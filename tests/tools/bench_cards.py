#!/usr/bin/env python3
"""The service and the old card client, one after the other, on the same virtual readers of a real PC/SC daemon.

    bench_cards.py --binary FILE --folder FOLDER [--seconds N] [--taps N] [--limits]

Each has the readers for itself, as in an office: two programs that ask the same card disturb each other, and what one of
them misses then says nothing. Each is measured first at rest, then gets the same cards with the same pauses: they take
each other's place 0 to 0.3 s after the one before was taken away. At last the daemon is gone for ten seconds, and a card
is held to a reader one second after it is back. Printed: processor time a minute and wake-ups a second at rest, and the
taps that each has seen. --limits: status 1 if the service misses a tap that the old client takes, or takes one twice, or
needs more than a third of its time.
"""

import argparse
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from virtual_card import CLASSIC, FELICA, hold

HERE = Path(__file__).parent
SHARE = 1 / 3
SETTLED_S = 15
# A card lies there for as long as somebody holds it who waits for the beep.
HELD_S = 0.8
PORT = 35963
DAEMON = "pcscd"
# The card that comes when the daemon is back.
LAST = "012E44A7A51855EE"


def daemon():
    """Starts it, and waits until its readers take cards."""
    options = ["--foreground"]
    text = subprocess.run([DAEMON, "--help"], capture_output=True, text=True, check=False)
    # Debian 13's asks polkit, which may not be there.
    if "--disable-polkit" in text.stdout + text.stderr:
        options.append("--disable-polkit")
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    child = subprocess.Popen([DAEMON, *options], **quiet)
    wait_for(lambda: listens(PORT), "the virtual readers")
    return child


def listens(port):
    """Whether somebody does, without being a card."""
    fields = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(f[1].endswith(f":{port:04X}") and f[3] == "0A" for f in fields)


def wait_for(ready, what, patience=60):
    end = time.monotonic() + patience
    while not ready():
        if time.monotonic() > end:
            raise TimeoutError(f"waited in vain for {what}")
        time.sleep(0.05)


class Holding(argparse.Namespace):
    """What virtual_card.hold takes."""

    def __init__(self, seconds):
        super().__init__(
            port=PORT, patience=10, hold=seconds, silent=False, answer=None, answer_length=None
        )


def tap(uid, seconds=HELD_S):
    hold(Holding(seconds), bytes.fromhex(uid), bytes.fromhex(FELICA if len(uid) == 16 else CLASSIC))


def cost(process):
    """Nanoseconds on a processor and voluntary switches of all its threads."""
    nanoseconds = switches = 0
    for task in Path(f"/proc/{process.pid}/task").iterdir():
        nanoseconds += int((task / "schedstat").read_text().split()[0])
        status = dict(l.split(":", 1) for l in (task / "status").read_text().splitlines() if ":" in l)
        switches += int(status["voluntary_ctxt_switches"])
    return nanoseconds, switches


class Side:
    """One of the two, and what it has printed."""

    def __init__(self, command, is_ready):
        self.command, self.is_ready, self.printed, self.process = command, is_ready, [], None

    def start(self):
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        threading.Thread(target=self.read, daemon=True).start()
        wait_for(self.is_ready, self.command[0])

    def read(self):
        self.printed.extend(line.strip() for line in self.process.stdout)

    def end(self):
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()


def counted(log):
    """The cards that the service has counted, in order."""
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    return [line.split(" counted (")[0].split()[-1] for line in lines if " counted (tap " in line]


def rest(side, seconds):
    """Seconds of processor time a minute and wake-ups a second."""
    before = cost(side.process)
    time.sleep(seconds)
    after = cost(side.process)
    return (after[0] - before[0]) / 1e9 * 60 / seconds, (after[1] - before[1]) / seconds


class Seen(argparse.Namespace):
    """What one side cost and took: `cpu`, `wakes`, `cards` (of those held), `back` (whether it took `LAST`)."""


def play(side, taken, args):
    """One side's turn, from a daemon of its own on. `taken` tells the cards that it has taken up to now, in order."""
    running = daemon()
    try:
        side.start()
        time.sleep(SETTLED_S)
        cpu, wakes = rest(side, args.seconds)
        draw = random.Random(5)
        for uid in cards(args.taps):
            tap(uid)
            time.sleep(draw.uniform(0.0, 0.3))
        time.sleep(2)
        running.kill()
        running.wait()
        time.sleep(10)
        running = daemon()
        time.sleep(1)
        tap(LAST)
        time.sleep(2)
        told = taken()
        return Seen(cpu=cpu, wakes=wakes, cards=[uid for uid in told if uid != LAST], back=LAST in told)
    finally:
        side.end()
        running.kill()
        running.wait()


def cards(count):
    """FeliCa and Classic, each once."""
    return [f"012E44A7A5185C{n:02X}" if n % 3 else f"5A{n:02X}0102" for n in range(count)]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--taps", type=int, default=30)
    parser.add_argument("--limits", action="store_true")
    args = parser.parse_args()
    if listens(PORT):
        sys.exit("another pcscd runs here; stop it: systemctl stop pcscd.socket pcscd")
    args.folder.mkdir(parents=True)
    config, log = args.folder / "config.json", args.folder / "facetap.log"
    config.write_text(
        json.dumps(
            {
                "language": "en",
                "data_dir": str(args.folder / "data"),
                "camera": {"enabled": False},
                "servo": {"enabled": False},
            }
        )
    )
    service = [args.binary, "run", "--no-display", "--config", config, "--log-file", log]
    # The distribution's own, which has pyscard.
    old = ["/usr/bin/python3", HERE / "old_client.py"]
    try:
        client = Side(old, lambda: True)
        theirs = play(client, lambda: list(client.printed), args)
        is_ready = lambda: log.exists() and "[SERVER_START]" in log.read_text()
        ours = play(Side(service, is_ready), lambda: counted(log), args)
        again = [line for line in log.read_text().splitlines() if "already counted" in line]
    finally:
        shutil.rmtree(args.folder, ignore_errors=True)
    print(f"at rest: FaceTap {ours.cpu:.3f} s a minute ({ours.wakes:.1f} wake-ups a second), ", end="")
    print(f"the old client {theirs.cpu:.3f} s; {ours.cpu / theirs.cpu:.2f} of it")
    print(f"{args.taps} cards, 0 to 0.3 s apart: FaceTap {len(set(ours.cards))}, ", end="")
    print(f"the old client {len(set(theirs.cards))}")
    back = ["yes" if side.back else "no" for side in (ours, theirs)]
    print(f"a tap 1 s after the daemon was back: FaceTap {back[0]}, the old client {back[1]}")
    missed = [uid for uid in theirs.cards if uid not in ours.cards]
    print(f"taps that only the old client took: {len(missed)} {' '.join(missed)}".rstrip())
    if args.limits and (missed or again or not ours.back or ours.cpu > theirs.cpu * SHARE):
        sys.exit(f"not as promised (taken twice: {len(again)})")


if __name__ == "__main__":
    main()
