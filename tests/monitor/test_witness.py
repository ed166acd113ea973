"""What a monitor knows of a target as a case, and what the doctor's rules make of it."""

import asyncio

from probe.diagnose.case import Case, Host
from probe.measure.records import Notice, Recognised
from probe.model.events import Phase
from probe.model.failures import Failure
from probe.model.findings import Certainty
from probe.monitor.judging import A_SECOND, NOT_JUDGED, Judging
from probe.monitor.wanted import ConnectMode
from probe.monitor.witness import MOST_EVIDENCE, QUOTES, Witness
from tests.monitor.matrix import Course, course
from tests.virtual.travelling import run

TWO = ("EURUSD_otc", "GBPUSD_otc")
WELL = 40.0


def witness_of(one: Course) -> Witness:
    return one.monitor._held["one"].witness


def case_of(one: Course) -> Case:
    case = witness_of(one).case(one.loop.time())
    assert case is not None
    return case


def verdicts(one: Course) -> list[Recognised]:
    return [each for incident in one.incidents for each in incident.verdicts]


def test_while_all_is_well_nothing_is_kept() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.now >= WELL)
            assert one.is_over
            assert witness_of(one)._facts is None

    run(watch())


def test_a_session_that_was_well_is_put_together_from_what_others_remember() -> None:
    async def watch() -> None:
        async with course("pocketoption", symbols=TWO) as one:
            assert await one.until(lambda: one.now >= WELL)
            facts = case_of(one).facts
            assert facts is not None
            assert facts.went_live
            assert facts.live_at is not None
            assert one.began + 0.0 < facts.live_at < one.began + 5.0
            assert facts.dialled is not None
            assert (facts.upgraded is not None, facts.greeting is not None) == (True, True)
            assert facts.peer_beats == 1
            assert {each.symbol for each in facts.quotes} == {*TWO}
            assert all(one.loop.time() - each.at < 2.0 for each in facts.quotes)

    run(watch())


def test_what_broke_first_stands_first_and_what_broke_then_beside_it() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.now >= WELL)
            refused = await one.simulator.board.switch_on("http-status:code=503")
            dropped = await one.simulator.board.switch_on("tcp-reset:at=0s")
            await one.simulator.board.switch_off(dropped)
            assert await one.until(lambda: len(verdicts(one)) > 1, 60.0)
            await one.simulator.board.switch_off(refused)
            assert await one.until(lambda: one.is_over)
            assert [each.code for each in verdicts(one)] == ["session.tcp-reset", "http.bad-gateway"]
            first, then = verdicts(one)
            assert first.certainty is Certainty.CERTAIN
            assert first.at_utc < then.at_utc

    run(watch())


def test_one_symbol_that_stopped_is_told_apart_from_the_one_that_goes_on() -> None:
    async def watch() -> None:
        async with course("pocketoption", symbols=TWO) as one:
            assert await one.until(lambda: one.now >= WELL)
            await one.simulator.board.switch_on("one-symbol-stall:at=0s")
            assert await one.until(lambda: verdicts(one), 60.0)
            [verdict] = verdicts(one)
            assert verdict.code == "session.one-symbol-stall"
            stopped, goes_on = ([symbol for symbol in TWO if symbol in line] for line in verdict.evidence[:2])
            assert sorted(stopped + goes_on) == [*TWO]

    run(watch())


def test_ends_in_a_row_after_the_same_silence_are_known_from_memory_alone() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            for _ in range(3):
                assert await one.until(lambda: one.is_over and one.now >= WELL)
                number = await one.simulator.board.switch_on("drop:at=0s")
                await asyncio.sleep(1.0)
                await one.simulator.board.switch_off(number)
                await asyncio.sleep(30.0)
            past = case_of(one).past
            assert past is not None
            assert [each.code for each in past.ends] == ["session.closed-1006"] * 3
            assert all(each.next_try_after_seconds is not None for each in past.ends)

    run(watch())


