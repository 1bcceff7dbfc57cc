#!/usr/bin/env python3
"""Feetech SCS servos at the far end of a pseudo-terminal, for end-to-end tests: frames and options of sts_servos.py, other
registers. Values are big endian, a turn has 1024 steps, the lock is register 48, sync read is not known, and with both limits at 0
(--limits ID=0:0) a servo turns at its speed.
"""

import servo_line
import sts_servos
from sts_servos import LIMIT_HIGH, LIMIT_LOW


class Servo(sts_servos.Servo):
    ORDER, LOCK, CENTRE, TURN, TOP, LIMITS, FAMILY = "big", 48, 512, 1024, 900, (20, 1003), 1

    def settings(self, permanent):
        pass

    def turns_at_speed(self):
        return self.get(LIMIT_LOW) == self.get(LIMIT_HIGH) == 0


class Bus(sts_servos.Bus):
    SERVO, SYNC_READS = Servo, False


if __name__ == "__main__":
    servo_line.main(sts_servos.parser("Feetech SCS servos on a pseudo-terminal"), Bus)
