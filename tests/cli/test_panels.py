"""What stands on the screen, for every size and every kind of snapshot."""

import dataclasses
import io
from collections.abc import Sequence
from datetime import timedelta, timezone
from enum import Enum
from typing import Any

import pytest
from rich.cells import cell_len
from rich.console import Console
from rich.segment import Segment, Segments

from probe.cli.lines import Told, told
from probe.cli.panels import Clock, Row, spark
from probe.cli.picture import Looking, picture
from probe.measure.health import Grade
from probe.measure.records import Condition, Metric, Recognised, SessionState
from probe.measure.snapshot import Snapshot
from probe.model.findings import Certainty
from tests.cli.pretend_snapshots import (
    NOW,
    STALLED,
    alert,
    changed,
    endpoint,
    incident,
    score,
    snapshot,
    symbol,
    troubled,
    unknown,
)

SIZES = [(80, 24), (120, 40), (200, 60), (60, 14), (59, 14), (40, 10), (10, 3), (1, 1)]
EVENTS = [
    each
    for record in (changed(), changed(STALLED), alert(), incident())
    if (each := told(record, now_utc=NOW))
]
UTC_CLOCK = Clock(now_utc=NOW)
HOSTILE = "\x1b[2J\r\n\x07\u202eabc\u200b\u0301\u05d0\u3164日本語👩\u200d🔧" + "long" * 100


def drawn(
    snapshots: Sequence[Snapshot],
    width: int = 80,
    height: int = 24,
    *,
    looking: Looking | None = None,
    events: Sequence[Told] = tuple(EVENTS),
    clock: Clock = UTC_CLOCK,
    simulated: bool = False,
) -> list[Row]:
    return picture(
        snapshots,
        events,
        looking or Looking(),
        clock,
        width=width,
        height=height,
        simulated=["demo"] if simulated else (),
    )


def text_of(rows: Sequence[Row]) -> str:
    return "\n".join("".join(each.text for each in row).rstrip() for row in rows)


def shown(*snapshots: Snapshot, **options: Any) -> str:
    return text_of(drawn(snapshots, **options))


def spoilt(value: Any) -> Any:
    """The same with every text in it hostile."""
    match value:
        case Enum():
            return value
        case str():
            return value + HOSTILE
        case tuple():
            each = [spoilt(one) for one in value]
            return type(value)(*each) if hasattr(value, "_fields") else tuple(each)
        case _ if dataclasses.is_dataclass(value) and not isinstance(value, type):
            fields = {one.name: spoilt(getattr(value, one.name)) for one in dataclasses.fields(value)}
            return dataclasses.replace(value, **fields)
        case _:
            return value


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("looking", [{}, {"help": True}, {"details": True}, {"paused_utc": NOW}], ids=str)
def test_a_picture_fills_its_terminal_and_nothing_more(
    width: int, height: int, looking: dict[str, Any]
) -> None:
    many = [snapshot(target=f"t{at}") for at in range(30)]
    events = [dataclasses.replace(spoilt(each), tone=each.tone) for each in EVENTS]
    for snapshots in ([], [snapshot()], [troubled()], [unknown()], many, [spoilt(troubled())]):
        rows = drawn(snapshots, width, height, looking=Looking(**looking), events=events)
        assert len(rows) == height
        assert {sum(cell_len(each.text) for each in row) for row in rows} == {width}
        assert [each for row in rows for each in row if not each.text.isprintable()] == []
        assert not set("\u05d0\u0301\u3164\u200b") & set(text_of(rows))


@pytest.mark.parametrize("state", SessionState, ids=lambda state: state.value)
@pytest.mark.parametrize("size", [(80, 24), (40, 10)], ids=str)
def test_every_state_is_said_in_a_word(state: SessionState, size: tuple[int, int]) -> None:
    one = snapshot(condition=Condition(state=state, sentence="because"))
    text = shown(one, width=size[0], height=size[1])
    assert state.value.upper() in text
    assert "because" in text


