from collections.abc import Callable
from dataclasses import replace

import pytest

from probe.catalogue import entries
from probe.load.figures import Connects, Figures, Generator, Requests, Sessions, Ticks
from probe.load.mergeable import Level
from probe.load.plan import LoadPlan, Scenario, Stage
from probe.load.verdict import RULES, SLUGS, Around, Busy, judge
from probe.measure.histogram import Histogram

PLAN = LoadPlan(
    run="r",
    broker="pocketoption",
    url="ws://127.0.0.1:1/",
    users=10,
    rate=100.0,
    scenario=Scenario(name="s", title="", stages=(Stage(name="One", seconds=10),)),
)
AROUND = Around(seconds=10, wanted=1000.0)


def sound() -> Figures:
    return Figures(
        requests={
            "balance": Requests(
                due=1000,
                sent=1000,
                answered=1000,
                service=Histogram.of([0.02] * 100),
                response=Histogram.of([0.02] * 100),
            )
        },
        ticks={"EURUSD": Ticks(arrived=1000)},
        connects=Connects(begun=10, opened=10),
        sessions=Sessions(live=Level(10, 0, 10)),
        generators={
            "w-1": Generator(
                cpu_seconds=8.9,
                wall_seconds=10.0,
                lag=Histogram.of([0.001] * 100),
                lateness=Histogram.of([0.001] * 100),
                handles=Level(80, 10, 89),
                handle_limit=Level(100, 100, 100),
                ports=Level(80, 10, 89),
                port_limit=Level(100, 100, 100),
            )
        },
    )


def generator(figures: Figures) -> Generator:
    return figures.generators["w-1"]


def busy(figures: Figures) -> None:
    generator(figures).cpu_seconds = 9.0


def lagging(figures: Figures) -> None:
    generator(figures).lag = Histogram.of([0.001] * 98 + [0.03] * 2)


def late(figures: Figures) -> None:
    generator(figures).lateness = Histogram.of([0.001] * 98 + [0.011] * 2)
    figures.requests["balance"].response = Histogram.of([0.02] * 98 + [0.031] * 2)


def packed(figures: Figures) -> None:
    generator(figures).machine_seconds, generator(figures).others_seconds = 20.0, 10.7


def many_handles(figures: Figures) -> None:
    generator(figures).handles = Level(5, 5, 90)


def many_ports(figures: Figures) -> None:
    generator(figures).ports = Level(5, 5, 90)


def dropped(figures: Figures) -> None:
    generator(figures).dropped_samples = 1


def unsent(figures: Figures) -> None:
    generator(figures).unsent = 11


def capped(figures: Figures) -> None:
    generator(figures).refused = {"rate": 3}


def clock_set(figures: Figures) -> None:
    generator(figures).clock_steps = 1


def too_slow(figures: Figures) -> None:
    figures.requests["balance"].due = 949


def nothing(figures: Figures) -> None:
    figures.requests["balance"] = Requests(due=1000)
    figures.ticks, figures.connects = {}, Connects(begun=10, opened=9)


CASES: dict[str, tuple[Callable[[Figures], None], Around, str]] = {
    "nothing-measured": (nothing, AROUND, "Only 9 things (answers, ticks, connects)"),
    "worker-lost": (lambda _: None, replace(AROUND, lost={"w-2": "it went silent"}), "W-2 was lost (it went silent)"),
    "other-version": (lambda _: None, replace(AROUND, refused={"w-2": "0.9"}), "W-2 runs version 0.9"),
    "cpu": (busy, AROUND, "W-1 used 90% of a core over the whole run"),
    "loop-lag": (lagging, AROUND, "W-1 read 29.9 ms late in 1 of 100 moments, and 1 ms in 1 of 10 (more than 25 ms"),
    "send-lateness": (late, AROUND, "W-1 sent 11 ms later than due in 1 of 100 cases (more than 10 ms"),
    "machine-full": (packed, AROUND, "The machine of w-1 was 98% busy, with the server on it"),
    "rate-not-reached": (too_slow, AROUND, "949 messages were asked where the plan wanted 1000"),
    "unsent": (unsent, AROUND, "11 of 1000 messages were due when no session was live"),
    "caps": (capped, AROUND, "The cap on rate stopped 3"),
    "file-handles": (many_handles, AROUND, "W-1 had 90 of 100 file handles open"),
    "local-ports": (many_ports, AROUND, "90 of 100 local ports"),
    "samples-dropped": (dropped, AROUND, "could not keep 1 samples"),
    "clock-set": (clock_set, AROUND, "clock of the machine of w-1 was set"),
}  # fmt: skip


