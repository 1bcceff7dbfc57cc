"""What befalls the ledger in a kill test: another program that holds its write lock, and a disk that fills up."""

import os
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

# Seconds for which another program holds the lock: from a moment to more than twice what SQLite waits.
LOCKED = (0.25, 11.0)
# One that comes again and again: so long locked, so often.
AGAIN, EVERY = 0.25, 0.3
# Megabytes of the disk for so many taps, several times what they need.
DISK = (24, 96)


class Trouble:
    """Troubles of one data folder, one after the other."""

    def __init__(self, data, disk, counts):
        self.file, self.disk, self.counts = Path(data) / "attendance.db", disk, counts
        self.last_full = None  # When the disk was last seen full; none before.

    def lock(self, seconds, ended):
        """Holds the write lock. False if there is no ledger to lock yet, or the service would not let go of it."""
        try:
            db = sqlite3.connect(f"file:{self.file}?mode=rw", uri=True, timeout=5, isolation_level=None)
        except sqlite3.OperationalError:
            return False
        try:
            db.execute("BEGIN IMMEDIATE")
            self.counts["locks of the ledger"] += 1
            self.counts["  seconds"] += seconds
            ended.wait(seconds)
            db.execute("ROLLBACK")
            return True
        except sqlite3.Error:
            return False  # Killed while it made the file, or the disk is full.
        finally:
            db.close()

    def lock_again_and_again(self, seconds, ended):
        end = time.monotonic() + seconds
        while time.monotonic() < end and not ended.is_set():
            self.lock(AGAIN, ended)
            ended.wait(EVERY - AGAIN)

    def fill(self, seconds, ended):
        """Leaves no byte of the disk free for a while."""
        if self.disk is None:
            return
        filler = self.disk / "filler"
        self.counts["times that the disk was full"] += 1
        end = time.monotonic() + seconds
        try:
            with open(filler, "wb", buffering=0) as file:
                while time.monotonic() < end and not ended.is_set():
                    self.write_all(file)
                    self.last_full = time.monotonic()
                    ended.wait(0.05)
        finally:
            filler.unlink()
            self.last_full = time.monotonic()

    @staticmethod
    def write_all(file):
        for size in (1 << 20, 4096, 512):
            try:
                while file.write(b"\xa5" * size) == size:
                    pass
            except OSError:
                pass  # No room for so many.

    def was_full_since(self, moment):
        return self.last_full is not None and self.last_full >= moment

    def befall(self, draw, short, ended):
        """At random moments until the end: each kind in turn, in an order by lot."""
        turn = []
        while not ended.wait(draw.uniform(0.3, 1) if short else draw.uniform(3, 12)):
            if not turn:
                turn = [self.lock, self.lock, self.lock_again_and_again, self.fill]
                draw.shuffle(turn)
            shortest, longest = LOCKED
            longest = 1.0 if short else longest
            # Short ones are as often as those three times as long.
            turn.pop()(shortest * (longest / shortest) ** draw.random(), ended)


class Disk:
    """A small disk of the test's own, in its mount namespace. None, and loudly, where that is not possible."""

    @staticmethod
    def mount(folder, megabytes):
        if not isolated():
            print("SKIPPED: the disk does not fill up; that takes root and a mount namespace", flush=True)
            return None
        at, image = folder / "disk", folder / "image"
        at.mkdir()
        with open(image, "wb") as file:
            file.truncate(megabytes << 20)
        # A real file system, whose writes take their time, with the blocks of a board's card; in memory where there is no
        # loop device.
        if not (succeeds("mkfs.ext4", "-q", "-b", "4096", image) and succeeds("mount", "-o", "loop", image, at)):
            if not succeeds("mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "facetap-test", at):
                print("SKIPPED: the disk does not fill up; none can be mounted here", flush=True)
                return None
        return at

    @staticmethod
    def unmount(at):
        subprocess.run(["umount", "--lazy", at], check=False)


def isolated():
    """Whether what is mounted here goes with this process (synchronised.sh)."""
    return "FACETAP_TEST_ISOLATED" in os.environ


def succeeds(*command):
    try:
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).returncode == 0
    except FileNotFoundError:
        return False


class Background:
    """Something that goes on beside the test until it is told to end; its failure is the test's."""

    def __init__(self, act):
        self.ended, self.failures = threading.Event(), []
        self.thread = threading.Thread(target=self.run, args=(act,), daemon=True)

    def run(self, act):
        try:
            act(self.ended)
        except Exception as e:  # Whatever it is, the figures would be worth nothing.
            self.failures.append(e)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, kind, *_):
        self.ended.set()
        self.thread.join()
        if self.failures and kind is None:
            raise self.failures[0]
