"""Reads what a kill test has left: traces, the ledger, the server's rows."""

import json
import sqlite3
from datetime import datetime, timedelta, timezone

from kill_judge import Kept, Said, Stored


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
