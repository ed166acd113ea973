import json
import queue
import threading
import unicodedata
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from probe.cli.lines import JsonLines, Lines, percent, safe, span
from probe.cli.output import Lines as Written
from probe.measure.records import (
    Attempt,
    Disconnected,
    Metric,
    Notice,
    Period,
    PhaseTime,
    Recognised,
    Record,
    Sample,
    SessionState,
    Tick,
)
from probe.model.events import Phase
from probe.model.failures import Failure
from probe.model.findings import Certainty
from tests.cli.pretend_snapshots import NOW, STALLED, alert, changed, incident

SAMPLE = Sample(NOW, "demo", "demo-eu", Metric.WS_RTT, 0.0412, False)
TICK = Tick(NOW, "demo", "EURUSD_otc", NOW, 1.0842)
FAILED = Attempt(
    at_utc=NOW,
    target="demo",
    endpoint="demo-us",
    purpose="knock",
    phases=(PhaseTime(phase=Phase.RESOLVING, seconds=0.5),),
    failure=Failure(kind="tcp.timeout"),
)
SUCCEEDED = Attempt(at_utc=NOW, target="demo", endpoint="demo-eu", purpose="hold")
DISCONNECTED = Disconnected(
    at_utc=NOW,
    target="demo",
    endpoint="demo-eu",
    lasted_seconds=1080.0,
    initiator="remote",
    close_code=1000,
    planned=True,
    failure=Failure(kind="session.goodbye"),
)
NOTICE = Notice(at_utc=NOW, code="store.disk-full", sentence="The disk is full: free some space.")


def lines_of(*records: Record, color: bool = False, verbose: bool = False) -> list[str]:
    """Without the line that says the day."""
    written: list[str] = []
    lines = Lines(written.append, color=color, verbose=verbose, utc=lambda: NOW)
    for record in records:
        lines.note(record)
    assert written[:1] in ([], ["2026-11-21 UTC"])
    return written[1:]


def test_a_state_is_told_with_its_time_target_sentence_and_endpoint() -> None:
    assert lines_of(changed()) == ["12:03:05Z demo  STREAMING     first price after 0.42 s (demo-eu)"]


def test_samples_ticks_and_periods_are_silent() -> None:
    assert lines_of(SAMPLE, TICK, Period(began_utc=NOW, seconds=60.0, target="demo")) == []


def test_attempts_are_told_when_they_failed_or_when_all_are_wanted() -> None:
    failed = "12:03:05Z demo  ATTEMPT       knock of demo-us failed after 0.50 s: the host did not answer the connection attempt"
    assert lines_of(FAILED, SUCCEEDED) == [failed]
    assert lines_of(SUCCEEDED, verbose=True) == [
        "12:03:05Z demo  ATTEMPT       hold of demo-eu succeeded in 0 s"
    ]


def test_the_end_of_an_incident_names_the_first_verdict_only_if_that_says_more_than_the_code() -> None:
    same, other = (
        Recognised(code=code, certainty=Certainty.LIKELY, says="this machine slept", at_utc=NOW)
        for code in (incident().code, "host.suspend-resume")
    )
    plain, told, later = lines_of(
        incident(verdicts=(same, other)), incident(verdicts=(other, same)), incident(verdicts=())
    )
    assert told == f"{plain}; likely: this machine slept [host.suspend-resume]"
    assert plain == later


def test_an_incident_is_told_with_its_blame_and_advice_and_at_its_end_with_its_cost() -> None:
    opened, closed = lines_of(incident(ended_utc=None), incident())
    assert opened == (
        "12:03:05Z demo  INCIDENT      stalled since 11:53:05Z: no price of EURUSD_otc for 5.2 s while heartbeats go on "
        "(likely the broker). Try another region with --region."
    )
    assert closed == (
        "12:03:05Z demo  INCIDENT      stalled: over since 11:54:33Z after 1 min 28 s, blind for 1 min 28 s, 1 candle missed: "
        "no price of EURUSD_otc for 5.2 s while heartbeats go on"
    )


def test_an_alert_is_told_with_value_and_threshold_when_it_fires_and_when_it_is_resolved() -> None:
    fired, resolved = lines_of(alert(), alert(resolved_utc=NOW + 10))
    assert fired == (
        "12:02:45Z demo  FIRING        page stream_stalled: no prices for 61 s while the market is open "
        "(value 61, threshold 60)"
    )
    assert "RESOLVED      page stream_stalled" in resolved
    assert resolved.endswith("(value 61, threshold 60) after 30 s")


def test_a_disconnect_says_who_when_and_whether_it_was_planned() -> None:
    assert lines_of(DISCONNECTED) == [
        "12:03:05Z demo  DISCONNECTED  demo-eu after 18 min by the server (planned, code 1000): "
        "the server ended the session (41 or its Engine.IO equivalent)"
    ]


