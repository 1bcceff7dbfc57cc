#!/usr/bin/env python3
"""Feetech STS servos at the far end of a pseudo-terminal, for end-to-end tests.

Written from the protocol alone, independently of the Rust code. Standard library only.

    sts_servos.py LINK [--log FILE] [--ids 1,2,3] [--load-at-stop [STEPS]] [--frozen]
                       [--start ID=STEPS ...] [--mute ID ...] [--no-ack] [--echo] [faults]
    sts_servos.py DEVICE --device [...]

Faults, each of the servos that are named:

    --mode ID=MODE          operating mode (register 33): 1 turns at the speed in register 46 while it has torque
    --limits ID=LOW:HIGH    its own limits (registers 9 and 11)
    --status ID=BITS        complains all the time
    --overload ID=SECONDS   latches an overload after so long under torque, until its power is switched
    --run-away ID=STEPS     turns by so many steps a second while it has torque, wherever it is told to go
    --stuck ID              never moves
    --late ID=MS            answers so much later
    --twice ID              answers everything twice
    --wrong ID              tells a position of its own invention each time
    --lost ID=PERCENT       so many of its answers are broken
    --twin ID=STEPS         another servo with its id stands there; both answer at once
    --no-sync-read          as a firmware that does not know the instruction
    --break-after SECONDS   the line goes

LINK becomes a symbolic link to the serial port; it is removed at the end (SIGTERM or SIGINT). With --device
the servos are at a real line instead, such as a USB gadget's /dev/ttyGS0; while that is unplugged they wait
for it, under power. Every valid frame is written to the log as one JSON object a line, for example

    {"t": 1.234567, "id": 1, "instruction": "write", "register": 40, "data": [0]}
    {"t": 1.254567, "id": 254, "instruction": "sync_write", "register": 42, "goals": {"1": 2100, "3": 2048}}

and what is not a valid frame as {"t": ..., "bad": "checksum", "bytes": "ffff..."}. "t" is the system's
monotonic clock. The last line is {"t": ..., "end": true, "torque": {...}, "position": {...}}.
"""

import argparse
import json
import os
import random
import select
import signal
import sys
import termios
import time
import tty

PING, READ, WRITE, REG_WRITE, ACTION, SYNC_READ, SYNC_WRITE = 1, 2, 3, 4, 5, 0x82, 0x83
NAMES = {PING: "ping", READ: "read", WRITE: "write", REG_WRITE: "reg_write", ACTION: "action",
         SYNC_READ: "sync_read", SYNC_WRITE: "sync_write"}
LIMIT_LOW, LIMIT_HIGH, PHASE, MODE = 9, 11, 18, 33
TORQUE, ACCELERATION, GOAL, SPEED, POSITION, PRESENT_SPEED, LOAD, STATUS = 40, 41, 42, 46, 56, 58, 60, 65
BROADCAST = 0xFE
OVERLOAD = 0x20


class Servo:
    def __init__(self, number, options):
        self.number = number
        self.memory = bytearray(256)
        self.memory[5] = number
        self.memory[62], self.memory[63] = 120, 35
        self.memory[PHASE] = 12
        self.memory[MODE] = options.mode.get(number, 0)
        low, high = options.limits.get(number, (0, 4095))
        self.put(LIMIT_LOW, low)
        self.put(LIMIT_HIGH, high)
        self.status = options.status.get(number, 0)
        self.end = options.load_at_stop
        self.frozen = options.frozen
        self.stuck = number in options.stuck
        self.run_away = options.run_away.get(number)
        self.overload = options.overload.get(number)
        self.wrong = number in options.wrong
        self.under_torque = 0.0
        self.position = float(options.start.get(number, 2048))
        self.put(GOAL, max(0, int(self.position)))
        self.now = time.monotonic()
        self.report(0.0, 0)

    def get(self, register):
        return self.memory[register] | self.memory[register + 1] << 8

    def put(self, register, value):
        self.memory[register:register + 2] = int(value).to_bytes(2, "little")

    def report(self, speed, load):
        at = random.randrange(4096) if self.wrong else round(self.position)
        self.put(POSITION, abs(at) | (0x8000 if at < 0 else 0))
        self.memory[STATUS] = self.status
        self.put(PRESENT_SPEED, min(round(abs(speed)), 0x7FFF) | (0x8000 if speed < 0 else 0))
        self.put(LOAD, min(round(abs(load)), 1000) | (0x400 if load < 0 else 0))

    def advance(self):
        now = time.monotonic()
        passed, self.now = now - self.now, now
        before, goal = self.position, self.get(GOAL)
        torque = self.memory[TORQUE] == 1
        self.under_torque += passed if torque else 0.0
        if self.overload is not None and self.under_torque >= self.overload:
            self.status |= OVERLOAD
            self.memory[TORQUE] = 0
            torque = False
        if torque and self.run_away:
            self.position = before + self.run_away * passed
        elif torque and self.memory[MODE] == 1:
            speed = self.get(SPEED)
            self.position = before + (speed & 0x7FFF) * passed * (-1 if speed & 0x8000 else 1)
        elif torque and not self.frozen and not self.stuck:
            low, high = self.get(LIMIT_LOW), self.get(LIMIT_HIGH)
            if high > low:
                goal = max(low, min(high, goal))
            way = (self.get(SPEED) or 3000) * passed
            # A first order with 40 ms, at most as fast as the speed register allows.
            step = (goal - before) * min(1.0, passed / 0.04)
            self.position = before + max(-way, min(way, step))
            if self.end:
                self.position = max(2048 - self.end, min(2048 + self.end, self.position))
        speed = (self.position - before) / passed if passed > 0 else 0.0
        load = speed / 10.0
        if self.memory[TORQUE] == 1 and self.end and abs(goal - 2048) > self.end + 5 \
                and abs(self.position - 2048) >= self.end:
            load = 900 if goal > 2048 else -900
        self.report(speed, load)


