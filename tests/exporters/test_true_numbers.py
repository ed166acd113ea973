"""Whatever happens to a session, each number that is exported is the one that its watch, its ledger and its records have."""

import asyncio
import math
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any, TypeVar
from unittest import mock

import pytest

from exporters.book import Book
from exporters.observer import Observer
from probe.measure.metrics import OF_TARGETS, PREFIX, Kind
from probe.measure.reading import skew_seconds
from probe.measure.records import (
    Attempt,
    Data,
    Disconnected,
    Incident,
    Login,
    Metric,
    Record,
    Sample,
    SessionState,
    StateChanged,
)
from probe.measure.snapshot import Snapshot
from probe.measure.watch import Watch
from probe.model.events import Ended, Event, Phase, Traffic
from probe.monitor.wanted import ConnectMode
from probe.session.talking import Talking
from tests.exporters.exported import families, observed
from tests.monitor.matrix import Course
from tests.virtual.travelling import run

T = TypeVar("T")
Labels = tuple[tuple[str, str], ...]
Series = dict[tuple[str, Labels], float]
_HISTOGRAMS = {
    Metric(each.name)
    for each in OF_TARGETS
    if each.kind is Kind.HISTOGRAM and each.label_names == ("target", "endpoint")
}
SETTLES = 20.0
SATURDAY = datetime(2026, 1, 10, 12, tzinfo=UTC).timestamp()


@dataclass(frozen=True, kw_only=True)
class Story:
    name: str
    broker: str = "pocketoption"
    faults: tuple[str, ...] = ()
    happens: Callable[[Course], Awaitable[None]]
    changes: dict[str, Any] = field(default_factory=dict)
    bound: dict[str, int] = field(default_factory=dict)
    late: tuple[str, ...] = ()  # targets that were watched before they were exported
    seen: tuple[str, ...] = ()  # families that must have risen, or the story told nothing


def meets(*faults: str, seconds: float = 60.0) -> Callable[[Course], Awaitable[None]]:
    async def happens(one: Course) -> None:
        await asyncio.sleep(SETTLES)
        numbers = [await one.simulator.board.switch_on(fault) for fault in faults]
        await asyncio.sleep(seconds)
        for number in numbers:
            await one.simulator.board.switch_off(number)
        await asyncio.sleep(seconds)

    return happens


async def lasts(_: Course) -> None:
    await asyncio.sleep(90.0)


async def is_reloaded(one: Course) -> None:
    """Changed while it is bad, removed, and there again, with another beside it."""
    wanted = one.monitor.wanted[0]
    await meets("drop:at=0s", seconds=10.0)(one)
    await one.monitor.apply([replace(wanted, objective=0.9), replace(wanted, name="two")])
    await asyncio.sleep(SETTLES)
    await one.monitor.apply([replace(wanted, name="two")])
    await asyncio.sleep(SETTLES)
    await one.monitor.apply([wanted, replace(wanted, name="two")])
    await asyncio.sleep(SETTLES)


async def has_too_many(one: Course) -> None:
    wanted = one.monitor.wanted[0]
    others = [replace(wanted, name=name) for name in ("two", "three")]
    await one.monitor.apply([wanted, *others])
    await asyncio.sleep(SETTLES)
    await one.monitor.apply(others)
    await meets("drop:at=0s", seconds=10.0)(one)


async def is_set(one: Course) -> None:
    """The clock goes forward by an hour, and back."""
    for step in (3600.0, -7200.0):
        await asyncio.sleep(SETTLES)
        right = one.monitor._utc
        one.monitor._utc = lambda right=right, step=step: right() + step  # type: ignore[misc]
    await asyncio.sleep(SETTLES)


async def lasts_hours(one: Course) -> None:
    for _ in range(3):
        await asyncio.sleep(1500.0)
        number = await one.simulator.board.switch_on("drop:at=0s")
        await asyncio.sleep(5.0)
        await one.simulator.board.switch_off(number)
    await asyncio.sleep(120.0)


