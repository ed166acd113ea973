"""When a judge tells its onlooker what happens, and when it asks for verdicts."""

from probe.measure.incidents import GOOD_FOR_SECONDS
from probe.measure.records import Incident, Recognised, Trigger
from probe.model.endpoint import Endpoint
from probe.model.events import Ended, Event, Phase, QuoteArrived, RequestExpired, Traffic
from probe.model.failures import Failure
from probe.model.findings import Certainty
from tests.measure.watched import ASKED, HERE, SYMBOL, Played

HOUR = 3600.0


class Onlooker:
    def __init__(self) -> None:
        self.events: list[Event] = []
        self.failures: list[Failure] = []
        self.asked_at: list[float] = []
        self.well = 0
        self.codes: tuple[str, ...] | None = ()

    def dialling(self, at: float, endpoint: Endpoint) -> None:
        self.events.clear()

    def event(self, event: Event) -> None:
        self.events.append(event)

    def failed(self, at: float, failure: Failure) -> None:
        self.failures.append(failure)

    def all_is_well(self) -> None:
        self.well += 1

    def verdicts(self, now: float) -> tuple[Recognised, ...] | None:
        self.asked_at.append(now)
        return None if self.codes is None else tuple(map(recognised, self.codes))


def recognised(code: str) -> Recognised:
    return Recognised(code=code, certainty=Certainty.LIKELY, says=f"it is {code}", at_utc=0.0)


def played() -> tuple[Played, Onlooker]:
    onlooker = Onlooker()
    return Played(onlooker=onlooker), onlooker


def codes(incident: Incident) -> list[str]:
    return [each.code for each in incident.verdicts]


def test_while_all_is_well_the_onlooker_is_told_nothing() -> None:
    one, onlooker = played()
    one.stream(5.0)
    onlooker.events.clear()
    one.pass_time(60.0, ticking=[SYMBOL])
    one.beat()
    assert (onlooker.events, onlooker.asked_at, onlooker.well) == ([], [], 1)


def test_a_connection_is_told_from_its_beginning_until_it_has_proved_good() -> None:
    one, onlooker = played()
    one.stream(0.0)
    assert [type(each).__name__ for each in onlooker.events][:3] == [
        "Upgraded",
        "PhaseFinished",
        "PhaseFinished",
    ]


def test_of_a_session_that_was_well_the_end_is_told_before_it_is_judged() -> None:
    one, onlooker = played()
    one.stream(5.0)
    onlooker.events.clear()
    one.end("session.closed-1006")
    assert [type(each) for each in onlooker.events] == [Ended]
    assert onlooker.asked_at == [one.now]


def test_what_may_be_odd_is_told_at_once_and_prices_from_then_on() -> None:
    one, onlooker = played()
    one.stream(5.0)
    onlooker.events.clear()
    expired = RequestExpired(at=one.now, request=2, intent=ASKED, sent_at=one.now - 10.0)
    one.hear(expired)
    one.pass_time(2.0, ticking=[SYMBOL])
    assert onlooker.events[0] == expired
    assert QuoteArrived in {type(each) for each in onlooker.events}


def test_an_incident_carries_its_verdicts_when_it_opens_and_when_it_ends() -> None:
    one, onlooker = played()
    one.stream(5.0)
    onlooker.codes = ("session.tcp-reset",)
    one.end("session.closed-1006")
    one.pass_time(2.0)
    one.stream(GOOD_FOR_SECONDS + 1.0)
    told = one.of(Incident)
    assert [(codes(each), each.code, each.ended_utc is None) for each in told] == [
        (["session.tcp-reset"], "session.closed-1006", True),
        (["session.tcp-reset"], "session.closed-1006", False),
    ]


def test_it_is_judged_again_as_it_goes_on_and_of_a_long_one_seldom() -> None:
    one, onlooker = played()
    one.stream(5.0)
    one.end("session.closed-1006")
    began = one.now
    one.pass_time(HOUR)
    waits = [
        later - earlier for earlier, later in zip(onlooker.asked_at, onlooker.asked_at[1:], strict=False)
    ]
    assert onlooker.asked_at[0] == began
    assert len(waits) < 14
    assert waits == sorted(waits)


def test_it_is_told_again_when_it_has_another_name_and_not_else() -> None:
    one, onlooker = played()
    one.stream(5.0)
    one.end("session.closed-1006")
    one.pass_time(10.0)
    assert len(one.of(Incident)) == 1
    onlooker.codes = ("host.suspend-resume",)
    one.pass_time(20.0)
    assert [codes(each) for each in one.of(Incident)] == [[], ["host.suspend-resume"]]


def test_when_there_is_no_time_for_it_it_is_judged_a_second_later() -> None:
    one, onlooker = played()
    one.stream(5.0)
    onlooker.codes = None
    one.end("session.closed-1006")
    one.pass_time(3.0)
    assert [at - onlooker.asked_at[0] for at in onlooker.asked_at] == [0.0, 1.0, 2.0, 3.0]
    onlooker.codes = ("session.tcp-reset",)
    one.pass_time(1.0)
    assert codes(one.of(Incident)[-1]) == ["session.tcp-reset"]


def test_why_an_attempt_came_to_nothing_is_told_though_nobody_told_its_events() -> None:
    one, onlooker = played()
    one.watch.dialling(one.now, HERE, Trigger.START)
    failure = Failure(kind="tcp.refused")
    one.watch.waiting(one.now, one.now + 1.0, failure)
    assert onlooker.failures == [failure]


def test_the_beats_of_a_session_that_is_over_are_not_forgotten() -> None:
    one, _ = played()
    one.stream(5.0)
    assert one.watch.vitals is not None
    one.watch.vitals.peer_beats = 3
    one.hear(Ended(at=one.now, phase=Phase.LIVE, failure=None, traffic=Traffic()))
    assert one.watch.tries.peer_beats == 3
