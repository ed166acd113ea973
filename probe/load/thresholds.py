"""What must hold in a load run: read as people write it, and held against the figures.

Without data a threshold neither holds nor is broken; it was not measured.
"""

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from probe.load.figures import Figures, Requests, Ticks
from probe.load.plan import Measured, Threshold
from probe.measure.histogram import Histogram
from probe.model.errors import ConfigError, near_miss
from probe.model.units import format_duration, parse_duration, parse_rate

_WRITTEN = re.compile(
    r"(?P<name>[a-z-]+)(?::(?P<of>\S+?))?(?:\s+(?P<quantile>p\S+|max|median))?\s*(?P<sign><=?|>=?)\s*(?P<limit>.*)",
    re.IGNORECASE | re.DOTALL,
)
_QUANTILES = {"max": 1.0, "median": 0.5}


class _Of(Enum):
    """What can stand behind the colon."""

    OPERATION = "an operation"
    SYMBOL = "a symbol"
    NOTHING = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kind:
    example: str
    of: _Of = _Of.NOTHING
    read: Callable[[str], float] = parse_duration
    write: Callable[[float], str] = lambda seconds: format_duration(float(f"{seconds:.4g}"))
    durations: Callable[[Figures, str | None], Histogram] | None = None  # of which a quantile must hold; or
    counted: Callable[[Figures, str | None], tuple[float, int] | None] | None = (
        None  # a figure, and of how many
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ThresholdResult:
    threshold: Threshold
    value: float | None  # None: not measured
    samples: int  # that stand behind it

    @property
    def holds(self) -> bool | None:
        """None: not measured."""
        wanted, value = self.threshold, self.value
        if value is None:
            return None
        if value == wanted.limit:
            return not wanted.is_strict
        return (value < wanted.limit) is wanted.is_most

    def __str__(self) -> str:
        said = f"{self.threshold.text}: "
        if self.value is None:
            return said + "not measured"
        write = KINDS[self.threshold.measured].write
        return f"{said}{'held' if self.holds else 'broken'}, it was {write(self.value)} (of {self.samples})"


def read_threshold(text: str) -> Threshold:
    """As in `response p99 < 250ms`, `response:balance p95 <= 0.1`, `connect-success >= 99%`.

    Raises:
        ConfigError: it says what is wrong with it, and shows how it is written.
    """
    found = _WRITTEN.fullmatch(text.strip())
    if found is None:
        raise _wrong(text, "it is no threshold", "response p99 < 250ms, or connect-success >= 99%")
    names = {each.value: each for each in Measured}
    name = found["name"].lower()
    if name not in names:
        raise ConfigError(
            f"nothing is measured under the name {found['name']!r}",
            where=repr(text),
            suggestion=near_miss(name, names) or "",
            next_step=f"There is {', '.join(names)}.",
        )
    measured, kind = names[name], KINDS[names[name]]
    if found["of"] and kind.of is _Of.NOTHING:
        raise _wrong(text, f"{name} is measured of all together", kind.example)
    if bool(kind.durations) != bool(found["quantile"]):
        problem = "it does not say which percentile" if kind.durations else f"{name} has no percentiles"
        raise _wrong(text, problem, kind.example)
    return Threshold(
        measured=measured,
        of=found["of"],
        quantile=_quantile(text, found["quantile"], kind) if found["quantile"] else None,
        is_most=found["sign"].startswith("<"),
        is_strict="=" not in found["sign"],
        limit=_limit(text, found["limit"].strip(), kind),
        text=text.strip(),
    )


def evaluate(thresholds: Iterable[Threshold], figures: Figures) -> tuple[ThresholdResult, ...]:
    return tuple(_held_against(each, figures) for each in thresholds)


def abort_now(results: Sequence[ThresholdResult], now_in_run: float) -> ThresholdResult | None:
    """Because of which the run must end now."""
    return next(
        (
            each
            for each in results
            if each.threshold.abort_on_fail and each.holds is False and now_in_run >= each.threshold.grace
        ),
        None,
    )


def _held_against(threshold: Threshold, figures: Figures) -> ThresholdResult:
    kind = KINDS[threshold.measured]
    value, samples = None, 0
    if kind.durations and threshold.quantile is not None:
        durations = kind.durations(figures, threshold.of)
        value, samples = durations.quantile(threshold.quantile), durations.count
    elif kind.counted:
        value, samples = kind.counted(figures, threshold.of) or (None, 0)
    return ThresholdResult(threshold=threshold, value=value, samples=samples)


def _quantile(text: str, written: str, kind: _Kind) -> float:
    if written.lower() in _QUANTILES:
        return _QUANTILES[written.lower()]
    try:
        share = float(written[1:]) / 100
    except ValueError:
        share = math.nan
    if not 0 < share <= 1:
        raise _wrong(text, f"{written} is no percentile", kind.example)
    return round(share, 6)


def _limit(text: str, written: str, kind: _Kind) -> float:
    try:
        return kind.read(written.replace(" ", ""))
    except (ConfigError, ValueError):
        raise _wrong(text, f"{written!r} is no limit for it", kind.example) from None


def _wrong(text: str, problem: str, example: str) -> ConfigError:
    return ConfigError(problem, where=repr(text), next_step=f"Write it like {example}.")


def _read_share(text: str) -> float:
    share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    if not 0 <= share <= 1:
        raise ValueError("a share is at most the whole")
    return share


def _read_count(text: str) -> float:
    if not text.isdecimal():
        raise ValueError("a count is a whole number")
    return int(text)


def _write_share(share: float) -> str:
    return f"{100 * share:.4g}%"


def _requests(figures: Figures, of: str | None) -> Requests:
    return figures.all_requests() if of is None else figures.requests.get(of, Requests())


def _ticks(figures: Figures, of: str | None) -> Ticks:
    return figures.all_ticks() if of is None else figures.ticks.get(of, Ticks())


def _share(part: int, whole: int) -> tuple[float, int] | None:
    return (part / whole, whole) if whole else None


def _answered(figures: Figures, of: str | None) -> tuple[float, int] | None:
    """Of those that have ended: what is still under way is neither."""
    requests = _requests(figures, of)
    return _share(requests.answered, requests.answered + requests.failures)


def _connected(figures: Figures, _: str | None) -> tuple[float, int] | None:
    connects = figures.connects
    return _share(connects.opened, connects.opened + sum(connects.failed.values()))


def _lost(figures: Figures, _: str | None) -> tuple[float, int] | None:
    opened = figures.connects.opened
    return (sum(figures.sessions.lost.values()), opened) if opened else None


def _tick_rate(figures: Figures, of: str | None) -> tuple[float, int] | None:
    """Staleness is noted once a second of each session: its count is the seconds for which all of them listened."""
    ticks = _ticks(figures, of)
    return (ticks.arrived / ticks.staleness.count, ticks.arrived) if ticks.staleness.count else None


KINDS = {
    Measured.RESPONSE: _Kind(
        example="response p99 < 250ms, or response:balance p99 < 250ms",
        of=_Of.OPERATION,
        durations=lambda figures, of: _requests(figures, of).response,
    ),
    Measured.SERVICE: _Kind(
        example="service p99 < 250ms, or service:balance p99 < 250ms",
        of=_Of.OPERATION,
        durations=lambda figures, of: _requests(figures, of).service,
    ),
    Measured.TICK_GAP: _Kind(
        example="tick-gap p99 < 2s, or tick-gap:EURUSD p99 < 2s",
        of=_Of.SYMBOL,
        durations=lambda figures, of: _ticks(figures, of).gap,
    ),
    Measured.STALENESS: _Kind(
        example="staleness p99 < 3s, or staleness:EURUSD p99 < 3s",
        of=_Of.SYMBOL,
        durations=lambda figures, of: _ticks(figures, of).staleness,
    ),
    Measured.CONNECT: _Kind(example="connect p95 < 1s", durations=lambda figures, _: figures.connects.whole),
    Measured.RECOVERY: _Kind(
        example="recovery p99 < 10s", durations=lambda figures, _: figures.sessions.recovery
    ),
    Measured.CONNECT_SUCCESS: _Kind(
        example="connect-success >= 99%", read=_read_share, write=_write_share, counted=_connected
    ),
    Measured.ANSWERED: _Kind(
        example="answered >= 99.9%, or answered:balance >= 99.9%",
        of=_Of.OPERATION,
        read=_read_share,
        write=_write_share,
        counted=_answered,
    ),
    Measured.MISSED_BEATS: _Kind(
        example="missed-beats <= 0.1%",
        read=_read_share,
        write=_write_share,
        counted=lambda figures, _: _share(figures.sessions.beats_missed, figures.sessions.beats_sent),
    ),
    Measured.LOST_SESSIONS: _Kind(
        example="lost-sessions <= 0", read=_read_count, write="{:g}".format, counted=_lost
    ),
    Measured.TICK_RATE: _Kind(
        example="tick-rate >= 1.8, or tick-rate:EURUSD >= 1.8",
        of=_Of.SYMBOL,
        read=parse_rate,
        write="{:.4g} a second".format,
        counted=_tick_rate,
    ),
}
