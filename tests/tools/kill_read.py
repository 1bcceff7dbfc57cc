"""Reads what a kill test has left: traces, the ledger, the server's rows."""

import json
import sqlite3
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta, timezone

from kill_judge import Kept, Said, Stored

# How exactly the start of a run is found out, and the longest time that one may take.
STEP, SLOWEST_START = timedelta(seconds=0.5), timedelta(seconds=60)


def read_trace(start, trace):
    """The taps of one run of the service, which started at `start` on the wall clock (seconds since 1970). The last
    line may have been cut off by the kill: then nothing was said."""
    try:
        text = trace.read_text()
    except FileNotFoundError:
        return
    begin = datetime.fromtimestamp(start, timezone.utc).replace(tzinfo=None)
    for line in text.split("\n")[:-1]:
        tap = json.loads(line)
        if "tap" in tap:
            yield Said(tap["uid"], begin + timedelta(seconds=tap["t"]), tap["outcome"], tap["reader"])


def in_time(said, kept):
    """The taps that one run said, with the time that its start took put right: a busy machine takes many seconds for one,
    and the trace counts from there. Trace and ledger have a tap from the same moment, so what lies between them is the
    same for all taps of a run. Where none fits, nothing is changed."""
    moments = defaultdict(list)
    for tap in kept:
        moments[tap.uid].append(tap.at)
    late = Counter()
    for tap in said:
        if tap.outcome == "counted":
            steps = {round((at - tap.at) / STEP) for at in moments[tap.uid] if at >= tap.at}
            late.update(step for step in steps if step * STEP <= SLOWEST_START)
    if late:
        most = max(late.values())
        shift = min(step for step, taps in late.items() if taps == most) * STEP
        said = [replace(tap, at=tap.at + shift) for tap in said]
    return said


def self_test():
    """A run that took seven seconds to start, one of whose taps is lost."""
    begin = datetime(2026, 11, 21, 12)
    moment = lambda seconds: begin + timedelta(seconds=seconds)
    said = [Said(uid, moment(at), "counted") for uid, at in (("A", 1), ("B", 1.1), ("C", 1.2))]
    kept = [Kept(uid, moment(at), "", "", "") for uid, at in (("A", 8), ("B", 8.1), ("A", 21), ("C", 0.5))]
    found = [tap.at for tap in in_time(said, kept)]
    assert found == [moment(8), moment(8.1), moment(8.2)], found
    assert in_time(said[2:], kept) == said[2:]


def read_ledger(data):
    """Its taps, in order; none as long as there is no ledger."""
    file = data / "attendance.db"
    if not file.exists():
        return []
    db = sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=20)
    try:
        rows = db.execute(
            "SELECT uid, utc_time, local_time, idempotency_key, state, attempts FROM tap ORDER BY id"
        ).fetchall()
    finally:
        db.close()
    return [
        Kept(uid, datetime.fromisoformat(utc.removesuffix("Z")), local, key, state, attempts)
        for uid, utc, local, key, state, attempts in rows
    ]


def read_server(folder):
    """What the server noted, in the order of receipt."""
    with open(folder / "rows.jsonl", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    return [Stored(row["idm"], row["timestamp"], row["key"], row["status"], row["at"]) for row in rows]
