#!/usr/bin/env python3
"""Judges a kill test: what the service said, what its ledger holds and what the server has stored.

    kill_judge.py        tests itself: each kind of failure is planted once and has to be found

A tap is *said* when its trace line says that it counted. Each said tap must be in the ledger, each tap of the ledger
exactly once at the server, those of a card in the ledger's order, and nothing else may be at the server. What the server
itself refuses is rejected at the first refusal that reaches the program; nothing else ever is.
"""

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta

# Between a tap's moments by the trace and by the ledger (kill_read.in_time).
TOLERANCE = timedelta(seconds=3)


@dataclass
class Said:
    """A line of the trace."""

    uid: str
    at: datetime  # UTC
    outcome: str
    reader: str = ""


@dataclass
class Kept:
    """A tap in the ledger, in the order of its numbers."""

    uid: str
    at: datetime  # UTC
    local_time: str
    key: str
    state: str
    attempts: int = 1


@dataclass
class Stored:
    """What the server noted of a request, in the order of receipt. Status: success, duplicate or refused."""

    uid: str
    timestamp: str
    key: str
    status: str = "success"
    at: float = 0.0  # Seconds since 1970.


def judge(said, kept, stored, repeat_seconds, forbidden, unwelcome="FE", calm=float("inf")):
    """Every failure, as a kind and a sentence. `forbidden`: identifiers that must never be counted; `unwelcome`: how
    those begin that the server refuses; `calm`: when nothing went wrong any more, in seconds since 1970."""
    return [
        *said_but_not_kept(said, kept),
        *kept_but_not_once_at_the_server([tap for tap in kept if not tap.uid.startswith(unwelcome)], stored),
        *refused_by_the_server([tap for tap in kept if tap.uid.startswith(unwelcome)], stored, calm),
        *at_the_server_without_reason(kept, stored, forbidden),
        *out_of_order(kept, stored),
        *swallowed(said, kept, repeat_seconds),
    ]


def said_but_not_kept(said, kept):
    left = defaultdict(list)
    for tap in kept:
        left[tap.uid].append(tap)
    for tap in said:
        if tap.outcome != "counted":
            continue
        candidates = left[tap.uid]
        # Both are in order, and the taps of a card are further apart than the tolerance: the first that fits is it.
        # Those before it are durable, but the process died before it could say so.
        fits = [i for i, k in enumerate(candidates) if abs(k.at - tap.at) <= TOLERANCE]
        if fits:
            del candidates[: fits[0] + 1]
        else:
            yield "lost", f"{tap.uid} at {tap.at} was said to count and is not in the ledger"


def kept_but_not_once_at_the_server(kept, stored):
    successes = Counter(s.key for s in stored if s.status == "success")
    sent = {s.key: s for s in stored}
    for tap in kept:
        times = successes[tap.key]
        if times == 0:
            yield "lost", f"{tap.uid} at {tap.local_time} is {tap.state} in the ledger and not at the server"
        elif times > 1:
            yield "twice", f"{tap.uid} at {tap.local_time} is at the server {times} times"
        if tap.state == "rejected":
            yield "rejected", f"{tap.uid} at {tap.local_time} is rejected, and the server had not refused it"
        elif tap.state != "delivered":
            yield "undelivered", f"{tap.uid} at {tap.local_time} is still {tap.state}"
        if tap.key in sent and (sent[tap.key].uid, sent[tap.key].timestamp) != (tap.uid, tap.local_time):
            yield "altered", f"{tap.uid} at {tap.local_time} is {sent[tap.key]} at the server"


def refused_by_the_server(kept, stored, calm):
    """Taps of cards that are unknown there."""
    refused, late = Counter(), Counter()
    for row in stored:
        refused[row.key] += row.status == "refused"
        late[row.key] += row.status == "refused" and row.at >= calm
    for tap in kept:
        if tap.state != "rejected" or refused[tap.key] == 0:
            yield "unrefused", f"{tap.uid} at {tap.local_time} is {tap.state}, refused {refused[tap.key]} times"
        # While answers are lost on the way, the program has to ask again.
        elif late[tap.key] > 1:
            yield "again", f"{tap.uid} at {tap.local_time} was sent again after the server had refused it"


def at_the_server_without_reason(kept, stored, forbidden):
    keys = {tap.key for tap in kept}
    for row in stored:
        if row.key not in keys:
            yield "unknown", f"{row.uid} at {row.timestamp} is at the server and not in the ledger"
        if row.uid in forbidden:
            yield "forbidden", f"{row.uid} at {row.timestamp} was not to be counted and is at the server"