_SOCKETS = ("pocketoption", "quotex")
_LOST = ("connect_failures", "session_bad_seconds", "incidents")
_ENDS = (*_LOST, "disconnects", "reconnects")
_CUT = ("session_bad_seconds", "disconnects", "reconnects", "reconnect_gap_seconds_count", "incidents")
STORIES = (
    *(Story(name=f"drops {b}", broker=b, happens=meets("drop:at=0s"), seen=_CUT) for b in _SOCKETS),
    *(Story(name=f"stalls {b}", broker=b, happens=meets("silent-stall:at=0s"), seen=("stalls", "incidents")) for b in _SOCKETS),
    Story(name="resets crypto", broker="crypto", happens=meets("reset"), changes={"at": None}, seen=_CUT),
    Story(name="stalls crypto", broker="crypto", happens=meets("backend-database-down", seconds=150.0), changes={"at": None}, seen=("stalls",)),
    Story(name="resets mt5", broker="mt5", happens=meets("reset"), changes={"at": None}, seen=_CUT),
    Story(name="stalls mt5", broker="mt5", happens=meets("gateway-terminal-closed"), changes={"at": None}, seen=("stalls",)),
    Story(name="resets bingx", broker="bingx", happens=meets("reset"), changes={"at": None}, seen=("incidents",)),
    Story(name="refused at the door", happens=meets("http-status:code=503", "drop:at=0s"), seen=("connect_failures", "upgrade_responses")),
    Story(name="limited", faults=("http-status:code=429,retry_after=5s",), happens=lasts, seen=_LOST),
    Story(name="rejected", faults=("auth-refused",), happens=lasts, seen=_LOST),
    Story(name="ends again and again", happens=meets("close-loop", seconds=120.0), seen=_CUT),
    Story(name="races", happens=meets("drop:at=0s"), changes={"connect": ConnectMode.RACE}, seen=_CUT),
    Story(name="knocks", faults=("connection-cap:cap=1",), happens=lasts, changes={"knock_every": 10.0}, seen=("connect_failures",)),
    Story(name="closed market", happens=lasts, changes={"utc": SATURDAY, "symbols": ("EURUSD",)}),
    Story(name="reloaded", happens=is_reloaded),
    Story(name="too many targets", happens=has_too_many, bound={"max_targets": 2}, late=("three",), seen=("disconnects",)),
    Story(name="a clock that is set", happens=is_set, seen=("session_unobserved_seconds",)),
)  # fmt: skip


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_number_is_the_watch_s_own_and_none_falls(story: Story) -> None:
    run(told(story))


@pytest.mark.long
@pytest.mark.parametrize("broker", _SOCKETS)
def test_every_number_is_the_watch_s_own_after_hours(broker: str) -> None:
    run(told(Story(name="hours", broker=broker, happens=lasts_hours, seen=_CUT)))


async def told(story: Story) -> None:
    async with observed(story.broker, *story.faults, **story.bound, **story.changes) as (one, book, observer):
        truth = Truth(one)
        with truth.listening():
            looking = asyncio.create_task(none_falls(one, book))
            await story.happens(one)
            await asyncio.sleep(1.5)
            assert not looking.done() or looking.result()
            looking.cancel()
            names = list(one.monitor.watches)[: story.bound.get("max_targets")]
            compare(book, observer, truth, names, story.late)
        found = series(book)
        assert {dict(labels)["target"] for _, labels in found if "target" in dict(labels)} == set(names)
        for family in story.seen:
            total = family if family.endswith("_count") else f"{family}_total"
            assert sum(value for (key, _), value in found.items() if key == f"{PREFIX}{total}") > 0, family
        families(book)  # a strict parser takes it


class Truth:
    """What was told while each watch was held, and what its sessions said they had carried when they ended."""

    def __init__(self, one: Course) -> None:
        self.one = one
        self.records: defaultdict[Watch, list[Record]] = defaultdict(list)
        self.ended: defaultdict[Watch, list[Traffic]] = defaultdict(list)
        one.monitor.add_sink(self._take)

    def _take(self, record: Record) -> None:
        watch = None if record.target is None else self.one.monitor.watch(record.target)
        if watch is not None:
            self.records[watch].append(record)

    @contextmanager
    def listening(self) -> Iterator[None]:
        told_so = Watch.event

        def note(watch: Watch, event: Event) -> None:
            if isinstance(event, Ended):
                self.ended[watch].append(event.traffic)
            told_so(watch, event)

        with mock.patch.object(Watch, "event", note):
            yield


def series(book: Book) -> Series:
    return {
        (sample.name, tuple(sample.labels.items())): sample.value
        for family in book.collect()
        for sample in family.samples
    }


