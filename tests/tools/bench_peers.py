#!/usr/bin/env python3
"""Measures a release beside its peers on clips. Called by scripts/bench.sh peers, which says more.

    bench_peers.py --binary FILE --folder FOLDER [--models DIR] [--peer NAME=PYTHON]... [--seconds N] [--rounds N]
                   [--limits] CLIP.avi...

Each clip has its truth beside it (CLIP.gt.csv). Standard library only.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from pathlib import Path

from clips import Clip, read_truth
from peers_score import prove_the_score, read_trace, score

HERE = Path(__file__).parent
YUNET = "face_detection_yunet_2023mar.onnx"
# Until the first picture; then until all have settled.
PATIENCE_S, SETTLE_S = 60, 2
# What is promised (--limits): shares of the MediaPipe peer's processor time with faces and without, megabytes,
# milliseconds.
CPU_SHARE, CPU_SHARE_EMPTY = 0.30, 0.10
RECALL_LARGEST, RECALL, PRECISION = 0.98, 0.95, 0.99
MEMORY_MB, COMMAND_AGE_P99_MS = 28, 40
REFERENCE = "mediapipe"


class Failed(Exception):
    """A program did not do its work; the text says what it wrote last."""


def family(root):
    """A process and all that descend from it, by their ids."""
    children = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    members = [root]
    for pid in members:
        members.extend(children.get(pid, []))
    return members


def processor_time(members):
    """Seconds that processes were at work: all their threads, also those that have ended, and their ended children."""
    total = 0.0
    for pid in members:
        try:
            # The processor clock of another process (clock_getcpuclockid), exact to the nanosecond.
            total += time.clock_gettime((~pid << 3) | 2)
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[13]) + int(fields[14])) / os.sysconf("SC_CLK_TCK")
        except OSError:
            pass  # ended: its parent has its time
    return total


def peak_memory(members):
    """Megabytes of the largest resident sets of processes, added up."""
    total = 0
    for pid in members:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        total += sum(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return total * 1024 / 1e6


class Program:
    """Something that follows a face in a clip and writes a trace."""

    def __init__(self, name, command):
        self.name, self.command = name, command

    def servos(self, folder):
        """What it moves; by default nothing."""

    def measure(self, clip, truth, folder, seconds):
        """One run in an empty folder: figures of processor, memory and time, and the score of its trace."""
        folder.mkdir(parents=True)
        servos = self.servos(folder)
        trace = folder / "trace.jsonl"
        environment = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", STATE_DIRECTORY=str(folder),
                           LOGS_DIRECTORY=str(folder), RUNTIME_DIRECTORY=str(folder))
        with open(folder / "output", "w", encoding="utf-8") as output:
            process = subprocess.Popen(self.command(clip, trace, folder), stdout=output, stderr=output, env=environment)
        try:
            self.wait_for_pictures(process, trace, folder)
            time.sleep(SETTLE_S)
            members = family(process.pid)
            before, begin = processor_time(members), time.monotonic()
            time.sleep(seconds)
            members = family(process.pid)
            after, end = processor_time(members), time.monotonic()
            memory = peak_memory(members)
            process.send_signal(signal.SIGTERM)
            status = process.wait(20)
            if status != 0:
                raise Failed(self.last_words(folder, f"ended with status {status}"))
        except subprocess.TimeoutExpired:
            raise Failed(self.last_words(folder, "did not end")) from None
        finally:
            for started in filter(None, (process, servos)):
                if started.poll() is None:
                    started.kill() if started is process else started.terminate()
                started.wait()
        pictures = (end - begin) * clip.rate
        lines = read_trace(trace)
        if not lines or lines[-1]["t"] - lines[0]["t"] < SETTLE_S + seconds / 2:
            raise Failed(self.last_words(folder, "worked on pictures for a part of the time only"))
        return {
            "cpu_ms": (after - before) / pictures * 1000,
            "start_s": before,
            "memory_mb": memory,
            **score(lines, truth, len(clip.pictures), clip.rate, SETTLE_S, seconds),
        }

    def wait_for_pictures(self, process, trace, folder):
        limit = time.monotonic() + PATIENCE_S
        while not (trace.exists() and trace.stat().st_size):
            if process.poll() is not None:
                raise Failed(self.last_words(folder, f"ended with status {process.returncode} before any picture"))
            if time.monotonic() > limit:
                raise Failed(self.last_words(folder, f"worked on no picture within {PATIENCE_S} s"))
            time.sleep(0.05)

    def last_words(self, folder, what):
        lines = (folder / "output").read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n    ".join([f"{self.name} {what}", *lines[-8:]])


class Release(Program):
    """The release, with three servos in another process, which is not counted."""

    def __init__(self, binary, models):
        super().__init__("release", self.start)
        self.binary, self.models = binary, models

    def start(self, clip, trace, folder):
        config = {
            "language": "en",
            "data_dir": str(folder / "data"),
            "log": {"file": str(folder / "facetap.log")},
            "camera": {"source": str(clip.path.resolve()), "repeat": True},
            "detector": {"model_dir": self.models},
            "servo": {"port": str(folder / "servos")},
            "cards": {"enabled": False},
        }
        (folder / "config.json").write_text(json.dumps(config))
        return [self.binary, "run", "--no-display", "--config", folder / "config.json", "--trace", trace]

    def servos(self, folder):
        process = subprocess.Popen([sys.executable, HERE / "sts_servos.py", folder / "servos", "--log", os.devnull])
        limit = time.monotonic() + PATIENCE_S
        while not (folder / "servos").exists():
            if process.poll() is not None or time.monotonic() > limit:
                process.kill()
                raise Failed("the simulated servos did not start")
            time.sleep(0.02)
        return process


def peer(name, python, models):
    """The peer of this name."""
    more = [os.path.join(models, YUNET)] if name == "yunet" else []
    return Program(name, lambda clip, trace, _: [python, HERE / f"peer_{name}.py", clip.path, trace, *more])


def tell(text):
    print(text, flush=True)


COLUMNS = (
    ("CPU ms a picture", "cpu_ms", "{:.2f}"),
    ("CPU s until settled", "start_s", "{:.2f}"),
    ("peak MB", "memory_mb", "{:.1f}"),
    ("looked at", "looked", "{:.2f}"),
    ("recall largest", "recall_largest", "{:.3f}"),
    ("recall all", "recall", "{:.3f}"),
    ("precision", "precision", "{:.3f}"),
    ("result ms p50", "age_p50", "{:.1f}"),
    ("p99", "age_p99", "{:.1f}"),
    ("command ms p50", "command_age_p50", "{:.1f}"),
    ("p99", "command_age_p99", "{:.1f}"),
)


def median(rounds, key):
    values = [figures[key] for figures in rounds if figures[key] is not None]
    return statistics.median(values) if values else None


def table(rows):
    """A table of Markdown that is a table for the eye as well."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    lines = ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in rows]
    lines.insert(1, "| " + " | ".join("-" * width for width in widths) + " |")
    return "\n".join(lines)