def out_of_order(kept, stored):
    number = {tap.key: n for n, tap in enumerate(kept)}
    last = {}
    for row in stored:
        n = number.get(row.key)
        if n is None or row.status != "success":
            continue
        if n < last.get(row.uid, -1):
            yield "order", f"{row.uid} at {row.timestamp} came to the server after a later tap of the card"
        last[row.uid] = max(n, last.get(row.uid, -1))


def swallowed(said, kept, repeat_seconds):
    window = timedelta(seconds=repeat_seconds) + TOLERANCE
    counted = defaultdict(list)
    for tap in kept:
        counted[tap.uid].append(tap.at)
    for tap in said:
        if tap.outcome != "repeat":
            continue
        if not any(tap.at - window <= at <= tap.at + TOLERANCE for at in counted[tap.uid]):
            yield "swallowed", f"{tap.uid} at {tap.at} was taken for a repeat of nothing"


# When the planted runs become calm.
CALM = 1000.0


def sound():
    """A run without fault: two cards with two taps each, and two that the server does not know."""
    start = datetime(2026, 11, 21, 12)
    said, kept, stored = [], [], []
    for n, uid in enumerate(["A", "B", "A", "B"]):
        at = start + timedelta(seconds=20 * n)
        said.append(Said(uid, at + timedelta(milliseconds=300), "counted"))
        kept.append(Kept(uid, at, at.isoformat(), f"k{n}", "delivered"))
        stored.append(Stored(uid, at.isoformat(), f"k{n}"))
    said.append(Said("A", start + timedelta(seconds=45), "repeat"))
    said.append(Said("08010203", start, "refused"))
    stored.append(Stored("B", stored[3].timestamp, "k3", "duplicate"))
    # Refused by the server: once while answers get lost, and once in the calm.
    for n, times in [(6, 3), (7, 1)]:
        at = start + timedelta(seconds=20 * n)
        said.append(Said(f"FE{n}", at, "counted"))
        kept.append(Kept(f"FE{n}", at, at.isoformat(), f"k{n}", "rejected"))
        stored += [Stored(f"FE{n}", at.isoformat(), f"k{n}", "refused", CALM * (n == 7))] * times
    # Durable, but killed before it was said.
    at = start + timedelta(seconds=200)
    kept.append(Kept("A", at, at.isoformat(), "k4", "delivered"))
    stored.append(Stored("A", at.isoformat(), "k4"))
    return said, kept, stored


def plant(fault):
    """A sound run with one fault."""
    said, kept, stored = sound()
    if fault == "lost":
        del stored[2]
    elif fault == "lost from the ledger":
        del kept[1], stored[1]
    elif fault == "swallowed by the server":
        stored[2].status = "duplicate"
    elif fault == "twice":
        stored.append(stored[0])
    elif fault == "order":
        stored[0], stored[2] = stored[2], stored[0]
    elif fault == "undelivered":
        kept[0].state = "pending"
    elif fault == "rejected":
        kept[0].state = "rejected"
        del stored[0]
    elif fault == "not rejected":
        kept[4].state = "pending"
    elif fault == "rejected unasked":
        stored[:] = [row for row in stored if row.key != "k6"]
    elif fault == "asked again":
        stored.append(Stored("FE7", kept[5].local_time, "k7", "refused", CALM + 1))
    elif fault == "altered":
        stored[0].timestamp = "1970-01-01T00:00:00"
    elif fault == "unknown":
        stored.append(Stored("C", "2026-11-21T12:00:00", "k9"))
    elif fault == "forbidden":
        kept.append(Kept("08010203", kept[0].at, "x", "k5", "delivered"))
        stored.append(Stored("08010203", "x", "k5"))
    elif fault == "swallowed":
        said.append(Said("A", said[0].at + timedelta(seconds=20), "repeat"))
    return said, kept, stored


def self_test():
    expected = {
        "none": set(),
        "lost": {"lost"},
        "lost from the ledger": {"lost"},
        "swallowed by the server": {"lost"},
        "twice": {"twice", "order"},
        "order": {"order"},
        "undelivered": {"undelivered"},
        "rejected": {"rejected", "lost"},
        "not rejected": {"unrefused"},
        "rejected unasked": {"unrefused"},
        "asked again": {"again"},
        "altered": {"altered"},
        "unknown": {"unknown"},
        "forbidden": {"forbidden"},
        "swallowed": {"swallowed"},
    }
    for fault, kinds in expected.items():
        found = {kind for kind, _ in judge(*plant(fault), 10, {"08010203"}, calm=CALM)}
        if found != kinds:
            sys.exit(f"planted: {fault}; found {found or 'nothing'} instead of {kinds or 'nothing'}")
    print(f"the judge finds each of {len(expected) - 1} planted faults")


if __name__ == "__main__":
    self_test()
