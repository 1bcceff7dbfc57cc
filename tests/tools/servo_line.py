"""The line that simulated servos hang on: a pseudo-terminal or a real device, what is heard and said on it, and the faults that
belong to the line. Standard library only; what the servos speak is in sts_servos.py, scs_servos.py, dynamixel_servos.py and
maestro_servos.py, which share nothing with the program.

Options of each of them:

    LINK [--log FILE] [--ids 1,2,3] [--device] [--baud RATE] [--echo] [--noise PERCENT] [--break-after SECONDS]
    --late ID=MS            answers so much later
    --twice ID              answers everything twice
    --lost ID=PERCENT       so many of its answers are broken
    --mute ID               hears, but never answers
    --cut-power SECONDS     the power fails for a moment after so long: what was not written to permanent memory is lost
    --cut-at WRITES         the same at so many writes; the last of them is lost with it, or with --taken just taken
    --control FILE          obeys lines that are appended to FILE, where N counts servos from 0: "unplug N", "plug N", "turn N STEPS"
                            (by hand), "power" (off and on), "dump" (permanent memory, into the log)
    --plugged 0,2           only these are plugged in at first
    --set ID=REGISTER:VALUE what stands in a byte of permanent memory; may be given several times
    --voltage ID=TENTHS     its supply

LINK becomes a symbolic link to the serial port; it is removed at the end (SIGTERM or SIGINT). With --device the servos are at a
real line instead, such as a USB gadget's /dev/ttyGS0; while that is unplugged they wait for it, under power. With --baud they
hear nothing as long as the port is set to another rate.

Every valid frame is written to the log as one JSON object a line, and what is not a valid frame as {"t": ..., "bad": "checksum",
"bytes": "ffff..."}. "t" is the system's monotonic clock. The last line is {"t": ..., "end": true, ...}.
"""

import argparse
import fcntl
import json
import os
import random
import select
import signal
import struct
import sys
import termios
import time
import tty

# Linux's ioctl for the settings with any rate, and where that is in them.
TCGETS2, SETTINGS = 0x802C542A, struct.Struct("=4I B 19s 2I")


class Line:
    """What all families share. A family adds take(), which takes the frames off self.buffer, and power()."""

    def __init__(self, options, log):
        self.options, self.log = options, log
        self.line = self.port = None
        self.begun = time.monotonic()
        self.breaks = options.break_after and self.begun + options.break_after
        self.power_fails = options.cut_power and self.begun + options.cut_power
        self.buffer = bytearray()
        self.writes = self.obeyed = 0
        # What is to be sent later: when, and the bytes.
        self.later = []

    def note(self, **fields):
        json.dump({"t": round(time.monotonic(), 6), **fields}, self.log)
        self.log.write("\n")
        self.log.flush()

    def plug(self):
        """Once there are servos: which of them are on the line at first."""
        plugged = self.options.plugged
        for n, servo in enumerate(self.servos):
            servo.plugged = plugged is None or str(n) in plugged.split(",")

    def power_at_write(self):
        """Whether the power fails at this write."""
        self.writes += 1
        return self.writes == self.options.cut_at

    def obey(self):
        """Does what was appended to the control file."""
        try:
            with open(self.options.control, encoding="utf-8") as file:
                file.seek(self.obeyed)
                text = file.read()
        except FileNotFoundError:
            return
        whole = text[:text.rfind("\n") + 1]
        self.obeyed += len(whole)
        for line in whole.splitlines():
            word, *rest = line.split()
            if word == "power":
                self.power()
                self.note(power="cut")
            elif word == "dump":
                self.note(permanent=[servo.permanent.hex() for servo in self.servos])
            else:
                servo = self.servos[int(rest[0])]
                if word == "turn":
                    servo.advance()
                    servo.position = float(rest[1])
                elif word == "plug":
                    servo.power()
                servo.plugged = {"plug": True, "unplug": False}.get(word, servo.plugged)
            self.note(obeyed=line)

    def rate(self):
        """The bit rate that the port is set to."""
        line = self.port if self.port is not None else self.line
        return SETTINGS.unpack(fcntl.ioctl(line, TCGETS2, bytes(SETTINGS.size)))[-1]

    def feed(self, data):
        if self.options.echo:
            self.send(data)
        if self.options.baud and self.rate() != self.options.baud:
            self.note(bad="rate", rate=self.rate(), bytes=data.hex())
            return
        if self.power_fails and time.monotonic() >= self.power_fails:
            self.power_fails = None
            self.power()
            self.note(power="cut")
        self.buffer += data
        self.take()

    def reject(self, why, count):
        if count > 0:
            self.note(bad=why, bytes=bytes(self.buffer[:count]).hex())
            del self.buffer[:count]

    def say(self, number, frame):
        """An answer of one servo, with the faults of the line."""
        options = self.options
        if number in options.mute:
            return
        if random.random() * 100 < options.lost.get(number, 0):
            at = random.randrange(len(frame))
            frame = frame[:at] + bytes([frame[at] ^ 0x40]) + frame[at + 1:]
        if random.random() * 100 < options.noise:
            noise = bytes(random.randrange(256) for _ in range(random.randint(1, 5)))
            frame = noise + frame if random.random() < 0.5 else frame + noise
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


