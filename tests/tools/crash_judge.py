#!/usr/bin/env python3
"""Judges a crash test: whether a trial left the trace it should, ended as it should, and was over in time.

    crash_judge.py        tests itself: each kind of failure is planted once and has to be found
"""

import re
import sys
from collections import Counter
from dataclasses import dataclass, field, replace

import kill_judge
from crash_read import Report

LOOPS = ["camera", "vision", "servo", "ledger", "reader", "uplink", "upkeep", "monitor"]

# Seconds from the fault until the service is back.
AFTER_CRASH, AFTER_HANG = 5.0, 40.0


@dataclass(frozen=True)
class Kind:
    """A way to fail, and what has to come of it."""

    name: str
    limit: float = AFTER_CRASH
    plant: str = None  # The line for FACETAP_FAULTS,
    signal: str = None  # or the signal that is sent from outside.
    loop: str = None  # The loop that fails.
    survives: bool = False  # Whether the process goes on.
    times: int = 1  # So often it has to be planted.
    fresh: bool = False  # Whether it needs a run in which nothing else was.
    ends_by: str = None  # Signal, or
    status: int = None  # status of the end.
    what: str = None  # Of the report in crash.log (regular expressions, here and below); None: no trace is possible.
    thread: str = ".*"
    function: str = None  # In the trace of the crashed thread.
    hung_function: str = None  # In the trace of the loop that hangs.
    reason: str = None  # What the next start says of the end.


def crash(name, signal, function, what=None):
    return Kind(name, plant=name, ends_by=signal, what=what or signal, thread="faults", function=function,
                reason="crashed")


def panic(loop):
    return Kind(f"panic {loop}", plant=f"panic {loop}", loop=loop, survives=True, thread=f"{loop}$",
                what=r"\[UNCAUGHT_EXCEPTION\]", function="facetap::base::planted::point")


def hang(loop):
    return Kind(f"hang {loop}", AFTER_HANG, plant=f"hang {loop}", loop=loop, ends_by="SIGABRT", what="SIGABRT",
                thread="health", function="facetap::watch::health", hung_function="facetap::base::planted::point",
                reason=f"no sign of life: {loop} ")


KINDS = {kind.name: kind for kind in [
    crash("segv", "SIGSEGV", "write_to_nowhere"),
    # The picture is converted by OpenCV, in a thread that Rust knows nothing of.
    crash("segv-cpp", "SIGSEGV", "convert_a_picture_that_is_not_there"),
    crash("stack-overflow", "SIGSEGV", "recurse", "SIGSEGV.*(stack|address)"),
    crash("abort", "SIGABRT", "facetap::watch::fault"),
    Kind("SIGKILL", signal="SIGKILL", ends_by="SIGKILL", reason="killed"),
    # The manager's watchdog sends SIGABRT, which any thread may get.
    Kind("SIGSTOP", AFTER_HANG, signal="SIGSTOP", ends_by="SIGABRT", what="SIGABRT", function="::|main|clone",
         reason="crashed"),
    *map(panic, LOOPS),
    *map(hang, LOOPS),
    Kind("panic too often", plant="panic ledger", times=5, fresh=True, status=1, loop="ledger", thread="ledger$",
         what=r"\[UNCAUGHT_EXCEPTION\]", function="facetap::base::planted::point", reason='"ledger" panicked 5 times'),
    # Resident memory grows until it is above monitor.rss_limit_mb.
    Kind("memory", plant="leak 100", fresh=True, status=0, reason=r"\[AUTO_RESTART\] memory"),
]}


@dataclass
class Seen:
    """What came of a trial."""

    seconds: float  # From the fault until the service was back; None if it was not.
    why_not: str = ""
    ended_by: str = None
    status: int = None
    same_process: bool = False
    reports: list = field(default_factory=list)
    log: str = ""  # From the fault on.


def traced(kind, seen):
    """Whether the trace is there that has to be."""
    return kind.what is not None and not list(trace_faults(kind, seen))


def judge(kind, seen):
    """Every fault of a trial as a sentence."""
    return [*time_faults(kind, seen), *end_faults(kind, seen), *trace_faults(kind, seen), *log_faults(kind, seen)]


def time_faults(kind, seen):
    if seen.seconds is None:
        yield f"not back: {seen.why_not}"
    elif seen.seconds > kind.limit:
        yield f"back only after {seen.seconds:.1f} s"


def end_faults(kind, seen):
    if kind.survives:
        if not seen.same_process:
            yield f"the process ended ({seen.ended_by or seen.status}) instead of going on"
    elif (seen.ended_by, seen.status) != (kind.ends_by, kind.status):
        yield f"ended by {seen.ended_by}, status {seen.status}"


def trace_faults(kind, seen):
    if kind.what is None:
        if seen.reports:
            yield f"an unexpected report: {seen.reports[0].what}"
        return
    if len(seen.reports) != kind.times:
        yield f"{len(seen.reports)} reports in crash.log instead of {kind.times}"
    for report in seen.reports:
        yield from report_faults(kind, report)


