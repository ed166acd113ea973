"""A script: one end of a bad wire. What a tunnel interface sends is delayed, lost, or goes out of the other end.

Kernels have netem for this, where it was built in. A line on standard input says how bad it is: the share that is lost, the
delay and its spread in seconds, and the longest packet that passes.
"""

import contextlib
import fcntl
import heapq
import os
import random
import select
import socket
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000  # linux/if_tun.h


def main(name: str, descriptor: int) -> None:
    tunnel = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tunnel, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    far, rng = socket.socket(fileno=descriptor), random.Random(name)
    lost, delay, spread, longest = 0.0, 0.0, 0.0, 65536.0
    on_the_way: list[tuple[float, bytes]] = []
    print("ready", flush=True)
    while True:
        wait = max(0.0, on_the_way[0][0] - time.monotonic()) if on_the_way else None
        ready, _, _ = select.select([tunnel, far.fileno(), 0], [], [], wait)
        if 0 in ready:
            if not (line := os.read(0, 100)):
                return
            lost, delay, spread, longest = map(float, line.split())
        if tunnel in ready:
            packet = os.read(tunnel, 65536)
            if len(packet) <= longest and rng.random() >= lost:
                heapq.heappush(on_the_way, (time.monotonic() + delay + rng.uniform(-spread, spread), packet))
        if far.fileno() in ready:
            packet = far.recv(65536)
            with contextlib.suppress(OSError):  # the interface is not up yet
                os.write(tunnel, packet)
        while on_the_way and on_the_way[0][0] <= time.monotonic():
            far.send(heapq.heappop(on_the_way)[1])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