def test_however_long_it_goes_on_no_more_than_so_much_is_kept() -> None:
    async def watch() -> None:
        async with course("pocketoption", symbols=TWO) as one:
            assert await one.until(lambda: one.now >= WELL)
            await one.simulator.board.switch_on("duplicate-ticks")
            await asyncio.sleep(600.0)
            facts = witness_of(one)._facts
            assert facts is not None
            assert QUOTES <= len(facts.quotes) <= 2 * QUOTES
            assert all(len(each.evidence) <= MOST_EVIDENCE for each in verdicts(one))

    run(watch())


def test_when_many_break_at_once_each_waits_its_turn_to_be_judged() -> None:
    judging = Judging(lambda _: Host(), lambda at: at, lambda *_: None)
    assert [judging.has_time(10.0) for _ in range(A_SECOND + 1)] == [True] * A_SECOND + [False]
    assert not judging.has_time(10.9)
    assert judging.has_time(11.0)


def test_of_a_race_that_nobody_won_its_record_is_enough() -> None:
    async def watch() -> None:
        async with course("pocketoption", "http-status:code=503", connect=ConnectMode.RACE) as one:
            assert await one.until(lambda: verdicts(one), 60.0)
            assert verdicts(one)[0].code == "http.bad-gateway"
            facts = case_of(one).facts
            assert facts is not None
            assert facts.ended is not None
            assert facts.ended.phase is Phase.UPGRADING

    run(watch())


def test_nothing_of_the_credential_is_in_a_verdict() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.now >= WELL)
            witness, credentials = witness_of(one), one.monitor.link("one").credentials
            assert credentials is not None
            token = credentials.token.reveal()
            witness.failed(one.loop.time(), Failure(kind="sio.connect-error", detail=f"who is {token}?"))
            told = witness.verdicts(one.loop.time())
            assert told
            assert "who is" in repr(told)
            assert token not in repr(told)

    run(watch())


def test_a_rule_that_breaks_is_told_and_the_incident_goes_its_way() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.now >= WELL)
            one.monitor._judging._rules = {"pocketoption": {"tcp.refused": lambda case: 1 / 0}}  # type: ignore[dict-item, return-value]
            number = await one.simulator.board.switch_on("drop:at=0s")
            await asyncio.sleep(1.0)
            await one.simulator.board.switch_off(number)
            assert await one.until(lambda: one.incidents and one.is_over)
            assert [(each.code, each.verdicts) for each in one.incidents] == [("session.closed-1006", ())]
            said = next(each.sentence for each in one.of(Notice) if each.code == NOT_JUDGED)
            assert "ZeroDivisionError in tests.monitor.test_witness, line" in said

    run(watch())


def test_what_is_wrong_with_ourselves_stands_beside_what_broke() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.now >= WELL)
            one.monitor._host = lambda: Host(loop_lag_seconds=3.0, slept_seconds=0.0)
            number = await one.simulator.board.switch_on("drop:at=0s")
            await asyncio.sleep(1.0)
            await one.simulator.board.switch_off(number)
            assert await one.until(lambda: one.incidents and one.is_over)
            assert {each.code for each in verdicts(one)} == {"session.closed-1006", "host.event-loop-blocked"}

    run(watch())


def test_handles_are_counted_only_when_the_system_gave_none() -> None:
    async def watch() -> None:
        async with course("pocketoption") as one:
            assert await one.until(lambda: one.now >= WELL)
            asked: list[bool] = []

            def host(counts: bool) -> Host:
                asked.append(counts)
                return Host(handles_used=64, handles_limit=64) if counts else Host()

            one.monitor._judging._host = host
            witness, now = witness_of(one), one.loop.time()
            said = []
            for kind in ("tcp.refused", "host.fd-limit"):
                witness.failed(now, Failure(kind=kind))
                said.append({each.code for each in witness.verdicts(now) or ()})
            assert asked == [False, True]
            assert ["host.fd-limit" in codes for codes in said] == [False, True]

    run(watch())