def shares(rounds, other):
    """The release's processor time as a share of the other's, round by round."""
    return [ours["cpu_ms"] / theirs["cpu_ms"] for ours, theirs in zip(rounds["release"], rounds[other])]


def report(rounds):
    rows = [["program", *(title for title, _, _ in COLUMNS)]]
    for name, figures in rounds.items():
        medians = [(median(figures, key), form) for _, key, form in COLUMNS]
        rows.append([name, *("-" if value is None else form.format(value) for value, form in medians)])
    tell(table(rows) + "\n")
    for other in rounds:
        if other != "release":
            each = shares(rounds, other)
            tell(f"CPU of the release / {other}: {statistics.median(each):.2f} "
                  f"(rounds: {' '.join(f'{share:.2f}' for share in each)})")


def broken(clip, truth, rounds):
    """What is not as promised."""
    ours = {key: median(rounds["release"], key) for _, key, _ in COLUMNS}
    empty = not any(truth.values())
    limits = [
        ("recall of the largest face", ours["recall_largest"], RECALL_LARGEST, 1),
        ("recall", ours["recall"], RECALL, 1),
        ("precision", ours["precision"], PRECISION, 1),
        ("memory in MB", ours["memory_mb"], MEMORY_MB, -1),
        ("age of a command in ms at p99", ours["command_age_p99"], COMMAND_AGE_P99_MS, -1),
    ]
    if empty:
        limits[2] = ("precision with nobody there (a box was shown)", ours["precision"], PRECISION, 1)
    if REFERENCE in rounds:
        limits.append((f"CPU as a share of {REFERENCE}'s", statistics.median(shares(rounds, REFERENCE)),
                       CPU_SHARE_EMPTY if empty else CPU_SHARE, -1))
    return [f"{clip.path.stem}: {what} is {value:.3f}, promised is {'at least' if sign > 0 else 'at most'} {limit}"
            for what, value, limit, sign in limits if value is not None and (value - limit) * sign < 0]


def main():
    parser = argparse.ArgumentParser(description="a release beside its peers")
    parser.add_argument("--binary", required=True)
    parser.add_argument("--folder", required=True, type=Path)
    parser.add_argument("--models")
    parser.add_argument("--peer", action="append", default=[], metavar="NAME=PYTHON")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limits", action="store_true")
    parser.add_argument("clips", nargs="+", type=Path)
    options = parser.parse_args()
    if options.rounds < 1 or options.rounds % 2 == 0:
        parser.error("--rounds: an odd number, so that the median is a run that there was")
    prove_the_score()
    # Who ends this ends what it has started as well.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))

    programs = [Release(options.binary, options.models)]
    for entry in options.peer:
        programs.append(peer(*entry.split("=", 1), options.models))
    faults = []
    for path in options.clips:
        clip, truth = Clip(path), read_truth(path.with_suffix(".gt.csv"))
        tell(f"\n## {path.stem}: {len(clip.pictures)} pictures, {clip.rate:.2f} a second, "
              f"{max(map(len, truth.values()), default=0)} faces at most\n")
        rounds = {program.name: [] for program in programs}
        for number in range(options.rounds):
            for program in list(programs):
                folder = options.folder / path.stem / f"{program.name}-{number}"
                try:
                    rounds[program.name].append(program.measure(clip, truth, folder, options.seconds))
                except Failed as why:
                    if program.name == "release":
                        sys.exit(f"{path.stem}: {why}")
                    tell(f"MISSING from here on: {why}\n")
                    programs.remove(program)
                    del rounds[program.name]
        report(rounds)
        faults += broken(clip, truth, rounds)
    if REFERENCE not in (program.name for program in programs):
        faults.append(f"{REFERENCE} is missing: no share of its processor time is known")
    if options.limits and faults:
        sys.exit("\nnot as promised:\n  " + "\n  ".join(faults))


if __name__ == "__main__":
    main()
