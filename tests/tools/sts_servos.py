#!/usr/bin/env python3
"""Feetech STS servos at the far end of a pseudo-terminal, for end-to-end tests.

Written from the protocol alone, independently of the Rust code. Standard library only. The line and its options are those of
servo_line.py.

    sts_servos.py LINK [--log FILE] [--ids 1,2,3] [--load-at-stop [STEPS]] [--frozen]
                       [--start ID=STEPS ...] [--no-ack] [faults]
    sts_servos.py DEVICE --device [...]

Faults, each of the servos that are named:

    --mode ID=MODE          operating mode (register 33): 1 turns at the speed in register 46 while it has torque
    --limits ID=LOW:HIGH    its own limits (registers 9 and 11)
    --family ID=VALUE       what stands in register 2
    --status ID=BITS        complains all the time
    --overload ID=SECONDS   latches an overload after so long under torque, until its power is switched
    --run-away ID=STEPS     turns by so many steps a second while it has torque, wherever it is told to go
    --stuck ID              never moves
    --unlocked ID           its permanent memory is open, after each start
    --wrong ID              tells a position of its own invention each time
    --twin ID=STEPS         another servo with its id stands there; both answer at once
    --no-sync-read          as a firmware that does not know the instruction

Every valid frame is written to the log, for example

    {"t": 1.234567, "id": 1, "instruction": "write", "register": 40, "data": [0]}
    {"t": 1.254567, "id": 254, "instruction": "sync_write", "register": 42, "goals": {"1": 2100, "3": 2048}}

and in the end {"t": ..., "end": true, "torque": {...}, "position": {...}}. What is written to permanent memory (below register
40) while the lock (register 55) is closed takes effect and is lost with the power.
"""

import random
import time

import servo_line
from servo_line import both, number, pair, towards

PING, READ, WRITE, REG_WRITE, ACTION, SYNC_READ, SYNC_WRITE = 1, 2, 3, 4, 5, 0x82, 0x83
NAMES = {PING: "ping", READ: "read", WRITE: "write", REG_WRITE: "reg_write", ACTION: "action",
         SYNC_READ: "sync_read", SYNC_WRITE: "sync_write"}
FAMILY, ID, LIMIT_LOW, LIMIT_HIGH, PHASE, MODE = 2, 5, 9, 11, 18, 33
TORQUE, ACCELERATION, GOAL, SPEED, POSITION, PRESENT_SPEED, LOAD, STATUS = 40, 41, 42, 46, 56, 58, 60, 65
BROADCAST = 0xFE
OVERLOAD = 0x20
PERMANENT = 40


class Servo:
    ORDER, LOCK, CENTRE, TURN, TOP, LIMITS, FAMILY = "little", 55, 2048, 4096, 3000, (0, 4095), 0

    def __init__(self, name, options):
        self.name = name
        self.options = options
        self.permanent = bytearray(PERMANENT)
        self.permanent[FAMILY] = options.family.get(name, self.FAMILY)
        self.permanent[3], self.permanent[4] = 9, 3
        self.permanent[ID] = name
        self.permanent[8] = 1
        # Eight volts at most, four at least; strongest torque.
        self.permanent[14], self.permanent[15] = 80, 40
        self.permanent[16:18] = (1000).to_bytes(2, self.ORDER)
        for at, limit in zip((LIMIT_LOW, LIMIT_HIGH), options.limits.get(name, self.LIMITS)):
            self.permanent[at:at + 2] = limit.to_bytes(2, self.ORDER)
        self.settings(self.permanent)
        for number, register, value in options.set:
            if number == name:
                self.permanent[register] = value
        self.plugged = True
        self.end = options.load_at_stop
        self.frozen = options.frozen
        self.stuck = name in options.stuck
        self.run_away = options.run_away.get(name)
        self.overload = options.overload.get(name)
        self.wrong = name in options.wrong
        self.position = float(options.start.get(name, self.CENTRE))
        self.power()

    def settings(self, permanent):
        """What a family has besides in its permanent memory."""
        permanent[PHASE] = 12
        permanent[MODE] = self.options.mode.get(self.name, 0)

    def power(self):
        """The power comes back: only permanent memory is left."""
        self.memory = bytearray(256)
        self.memory[:PERMANENT] = self.permanent
        self.memory[62], self.memory[63] = self.options.voltage.get(self.name, 74), 35
        if self.LOCK != 48:
            self.memory[48:50] = self.permanent[16:18]
        self.memory[self.LOCK] = 0 if self.name in self.options.unlocked else 1
        self.status = self.options.status.get(self.name, 0)
        self.under_torque = 0.0
        self.put(GOAL, max(0, self.told()))
        self.now = time.monotonic()
        self.report(0.0, 0)

    def offset(self):
        """What is taken off the measured position; the families of 1024 steps have none."""
        word = self.get(31) if self.ORDER == "little" else 0
        return (word & 0x7FF) * (-1 if word & 0x800 else 1)

    def told(self):
        """The position as the servo tells it."""
        at, offset = round(self.position), self.offset()
        return (at - offset) % self.TURN if offset else at

    def get(self, register):
        return int.from_bytes(self.memory[register:register + 2], self.ORDER)

    def put(self, register, value):
        self.memory[register:register + 2] = int(value).to_bytes(2, self.ORDER)

    def write(self, register, data):
        if register + len(data) > 256:
            return
        for at, value in enumerate(data, register):
            self.memory[at] = value
            if at < PERMANENT and self.memory[self.LOCK] == 0:
                self.permanent[at] = value

    def report(self, speed, load):
        at = random.randrange(self.TURN) if self.wrong else self.told()
        self.put(POSITION, abs(at) | (0x8000 if at < 0 else 0))
        self.memory[STATUS] = self.status
        self.put(PRESENT_SPEED, min(round(abs(speed)), 0x7FFF) | (0x8000 if speed < 0 else 0))
        self.put(LOAD, min(round(abs(load)), 1000) | (0x400 if load < 0 else 0))

    def turns_at_speed(self):
        return self.memory[MODE] == 1

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
        elif torque and self.turns_at_speed():
            speed = self.get(SPEED)
            self.position = before + (speed & 0x7FFF) * passed * (-1 if speed & 0x8000 else 1)
        elif torque and not self.frozen and not self.stuck:
            low, high = self.get(LIMIT_LOW), self.get(LIMIT_HIGH)
            if high > low:
                goal = max(low, min(high, goal))
            # The shaft that is nearest, of those that are told by this number.
            goal = self.position + goal - self.told() if self.offset() else goal
            self.position = towards(before, goal, passed, self.get(SPEED) or self.TOP)
            if self.end:
                self.position = max(self.CENTRE - self.end, min(self.CENTRE + self.end, self.position))
        speed = (self.position - before) / passed if passed > 0 else 0.0
        load = speed / 10.0
        if self.memory[TORQUE] == 1 and self.end and abs(goal - self.CENTRE) > self.end + 5 \
                and abs(self.position - self.CENTRE) >= self.end:
            load = 900 if goal > self.CENTRE else -900
        self.report(speed, load)


