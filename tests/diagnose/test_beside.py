"""A second cause does not hide the first, nor speak for it."""

from dataclasses import replace

from probe.catalogue import entries
from probe.diagnose.answers import told_as
from probe.diagnose.case import Case, Clock, End, Handshake, Host, Looks, Past, Try
from probe.diagnose.diagnose import diagnose
from probe.diagnose.rules import RULES
from probe.measure.clocks import ClockOffset
from probe.model.events import Phase, RequestAnswered, RequestExpired, Surprise
from probe.model.failures import Answer, Failure, Seen
from probe.model.findings import Certainty, Sign, State
from probe.model.intents import AskHistory, Watch
from probe.model.meanings import Joined
from tests.diagnose.test_session import PONG, SYMBOL, look_at, ticks
from tests.diagnose.test_upgrade import looked

HISTORY = AskHistory(symbol=SYMBOL, period=60, until=1.0, span=300, index=1)
ANSWERED = RequestAnswered(at=0.3, request=2, intent=Watch(symbol=SYMBOL), answer=Joined(), sent_at=0.2)
HAMMERED = Past(seconds=3600.0, tries=tuple(Try(ago_seconds=20.0 + each) for each in range(30)))


def named(case: Case) -> dict[str, Certainty]:
    verdicts = diagnose(case, RULES).verdicts
    return {each.code: each.certainty for each in verdicts if each.state is not State.HEALTHY}


def test_what_is_said_beside_a_verdict_is_not_called_excluded_in_it() -> None:
    code = "session.half-open"
    other, *more = entries()[code].look_alikes
    sign = Sign(evidence=("seen",), excluded=dict.fromkeys((other, *more), "observed"))
    both = diagnose(Case(), {code: lambda _: sign, other: lambda _: Sign(evidence=("seen, too",))}).verdicts
    alone = diagnose(Case(), {code: lambda _: sign}).verdicts
    one = next(each for each in both if each.code == code)
    assert (set(one.excluded), set(alone[0].excluded)) == ({*more}, {other, *more})
    assert one.certainty is alone[0].certainty is Certainty.CERTAIN


def test_prices_that_are_off_by_as_much_as_our_own_clock_are_right() -> None:
    def offset(skew: float) -> Looks:
        clock = ClockOffset(zone_seconds=0.0, skew_seconds=skew, uncertainty_seconds=0.1, samples=60)
        return Looks(first=replace(look_at(*ticks(30.0)), clock=clock))

    another = (Clock(source="another.test", offset_seconds=-200.0, uncertainty_seconds=0.6),)
    stepped = Host(clock_jump_seconds=-90.0, slept_seconds=0.0)
    assert "data.clock-offset" not in named(Case(looks=offset(200.0), clocks=another))
    assert "data.clock-offset" not in named(Case(looks=offset(90.0), host=stepped))
    assert "data.clock-offset" in named(Case(looks=offset(361.0), clocks=another))
    assert "data.clock-offset" in named(Case(looks=offset(200.0), host=stepped))


def test_another_protocol_is_no_ban_however_often_it_was_tried() -> None:
    ssh = looked(Failure(kind="http.not-http", seen=Seen(first_bytes="SSH-2.0-OpenSSH_9.6")), past=HAMMERED)
    bare = looked(Failure(kind="http.not-http"), past=HAMMERED)
    assert (told_as(ssh), told_as(bare)) == ("http.not-http", "http.ban-disguised")


def test_a_block_at_the_edge_does_not_hang_on_the_clock() -> None:
    def refused(*headers: tuple[str, str]) -> State:
        answer = Answer(status=403, headers=headers, body="no")
        case = looked(Failure(kind="http.other-status", http_status=403, seen=Seen(answer=answer)))
        off = (Clock(source="another.test", offset_seconds=-200.0, uncertainty_seconds=0.6),)
        verdicts = diagnose(replace(case, clocks=off), RULES).verdicts
        return next(each.state for each in verdicts if each.code == "host.clock-wrong")

    assert (refused(("server", "cloudflare")), refused()) == (State.DEGRADED, State.FAILED)


def test_after_a_sleep_a_failed_handshake_may_be_well_already() -> None:
    slept = Host(slept_seconds=3600.0, clock_jump_seconds=3600.0)
    failed = Handshake(how="as usual", seconds=0.1, failure=Failure(kind="tls.eof-in-handshake"))

    def state(case: Case) -> State:
        verdicts = diagnose(case, RULES).verdicts
        return next(each.state for each in verdicts if each.code == "host.suspend-resume")

    assert state(Case(host=slept, handshakes=(failed,))) is State.UNKNOWN
    assert state(Case(host=slept)) is State.DEGRADED


def test_an_unanswered_request_is_told_though_the_session_ended_later_and_less_surely() -> None:
    lost = RequestExpired(request=1, at=9.0, intent=HISTORY, sent_at=1.0)

    def said(failure: Failure | None) -> Certainty | None:
        look = look_at(*ticks(10.0), ANSWERED, lost, seconds=10.0, failure=failure)
        return named(Case(looks=Looks(first=look))).get("session.request-no-reply")

    assert (said(None), said(Failure(kind="session.closed-1006"))) == (Certainty.CERTAIN, Certainty.LIKELY)


def test_an_answer_that_was_not_understood_is_no_missing_one() -> None:
    stalled = [*ticks(5.0), PONG, RequestExpired(request=1, at=28.0, intent=HISTORY, sent_at=18.0)]
    odd = Surprise(at=18.1, phase=Phase.LIVE, problem="half of it is missing", preview="")
    clear, unclear = (
        named(Case(looks=Looks(first=look_at(*events)))) for events in (stalled, [*stalled, odd])
    )
    assert "session.heartbeat-without-data" in clear
    assert "session.silent-stall" not in clear
    assert "session.silent-stall" in unclear
    assert "session.heartbeat-without-data" not in unclear


def test_what_is_said_of_the_past_says_when_it_was() -> None:
    ends = [
        End(ago_seconds=ago, lived_seconds=lived, code="session.closed-1006", heard_seconds=60.0)
        for ago, lived in ((5400.0, 190.0), (3600.0, 270.0), (1200.0, 120.0))
    ]
    (verdict,) = diagnose(Case(past=Past(seconds=7200.0, ends=tuple(ends))), RULES).verdicts
    assert verdict.code == "session.idle-timeout"
    assert "the first of them was 90 minutes ago, the last 20 minutes ago" in verdict.evidence
