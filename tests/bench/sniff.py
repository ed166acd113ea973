"""Records TCP segments with payload of one port on the loopback interface, with the kernel's time stamps, until its input ends.

A process of its own that sleeps meanwhile: the kernel stamps and keeps the packets, and they are read at the end, so that
looking does not delay what is looked at. Writes one JSON array of `Segment`s.
"""

import json
import socket
import struct
import sys
from typing import NamedTuple

ETH_P_ALL, PACKET_OUTGOING = 3, 4
SO_TIMESTAMPNS, SO_RCVBUFFORCE = 35, 33
KEPT_BYTES = 512 << 20


class Segment(NamedTuple):
    client_port: int
    from_client: bool
    sequence: int  # TCP's number of its first byte
    stamp: int  # nanoseconds
    payload: str  # as hex


def segments(port: int) -> list[Segment]:
    sniffer = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(ETH_P_ALL))
    sniffer.bind(("lo", 0))
    sniffer.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, KEPT_BYTES)
    sniffer.setsockopt(socket.SOL_SOCKET, SO_TIMESTAMPNS, 1)
    print("listening", file=sys.stderr, flush=True)
    sys.stdin.read()
    sniffer.setblocking(False)
    found: list[Segment] = []
    while True:
        try:
            packet, control, _, address = sniffer.recvmsg(70_000, 256)
        except BlockingIOError:
            return found
        if address[2] == PACKET_OUTGOING or packet[0] >> 4 != 4 or packet[9] != socket.IPPROTO_TCP:
            continue  # everything on loopback is seen twice: leaving and arriving
        start = (packet[0] & 15) * 4
        source, target, sequence = struct.unpack_from("!HHI", packet, start)
        payload = packet[start + (packet[start + 12] >> 4) * 4 : struct.unpack_from("!H", packet, 2)[0]]
        if payload and port in (source, target):
            seconds, nanoseconds = struct.unpack("qq", control[0][2])
            from_client = target == port
            stamp = seconds * 10**9 + nanoseconds
            client_port = source if from_client else target
            found.append(Segment(client_port, from_client, sequence, stamp, payload.hex()))


if __name__ == "__main__":
    json.dump(segments(int(sys.argv[1])), sys.stdout)