class Bus(servo_line.Line):
    SERVO, SYNC_READS = Servo, True

    def __init__(self, options, log):
        super().__init__(options, log)
        self.servos = [self.SERVO(n, options) for n in options.ids]
        for name, position in options.twin.items():
            twin = self.SERVO(name, options)
            twin.position = float(position)
            self.servos.append(twin)
        self.plug()

    def power(self):
        for servo in self.servos:
            servo.power()

    def take(self):
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

    def frame(self, name, instruction, parameters):
        about = {"id": name, "instruction": NAMES.get(instruction, instruction)}
        if instruction in (READ, WRITE, REG_WRITE) and parameters:
            about["register"] = parameters[0]
            about["data"] = list(parameters[1:])
        if instruction == SYNC_WRITE and len(parameters) >= 2:
            register, width = parameters[0], parameters[1]
            entries = [parameters[i:i + width + 1] for i in range(2, len(parameters), width + 1)]
            about["register"], about["width"] = register, width
            if register == GOAL and width >= 2:
                about["goals"] = {str(e[0]): int.from_bytes(e[1:3], self.SERVO.ORDER) for e in entries if len(e) > 2}
        self.note(**about)
        if instruction == SYNC_WRITE and name == BROADCAST and len(parameters) >= 2:
            for entry in entries:
                if len(entry) == width + 1:
                    self.write(self.addressed(entry[0]), register, entry[1:])
            return
        if instruction == SYNC_READ and name == BROADCAST and len(parameters) > 2:
            register, count = parameters[0], parameters[1]
            for asked in parameters[2:] if self.SYNC_READS and not self.options.no_sync_read else []:
                self.reply(self.addressed(asked), register, count)
            return
        if name == BROADCAST and instruction in (PING, WRITE):
            for servo in (servo for servo in self.servos if servo.plugged):
                if instruction == PING:
                    self.reply([servo])
                elif parameters:
                    self.write([servo], parameters[0], parameters[1:])
            return
        servos = self.addressed(name)
        if instruction == PING:
            self.reply(servos)
        elif instruction == READ and len(parameters) == 2:
            self.reply(servos, parameters[0], parameters[1])
        elif instruction == WRITE and parameters:
            cut = self.power_at_write()
            if not cut or self.options.taken:
                self.write(servos, parameters[0], parameters[1:])
            if cut:
                self.power()
                self.note(power="cut")
                return
            if not self.options.no_ack:
                self.reply(servos)

    def addressed(self, name):
        return [servo for servo in self.servos if servo.memory[ID] == name and servo.plugged]

    def write(self, servos, register, data):
        for servo in servos:
            servo.advance()
            servo.write(register, data)

    def answer(self, servo, register, count):
        servo.advance()
        data = bytes(servo.memory[register:register + count])
        body = bytes([servo.memory[ID], len(data) + 2, servo.status]) + data
        return b"\xff\xff" + body + bytes([~sum(body) & 0xFF])

    def reply(self, servos, register=0, count=0):
        """They answer, all at once."""
        answers = [self.answer(servo, register, count) for servo in servos]
        if answers:
            frame = answers[0]
            for other in answers[1:]:
                frame = both(frame, other)
            self.say(servos[0].name, frame)

    def end(self):
        self.note(end=True,
                  torque={str(s.name): s.memory[TORQUE] for s in reversed(self.servos)},
                  position={str(s.name): s.get(POSITION) for s in reversed(self.servos)})


def parser(description):
    """The options of both families of the maker."""
    options = servo_line.Parser(description)
    options.add_argument("--load-at-stop", type=int, nargs="?", const=300, default=None, metavar="STEPS",
                         help="mechanical end so many steps from the centre; pressing there reads 90 %% load")
    options.add_argument("--frozen", action="store_true", help="positions never change")
    options.add_argument("--no-ack", action="store_true", help="writes are not acknowledged")
    options.add_argument("--no-sync-read", action="store_true", help="does not know the instruction")
    for name, kind in {"start": int, "mode": int, "family": number, "status": number, "overload": float, "run_away": float,
                       "twin": int, "limits": pair}.items():
        options.each(name, kind)
    options.some("stuck")
    options.some("unlocked")
    options.some("wrong")
    return options


if __name__ == "__main__":
    servo_line.main(parser("Feetech STS servos on a pseudo-terminal"), Bus)