async def none_falls(one: Course, book: Book) -> None:
    """Whatever counts stays and does not fall for as long as its target is the same; each page is whole."""
    before: Series = {}
    same: dict[str, int] = {}
    while True:
        await asyncio.sleep(5.0)
        now: Series = {}
        for family in book.collect():
            for sample in family.samples:
                assert math.isfinite(sample.value)
                if family.type in ("counter", "histogram", "summary"):
                    now[sample.name, tuple(sample.labels.items())] = sample.value
        watches = {name: id(watch) for name, watch in one.monitor.watches.items()}
        stay = {name for name, watch in watches.items() if same.get(name) == watch} | {None}
        for key, value in before.items():
            if dict(key[1]).get("target") in stay:
                assert now.get(key, -1.0) >= value, key
        whole(now)
        before, same = now, watches


def whole(now: Series) -> None:
    buckets: dict[tuple[str, Labels], list[float]] = {}
    for (name, labels), value in now.items():
        if name.endswith("_bucket"):
            rest = tuple(each for each in labels if each[0] != "le")
            buckets.setdefault((name.removesuffix("_bucket"), rest), []).append(value)
    for (name, labels), inside in buckets.items():
        assert all(one <= other for one, other in pairwise(inside))
        assert inside[-1] == now[f"{name}_count", labels]


def compare(book: Book, observer: Observer, truth: Truth, names: list[str], late: tuple[str, ...]) -> None:
    monitor, now = truth.one.monitor, truth.one.loop.time()
    for name in names:
        seen = observer._seen[name]
        seen.next_score = now
        observer._look(name, seen, now)
    found = series(book)
    for snapshot in monitor.snapshots(names):
        watch, page = monitor.watches[snapshot.target], Page(found, snapshot.target)
        holds(page, snapshot, watch)
        seconds(page, watch)
        counts(page, watch)
        traffic(page, monitor.link(snapshot.target).session, truth.ended[watch])
        if snapshot.target not in late:
            happenings(page, truth.records[watch], watch)
            samples(page, [each for each in truth.records[watch] if isinstance(each, Sample)])


@dataclass(frozen=True)
class Page:
    series: Series
    target: str

    def of(self, name: str, *by: str) -> dict[tuple[str, ...], float]:
        """By these labels; added up over all others."""
        found: Counter[tuple[str, ...]] = Counter()
        for (key, labels), value in self.series.items():
            known = dict(labels)
            if key == f"{PREFIX}{name}" and known.get("target") == self.target:
                found[tuple(known[each] for each in by)] += value  # type: ignore[assignment]
        return dict(found)

    def one(self, name: str) -> float | None:
        return self.of(name).get(())


def seconds(page: Page, watch: Watch) -> None:
    ledger = watch.ledger
    for name in ("observed", "unobserved", "open", "blind"):
        assert page.one(f"session_{name}_seconds_total") == getattr(ledger, name)
    assert page.one("session_longest_blind_seconds") == ledger.longest_blind
    bad = page.of("session_bad_seconds_total", "cause")
    assert bad == {(cause.value,): spent for cause, spent in ledger.bad.items()}
    assert sum(bad.values()) <= ledger.observed + 1e-6
    assert ledger.blind <= ledger.open + 1e-6


def counts(page: Page, watch: Watch) -> None:
    tries, totals = watch.tries, watch.measurements.totals
    assert page.of("connect_attempts_total", "endpoint") == {(e,): n for e, n in tries.tried.items()}
    failed = {key: n for key, n in page.of("connect_failures_total", "endpoint").items() if n}
    assert page.of("endpoint_wins_total", "endpoint") == {(e,): tries.won.get(e, 0) for e in tries.tried}
    for name, counted in (
        ("heartbeats", "beats_sent"),
        ("heartbeats_unanswered", "beats_missed"),
        ("requests", "requests_sent"),
        ("requests_expired", "requests_expired"),
        ("messages_not_understood", "surprises"),
    ):
        assert page.one(f"{name}_total") == totals[counted]
    assert page.one("samples_tainted_total") == watch.measurements.tainted
    assert page.of("ticks_total", "symbol") == {(each,): watch.ticks[each] for each in watch.symbols}
    assert failed.keys() <= {(each,) for each in tries.failed}


def traffic(page: Page, session: Talking | None, ended: list[Traffic]) -> None:
    stands = [session.traffic] if session is not None and session.phase is not Phase.ENDED else []
    for name in ("messages_received", "messages_sent"):
        assert page.one(f"{name}_total") == sum(getattr(each, name) for each in (*ended, *stands))
    assert page.one("received_bytes_total") == sum(each.bytes_received for each in (*ended, *stands))
    assert page.one("sent_bytes_total") == sum(each.bytes_sent for each in (*ended, *stands))


