#!/usr/bin/env python3
"""Dynamixel servos (protocol 2.0, X series) at the far end of a pseudo-terminal, for end-to-end tests.

Written from the protocol alone, independently of the Rust code. Standard library only. The line and its options are those of
servo_line.py.

    dynamixel_servos.py LINK [--log FILE] [--ids 1,2,3] [--start ID=STEPS ...] [faults]

Faults, each of the servos that are named:

    --model ID=NUMBER       its model; 1060 (XL430-W250) by default, others tell their current and not their load
    --mode ID=MODE          operating mode (register 11): 1 turns at a velocity
    --limits ID=LOW:HIGH    its own limits (registers 52 and 48)
    --level ID=LEVEL        status return level (register 68): 0 answers pings only, 1 no writes, 2 everything
    --error ID=BITS         hardware error (register 70) all the time: every answer is an alert, torque cannot be had
    --overload ID=SECONDS   latches an overload after so long under torque, until it is started anew
    --run-away ID=STEPS     turns by so many steps a second while it has torque
    --stuck ID              never moves
    --wrong ID              tells a position of its own invention each time
    --twin ID=STEPS         another servo with its id stands there; both answer at once

The log is as that of sts_servos.py, with "goals" of writes to register 116.
"""

import random
import struct
import time

import servo_line
from servo_line import both, number, pair, towards

PING, READ, WRITE, REBOOT, STATUS, SYNC_READ, SYNC_WRITE = 1, 2, 3, 8, 0x55, 0x82, 0x83
NAMES = {PING: "ping", READ: "read", WRITE: "write", REBOOT: "reboot", SYNC_READ: "sync_read", SYNC_WRITE: "sync_write"}
BROADCAST = 0xFE
HEAD = b"\xff\xff\xfd\x00"
MODEL, ID, MODE, HIGH, LOW, TORQUE, LEVEL, ERROR = 0, 7, 11, 48, 52, 64, 68, 70
VELOCITY, GOAL, LOAD, POSITION, VOLTAGE = 112, 116, 126, 132, 144
OVERLOAD = 0x20
TABLE = []
for index in range(256):
    value = index << 8
    for _ in range(8):
        value = (value << 1 ^ 0x8005 if value & 0x8000 else value << 1) & 0xFFFF
    TABLE.append(value)


def crc(data):
    total = 0
    for byte in data:
        total = (total << 8 & 0xFF00) ^ TABLE[total >> 8 ^ byte]
    return total


def frame(name, instruction, parameters):
    body = (bytes([instruction]) + parameters).replace(b"\xff\xff\xfd", b"\xff\xff\xfd\xfd")
    data = HEAD + struct.pack("<BH", name, len(body) + 2) + body
    return data + struct.pack("<H", crc(data))


class Servo:
    def __init__(self, name, options):
        self.name, self.options = name, options
        self.permanent = bytearray(TORQUE)
        struct.pack_into("<H", self.permanent, MODEL, options.model.get(name, 1060))
        self.permanent[6], self.permanent[ID], self.permanent[8] = 45, name, 1
        self.permanent[MODE] = options.mode.get(name, 3)
        struct.pack_into("<HH", self.permanent, 32, 140, 60)
        struct.pack_into("<H", self.permanent, 38, 1193)
        low, high = options.limits.get(name, (0, 4095))
        struct.pack_into("<iI", self.permanent, HIGH, high, low)
        for number, register, value in options.set:
            if number == name:
                self.permanent[register] = value
        self.plugged = True
        self.position = float(options.start.get(name, 2048))
        self.power()

    def power(self):
        self.memory = bytearray(256)
        self.memory[:TORQUE] = self.permanent
        self.memory[LEVEL] = self.options.level.get(self.name, 2)
        self.memory[ERROR] = self.options.error.get(self.name, 0)
        struct.pack_into("<H", self.memory, 100, 885)
        struct.pack_into("<i", self.memory, GOAL, self.told())
        struct.pack_into("<HB", self.memory, VOLTAGE, self.options.voltage.get(self.name, 120), 33)
        self.under_torque = 0.0
        self.now = time.monotonic()
        self.advance()

    def offset(self):
        """What is added to the measured position; in position mode no more than a quarter of a turn."""
        steps = self.get(20)
        return steps if self.memory[MODE] != 3 or abs(steps) <= 1024 else 0

    def told(self):
        return round(self.position) + self.offset()

    def get(self, at, form="<i"):
        return struct.unpack_from(form, self.memory, at)[0]

    def advance(self):
        now = time.monotonic()
        passed, self.now = now - self.now, now
        before = self.position
        torque = self.memory[TORQUE] == 1
        self.under_torque += passed if torque else 0.0
        overload = self.options.overload.get(self.name)
        if overload is not None and self.under_torque >= overload:
            self.memory[ERROR] |= OVERLOAD
            self.memory[TORQUE] = 0
            torque = False
        if torque and self.name in self.options.run_away:
            self.position = before + self.options.run_away[self.name] * passed
        elif torque and self.memory[MODE] in (3, 4, 5) and self.name not in self.options.stuck:
            # A unit is 0.229 turns a minute.
            speed = self.get(VELOCITY) * 0.229 * 4096 / 60 or 4000
            self.position = towards(before, self.get(GOAL) - self.offset(), passed, speed)
        speed = (self.position - before) / passed if passed > 0 else 0.0
        struct.pack_into("<hii", self.memory, LOAD, max(-1000, min(1000, round(speed / 10))),
                         round(speed * 60 / 4096 / 0.229),
                         random.randrange(4096) if self.name in self.options.wrong else self.told())

    def write(self, at, data):
        """The number of the error, 0 for none."""
        if at + len(data) > len(self.memory):
            return 7
        if at < TORQUE:
            if self.memory[TORQUE] == 1:
                return 7
            self.permanent[at:at + len(data)] = data[:TORQUE - at]
        if at <= GOAL < at + len(data) and self.memory[MODE] == 3:
            goal, = struct.unpack_from("<i", data, GOAL - at)
            if not self.get(LOW) <= goal <= self.get(HIGH):
                return 6
        if at <= TORQUE < at + len(data) and data[TORQUE - at] == 1:
            if self.memory[ERROR]:
                # Only a new start gives torque back.
                return 1
            if self.memory[TORQUE] == 0 and self.memory[MODE] == 1:
                struct.pack_into("<i", self.memory, GOAL, 0)
        self.memory[at:at + len(data)] = data
        return 0


