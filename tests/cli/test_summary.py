import json
from dataclasses import replace

from probe.cli.summary import WIDTH, closing_summary, summary_data
from probe.measure.health import Grade
from probe.measure.records import Cause
from probe.model.failures import Blame
from tests.cli.pretend_snapshots import NOW, incident, snapshot, troubled, unknown


def told(*snapshots: object, seconds: float = 3790.0) -> str:
    """The summary with its line breaks undone."""
    return " ".join(" ".join(closing_summary(snapshots, seconds=seconds)).split())  # type: ignore[arg-type]


def test_what_happened_is_told_with_its_figures() -> None:
    text = told(snapshot())
    for words in (
        "Watched for 1 h 3 min.",
        "demo STREAMING: first price after 0.42 s",
        "Available 97.67 % of 1 h 3 min observed (objective 99.00 %). Bad seconds: stalled 1 min 28 s.",
        "Without prices for 1 min 28 s of 1 h 3 min of open market, the longest time 1 min 28 s; 1 candle missed.",
        "1 incident; the longest 1 min 28 s, stalled: no price of EURUSD_otc for 5.2 s while heartbeats go on (likely the broker).",
        "6 connection attempts, 1 failed; 2 disconnects, 2 reconnects.",
        "WebSocket ping p50/p95/p99 41.2 ms/52.3 ms/61.1 ms (of 45, the last 15 minutes at most).",
        "Health EXCELLENT, 92 of 100: the certificate ends soon",
        "Next: Try another region with --region.",
    ):
        assert words in text


def test_nothing_observed_is_said_as_such() -> None:
    text = told(unknown(unobserved_seconds=30.0))
    assert "Nothing was observed, so nothing can be said about availability." in text
    assert "For 30 s nobody looked" in text
    assert "Round trips: not measured" in text
    assert "Health UNKNOWN, no score" in text
    assert "100" not in text
    assert "Without prices" not in text


def test_no_target_is_said_as_such() -> None:
    assert closing_summary((), seconds=1.0)[-1] == "Nothing was watched."


def test_disconnects_are_told_apart_by_whether_they_were_planned() -> None:
    ends = [
        incident(cause=Cause.DISCONNECTED, planned=True, pattern="every 18 min ± 1", blame=Blame.UNKNOWN),
        incident(cause=Cause.DISCONNECTED),
    ]
    assert "2 disconnects (1 planned, 1 not; rhythm: every 18 min ± 1)" in told(
        snapshot(incidents=tuple(ends))
    )


def test_what_is_still_wrong_is_told_with_what_to_do() -> None:
    text = told(troubled())
    assert "2 incidents, 1 not over; the longest" in text
    assert "Alert stream_stalled still fires: no prices for 61 s while the market is open" in text
    assert "Next: Try another region" in text


def test_nothing_to_do_is_not_invented() -> None:
    assert "Next:" not in told(snapshot(availability=0.995))


def test_a_line_is_not_wider_than_a_terminal_and_safe() -> None:
    hostile = "\x1b[2J\u202e" + "very long words " * 20
    lines = closing_summary([troubled(target=hostile, incidents=(incident(sentence=hostile),))], seconds=1.0)
    assert all(line.isprintable() for line in lines)
    assert [line for line in lines[3:] if len(line) > WIDTH] == []


def test_programs_get_the_same_without_the_evidence() -> None:
    data = summary_data([snapshot(), unknown()], began_utc=NOW - 60, ended_utc=NOW)
    again = json.loads(json.dumps(data, allow_nan=False))
    assert list(again)[:3] == ["schema_version", "kind", "at"]
    assert (again["kind"], again["at"], again["seconds"]) == ("summary", "2026-11-21T12:03:05.000Z", 60.0)
    one, other = again["targets"]
    assert (one["target"], one["availability"], one["candles_missed"]) == ("demo", 0.97678, 1)
    assert one["advice"] == "Try another region with --region."
    assert one["score"]["value"] == 92.4
    assert "evidence" not in one["incidents"][0]
    assert (other["availability"], other["score"]["value"], other["advice"]) == (None, None, None)


def test_grade_and_figure_are_said_once() -> None:
    said = "73.0 of 100, GOOD: most is lost by availability"
    score = replace(snapshot().score, value=73.0, grade=Grade.GOOD, sentence=said)
    text = "\n".join(closing_summary([snapshot(score=score)], seconds=1.0))
    assert "Health GOOD, 73 of 100: most is lost by availability" in text
