"""Reads what a crash test has left: crash.log, the trace and the log of each run."""

import json
from dataclasses import dataclass, field


@dataclass
class Report:
    """One crash or panic in crash.log."""

    key: str
    what: str = ""
    thread: str = ""
    frames: list = field(default_factory=list)  # Of the crashed thread, as addresses.
    log_lines: list = field(default_factory=list)
    others: list = field(default_factory=list)  # Names of the other threads that have a trace.
    memory: list = field(default_factory=list)
    complete: bool = False
    names: dict = None  # Thread (None for the crashed one) -> its frames with names; None until they were found.


def read_reports(text):
    """Every report, in order."""
    reports, report, section, names_of, thread = {}, None, None, None, None
    for line in text.splitlines():
        if line.startswith("==== crash "):
            report = reports.setdefault(line[11:], Report(line[11:]))
            section = names_of = None
        elif line.startswith("==== names "):
            names_of = reports.get(line[11:])
            report, thread, found = None, None, {None: []}
        elif line.startswith("==== end "):
            if report:
                report.complete = True
            if names_of:
                names_of.names = found
            report = names_of = None
        elif names_of:
            line = line.strip()
            if line.startswith("thread "):
                thread = name_of(line[7:])
                found[thread] = []
            elif line:
                found[thread].append(line)
        elif report:
            section = of_report(report, section, line)
    return list(reports.values())


def of_report(report, section, line):
    """Takes one line of a report. The section that goes on."""
    if line and not line.startswith(" "):
        head, _, rest = line.partition(": ")
        if head == "what":
            report.what = rest
        elif head == "thread":
            report.thread = name_of(rest)
        return line.rstrip(":")
    if section == "backtrace":
        report.frames.append(line.strip())
    elif section == "last lines of the log":
        report.log_lines.append(line.strip())
    elif section == "memory":
        report.memory.append(line.strip())
    elif section == "other threads" and line.strip().startswith("thread "):
        report.others.append(name_of(line.strip()[7:]))
    return section


def name_of(thread):
    """`camera (123)` or `camera (123):` is `camera`."""
    return thread.rsplit(" (", 1)[0]


def read_trace_lines(text):
    """Frames and taps of a trace; the last line may be half written."""
    frames, taps = [], []
    for line in text.split("\n")[:-1]:
        entry = json.loads(line)
        (taps if "tap" in entry else frames).append(entry)
    return frames, taps
