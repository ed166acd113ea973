"""What brokers do to their payloads overnight: every place of a payload replaced, left out, or with a neighbour."""

import copy
from collections.abc import Iterator
from typing import Any

STRANGE: list[object] = [
    None, True, False, "", "text", "NaN", "-1", "1e999", "9" * 5000, -1, 0, 2, 0.5, 1e308, 10**400, 2**63,
    [], {}, [None], [[]], [["a", 1, 1]], {"price": None}, "2026-13-45 99:99:99", "\0", "😀" * 100,
]  # fmt: skip


def places(value: Any) -> Iterator[tuple[Any, ...]]:
    yield ()
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        for place in places(inner):
            yield (key, *place)


def drifted(payload: Any) -> Iterator[object]:
    """The payload with each place replaced, left out, or with a neighbour."""
    for place in places(payload):
        if not place:
            yield from STRANGE
            continue
        for change in (*STRANGE, "leave out", "add"):
            copied = copy.deepcopy(payload)
            inner = copied
            for key in place[:-1]:
                inner = inner[key]
            key = place[-1]
            if change == "leave out":
                del inner[key]
            elif change == "add" and isinstance(inner, list):
                inner.insert(key, "extra")
            elif change == "add":
                inner["extra"] = None
            else:
                inner[key] = change
            yield copied
