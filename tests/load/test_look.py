"""What a page shows of a run that goes on."""

from collections.abc import Iterator

import pytest

from probe.load.figures import Figures, Generator, Slice, Ticks
from probe.load.look import MOST_SYMBOLS, RECENT, Look, left_of
from probe.load.plan import SearchBy, SearchPlan
from probe.load.record import RunRecord
from tests.load import made


def played(seconds: int) -> RunRecord:
    record = RunRecord(the_plan := made.plan(), simulated=True)
    for part in made.slices(the_plan, seconds=seconds):
        record.add(part)
    return record


def test_it_says_what_the_record_says() -> None:
    record = played(45)
    told, figures = Look(record).taken(), record.total
    asked = figures.requests["balance"]
    (balance,) = (each for each in told["operations"] if each["name"] == "balance")
    assert (balance["due"], balance["answered"]) == (asked.due, asked.answered)
    for name in ("response", "service", "lateness"):
        whole = getattr(asked, name)
        assert balance[name] == {
            "count": whole.count,
            "p50": whole.quantile(0.5),
            "p99": whole.quantile(0.99),
        }
    assert told["stage"] == {"number": 3, "of": 4, "name": "Reconnect storm"}
    assert [each["symbol"] for each in told["streams"]] == sorted(
        figures.ticks, key=lambda name: -figures.ticks[name].arrived
    )
    assert (told["sessions"]["live"], told["sessions"]["dropped"]) == (
        figures.sessions.live.last,
        figures.sessions.dropped,
    )
    assert {each["name"] for each in told["connect"]["phases"]} == set(figures.connects.phases)
    assert told["verdict"] == record.verdict.word
    assert (left_of(record), told["seconds"]) == (15.0, 45)


def test_nothing_is_said_of_a_run_of_which_nothing_is_known() -> None:
    told = Look(RunRecord(made.plan())).taken()
    assert (told["verdict"], told["stage"], told["operations"], told["streams"]) == (None, None, [], [])
    assert (told["sessions"]["live"], told["connect"]["whole"]["p99"]) == (None, None)


def ticking(second: int, ticks: int, cpu: float) -> Slice:
    figures = Figures(ticks={"EURUSD": Ticks(arrived=ticks)})
    figures.generators["alone"] = Generator(cpu_seconds=cpu, wall_seconds=1.0)
    return Slice(second=second, stage=0, figures=figures)


def rates(ticks: list[int]) -> Iterator[float]:
    record = RunRecord(made.plan())
    look = Look(record)
    for second, count in enumerate(ticks):
        record.add(ticking(second, count, cpu=0.5))
        told = look.taken()
        assert told["generators"][0]["cpu"] == pytest.approx(0.5)
        yield told["streams"][0]["rate"]


def test_a_rate_is_that_of_the_last_seconds_and_not_of_the_whole_run() -> None:
    told = list(rates([10] * 20 + [30] * RECENT))
    assert told[19] == 10
    assert told[-1] == 30
    assert 10 < told[24] < 30


def test_only_the_symbols_of_which_most_came_are_told() -> None:
    record, figures = RunRecord(made.plan()), Figures()
    figures.ticks = {f"S{number:03}": Ticks(arrived=number) for number in range(200)}
    record.add(Slice(second=0, stage=0, figures=figures))
    told = Look(record).taken()
    assert [each["symbol"] for each in told["streams"]] == [f"S{199 - at:03}" for at in range(MOST_SYMBOLS)]
    assert told["more_streams"] == 200 - MOST_SYMBOLS


def test_a_secret_in_what_others_said_is_not_told() -> None:
    record = played(1)
    record.lost_workers["worker 1"] = "it said planted-4471"
    told = Look(record, lambda text: text.replace("planted-4471", "…")).taken()
    assert "planted-4471" not in str(told)


def test_when_a_search_ends_nobody_knows() -> None:
    assert left_of(RunRecord(made.plan(search=SearchPlan(by=SearchBy.USERS, most=10)))) is None