def test_the_important_things_fit_an_ordinary_terminal() -> None:
    text = shown(snapshot(), simulated=True)
    for words in (
        "demo  pocketoption · demo account · simulated · demo-eu",
        "12:03:05 UTC",
        "● STREAMING since 11:00:00 (1 h 3 min)",
        "transport √ up   protocol √ open   login √ accepted   data √ flowing",
        "92 EXCELLENT",
        "availability",
        "29.1/30 99.2 % good",
        "credential",
        "WebSocket ping",
        "41.2 ms   52.3 ms   61.1 ms     45",
        "application",
        "kernel TCP",
        "own lag",
        "EURUSD_otc",
        "0.4 s/5 s     open",
        "closed",
        "unknown",
        "AVAILABLE 97.67 %",
        "budget overdrawn by 132 %",
        "blind 1 min 28 s",
        "● demo-eu              320    1.2   21.4   44.1   62.2     0/4",
        "11:53:05 stalled 1 min 28 s (likely the broker)",
        "EVENTS",
        "? help",
    ):
        assert words in text


def test_what_is_wrong_stands_on_top_with_its_words_blame_and_advice() -> None:
    rows = shown(troubled()).splitlines()
    assert rows[3:7] == [
        " INCIDENT stalled for 1 min 5 s  likely the broker · every 18 min ± 1",
        "no price of EURUSD_otc for 5.2 s while heartbeats go on",
        "next: Try another region with --region.",
        "FIRING page stream_stalled: no prices for 61 s while the market is open",
    ]
    assert "data × stalled" in rows[2]
    assert "STALLED" in next(row for row in rows if "EURUSD_otc  █" in row)


def test_what_the_rules_recognised_stands_beside_the_words_if_it_says_more() -> None:
    slept = Recognised(
        code="host.suspend-resume", certainty=Certainty.LIKELY, says="this machine slept", at_utc=NOW
    )
    now = incident(id="demo-2", ended_utc=None, verdicts=(slept,))
    text = shown(troubled(incidents=(now,)), width=200, height=60)
    assert "heartbeats go on; likely: this machine slept [host.suspend-resume]" in text


def test_what_was_not_measured_is_never_a_zero() -> None:
    text = shown(unknown(), height=40, events=())
    assert "– UNKNOWN" in text
    assert text.count("not measured") == 4 + 1 + 1 + 1  # round trips, uplink, availability, components
    assert "no price yet  unknown" in text
    assert "blind – · bad seconds –" in text
    assert "demo-eu                –       –  not tried" in text
    assert "none yet" in text
    assert "0.0" not in text
    assert "100" not in text


def test_a_larger_terminal_shows_more() -> None:
    small, large = shown(snapshot()), shown(snapshot(), width=120, height=40)
    for words in (
        "demo-us",
        "login  failed",
        "market unknown",
        "6 attempts, 1 failed",
        "uplink not measured",
        "2026-11-21",
    ):
        assert words in large
        assert words not in small
    assert "the host did not answer the connection attempt" in shown(snapshot(), width=200, height=60)


def test_a_small_terminal_shows_the_states_and_says_why_not_more() -> None:
    text = shown(troubled(), snapshot(target="other"), width=40, height=10)
    assert "■ STALLED demo 41 POOR" in text
    assert "● STREAMING other 92 EXCELLENT" in text
    assert "Too small for more: 80×24 shows all." in text


def test_the_next_attempt_counts_down() -> None:
    waiting = Condition(state=SessionState.BACKOFF, sentence="waiting")
    one = snapshot(condition=waiting, next_attempt_utc=NOW + 11.2)
    assert "BACKOFF since 11:00:00 (1 h 3 min) · next attempt in 12 s · waiting" in shown(one)
    assert "next attempt in 0 s" in shown(one, clock=Clock(now_utc=NOW + 20))


def test_several_targets_have_a_list_and_the_chosen_ones_details() -> None:
    targets = [snapshot(target=f"t{at}", broker=f"b{at}") for at in range(50)]
    text = shown(*targets, looking=Looking(target="t30"))
    assert text.startswith("TARGETS 31 of 50")
    assert "► t30" in text
    assert "t30  b30" in text
    assert "t1 " not in text
    first = shown(*targets, looking=Looking(target="gone by a reload"))
    assert "► t0 " in first


