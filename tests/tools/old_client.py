#!/usr/bin/env python3
"""The loop of the card client that FaceTap replaces, written anew from how it is described: no line of it is its own.

It lists the readers once, looks anew every 0.3 s whether a card lies on one, asks it for its identifier, and lets a
card count once within 60 s. What it would send to the server it prints, a line a tap. Needs pyscard.
"""

import time

from smartcard.Exceptions import CardConnectionException, NoCardException
from smartcard.System import readers

GET_UID = [0xFF, 0xCA, 0x00, 0x00, 0x00]
LOOK_S, REPEAT_S = 0.3, 60.0
NOT_VALID = {"00000000", "FFFFFFFF", "0000000000000000"}


def look(reader):
    """The identifier of the card on the reader; none without one."""
    connection = reader.createConnection()
    try:
        connection.connect()
        answer, first, second = connection.transmit(GET_UID)
    except (NoCardException, CardConnectionException):
        return None
    finally:
        try:
            connection.disconnect()
        except CardConnectionException:
            pass
    return "".join(f"{b:02X}" for b in answer) if (first, second) == (0x90, 0x00) else None


def main():
    there = readers()
    if not there:
        raise SystemExit("there is no reader")
    accepted = {}
    while True:
        for reader in there:
            uid = look(reader)
            now = time.monotonic()
            if uid is None or uid in NOT_VALID or now - accepted.get(uid, -REPEAT_S) < REPEAT_S:
                continue
            accepted[uid] = now
            print(uid, flush=True)
        time.sleep(LOOK_S)


if __name__ == "__main__":
    main()
