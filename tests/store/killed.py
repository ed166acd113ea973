"""Writes records for ever and says on each line how many of them were acknowledged."""

import sys
from dataclasses import replace
from pathlib import Path

from probe.store.retention import Keep
from probe.store.writer import StoreWriter
from tests.store.making import DISCONNECT, INCIDENT, NOON, TICK, minute


def main(path: str, first: str) -> None:
    writer = StoreWriter(Path(path), keep=Keep(), notice=print, clock_utc=lambda: NOON)
    writer.start()
    number = int(first)
    while True:
        for _ in range(50):
            number += 1
            writer.write(TICK._replace(at_utc=NOON + number))
            if number % 10 == 0:
                writer.write(replace(DISCONNECT, at_utc=NOON + number))
                writer.write(replace(INCIDENT, id=f"demo/{number}"))
                writer.write(minute(NOON + 60 * number, values=(0.1,)))
        if writer.flush(20):
            print(number, flush=True)


main(*sys.argv[1:])