def happenings(page: Page, records: list[Record], watch: Watch) -> None:
    def of(kind: type[T]) -> list[T]:
        return [each for each in records if isinstance(each, kind)]

    attempts, ends = of(Attempt), of(Disconnected)
    assert page.of("connect_attempts_total", "endpoint") == Counter((each.endpoint,) for each in attempts)
    failed = {key: n for key, n in page.of("connect_failures_total", "endpoint").items() if n}
    assert failed == Counter((each.endpoint,) for each in attempts if each.failure)
    answers = page.of("upgrade_responses_total", "code")
    assert answers == Counter((str(each.http_status),) for each in attempts if each.http_status)
    assert page.of("disconnects_total", "initiator") == Counter((each.initiator,) for each in ends)
    assert len(ends) == watch.tries.disconnects
    begun = {each.id: each.cause.value for each in reversed(of(Incident))}
    incidents = {key: n for key, n in page.of("incidents_total", "cause").items() if n}
    assert incidents == Counter((cause,) for cause in begun.values())
    stalls = [each for each in of(StateChanged) if each.condition.state is SessionState.STALLED]
    assert page.one("stalls_total") == sum(each.before is not SessionState.STALLED for each in stalls)
    connects = [each.at_utc for each in of(Sample) if each.metric is Metric.CONNECT]
    assert len(connects) == watch.tries.connects
    assert page.one("reconnects_total") == max(len(connects) - 1, 0)
    if not any(one > other for one, other in pairwise(connects)):  # the clock was not set
        gaps = Counter(bisect_left(connects, each.at_utc) for each in ends)
        assert page.one("reconnect_gap_seconds_count") == sum(1 for each in gaps if each < len(connects))


def samples(page: Page, told: list[Sample]) -> None:
    """Each histogram has those that were taken in time, and each in its bucket."""
    taken: defaultdict[tuple[str, str], list[float]] = defaultdict(list)
    for each in told:
        if not each.tainted and each.endpoint is not None and each.metric in _HISTOGRAMS:
            taken[each.metric.value, each.endpoint].append(each.value)
    for metric in _HISTOGRAMS:
        name = metric.value
        known = {endpoint: values for (which, endpoint), values in taken.items() if which == name}
        assert page.of(f"{name}_count", "endpoint") == {(e,): len(values) for e, values in known.items()}
        sums = page.of(f"{name}_sum", "endpoint")
        assert sums == {(e,): pytest.approx(sum(values)) for e, values in known.items()}
        for (endpoint, bound), count in page.of(f"{name}_bucket", "endpoint", "le").items():
            assert count == sum(value <= float(bound) for value in known[endpoint])


def holds(page: Page, snapshot: Snapshot, watch: Watch) -> None:
    """Now; and what is not known has no series."""
    condition = snapshot.condition
    states = page.of("session_state", f"{PREFIX}session_state")
    assert {state for (state,), value in states.items() if value} == {condition.state.value}
    assert sum(page.of("credential_state", f"{PREFIX}credential_state").values()) == 1.0
    up = page.one("session_up")
    assert up == (condition.login is Login.ACCEPTED and condition.data in (Data.FLOWING, Data.QUIET))
    assert up == (condition.state in (SessionState.STREAMING, SessionState.DEGRADED))
    assert page.one("session_start_timestamp_seconds") == snapshot.session_since_utc
    assert page.one("health_score") == snapshot.score.value
    assert page.one("clock_offset_seconds") == skew_seconds(watch)
    open_incident = watch.incidents.open
    verdicts = {condition.code, open_incident.code if open_incident else None} - {None}
    assert {code for (code,), value in page.of("diagnosis", "code").items() if value} == verdicts
    components = {each.name: each.points / each.weight for each in snapshot.score.components if each.weight}
    shown = {name: ratio for (name,), ratio in page.of("health_component_ratio", "component").items()}
    assert shown == components
    selected = {e for (e,), value in page.of("endpoint_selected", "endpoint").items() if value}
    assert selected <= {snapshot.endpoint}
    came = {symbol for symbol in watch.symbols if watch.ticks[symbol]}
    assert {symbol for (symbol,) in page.of("last_tick_timestamp_seconds", "symbol")} <= came