def test_a_notice_without_a_target_is_the_monitors() -> None:
    assert lines_of(NOTICE) == [
        "12:03:05Z monitor  NOTICE        store.disk-full: The disk is full: free some space."
    ]


def test_the_day_is_told_when_it_changes_and_only_then() -> None:
    written: list[str] = []
    lines = Lines(written.append, color=False)
    for at in (NOW, NOW + 1, NOW + 86_400):
        lines.note(changed(at_utc=at))
    assert [each for each in written if each.endswith("UTC")] == ["2026-11-21 UTC", "2026-11-22 UTC"]


@pytest.mark.parametrize("state", SessionState, ids=lambda state: state.value)
def test_colours_only_when_asked(state: SessionState) -> None:
    condition = changed().condition
    one = changed(condition=type(condition)(state=state))
    (plain,), (colored,) = lines_of(one), lines_of(one, color=True)
    assert "\x1b" not in plain
    assert f" {state.value.upper()} " in plain
    assert ("\x1b[3" in colored) == (state is not SessionState.IDLE)


HOSTILE = "a\x1b[2Jb\r\nc\x07\u202ed\u200be\u0301\u0335\u0336\u05d0\ufefff\x9b31m"


def test_nothing_a_server_says_breaks_a_line() -> None:
    (line,) = lines_of(changed(condition=type(STALLED)(sentence=HOSTILE * 500)))
    assert line.isprintable()
    assert len(line) < 600
    assert safe("a\x1b\x07\rb") == "a�b"


def test_every_character_that_is_shown_takes_the_cells_that_are_counted() -> None:
    strange = [
        hex(point)
        for point in (*range(0x20000), *range(0xE0000, 0xE0200))
        if (shown := safe(chr(point)))
        and (
            not shown.isprintable()
            or cell_len(shown) == 0
            or unicodedata.bidirectional(shown[0]) in ("R", "AL", "AN")
            or safe(shown) != shown
        )
    ]
    assert strange == []


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: span(0), "0 s"),
        (lambda: span(0.42), "0.42 s"),
        (lambda: span(5.2), "5.2 s"),
        (lambda: span(59.96), "1 min"),
        (lambda: span(90), "1 min 30 s"),
        (lambda: span(3599.7), "1 h"),
        (lambda: span(93_600), "1 d 2 h"),
        (lambda: span(float("inf")), "–"),
        (lambda: percent(0.999999), "99.99 %"),
        (lambda: percent(1.0), "100.00 %"),
        (lambda: percent(0.57), "57.00 %"),
        (lambda: percent(None), "not measured"),
    ],
)
def test_figures_are_not_rounded_into_something_better(make: Callable[[], str], expected: str) -> None:
    assert make() == expected


def test_json_has_one_object_for_each_record_that_any_stream_takes() -> None:
    written: list[str] = []
    lines = JsonLines(written.append)
    for record in (changed(), SAMPLE, TICK, NOTICE, incident(sentence="ö\ud800\n")):
        lines.note(record)
    told = [json.loads(line) for line in written]
    assert [list(each)[:3] for each in told] == [["schema_version", "kind", "at"]] * 5
    assert [each["kind"] for each in told] == ["state", "sample", "tick", "notice", "incident"]
    assert all(line.isascii() and "\n" not in line for line in written)
    assert told[4]["sentence"] == "ö\ud800\n"


def test_json_leaves_samples_and_ticks_out_when_asked() -> None:
    written: list[str] = []
    lines = JsonLines(written.append, samples=False)
    for record in (SAMPLE, TICK, NOTICE):
        lines.note(record)
    assert [json.loads(line)["kind"] for line in written] == ["notice"]


def test_json_knows_no_infinity() -> None:
    written: list[str] = []
    JsonLines(written.append).note(SAMPLE._replace(value=float("inf")))
    assert json.loads(written[0])["value"] is None
    assert "Infinity" not in written[0]


def test_lines_that_nobody_reads_are_lost_and_counted_and_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, reads = queue.SimpleQueue[str](), threading.Event()

    def echo(line: str, *, color: bool | None) -> None:
        taken.put(line)
        reads.wait()

    monkeypatch.setattr("click.echo", echo)
    written = Written(print, size=2)
    written.say("1")
    assert taken.get(timeout=5) == "1"
    for line in "2345":
        written.say(line)
    assert (written.take_lost(), written.close(0.01)) == (0, False)  # there is no room to tell it
    reads.set()
    assert (taken.get(timeout=5), taken.get(timeout=5)) == ("2", "3")
    assert written.close(5)
    assert (written.take_lost(), written.take_lost()) == (2, 0)


def test_what_cannot_be_written_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    def echo(*_: object, **__: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("click.echo", echo)
    told: list[OSError] = []
    written = Written(told.append)
    written.say("1")
    written.say("2")
    assert written.close(5)
    assert [type(each) for each in told] == [BrokenPipeError]
