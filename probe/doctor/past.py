"""What a monitor has kept about this target: its attempts to connect and the ends of its sessions."""

from collections.abc import Iterable
from pathlib import Path

from probe.diagnose.case import End, Past, Try
from probe.measure.records import Attempt, Disconnected
from probe.store.place import StoreError
from probe.store.reader import StoreReader

LOOKS_BACK = 24 * 3600.0
HELD = ("hold", "race")  # what attempts were for that wanted a session and not only a look


def read_past(store: Path, target: str, now_utc: float) -> Past | None:
    """None: nothing is kept about it, or the store cannot be read."""
    try:
        reader = StoreReader(store)
    except StoreError:
        return None
    try:
        if target not in reader.targets():
            return None
        since = now_utc - LOOKS_BACK
        return past_of(
            reader.events(Attempt, since, now_utc, target),
            reader.events(Disconnected, since, now_utc, target),
            now_utc,
        )
    except StoreError:
        return None
    finally:
        reader.close()


def past_of(attempts: Iterable[Attempt], ends: Iterable[Disconnected], now_utc: float) -> Past:
    """Both oldest first."""
    tries = list(attempts)
    over = list(ends)
    began = min([now_utc, *(each.at_utc for each in tries), *(each.at_utc for each in over)])
    held = [each.at_utc for each in tries if each.purpose in HELD]
    return Past(
        seconds=now_utc - began,
        tries=tuple(
            Try(
                ago_seconds=now_utc - each.at_utc,
                code=each.failure.code if each.failure else "",
                kind=each.failure.kind if each.failure else "",
                status=each.http_status,
                purpose=each.purpose,
            )
            for each in tries
        ),
        ends=tuple(
            End(
                ago_seconds=now_utc - each.at_utc,
                lived_seconds=each.lasted_seconds,
                heard_seconds=each.heard_seconds,
                said_seconds=each.said_seconds,
                code=each.failure.code if each.failure else "",
                next_try_after_seconds=next((at - each.at_utc for at in held if at >= each.at_utc), None),
            )
            for each in over
        ),
    )