def report_faults(kind, report):
    if not report.complete:
        yield f"the report {report.key} has no end"
    if not re.search(kind.what, report.what):
        yield f"the report is about {report.what}"
    if not re.match(kind.thread, report.thread):
        yield f"the report is about the thread {report.thread}"
    if len(report.frames) < 3:
        yield f"a backtrace of {len(report.frames)} frames"
    if len(report.log_lines) < 10:
        yield f"{len(report.log_lines)} lines of the log in the report"
    if not report.memory:
        yield "no figures of the memory in the report"
    if kind.ends_by and len(report.others) < 5:
        yield f"traces of {len(report.others)} other threads only"
    if report.names is None:
        yield "the functions were not named"
        return
    if not any(re.search(kind.function, frame) for frame in report.names[None]):
        yield f"no {kind.function} in the trace: {report.names[None][:4]}"
    hung = report.names.get(kind.loop, [])
    if kind.hung_function and not any(kind.hung_function in frame for frame in hung):
        yield f"the loop's own trace does not show where it hangs: {hung[:4]}"


def log_faults(kind, seen):
    if kind.what and kind.ends_by and "[CRASH]" not in seen.log:
        yield "no [CRASH] in the log"
    if kind.what and "UNCAUGHT" in kind.what and f"thread: {kind.loop}" not in seen.log:
        yield "no [UNCAUGHT_EXCEPTION] with the loop's name in the log"
    if kind.hung_function and f"CRITICAL - hung, no sign of life: {kind.loop} " not in seen.log:
        yield "the hung loop was not named before the restart"
    if kind.reason:
        lines = [line for line in seen.log.splitlines() if "the run before ended at" in line]
        if len(lines) != 1:
            yield f"{len(lines)} lines tell how the run before ended"
        elif not re.search(kind.reason, lines[0]):
            yield f"another reason of the end: {lines[0].partition('ended at ')[2]}"


def judge_taps(said, kept, stored):
    """Faults of a run in which no card was tapped twice: as kill_judge, by the card alone."""
    times = Counter(tap.uid for tap in kept)
    for uid in {tap.uid for tap in said if tap.outcome == "counted"}:
        if times[uid] == 0:
            yield f"{uid} was said to count and is not in the ledger"
    yield from (f"{uid} is in the ledger {n} times" for uid, n in times.items() if n > 1)
    faults = [*kill_judge.kept_but_not_once_at_the_server(kept, stored),
              *kill_judge.at_the_server_without_reason(kept, stored, set())]
    yield from (f"{kind}: {sentence}" for kind, sentence in faults)


def sound(kind):
    """A trial without fault."""
    report = Report("k", f"{kind.what} [UNCAUGHT_EXCEPTION] stack", (kind.loop if kind.survives else "health"),
                    ["#0", "#1", "#2"], ["line"] * 10, ["other"] * 5, ["VmRSS"], True,
                    {None: [f"#0 {kind.function}"], kind.loop: [kind.hung_function]})
    log = f"thread: {kind.loop}\nCRITICAL - hung, no sign of life: {kind.loop} (15 s)\n[CRASH]\n"
    if kind.reason:
        log += f"the run before ended at 12:00: no sign of life: {kind.loop} (15 s)\n"
    return Seen(1.0, "", kind.ends_by, kind.status, kind.survives, [report], log)


def self_test():
    """Each fault is planted in a sound trial, and has to be found."""
    count = 0
    for kind in (KINDS["panic servo"], KINDS["hang servo"]):
        good = sound(kind)
        assert judge(kind, good) == [], judge(kind, good)
        bad_reports = [
            replace(good.reports[0], **change) for change in (
                {"complete": False}, {"what": "x"}, {"thread": "x"}, {"frames": []}, {"log_lines": []},
                {"memory": []}, {"names": None}, {"names": {None: ["#0 main"], kind.loop: [kind.hung_function]}})]
        bad = [replace(good, **change) for change in (
            {"seconds": None}, {"seconds": kind.limit + 0.1}, {"reports": []}, {"reports": good.reports * 2}, {"log": ""},
            {"same_process": False, "ended_by": "SIGSEGV"}, *({"reports": [report]} for report in bad_reports))]
        if kind.ends_by:
            others = replace(good.reports[0], others=[])
            elsewhere = replace(good.reports[0], names={None: [kind.function], kind.loop: ["#0 main"]})
            bad += [replace(good, **change) for change in (
                {"ended_by": None, "status": 0}, {"reports": [others]}, {"reports": [elsewhere]},
                {"log": good.log.replace("[CRASH]", "")}, {"log": good.log.replace("12:00: no sign of life", "")},
                {"log": good.log.replace("CRITICAL - hung", "")})]
        for seen in bad:
            if not judge(kind, seen):
                sys.exit(f"{kind.name}: not found: {seen}")
        count += len(bad)
    unexpected = replace(sound(KINDS["hang servo"]), ended_by="SIGKILL", log="the run before ended at 1: killed")
    if not judge(KINDS["SIGKILL"], unexpected):
        sys.exit("a report after SIGKILL was not found")
    print(f"the judge finds each of {count + 1} planted faults")


if __name__ == "__main__":
    kill_judge.self_test()
    self_test()
