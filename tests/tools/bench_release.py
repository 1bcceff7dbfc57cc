#!/usr/bin/env python3
"""Measures a release: size, start, memory, processor time a picture. Called by scripts/bench.sh, which says more."""

import json
import os
import statistics
import subprocess
import sys
import time

binary, folder, starts, at_work, limits, size_limit, memory_limit = sys.argv[1:]


def run(seconds):
    """One run: its peak of resident memory in MB, its processor time in s, its trace."""
    trace = os.path.join(folder, "trace")
    command = [binary, "run", "--no-display", "--config", os.path.join(folder, "config.json"),
               "--duration", str(seconds), "--trace", trace]
    with open(os.path.join(folder, "output"), "w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"{binary} ended with wait status {status}:\n" + open(output.name).read())
    lines = [json.loads(line) for line in open(trace)]
    return usage.ru_maxrss * 1024 / 1e6, usage.ru_utime + usage.ru_stime, lines


def before_main():
    """What the loader takes: the time of a command that does nothing."""
    begin = time.monotonic()
    subprocess.run([binary, "--version"], stdout=subprocess.DEVNULL, check=True)
    return time.monotonic() - begin


loading = statistics.median(before_main() for _ in range(int(starts)))
firsts = []
for _ in range(int(starts)):
    first = next(line for line in run(3)[2] if "frame" in line)
    firsts.append(first["t"] + first["age_ms"] / 1000)
memory, cpu, lines = run(int(at_work))
frames = [line for line in lines if "frame" in line]
taps = [line for line in lines if "tap" in line]
commands = sum(line["command"] is not None for line in frames)
if not (frames and taps and commands):
    sys.exit(f"not both loops were at work: {len(frames)} pictures, {commands} commands, {len(taps)} taps")
size = os.path.getsize(binary) / 1e6
print(f"size of the file                     {size:8.1f} MB")
print(f"start to first picture worked on     {(loading + statistics.median(firsts)) * 1000:8.1f} ms "
      f"(median of {starts}; of it {loading * 1000:.1f} ms before main)")
print(f"peak memory of the whole service     {memory:8.1f} MB")
print(f"processor time a picture             {cpu / len(frames) * 1000:8.2f} ms "
      f"({len(frames)} pictures, {commands} servo commands, {len(taps)} taps in {at_work} s)")
if limits == "yes" and (size > float(size_limit) or memory > float(memory_limit)):
    sys.exit(f"above the limits: {size_limit} MB for the file, {memory_limit} MB of memory")