def test_every_rule_has_its_case() -> None:
    assert CASES.keys() == RULES.keys()


def test_a_run_just_below_every_limit_is_valid() -> None:
    figures = sound()
    generator(figures).unsent = 10
    figures.requests["balance"].due = 1000
    around = replace(AROUND, wanted=1052.0, busiest={"w-1": Busy(share=0.89, second=3)})
    verdict = judge(figures, PLAN, around)
    assert verdict.reasons == ()
    assert (verdict.is_valid, verdict.word) == (True, "VALID")
    assert verdict.headline.startswith("VALID: ")


@pytest.mark.parametrize("code", CASES)
def test_what_spoils_a_run_is_said_alone_and_in_words(code: str) -> None:
    spoil, around, said = CASES[code]
    figures = sound()
    spoil(figures)
    verdict = judge(figures, PLAN, around)
    assert [each.code for each in verdict.reasons] == [code]
    sentence = verdict.reasons[0].sentence
    assert said in sentence
    assert sentence.endswith(".")
    assert (verdict.is_valid, verdict.word) == (False, "INVALID")
    assert verdict.headline == f"INVALID: the figures are not the server's. {sentence}"


def test_lateness_that_does_not_show_in_what_people_are_shown_spoils_nothing() -> None:
    figures = sound()
    late(figures)
    figures.requests["balance"].response = Histogram.of([0.02] * 98 + [0.022] * 2)
    assert judge(figures, PLAN, AROUND).is_valid
    generator(figures).lateness = Histogram.of([0.001] * 98 + [0.11] * 2)
    assert [each.code for each in judge(figures, PLAN, AROUND).reasons] == ["send-lateness"]


def test_prices_that_come_twice_a_second_are_not_spoilt_by_what_would_spoil_answers() -> None:
    figures = sound()
    figures.requests = {}
    figures.ticks["EURUSD"].gap = Histogram.of([0.5] * 100)
    generator(figures).lag = Histogram.of([0.001] * 98 + [0.045] * 2)
    plan = replace(PLAN, rate=None)
    assert judge(figures, plan, AROUND).is_valid
    generator(figures).lag = Histogram.of([0.001] * 98 + [0.06] * 2)
    assert [each.code for each in judge(figures, plan, AROUND).reasons] == ["loop-lag"]


@pytest.mark.parametrize(
    ("own", "others", "advice"),
    [
        (6.0, 15.0, "Give it a core of its own, use more workers, or less load."),
        (
            0.5,
            15.0,
            "It used 5% of a core itself; everything else on its machine took 75% of all processors: run it where",
        ),
        (
            0.5,
            1.0,
            "It used 5% of a core itself, so it is not the load: run it longer, or where less else runs.",
        ),
    ],
)
def test_what_to_do_about_lateness_depends_on_who_had_the_processor(
    own: float, others: float, advice: str
) -> None:
    figures = sound()
    lagging(figures)
    spoilt = generator(figures)
    spoilt.cpu_seconds, spoilt.machine_seconds, spoilt.others_seconds = own, 20.0, others
    assert advice in judge(figures, PLAN, AROUND).reasons[0].sentence


@pytest.mark.parametrize(
    ("own", "others", "slug"),
    [
        (6.0, 15.0, "load.generator-saturated"),
        (0.5, 15.0, "host.cpu-starved"),
        (0.5, 1.0, "host.event-loop-blocked"),
    ],
)
@pytest.mark.parametrize("spoil", [lagging, late])
def test_lateness_has_the_catalogues_name_of_whoever_had_the_processor(
    spoil: Callable[[Figures], None], own: float, others: float, slug: str
) -> None:
    figures = sound()
    spoil(figures)
    spoilt = generator(figures)
    spoilt.cpu_seconds, spoilt.machine_seconds, spoilt.others_seconds = own, 20.0, others
    assert judge(figures, PLAN, AROUND).reasons[0].slug == slug


