#!/usr/bin/env python3
"""A Pololu Maestro with hobby servos at the far end of a pseudo-terminal, for end-to-end tests.

Written from the user's guide alone, independently of the Rust code. Standard library only. The line and its options are those of
servo_line.py; --ids are the channels with a servo, and --late, --lost, --mute and --twice go by the first channel of a command
(0 for those without one).

    maestro_servos.py LINK [--log FILE] [--ids 1,2,3] [--mode dual|detect|usb-ignored] [--crc] [--device-number 12]
                           [--pulse CHANNEL=QUARTERS ...] [--channel CHANNEL=LOW:HIGH ...] [--error-at TARGETS[=BITS]]
                           [--wrong CHANNEL] [--reset-at TARGETS]

A command is one of the compact protocol (84 target, 87 speed, 89 acceleration, 90 position, A1 errors), the same with AA and a
device number, or a mini-SSC frame (FF). Whatever is none, or has a wrong CRC, is an error: all pulses end, and no target is taken
until A1 has told and cleared it. The first movement after an end of pulses is at once.

--error-at and --reset-at count targets: an error is latched, or all is lost as with the power, as so many have been taken.

The log has {"t": ..., "command": "target", "id": channel, "goals": {channel: quarters}} and so on, in the end {"end": true,
"torque": {channel: whether there are pulses}, "position": {channel: quarters of the shaft}}.
"""

import random
import time

import servo_line
from servo_line import pair

NAMES = {0x84: "target", 0x87: "speed", 0x89: "acceleration", 0x90: "position", 0xA1: "errors", 0xA2: "go_home"}
# Bytes that follow a command.
LENGTHS = {0x84: 3, 0x87: 3, 0x89: 3, 0x90: 1, 0xA1: 0, 0xA2: 0}
CRC_ERROR, PROTOCOL_ERROR = 0x08, 0x10


def crc(data):
    total = 0
    for byte in data:
        for bit in range(8):
            feedback = (total ^ byte >> bit) & 1
            total >>= 1
            if feedback:
                total ^= 0x48
    return total & 0x7F


class Channel:
    def __init__(self, pulse, limits):
        self.low, self.high = limits
        self.target, self.pulse, self.shaft = pulse, float(pulse), float(pulse or 6000)
        self.speed = self.acceleration = 0
        self.velocity = 0.0
        self.now = time.monotonic()

    def aim(self, target):
        self.advance()
        self.target = target and max(self.low, min(self.high, target))
        if self.target and not self.pulse:
            self.pulse, self.velocity = float(self.target), 0.0
        if not self.target:
            self.pulse = 0.0

    def advance(self):
        now = time.monotonic()
        passed, self.now = now - self.now, now
        while self.target and passed > 0:
            h = min(passed, 0.01)
            passed -= h
            left = self.target - self.pulse
            # Quarters a second, and a second squared.
            fastest = self.speed * 100.0 if self.speed else 1e6
            change = self.acceleration * 1250.0 * h if self.acceleration else 1e9
            wanted = min(fastest, (2 * change / h * abs(left)) ** 0.5, abs(left) / h) * (1 if left > 0 else -1)
            self.velocity = max(self.velocity - change, min(self.velocity + change, wanted))
            self.pulse += self.velocity * h
            if abs(self.target - self.pulse) < 1:
                self.pulse, self.velocity = float(self.target), 0.0
        if self.pulse:
            self.shaft = self.pulse