class Bus(servo_line.Line):
    def __init__(self, options, log):
        super().__init__(options, log)
        self.servos = [Servo(n, options) for n in options.ids]
        for name, position in options.twin.items():
            twin = Servo(name, options)
            twin.position = float(position)
            self.servos.append(twin)
        self.plug()

    def power(self):
        for servo in self.servos:
            servo.power()

    def take(self):
        while True:
            start = self.buffer.find(HEAD)
            if start < 0:
                keep = next((n for n in (3, 2, 1) if self.buffer.endswith(HEAD[:n])), 0)
                self.reject("noise", len(self.buffer) - keep)
                return
            self.reject("noise", start)
            if len(self.buffer) < 7:
                return
            length = self.buffer[5] | self.buffer[6] << 8
            if length < 3 or length > 300:
                self.reject("length", 4)
                continue
            if len(self.buffer) < 7 + length:
                return
            data = bytes(self.buffer[:7 + length])
            if crc(data[:-2]) != data[-2] | data[-1] << 8:
                self.reject("crc", 4)
                continue
            del self.buffer[:len(data)]
            body = data[7:-2].replace(b"\xff\xff\xfd\xfd", b"\xff\xff\xfd")
            if body[0] != STATUS:
                self.frame(data[4], body[0], body[1:])

    def frame(self, name, instruction, parameters):
        about = {"id": name, "instruction": NAMES.get(instruction, instruction)}
        at = struct.unpack_from("<H", parameters)[0] if len(parameters) >= 2 else None
        if at is not None:
            about["register"], about["data"] = at, list(parameters[2:])
        entries = []
        if instruction == SYNC_WRITE:
            width, = struct.unpack_from("<H", parameters, 2)
            entries = [parameters[i:i + width + 1] for i in range(4, len(parameters), width + 1)]
            if at == GOAL:
                about["goals"] = {str(e[0]): struct.unpack("<i", e[1:])[0] for e in entries}
        elif instruction == WRITE and at == GOAL:
            about["goals"] = {str(name): struct.unpack_from("<i", parameters, 2)[0]}
        self.note(**about)
        for entry in entries:
            for servo in self.addressed(entry[0]):
                servo.advance()
                servo.write(at, entry[1:])
        if instruction == SYNC_READ:
            count, = struct.unpack_from("<H", parameters, 2)
            for asked in parameters[4:]:
                self.reply(self.addressed(asked), 1, lambda servo: (0, bytes(servo.memory[at:at + count])))
        if name == BROADCAST or instruction in (SYNC_READ, SYNC_WRITE):
            if instruction == PING:
                for servo in (servo for servo in self.servos if servo.plugged):
                    self.reply([servo], 0, lambda servo: (0, bytes(servo.memory[0:2]) + servo.memory[6:7]))
            return
        servos = self.addressed(name)
        if instruction == PING:
            self.reply(servos, 0, lambda servo: (0, bytes(servo.memory[0:2]) + servo.memory[6:7]))
        elif instruction == READ:
            count, = struct.unpack_from("<H", parameters, 2)
            self.reply(servos, 1, lambda servo: (0, bytes(servo.memory[at:at + count])))
        elif instruction == WRITE:
            if self.power_at_write():
                for servo in servos if self.options.taken else []:
                    servo.write(at, parameters[2:])
                self.power()
                self.note(power="cut")
                return
            self.reply(servos, 2, lambda servo: (servo.write(at, parameters[2:]), b""))
        elif instruction == REBOOT:
            self.reply(servos, 2, lambda servo: (servo.power() or 0, b""))

    def addressed(self, name):
        return [servo for servo in self.servos if servo.memory[ID] == name and servo.plugged]

    def reply(self, servos, level, act):
        answers = []
        for servo in servos:
            servo.advance()
            name = servo.memory[ID]
            alert = 0x80 if servo.memory[ERROR] else 0
            error, data = act(servo)
            if servo.memory[LEVEL] >= level:
                answers.append((servo.name, frame(name, STATUS, bytes([error | alert]) + data)))
        if answers:
            said = answers[0][1]
            for _, other in answers[1:]:
                said = both(said, other)
            self.say(answers[0][0], said)

    def end(self):
        self.note(end=True,
                  torque={str(s.name): s.memory[TORQUE] for s in reversed(self.servos)},
                  position={str(s.name): round(s.position) for s in reversed(self.servos)})


def parser():
    options = servo_line.Parser("Dynamixel servos on a pseudo-terminal")
    for name, kind in {"start": int, "model": int, "mode": int, "level": int, "error": number, "overload": float,
                       "run_away": float, "twin": int, "limits": pair}.items():
        options.each(name, kind)
    options.some("stuck")
    options.some("wrong")
    return options


if __name__ == "__main__":
    servo_line.main(parser(), Bus)
