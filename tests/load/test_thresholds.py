import pytest

from probe.load.figures import Connects, Figures, Requests, Sessions, Ticks
from probe.load.plan import Measured, Threshold
from probe.load.thresholds import KINDS, ThresholdResult, abort_now, evaluate, read_threshold
from probe.measure.histogram import Histogram
from probe.model.errors import ConfigError

HUNDRED = Histogram.of([each / 100 for each in range(1, 101)])
FIGURES = Figures(
    requests={
        "balance": Requests(due=100, answered=99, failed={"expired": 1}, response=HUNDRED, service=HUNDRED),
        "candles": Requests(due=100, answered=50, failed={"expired": 50}),
    },
    ticks={"EURUSD": Ticks(arrived=180, gap=HUNDRED, staleness=HUNDRED)},
    connects=Connects(begun=200, opened=198, failed={"tcp.refused": 2}, whole=HUNDRED),
    sessions=Sessions(lost={"server.closed": 2}, beats_sent=1000, beats_missed=1, recovery=HUNDRED),
)


@pytest.mark.parametrize(
    ("text", "measured", "of", "quantile", "is_most", "is_strict", "limit"),
    [
        ("response p99 < 250ms", Measured.RESPONSE, None, 0.99, True, True, 0.25),
        ("response:balance p95 <= 0.1", Measured.RESPONSE, "balance", 0.95, True, False, 0.1),
        ("connect-success >= 99%", Measured.CONNECT_SUCCESS, None, None, False, False, 0.99),
        ("tick-gap p99 < 2s", Measured.TICK_GAP, None, 0.99, True, True, 2.0),
        ("tick-gap:EUR/USD max<1m30s", Measured.TICK_GAP, "EUR/USD", 1.0, True, True, 90.0),
        ("missed-beats <= 0.1%", Measured.MISSED_BEATS, None, None, True, False, 0.001),
        ("lost-sessions <= 0", Measured.LOST_SESSIONS, None, None, True, False, 0),
        ("tick-rate >= 1.8", Measured.TICK_RATE, None, None, False, False, 1.8),
        ("  Service P99.9 <= 1 s ", Measured.SERVICE, None, 0.999, True, False, 1.0),
    ],
)
def test_thresholds_are_read_as_people_write_them(
    text: str,
    measured: Measured,
    of: str | None,
    quantile: float | None,
    is_most: bool,
    is_strict: bool,
    limit: float,
) -> None:
    assert read_threshold(text) == Threshold(
        measured=measured,
        of=of,
        quantile=quantile,
        is_most=is_most,
        is_strict=is_strict,
        limit=limit,
        text=text.strip(),
    )


@pytest.mark.parametrize("measured", Measured)
def test_the_examples_of_everything_that_is_measured_can_be_read(measured: Measured) -> None:
    for example in KINDS[measured].example.split(", or "):
        assert read_threshold(example).measured is measured


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("respons p99 < 1s", "did you mean 'response'"),
        ("response < 1s", "does not say which percentile. Write it like response p99 < 250ms"),
        ("lost-sessions p99 < 1", "lost-sessions has no percentiles"),
        ("response p199 < 1s", "p199 is no percentile"),
        ("response pfast < 1s", "pfast is no percentile"),
        ("response p99 < quick", "'quick' is no limit"),
        ("response p99 < -1s", "'-1s' is no limit"),
        ("response p99 <", "'' is no limit"),
        ("connect-success >= 99", "'99' is no limit for it. Write it like connect-success >= 99%"),
        ("lost-sessions <= 0.5", "'0.5' is no limit"),
        ("lost-sessions:balance <= 0", "measured of all together"),
        ("response p99", "is no threshold"),
        ("", "is no threshold"),
    ],
)
def test_what_is_wrong_is_said_with_how_it_is_written(text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=r".") as refused:
        read_threshold(text)
    assert said in str(refused.value)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "value", "samples", "holds"),
    [
        ("response p50 <= 0.6", 0.5, 100, True),
        ("response p99 < 250ms", 0.99, 100, False),
        ("response:candles p99 < 250ms", None, 0, None),
        ("response:nothing p99 < 250ms", None, 0, None),
        ("service p50 <= 0.6", 0.5, 100, True),
        ("tick-gap max <= 1s", 1.0, 100, True),
        ("tick-gap max < 1s", 1.0, 100, False),
        ("staleness:EURUSD p100 < 2s", 1.0, 100, True),
        ("staleness:GBPUSD p100 < 2s", None, 0, None),
        ("connect max < 2s", 1.0, 100, True),
        ("recovery max < 2s", 1.0, 100, True),
        ("connect-success >= 99%", 0.99, 200, True),
        ("connect-success > 99%", 0.99, 200, False),
        ("answered >= 99%", 0.745, 200, False),
        ("answered:balance >= 99%", 0.99, 100, True),
        ("missed-beats <= 0.1%", 0.001, 1000, True),
        ("lost-sessions <= 1", 2, 198, False),
        ("tick-rate >= 1.8", 1.8, 180, True),
        ("tick-rate > 2", 1.8, 180, False),
    ],
)
def test_a_threshold_is_held_against_the_figures(
    text: str, value: float | None, samples: int, holds: bool | None
) -> None:
    (result,) = evaluate([read_threshold(text)], FIGURES)
    assert result.value == (None if value is None else pytest.approx(value, rel=0.01))
    assert (result.samples, result.holds) == (samples, holds)


@pytest.mark.parametrize("measured", Measured)
def test_without_data_nothing_holds_and_nothing_is_broken(measured: Measured) -> None:
    for example in KINDS[measured].example.split(", or "):
        (result,) = evaluate([read_threshold(example)], Figures())
        assert (result.value, result.holds) == (None, None)
        assert str(result) == f"{example}: not measured"


def test_a_result_says_what_it_was_and_of_how_many() -> None:
    held, broken = evaluate(
        [read_threshold("connect-success >= 99%"), read_threshold("response max < 0.5")], FIGURES
    )
    assert str(held) == "connect-success >= 99%: held, it was 99% (of 200)"
    assert str(broken) == "response max < 0.5: broken, it was 1s (of 100)"


def result(*, aborts: bool, grace: float, value: float | None) -> ThresholdResult:
    threshold = Threshold(
        measured=Measured.CONNECT,
        quantile=0.5,
        is_most=True,
        limit=1.0,
        text="",
        abort_on_fail=aborts,
        grace=grace,
    )
    return ThresholdResult(threshold=threshold, value=value, samples=1)


def test_a_run_is_aborted_by_a_broken_threshold_that_says_so_once_its_grace_is_over() -> None:
    broken = result(aborts=True, grace=10.0, value=2.0)
    others = [
        result(aborts=False, grace=0.0, value=2.0),
        result(aborts=True, grace=0.0, value=None),
        result(aborts=True, grace=0.0, value=0.5),
    ]
    assert abort_now([*others, broken], 9.9) is None
    assert abort_now([*others, broken], 10.0) is broken
    assert abort_now(others, 1000.0) is None
