"""Single values out of a broker's JSON. They trust nothing: what does not fit raises ValueError or TypeError."""

from typing import Any

LARGEST = 2.0**64  # no broker's number needs more than 64 bits
MILLISECONDS = 1e11  # a time beyond the year 5000 was not counted in seconds
YES = (1, "1")  # and True, which is 1
NO = (0, "0")
NUMBERS = (float, int)


def number(value: Any) -> float:
    """A number, from a number or (some clients send amounts so) a numeric string."""
    if type(value) in NUMBERS and -LARGEST < value < LARGEST:  # nearly always
        return value  # type: ignore[no-any-return]
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    found = float(value)
    if not abs(found) < LARGEST:
        raise ValueError("expected a number of sensible size")
    return found


def text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected a text, got {type(value).__name__}")
    return value


def seconds(value: Any) -> float:
    """Some variants count milliseconds."""
    count = number(value)
    if count >= MILLISECONDS:
        count /= 1000
    if not abs(count) < MILLISECONDS:
        raise ValueError("expected a time")
    return count


def any_id(value: Any) -> str | int | None:
    """Clients number their requests with what they like, and it is echoed."""
    return value if value is None or type(value) in (str, int) else str(value)