class Bus:
    def __init__(self, line, options, log):
        self.line, self.options, self.log = line, options, log
        self.breaks = options.break_after and time.monotonic() + options.break_after
        self.servos = {n: Servo(n, options) for n in options.ids}
        self.twins = {}
        for number, position in options.twin.items():
            self.twins[number] = Servo(number, options)
            self.twins[number].position = float(position)
        self.buffer = bytearray()
        # What is to be sent later: when, and the bytes.
        self.later = []

    def note(self, **fields):
        json.dump({"t": round(time.monotonic(), 6), **fields}, self.log)
        self.log.write("\n")
        self.log.flush()

    def feed(self, data):
        if self.options.echo:
            self.send(data)
        self.buffer += data
        while True:
            start = self.buffer.find(b"\xff\xff")
            if start < 0:
                # A last FF may be the first half of a header.
                keep = 1 if self.buffer.endswith(b"\xff") else 0
                self.reject("noise", len(self.buffer) - keep)
                return
            if start:
                self.reject("noise", start)
            if len(self.buffer) < 4:
                return
            if self.buffer[2] == 0xFF:
                self.reject("noise", 1)
                continue
            length = self.buffer[3]
            if length < 2:
                self.reject("length", 2)
                continue
            if len(self.buffer) < 4 + length:
                return
            frame = bytes(self.buffer[:4 + length])
            if sum(frame[2:]) & 0xFF != 0xFF:
                self.reject("checksum", 2)
                continue
            del self.buffer[:len(frame)]
            self.frame(frame[2], frame[4], frame[5:-1])

    def reject(self, why, count):
        if count > 0:
            self.note(bad=why, bytes=bytes(self.buffer[:count]).hex())
            del self.buffer[:count]

    def frame(self, number, instruction, parameters):
        about = {"id": number, "instruction": NAMES.get(instruction, instruction)}
        if instruction in (READ, WRITE, REG_WRITE) and parameters:
            about["register"] = parameters[0]
            about["data"] = list(parameters[1:])
        if instruction == SYNC_WRITE and len(parameters) >= 2:
            register, width = parameters[0], parameters[1]
            entries = [parameters[i:i + width + 1] for i in range(2, len(parameters), width + 1)]
            about["register"], about["width"] = register, width
            if register == GOAL and width >= 2:
                about["goals"] = {str(e[0]): e[1] | e[2] << 8 for e in entries if len(e) > 2}
        self.note(**about)
        if instruction == SYNC_WRITE and number == BROADCAST and len(parameters) >= 2:
            for entry in entries:
                if len(entry) == width + 1:
                    self.write(entry[0], register, entry[1:])
            return
        if instruction == SYNC_READ and number == BROADCAST and len(parameters) > 2:
            register, count = parameters[0], parameters[1]
            for asked in [] if self.options.no_sync_read else parameters[2:]:
                for servo in self.addressed(asked):
                    servo.advance()
                    self.reply(servo, register, count)
            return
        for servo in self.addressed(number):
            servo.advance()
            if instruction == PING:
                self.reply(servo)
            elif instruction == READ and len(parameters) == 2:
                self.reply(servo, parameters[0], parameters[1])
            elif instruction == WRITE and parameters:
                self.write(servo.number, parameters[0], parameters[1:])
                if number != BROADCAST and not self.options.no_ack:
                    self.reply(servo)

    def addressed(self, number):
        if number == BROADCAST:
            return list(self.servos.values())
        return [self.servos[number]] if number in self.servos else []

    def write(self, number, register, data):
        for servo in (self.servos.get(number), self.twins.get(number)):
            if servo and register + len(data) <= 256:
                servo.advance()
                servo.memory[register:register + len(data)] = data

    def answer(self, servo, register, count):
        data = bytes(servo.memory[register:register + count])
        body = bytes([servo.number, len(data) + 2, servo.status]) + data
        return b"\xff\xff" + body + bytes([~sum(body) & 0xFF])

    def reply(self, servo, register=0, count=0):
        number, options = servo.number, self.options
        if number in options.mute:
            return
        frame = self.answer(servo, register, count)
        if number in self.twins:
            self.twins[number].advance()
            # Whoever sends a 0 wins on the wire.
            frame = bytes(a & b for a, b in zip(frame, self.answer(self.twins[number], register, count)))
        if random.random() * 100 < options.lost.get(number, 0):
            frame = frame[:3] + bytes([frame[3] ^ 0x40]) + frame[4:]
        for _ in range(2 if number in options.twice else 1):
            if number in options.late:
                self.later.append((time.monotonic() + options.late[number] / 1e3, frame))
            else:
                self.send(frame)

    def send_later(self):
        """Sends what is due. The time until the next bytes are; none if there are none."""
        now = time.monotonic()
        due = [frame for when, frame in self.later if when <= now]
        self.later = [entry for entry in self.later if entry[0] > now]
        for frame in due:
            self.send(frame)
        return max(0.0, self.later[0][0] - now) if self.later else None

    def send(self, data):
        try:
            os.write(self.line, data)
        except OSError:
            pass  # nobody reads: lost, as on a wire

    def end(self):
        self.note(end=True,
                  torque={str(n): s.memory[TORQUE] for n, s in self.servos.items()},
                  position={str(n): s.get(POSITION) for n, s in self.servos.items()})