def test_a_rate_that_was_not_reached_is_the_generators_unless_others_had_its_processor() -> None:
    figures = sound()
    too_slow(figures)
    assert judge(figures, PLAN, AROUND).reasons[0].slug == "load.generator-saturated"
    spoilt = generator(figures)
    spoilt.cpu_seconds, spoilt.machine_seconds, spoilt.others_seconds = 1.0, 20.0, 15.0
    assert judge(figures, PLAN, AROUND).reasons[0].slug == "host.cpu-starved"


def test_each_name_is_the_catalogues() -> None:
    assert set(SLUGS.values()) <= entries().keys()


@pytest.mark.parametrize(
    ("kind", "code", "said"),
    [
        ("host.fd-limit", "file-handles", "5 connects got no file handle."),
        ("host.no-ports", "local-ports", "5 connects got no local port."),
    ],
)
def test_connects_for_which_this_machine_had_nothing_left_are_told_however_few_were_counted(
    kind: str, code: str, said: str
) -> None:
    figures = sound()
    figures.connects.failed[kind] = 5
    (reason,) = judge(figures, PLAN, AROUND).reasons
    assert reason.code == code
    assert reason.sentence.startswith(said)


def test_how_busy_this_machine_is_spoils_nothing_about_a_server_on_another() -> None:
    figures = sound()
    packed(figures)
    assert judge(figures, replace(PLAN, url="ws://load.example/"), AROUND).is_valid


def test_a_run_in_which_nobody_came_in_says_that_and_why() -> None:
    figures = sound()
    figures.requests = {"balance": Requests(due=500, failed={"not-live": 500})}
    figures.connects = Connects(begun=40, failed={"tcp.refused": 40})
    (reason,) = judge(figures, replace(PLAN, rate=None), AROUND).reasons
    assert reason.code == "nothing-measured"
    assert reason.sentence.startswith(
        "No session was ever live: none of 40 connects came through (40 tcp.refused)."
    )


def test_five_busy_seconds_are_enough() -> None:
    (reason,) = judge(sound(), PLAN, replace(AROUND, busiest={"w-1": Busy(share=0.93, second=3)})).reasons
    assert reason.sentence.startswith("W-1 used 93% of a core in the five seconds from second 3")


def test_the_only_process_is_called_the_generator() -> None:
    figures = sound()
    busy(figures)
    figures.generators = {"alone": generator(figures)}
    assert judge(figures, PLAN, AROUND).reasons[0].sentence.startswith("The generator used 90% of a core")


def test_a_slow_server_forgives_a_lateness_that_does_not_show() -> None:
    figures = sound()
    late(figures)
    figures.requests["balance"].service = Histogram.of([0.2] * 100)
    assert judge(figures, PLAN, AROUND).is_valid


@pytest.mark.parametrize(
    "explained",
    [
        lambda figures: figures.sessions.lost.update({"server.closed": 1}),
        lambda figures: figures.connects.failed.update({"tcp.refused": 1}),
        lambda figures: setattr(figures.sessions, "dropped", 1),
    ],
    ids=["lost", "not opened", "dropped by us"],
)
def test_messages_without_a_session_are_not_the_generators_where_sessions_were_lost(
    explained: Callable[[Figures], None],
) -> None:
    figures = sound()
    unsent(figures)
    explained(figures)
    assert judge(figures, PLAN, AROUND).is_valid


def test_a_closed_model_has_no_rate_to_reach() -> None:
    figures = sound()
    unsent(figures)
    too_slow(figures)
    assert judge(figures, replace(PLAN, rate=None), AROUND).is_valid


def test_a_server_that_fails_everything_makes_no_run_invalid() -> None:
    figures = sound()
    figures.requests["balance"] = Requests(due=1000, sent=1000, failed={"expired": 1000})
    figures.ticks = {}
    assert judge(figures, PLAN, AROUND).is_valid


def test_the_headline_says_that_there_is_more() -> None:
    figures = sound()
    busy(figures)
    dropped(figures)
    assert judge(figures, PLAN, AROUND).headline.endswith("(and 1 more)")
