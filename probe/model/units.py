"""Durations, sizes and rates as people write them: ``20s``, ``1m30s``, ``250ms``, ``64KiB``, ``200/s``, ``64KiB/s``."""

import math
import re
from datetime import UTC, datetime

from probe.model.errors import ConfigError

_NUMBER = r"\d+(?:\.\d+)?|\.\d+"
_SECONDS_PER_UNIT = {"d": 86400, "h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6}
_DURATION = re.compile("".join(f"(?:({_NUMBER}){unit}(?![a-z]))?" for unit in _SECONDS_PER_UNIT), re.ASCII)
_BYTES_PER_UNIT = {
    "": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30,
}  # fmt: skip
_SIZE = re.compile(rf"({_NUMBER})([a-z]*)", re.ASCII | re.IGNORECASE)
_SECONDS_PER = {"": 1, "/s": 1, "/m": 60, "/min": 60, "/h": 3600}


def parse_duration(text: str, *, where: str = "") -> float:
    """Seconds. A bare number is seconds; units go from large to small (``1h30m``).

    Raises:
        ConfigError: it shows how a duration is written; `where` names the option or key it came from.
    """
    seconds = math.inf
    if re.fullmatch(_NUMBER, text, re.ASCII):
        seconds = float(text)
    elif text and (found := _DURATION.fullmatch(text)):
        pairs = zip(found.groups(), _SECONDS_PER_UNIT.values(), strict=True)
        # Rounded, because 3.917 × 0.001 is a hair less than 0.003917.
        seconds = round(math.fsum(float(number) * unit for number, unit in pairs if number), 6)
    if math.isinf(seconds):
        raise ConfigError(
            f"{text!r} is not a duration",
            where=where,
            next_step="Write it like 20s, 1m30s, 250ms, or 0.5 for half a second.",
        )
    return seconds


def format_duration(seconds: float) -> str:
    """To the microsecond, as `parse_duration` reads it back: ``250ms``, ``1m30s``, ``2h``."""
    if seconds < 0:
        return f"-{format_duration(-seconds)}"
    if 0 < seconds < 1:
        return f"{round(seconds * 1e3, 3):g}ms"
    rest, text = round(seconds * 1e6), ""
    for unit in ("d", "h", "m"):
        count, rest = divmod(rest, round(_SECONDS_PER_UNIT[unit] * 1e6))
        text += f"{count}{unit}" if count else ""
    return text + (f"{rest / 1e6:.9g}s" if rest or not text else "")


def parse_moment(text: str, now_utc: float, *, where: str = "") -> float:
    """UTC seconds: ``2026-11-01``, ``2026-11-01T12:30:00Z``, or how long ago (``7d``). Without a zone it is UTC.

    Raises:
        ConfigError: it shows how a moment is written.
    """
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass
    try:
        return now_utc - parse_duration(text, where=where)
    except ConfigError:
        raise ConfigError(
            f"{text!r} is not a moment",
            where=where,
            next_step="Write it like 2026-11-01, 2026-11-01T12:30:00Z, or 7d for seven days ago.",
        ) from None


def parse_size(text: str, *, where: str = "") -> int:
    """Bytes: ``1500``, ``64KiB`` (1024), ``64kB`` (1000).

    Raises:
        ConfigError: it shows how a size is written.
    """
    size = _amount(text)
    if size is None or size != int(size):
        raise ConfigError(
            f"{text!r} is not a number of bytes", where=where, next_step="Write it like 1500, 64KiB or 1MB."
        )
    return int(size)


def parse_rate(text: str, *, where: str = "") -> float:
    """So many in a second: ``200/s``, ``30/min``, ``64KiB/s``. A bare number is per second.

    Raises:
        ConfigError: it shows how a rate is written.
    """
    amount, slash, period = text.partition("/")
    many, seconds = _amount(amount), _SECONDS_PER.get(slash + period)
    if many is None or seconds is None:
        raise ConfigError(
            f"{text!r} is not a rate", where=where, next_step="Write it like 200/s, 30/min or 64KiB/s."
        )
    return many / seconds


def _amount(text: str) -> float | None:
    found = _SIZE.fullmatch(text)
    if found is None or (unit := _BYTES_PER_UNIT.get(found[2].lower())) is None:
        return None
    amount = float(found[1]) * unit
    return amount if math.isfinite(amount) else None
