#!/usr/bin/env python3
"""A virtual card in a virtual reader (vsmartcard's vpcd): taps like a person, answers like a card.

    virtual_card.py 04A1B2C3D4E5F6                    one tap, held for 0.5 s
    virtual_card.py --port 35964 012E44A7A5185C01     on the second virtual reader
    virtual_card.py --taps 5 --every 2 DEAD1003       five taps, one every two seconds
    virtual_card.py --answer-length 300 DEAD1003      answers with 300 bytes of noise
    virtual_card.py --answer 6A81 DEAD1003            answers with a status and nothing else
    virtual_card.py --silent DEAD1003                 never answers

Every message of vpcd is a length (two bytes, big-endian) and a payload. A payload of one byte is an order
(0 power off, 1 power on, 2 reset, 4 send the ATR); anything else is an APDU.
"""

import argparse
import socket
import sys
import time

FELICA = "3B8F8001804F0CA00000030603F011000000008A"
CLASSIC = "3B8F8001804F0CA000000306030001000000006A"
GET_UID = bytes.fromhex("FFCA000000")


def connect(port, patience):
    """Connects to the reader; it may still be starting."""
    end = time.monotonic() + patience
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port), timeout=5)
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def receive(link, count):
    data = b""
    while len(data) < count:
        part = link.recv(count - len(data))
        if not part:
            raise ConnectionError("the reader hung up")
        data += part
    return data


def send(link, payload):
    link.sendall(len(payload).to_bytes(2, "big") + payload)


def answer_to(apdu, args, uid):
    if args.answer is not None:
        return bytes.fromhex(args.answer)
    if args.answer_length is not None:
        return bytes(i % 251 for i in range(args.answer_length))
    if apdu[:4] == GET_UID[:4]:
        return uid + b"\x90\x00"
    return b"\x6d\x00"


def hold(args, uid, atr):
    """One tap. Returns how many times the identifier was asked for."""
    asked = 0
    link = connect(args.port, args.patience)
    end = time.monotonic() + args.hold
    try:
        while True:
            left = end - time.monotonic()
            if left <= 0:
                return asked
            link.settimeout(left)
            try:
                length = int.from_bytes(receive(link, 2), "big")
            except TimeoutError:
                return asked
            link.settimeout(5)
            message = receive(link, length)
            if length == 1:
                if message == b"\x04":
                    send(link, atr)
                continue
            asked += 1
            if not args.silent:
                send(link, answer_to(message, args, uid))
    finally:
        link.close()


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("uid", nargs="+", help="identifiers in hex; tapped in turn")
    parser.add_argument("--port", type=int, default=35963, help="35963: reader 00 00, 35964: 00 01")
    parser.add_argument("--atr", help="hex; by default FeliCa for 8 bytes, else MIFARE Classic 1K")
    parser.add_argument("--hold", type=float, default=0.5, help="seconds a card is held")
    parser.add_argument("--taps", type=int, default=1, help="taps of each identifier")
    parser.add_argument("--every", type=float, default=1.0, help="seconds from tap to tap")
    parser.add_argument("--answer", help="answer to every APDU, hex")
    parser.add_argument("--answer-length", type=int, help="bytes of noise to every APDU")
    parser.add_argument("--silent", action="store_true", help="never answer an APDU")
    parser.add_argument("--patience", type=float, default=10.0, help="seconds to wait for the reader")
    args = parser.parse_args()
    for tap in range(args.taps):
        for name in args.uid:
            uid = bytes.fromhex(name)
            atr = bytes.fromhex(args.atr or (FELICA if len(uid) == 8 else CLASSIC))
            start = time.monotonic()
            asked = hold(args, uid, atr)
            print(f"{name}: asked {asked} times", flush=True)
            time.sleep(max(0.0, args.every - (time.monotonic() - start)))


if __name__ == "__main__":
    try:
        main()
    except (OSError, ConnectionError) as e:
        sys.exit(f"virtual_card.py: {e}; does pcscd run, and is vsmartcard-vpcd installed?")
