#!/usr/bin/env python3
"""Frames as the makers' own packages make them, for comparison (tests/devices/servo_oracles.rs).

    servo_oracles.py dynamixel|feetech

Prints one JSON object: what is asked or told, and its bytes. The packages are those of servo_oracles.txt.
"""

import json
import sys


class Port:
    """Takes what is sent and answers nothing."""

    is_using = False

    def __init__(self):
        self.sent = b""

    def clearPort(self):
        pass

    def writePort(self, packet):
        self.sent += bytes(packet)
        return len(packet)

    def setPacketTimeout(self, _):
        pass

    def setPacketTimeoutMillis(self, _):
        pass

    def taken(self):
        self.is_using = False
        sent, self.sent = self.sent, b""
        return sent.hex(" ").upper()


def dynamixel():
    from dynamixel_sdk import PacketHandler, DXL_LOBYTE, DXL_HIBYTE
    packets, port, frames = PacketHandler(2.0), Port(), {}

    def keep(name, *_):
        frames[name] = port.taken()

    keep("ping 1", packets.txPacket(port, [0, 0, 0, 0, 1, 3, 0, 1, 0, 0]))
    keep("reboot 1", packets.txPacket(port, [0, 0, 0, 0, 1, 3, 0, 8, 0, 0]))
    keep("read 1 70 1", packets.readTx(port, 1, 70, 1))
    keep("read 1 0 56", packets.readTx(port, 1, 0, 56))
    keep("read 252 126 10", packets.readTx(port, 252, 126, 10))
    keep("torque 1 on", packets.write1ByteTxOnly(port, 1, 64, 1))
    keep("goal 1 2048", packets.write4ByteTxOnly(port, 1, 116, 2048))
    keep("goal 1 4095", packets.write4ByteTxOnly(port, 1, 116, 4095))
    keep("id 1 2", packets.write1ByteTxOnly(port, 1, 7, 2))
    keep("offset 1 -100", packets.write4ByteTxOnly(port, 1, 20, -100 & 0xFFFFFFFF))
    # A head in the data, which is to be stuffed. Version 4.1.0 makes the stuffed packet and then sends the other one.
    packet = packets.addStuffing([0xFF, 0xFF, 0xFD, 0, 1, 9, 0, 3, 116, 0, 0xFF, 0xFF, 0xFD, 0x05, 0, 0])
    total = packets.updateCRC(0, packet, len(packet) - 2)
    port.writePort(packet[:-2] + [total & 0xFF, total >> 8])
    keep("stuffed")
    ids = [1, 2, 3]
    keep("sync read 126 10", packets.syncReadTx(port, 126, 10, ids, len(ids), False))
    goals = []
    for name, goal in ((1, 2048), (2, 0), (3, 4095)):
        goals += [name, DXL_LOBYTE(goal), DXL_HIBYTE(goal), 0, 0]
    keep("goals", packets.syncWriteTxOnly(port, 116, 4, goals, len(goals)))
    return frames


def feetech():
    import scservo_sdk
    frames = {}
    for family, packets_of in (("sts", scservo_sdk.sms_sts), ("scs", scservo_sdk.scscl)):
        port = Port()
        packets = packets_of(port)

        def keep(name, *_):
            frames[family + " " + name] = port.taken()

        def word(value):
            return [packets.scs_lobyte(value), packets.scs_hibyte(value)]

        lock = 55 if family == "sts" else 48
        middle = 2048 if family == "sts" else 512
        keep("ping 1", packets.txPacket([0, 0, 1, 2, 1, 0]))
        keep("read 1 56 10", packets.readTx(1, 56, 10))
        keep("torque 1 off", packets.write1ByteTxOnly(1, 40, 0))
        keep("unlock 1", packets.write1ByteTxOnly(1, lock, 0))
        keep("id 1 2", packets.write1ByteTxOnly(1, 5, 2))
        keep("lock 2", packets.write1ByteTxOnly(2, lock, 1))
        keep("goal 1", packets.write2ByteTxOnly(1, 42, middle))
        goals = []
        for name, goal in ((1, middle), (2, 0), (3, 1000)):
            goals += [name] + word(goal)
        keep("goals", packets.syncWriteTxOnly(42, 2, goals, len(goals)))
        if family == "sts":
            ids = [1, 2, 3]
            keep("sync read 56 10", packets.syncReadTx(56, 10, ids, len(ids)))
            keep("offset 1 -100", packets.writeTxOnly(1, 31, 2, word(packets.scs_toscs(-100, 11))))
        else:
            keep("speed mode 1", packets.writeTxOnly(1, 9, 4, [0, 0, 0, 0]))
    return frames


if __name__ == "__main__":
    json.dump({"dynamixel": dynamixel, "feetech": feetech}[sys.argv[1]](), sys.stdout, indent=1)
