"""What is tapped in a kill test, and when."""

import fcntl
import os
import random
import struct
import subprocess
import tempfile
import termios
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import virtual_card

# Seconds between two taps of a card: above the ten in which old server and service take it for a repeat, even with the
# small disorder below.
APART = 12.5
# Of a hundred taps so many are a repeat on purpose, refused, or not readable, besides.
REPEATS, REFUSED, UNREADABLE, UNWELCOME = 5, 2, 1, 2
# Cards that the reader takes and the server refuses begin so; no other card does.
UNWELCOME_PREFIX = "FE"
# A person's tap through pcscd: how long a card is held, and is away before the next; the daemon looks every 0.4 s.
HELD, AWAY = 0.9, 0.9

VPCD = "/etc/reader.conf.d/vpcd"
DAEMON = "/usr/sbin/pcscd"
PORTS = [35963, 35964]


def identifiers(draw, count):
    """Different cards of all three lengths."""
    seen = set()
    while len(seen) < count:
        length = draw.choice([4, 7, 8])
        # The first byte is none that would be refused.
        seen.add(f"{draw.randrange(0x10, 0xFE):02X}" + draw.randbytes(length - 1).hex().upper())
    return sorted(seen)


def unwelcome(draw):
    return UNWELCOME_PREFIX + draw.randbytes(3).hex().upper()


def refused(draw):
    phone = "08" + draw.randbytes(3).hex().upper()
    return draw.choice([phone, phone, "00000000", "FFFFFFFF", "0000000000000000"])


class Plan:
    """Lines for the simulated readers, each with its moment."""

    def __init__(self, draw, taps, rate):
        cards = identifiers(draw, max(1, round(rate * APART)))
        lines, self.forbidden = [], set()
        turn = []
        for n in range(taps):
            if not turn:
                turn = self.disordered(draw, cards)
            at, uid = n / rate, turn.pop()
            lines.append((at, uid))
            kind = draw.uniform(0, 100)
            if kind < REPEATS:
                lines.append((at + draw.uniform(0.05, 6), uid))
            elif kind < REPEATS + REFUSED:
                self.forbidden.add(no := refused(draw))
                lines.append((at, no))
            elif kind < REPEATS + REFUSED + UNREADABLE:
                lines.append((at, draw.choice(["010203", "01" * 11])))
            elif kind < REPEATS + REFUSED + UNREADABLE + UNWELCOME:
                lines.append((at, unwelcome(draw)))
        self.lines = [(at, uid + draw.choice(["", " door"])) for at, uid in sorted(lines)]
        self.seconds = taps / rate
        self.fed = len(self.lines)

    @staticmethod
    def disordered(draw, cards):
        """All cards once, each near its place of the last turn, so that its taps stay apart."""
        places = sorted((n + draw.uniform(0, len(cards) / 10), uid) for n, uid in enumerate(cards))
        return [uid for _, uid in reversed(places)]

    def feed(self, fifo, ended):
        """Taps as people do: the next card comes when the one before was taken. While nobody takes it, the plan waits,
        and so do the times between the taps of a card grow, never shrink."""
        begin = time.monotonic()
        for at, line in self.lines:
            if ended.wait(max(0.0, begin + at - time.monotonic())):
                return
            os.write(fifo, line.encode() + b"\n")
            while not_taken(fifo) and not ended.is_set():
                time.sleep(0.002)
            late = time.monotonic() - (begin + at)
            begin += max(0.0, late)


def not_taken(fifo):
    """Bytes that lie in the FIFO."""
    return struct.unpack("i", fcntl.ioctl(fifo, termios.FIONREAD, b"\0" * 4))[0]


def pcscd_seconds(taps):
    return taps / len(PORTS) * (HELD + AWAY)


class Pcscd:
    """The real daemon with two virtual readers."""

    def __enter__(self):
        for needed in (DAEMON, VPCD):
            if not Path(needed).exists():
                raise SystemExit(f"{needed} is missing: apt-get install pcscd vsmartcard-vpcd, or --pcscd 0")
        # There is only one on a machine; tests/common/daemon.rs waits for the same lock.
        self.turn = open(Path(tempfile.gettempdir()) / "facetap-test-pcscd.lock", "a")
        fcntl.flock(self.turn, fcntl.LOCK_EX)
        help_text = subprocess.run([DAEMON, "--help"], capture_output=True, text=True, check=False).stdout
        option = "--disable-polkit"  # Debian 13's daemon asks polkit, which a container does not have.
        command = [DAEMON, "--foreground"] + ([option] if option in help_text else [])
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.turn.close()

    def tap(self, seed, taps):
        """Holds cards to both readers, each with its own people."""
        threads = [
            threading.Thread(target=self.tap_one, args=(random.Random(seed + port), port, taps // 2 + taps % 2 * n))
            for n, port in enumerate(PORTS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    @staticmethod
    def tap_one(draw, port, taps):
        cards = [uid for uid in identifiers(draw, 40) if len(uid) != 14][:20]
        args = SimpleNamespace(port=port, patience=30, hold=HELD, answer=None, answer_length=None, silent=False)
        for n in range(taps):
            uid = bytes.fromhex(cards[n % len(cards)])
            atr = virtual_card.FELICA if len(uid) == 8 else virtual_card.CLASSIC
            try:
                virtual_card.hold(args, uid, bytes.fromhex(atr))
            except ConnectionError:
                pass  # The reader hung up: no tap, as far as anybody was told.
            time.sleep(draw.uniform(0.9, 1.1) * AWAY)
