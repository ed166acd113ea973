from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from probe.measure.clocks import ClockOffset
from probe.measure.complaints import (
    FLOOD_SECONDS,
    ODD_TICKS,
    REPEATED_SHARE,
    SKEW_WORTH_SAYING,
    SLOW_AT_LEAST,
    SLOW_SECONDS,
    STALE_TAIL_SECONDS,
    STANDING_SHARE,
    complaint,
)
from probe.measure.freshness import Overdue
from probe.measure.vitals import Vitals
from probe.model.endpoint import Account
from probe.model.meanings import Trouble

NOW = 1000.0


@dataclass
class Signs:
    """What a `Vitals` says, set by hand."""

    said: str | None = None
    beat_missed_at: float | None = None
    request_expired_at: float | None = None
    request_expired: str = "AskHistory"
    flooded_since: float | None = None
    strange: str = "new"
    stuck: tuple[str, float] | None = None
    history_tail_age: float | None = None
    skew: ClockOffset | None = None
    gravest: Trouble | None = None
    round_trips: list[float] = field(default_factory=lambda: [0.05] * 3)
    counts: dict[str, int] = field(default_factory=dict)

    def contradicts(self, account: Account) -> str | None:
        return self.said

    def lately(self, name: str) -> int:
        return self.counts.get(name, 0)

    def frozen(self, now: float) -> tuple[str, float] | None:
        return self.stuck


def code(
    signs: Signs,
    *,
    usual: float | None = None,
    overdue: tuple[Overdue, ...] = (),
    standing: str | None = None,
) -> str | None:
    vitals: Vitals = signs  # type: ignore[assignment]
    found = complaint(vitals, overdue, Account.DEMO, usual, NOW, standing=standing)
    return None if found is None else found.code


def skew(seconds: float, uncertainty: float = 0.0) -> ClockOffset:
    return ClockOffset(zone_seconds=0, skew_seconds=seconds, uncertainty_seconds=uncertainty, samples=20)


LATE = (Overdue("EURUSD", NOW - 9.0, 5.0, is_first=False),)
EVERYTHING = Signs(
    said="live",
    beat_missed_at=1.0,
    request_expired_at=1.0,
    counts={"surprises": 50, "messages": 100, "ticks": 100, "late_ticks": 50, "duplicates": 50},
    stuck=("EURUSD", 99.0),
    history_tail_age=999.0,
    skew=skew(60.0),
    round_trips=[9.0] * 3,
)


def test_a_session_that_is_well_has_no_complaint() -> None:
    assert code(Signs()) is None


def test_of_everything_that_is_wrong_the_gravest_is_told() -> None:
    signs = EVERYTHING
    overdue: tuple[Overdue, ...] = LATE
    found = []
    changes: tuple[dict[str, Any], ...] = (
        {"said": None},
        {},
        {"beat_missed_at": None},
        {"request_expired_at": None},
        {"counts": EVERYTHING.counts | {"surprises": 0}},
        {"counts": {"ticks": 100, "duplicates": 50}},
        {"counts": {}},
        {"stuck": None},
        {"history_tail_age": None},
        {"skew": None},
        {"round_trips": []},
    )
    for change in changes:
        found.append(code(signs, overdue=overdue))
        if not change:
            overdue = ()
        signs = replace(signs, **change)
    assert found == [
        "auth.demo-real-mismatch",
        "session.one-symbol-stall",
        "session.peer-stopped-ponging",
        "session.request-no-reply",
        "cfg.client-outdated",
        "data.out-of-order",
        "data.duplicates",
        "data.stale-ticks",
        "data.stale-history",
        "data.clock-offset",
        "net.slow",
    ]
    assert code(signs) is None


@pytest.mark.parametrize(
    ("surprises", "messages", "is_told"), [(2, 3, False), (3, 300, False), (3, 299, True)]
)
def test_a_few_strange_messages_among_many_are_nothing(
    surprises: int, messages: int, *, is_told: bool
) -> None:
    assert (code(Signs(counts={"surprises": surprises, "messages": messages})) is not None) is is_told


@pytest.mark.parametrize(
    ("name", "slug"), [("late_ticks", "data.out-of-order"), ("duplicates", "data.duplicates")]
)
def test_odd_ticks_are_told_from_a_share_and_clear_at_half_of_it(name: str, slug: str) -> None:
    limit = round(REPEATED_SHARE * 1000)
    half = round(limit * STANDING_SHARE)

    def told(count: int, standing: str | None = None) -> bool:
        return code(Signs(counts={"ticks": 1000, name: count}), standing=standing) == slug

    assert [told(limit), told(limit + 1)] == [False, True]
    assert [told(half, slug), told(half + 1, slug), told(half + 1, "net.slow")] == [False, True, False]
    assert code(Signs(counts={"ticks": ODD_TICKS - 1, name: ODD_TICKS - 1})) is None


def test_a_flood_is_told_after_some_seconds_and_hides_what_it_causes() -> None:
    surprising = {"surprises": 50, "messages": 100}
    assert code(Signs(flooded_since=NOW - FLOOD_SECONDS + 0.1, counts=surprising)) is None
    assert code(Signs(flooded_since=NOW - FLOOD_SECONDS, counts=surprising)) == "session.slow-consumer"


@pytest.mark.parametrize("sign", [1, -1])
def test_a_clock_is_wrong_beyond_what_is_uncertain(sign: int) -> None:
    assert code(Signs(skew=skew(sign * (SKEW_WORTH_SAYING + 0.5), 0.5))) is None
    assert code(Signs(skew=skew(sign * (SKEW_WORTH_SAYING + 0.6), 0.5))) == "data.clock-offset"


def test_a_history_may_end_three_minutes_ago() -> None:
    assert code(Signs(history_tail_age=STALE_TAIL_SECONDS)) is None
    assert code(Signs(history_tail_age=STALE_TAIL_SECONDS + 1)) == "data.stale-history"


@pytest.mark.parametrize(
    ("rtt", "usual", "standing", "is_slow"),
    [
        (SLOW_SECONDS, None, None, False),
        (SLOW_SECONDS + 0.01, None, None, True),
        (SLOW_SECONDS / 2 + 0.01, None, "net.slow", True),
        (SLOW_SECONDS / 2, None, "net.slow", False),
        (0.4, 0.1, None, False),
        (0.41, 0.1, None, True),
        (SLOW_AT_LEAST, 0.01, None, False),
        (SLOW_AT_LEAST + 0.01, 0.01, None, True),
        (0.21, 0.1, "net.slow", True),
    ],
)
def test_slow_is_so_by_itself_or_against_the_usual(
    rtt: float, usual: float | None, standing: str | None, *, is_slow: bool
) -> None:
    assert (
        code(Signs(round_trips=[0.0, rtt, 99.0]), usual=usual, standing=standing) == "net.slow"
    ) is is_slow


def test_two_round_trips_are_too_few() -> None:
    assert code(Signs(round_trips=[9.0, 9.0])) is None


def test_a_late_symbol_is_named_with_its_seconds() -> None:
    signs: Vitals = Signs()  # type: ignore[assignment]
    found = complaint(signs, LATE, Account.DEMO, None, NOW)
    assert found is not None
    assert found.sentence == "no price of EURUSD for 9.0 s while other symbols go on"