class Controller(servo_line.Line):
    def __init__(self, options, log):
        super().__init__(options, log)
        self.servos = []
        self.power()
        when, _, bits = (options.error_at or "").partition("=")
        self.fails = int(when) if when else None
        self.fault = int(bits, 0) if bits else 0x20
        self.targets = 0

    def power(self):
        options = self.options
        self.channels = {n: Channel(options.pulse.get(n, 0), options.channel.get(n, (3968, 8000))) for n in options.ids}
        self.errors = 0
        self.deaf = options.mode != "dual"

    def error(self, bits):
        self.errors |= bits
        for channel in self.channels.values():
            channel.aim(0)
        self.note(error=bits)

    def take(self):
        while self.buffer:
            if self.deaf:
                start = self.buffer.find(0xAA)
                if start < 0 or self.options.mode == "usb-ignored":
                    self.reject("unheard", len(self.buffer))
                    return
                self.reject("unheard", start)
                self.deaf = False
            first = self.buffer[0]
            if first == 0xFF:
                if len(self.buffer) < 3:
                    return
                _, name, value = self.buffer[:3]
                del self.buffer[:3]
                self.aim(name, round(6000 + (value - 127) * 15))
                continue
            addressed = first == 0xAA
            if addressed and len(self.buffer) < 3:
                return
            code = self.buffer[2] | 0x80 if addressed else first
            if code not in LENGTHS:
                self.reject("command", 1)
                self.error(PROTOCOL_ERROR)
                continue
            length = (3 if addressed else 1) + LENGTHS[code]
            whole = length + (1 if self.options.crc else 0)
            rest = self.buffer[1:whole]
            broken = next((n for n, byte in enumerate(rest, 1) if byte & 0x80), None)
            if broken:
                # A new command begins before this one is whole.
                self.reject("cut", broken)
                self.error(PROTOCOL_ERROR)
                continue
            if len(self.buffer) < whole:
                return
            command = bytes(self.buffer[:length])
            if self.options.crc and crc(command) != self.buffer[length]:
                self.reject("crc", whole)
                self.error(CRC_ERROR)
                continue
            del self.buffer[:whole]
            if addressed and command[1] != self.options.device_number:
                continue
            self.command(code, command[3 if addressed else 1:])

    def command(self, code, data):
        name = data[0] if data else 0
        value = data[1] | data[2] << 7 if len(data) == 3 else None
        channel = self.channels.get(name)
        if code == 0x84:
            self.aim(name, value)
            return
        self.note(command=NAMES[code], id=name, value=value)
        if code == 0xA1:
            told, self.errors = self.errors, 0
            self.say(0, told.to_bytes(2, "little"))
        elif code == 0x90:
            if channel:
                channel.advance()
            pulse = round(channel.pulse if channel else 0)
            if name in self.options.wrong:
                pulse = random.randrange(0x10000)
            self.say(name, pulse.to_bytes(2, "little"))
        elif channel and code == 0x87:
            channel.speed = value
        elif channel and code == 0x89:
            channel.acceleration = value

    def aim(self, name, value):
        self.note(command="target", id=name, goals={str(name): value}, taken=not self.errors)
        if name in self.channels and not self.errors:
            self.channels[name].aim(value)
            self.targets += 1 if value else 0
            if value and self.targets == self.fails:
                self.error(self.fault)
            if value and self.targets == self.options.reset_at:
                self.power()
                self.note(power="cut")

    def end(self):
        self.note(end=True, torque={str(n): int(bool(c.target)) for n, c in self.channels.items()},
                  position={str(n): round(c.shaft) for n, c in self.channels.items()})


def parser():
    options = servo_line.Parser("A Pololu Maestro on a pseudo-terminal")
    options.add_argument("--mode", choices=["dual", "detect", "usb-ignored"], default="dual", help="serial mode")
    options.add_argument("--crc", action="store_true", help="wants a CRC behind every command")
    options.add_argument("--device-number", type=int, default=12)
    options.add_argument("--error-at", metavar="TARGETS[=BITS]", help="an error is latched at this target")
    options.add_argument("--reset-at", type=int, metavar="TARGETS", help="all is lost at this target")
    options.each("pulse", int)
    options.some("wrong")
    options.each("channel", pair)
    return options


if __name__ == "__main__":
    servo_line.main(parser(), Controller)