def on_pseudo_terminal(link, bus, ended):
    """Serves the far end of a pseudo-terminal until the order to end."""
    bus.line, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(bus.line, False)
    port = os.ttyname(slave)
    # Never for a moment a link to nothing.
    os.symlink(port, link + ".new")
    os.replace(link + ".new", link)
    try:
        while serve(bus, ended):
            pass
    finally:
        if os.path.islink(link) and os.readlink(link) == port:
            os.unlink(link)


def on_device(path, bus, ended):
    """Serves a line of the machine, whenever it is there, until the order to end."""
    going = True
    while going:
        try:
            bus.line = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                tty.setraw(bus.line)
                bus.buffer.clear()
                while going:
                    going = serve(bus, ended)
            finally:
                os.close(bus.line)
        except (OSError, termios.error):
            pass  # not there, or unplugged
        if going:
            going = ended not in select.select([ended], [], [], 0.1)[0]


def serve(bus, ended):
    """Waits for bytes and answers them. False once the order to end was given; OSError if the line is gone."""
    pause = bus.send_later()
    if bus.breaks is not None:
        left = bus.breaks - time.monotonic()
        if left <= 0:
            return False
        pause = left if pause is None else min(pause, left)
    readable, _, _ = select.select([bus.line, ended], [], [], pause)
    if ended in readable:
        return False
    if not readable:
        return True
    try:
        data = os.read(bus.line, 4096)
    except BlockingIOError:
        return True
    if not data:
        raise OSError("hung up")
    bus.feed(data)
    return True


def main():
    parser = argparse.ArgumentParser(description="Feetech STS servos on a pseudo-terminal")
    parser.add_argument("link", help="becomes a symbolic link to the serial port")
    parser.add_argument("--device", action="store_true", help="LINK is a serial device, to be used as it is")
    parser.add_argument("--log", help="JSON lines go here instead of standard output")
    parser.add_argument("--ids", default="1,2,3", help="ids on the bus")
    parser.add_argument("--load-at-stop", type=int, nargs="?", const=300, default=None, metavar="STEPS",
                        help="mechanical end so many steps from the centre; pressing there reads 90 %% load")
    parser.add_argument("--frozen", action="store_true", help="positions never change")
    parser.add_argument("--start", action="append", default=[], metavar="ID=STEPS", help="first position")
    parser.add_argument("--mute", action="append", default=[], type=int, metavar="ID",
                        help="hears, but never answers")
    parser.add_argument("--no-ack", action="store_true", help="writes are not acknowledged")
    parser.add_argument("--echo", action="store_true", help="returns every byte, as one-wire adapters do")
    of_each = {"mode": int, "status": lambda text: int(text, 0), "overload": float, "run_away": float, "late": float,
               "lost": float, "twin": int, "start": int,
               "limits": lambda text: tuple(int(limit) for limit in text.split(":"))}
    for name in of_each:
        if name != "start":
            parser.add_argument("--" + name.replace("_", "-"), action="append", default=[], metavar="ID=VALUE")
    for name in ("stuck", "twice", "wrong"):
        parser.add_argument("--" + name, action="append", default=[], type=int, metavar="ID")
    parser.add_argument("--no-sync-read", action="store_true", help="does not know the instruction")
    parser.add_argument("--break-after", type=float, metavar="SECONDS", help="the line goes")
    options = parser.parse_args()
    options.ids = [int(n) for n in options.ids.split(",") if n]
    for name, kind in of_each.items():
        entries = (entry.split("=") for entry in getattr(options, name))
        setattr(options, name, {int(number): kind(value) for number, value in entries})

    log = open(options.log, "a", encoding="utf-8") if options.log else sys.stdout
    bus = Bus(None, options, log)
    ended, end = os.pipe()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os.write(end, b"x"))
    try:
        (on_device if options.device else on_pseudo_terminal)(options.link, bus, ended)
    finally:
        bus.end()


if __name__ == "__main__":
    main()