def test_times_are_local_or_utc_and_say_which() -> None:
    elsewhere = Clock(now_utc=NOW, zone=timezone(timedelta(hours=5, minutes=30), "IST"))
    text = shown(snapshot(), clock=elsewhere, width=120)
    assert "2026-11-21 17:33:05 IST (UTC+0530)" in text
    assert "since 16:30:00" in text
    assert Clock(now_utc=NOW).time(NOW - 86_400) == "11-20 12:03"


def test_a_pause_says_so_and_since_when() -> None:
    text = shown(snapshot(), looking=Looking(paused_utc=NOW))
    assert text.splitlines()[-1] == " PAUSED since 12:03:05: measuring goes on. p: continue"


def test_help_says_what_each_key_does() -> None:
    text = shown(snapshot(), looking=Looking(help=True))
    for words in (
        "quit; a summary follows",
        "pause:",
        "details:",
        "choose a target",
        "UTC or local",
        "never a zero",
    ):
        assert words in text


def test_details_show_the_arithmetic_and_the_evidence() -> None:
    text = shown(snapshot(), looking=Looking(details=True), height=40)
    for words in ("HOW THE SCORE WAS COMPUTED", "availability", "29.1", "EVIDENCE of stalled at 11:53:05"):
        assert words in text
    assert '11:53:04 < ["updateStream",[]]\n11:53:05 > 42["ps"]' in text
    assert "tcp_rtt_seconds –" in text
    assert "No incident has evidence" in shown(unknown(), looking=Looking(details=True))


def test_what_does_not_fit_is_said_to_be_there() -> None:
    text = shown(snapshot(symbols=tuple(symbol(f"S{at}") for at in range(20))))
    assert "TICK AGE (20)" in text
    assert "… more" in text


@pytest.mark.parametrize("grade", Grade, ids=lambda grade: grade.value)
def test_colours_are_never_all_there_is(grade: Grade) -> None:
    """With and without them the words are the same."""
    value = None if grade is Grade.UNKNOWN else 50.0
    rows = drawn([snapshot(score=score(value, grade))])
    assert grade.value in text_of(rows)
    written = {}
    for no_color in (True, False):
        file = io.StringIO()
        console = Console(
            file=file, width=80, force_terminal=True, no_color=no_color, color_system="standard", record=True
        )
        for row in rows:
            console.print(Segments([*row, Segment.line()]), end="", soft_wrap=True)
        written[no_color] = console.export_text(styles=False)
        colours = [f"\x1b[3{number}" in file.getvalue() for number in (1, 2, 3)]
        assert any(colours) is not no_color
        assert "\x1b[38" not in file.getvalue()  # sixteen colours do
    assert written[True] == written[False]


@pytest.mark.parametrize(
    ("values", "cells", "expected"),
    [
        ((), 8, ""),
        ((0.0, 0.0), 8, "▁▁"),
        ((0.0, 0.5, 1.0), 8, "▁▅█"),
        ((1.0, 0.0, 1.0), 2, "▁█"),
        ((float("nan"), float("inf"), 1.0), 8, "█"),
        ((-1.0, 1.0), 8, "▁█"),
        ((1.0,), 0, ""),
    ],
)
def test_a_sparkline_shows_the_newest_values(values: tuple[float, ...], cells: int, expected: str) -> None:
    assert spark(values, cells) == expected


def test_the_uplink_is_a_row_where_it_is_measured() -> None:
    one = snapshot()
    measured = dataclasses.replace(one, rtt={**one.rtt, Metric.UPLINK_RTT: one.rtt[Metric.TCP_RTT]})
    text = shown(measured, height=40)
    assert "uplink not measured" not in text
    assert "uplink   " in text


def test_an_endpoint_that_failed_is_told_with_its_problem() -> None:
    one = snapshot(endpoints=(endpoint("demo-us", failures=4, phases=(), problem="refused"),))
    assert "  demo-us                –     4/4  refused" in shown(one)


def test_of_several_targets_only_the_simulated_are_called_so() -> None:
    both = [snapshot(), snapshot(target="real")]
    texts = [
        text_of(picture(both, [], Looking(target=name), UTC_CLOCK, width=100, height=30, simulated=["demo"]))
        for name in ("demo", "real")
    ]
    assert ["· simulated ·" in text for text in texts] == [True, False]