def both(one, other):
    """What is on the wire where two say something at once: whoever sends a 0 wins."""
    length = max(len(one), len(other))
    return bytes(a & b for a, b in zip(one.ljust(length, b"\xff"), other.ljust(length, b"\xff")))


def towards(before, goal, passed, speed):
    """Where a shaft is after this time: a first order with 40 ms, no faster than speed."""
    step = (goal - before) * min(1.0, passed / 0.04)
    return before + max(-speed * passed, min(speed * passed, step))


def on_pseudo_terminal(link, bus, ended):
    """Serves the far end of a pseudo-terminal until the order to end."""
    bus.line, bus.port = os.openpty()
    tty.setraw(bus.port)
    os.set_blocking(bus.line, False)
    port = os.ttyname(bus.port)
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
    if bus.options.control:
        bus.obey()
        pause = 0.02 if pause is None else min(pause, 0.02)
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


class Parser(argparse.ArgumentParser):
    """The options of the line, and those of a family."""

    def __init__(self, description):
        super().__init__(description=description)
        self.kinds = {}
        self.add_argument("link", help="becomes a symbolic link to the serial port")
        self.add_argument("--device", action="store_true", help="LINK is a serial device, to be used as it is")
        self.add_argument("--log", help="JSON lines go here instead of standard output")
        self.add_argument("--ids", default="1,2,3", help="ids on the bus")
        self.add_argument("--baud", type=int, help="nothing is heard at another bit rate")
        self.add_argument("--echo", action="store_true", help="returns every byte, as one-wire adapters do")
        self.add_argument("--noise", type=float, default=0.0, metavar="PERCENT",
                          help="so many answers come with bytes before or behind them")
        self.add_argument("--break-after", type=float, metavar="SECONDS", help="the line goes")
        self.add_argument("--cut-power", type=float, metavar="SECONDS", help="the power fails for a moment")
        self.add_argument("--cut-at", type=int, metavar="WRITES", help="the power fails at so many writes")
        self.add_argument("--taken", action="store_true", help="the write at which the power fails is taken")
        self.add_argument("--control", metavar="FILE", help="lines to obey")
        self.add_argument("--plugged", metavar="N,N", help="servos that are plugged in at first, counted from 0")
        self.add_argument("--set", action="append", default=[], metavar="ID=REGISTER:VALUE")
        self.each("voltage", int)
        self.each("late", float)
        self.each("lost", float)
        self.some("mute")
        self.some("twice")

    def each(self, name, kind):
        """An option with a value for each of the servos that are named."""
        self.kinds[name] = kind
        self.add_argument("--" + name.replace("_", "-"), action="append", default=[], metavar="ID=VALUE")

    def some(self, name):
        """An option that names servos."""
        self.add_argument("--" + name, action="append", default=[], type=int, metavar="ID")

    def options(self):
        options = self.parse_args()
        options.ids = [int(n) for n in options.ids.split(",") if n]
        for name, kind in self.kinds.items():
            entries = (entry.split("=") for entry in getattr(options, name))
            setattr(options, name, {int(number): kind(value) for number, value in entries})
        options.set = [(int(name), *pair(value)) for name, value in (entry.split("=") for entry in options.set)]
        return options


def number(text):
    """A number in any of its notations."""
    return int(text, 0)


def pair(text):
    """Two numbers with a colon between them."""
    return tuple(int(part) for part in text.split(":"))


def main(parser, family):
    """Serves until the order to end."""
    options = parser.options()
    log = open(options.log, "a", encoding="utf-8") if options.log else sys.stdout
    bus = family(options, log)
    ended, end = os.pipe()
    for order in (signal.SIGTERM, signal.SIGINT):
        signal.signal(order, lambda *_: os.write(end, b"x"))
    try:
        (on_device if options.device else on_pseudo_terminal)(options.link, bus, ended)
    finally:
        bus.end()
