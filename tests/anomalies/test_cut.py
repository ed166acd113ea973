"""The connection is cut after each single byte, in either direction: always one classified end, nothing left behind."""

import random
from collections.abc import Callable
from functools import cache

import pytest

from probe.faults.stream import Cut, Flow, Reset, StreamFault
from probe.faults.wire import FaultyWire
from probe.model.events import Ended, Phase, Traffic
from probe.session.behaviour import Desk
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import Known, Pair, ScriptedDesk, client_session

EPOCH = 1_795_000_000.0  # a working day


def small(known: Known) -> Pair:
    """Three assets, a tick every five seconds, heartbeats: 60 s in less than 8 KiB each way."""
    return session(known, lambda: ScriptedDesk(every=5.0), None)


def session(known: Known, desk: Callable[[], Desk], fault: StreamFault | None) -> Pair:
    return Pair(
        known,
        desk=desk(),
        wrap_server=lambda server: FaultyWire(server, fault, random.Random(1)) if fault else server,
    )


def run(pair: Pair) -> Pair:
    """60 s, a goodbye if the wire still stands, and time for every timer to run out."""
    pair.run(60)
    pair.wire.act(pair.client.leave)
    return pair.run(600)


def problems(pair: Pair) -> list[str]:
    found = []
    for side, events in (("client", pair.told), ("server", pair.heard)):
        ends = [event for event in events if isinstance(event, Ended)]
        if len(ends) != 1:
            found.append(f"{side} ended {len(ends)} times")
        elif events[-1] is not ends[0]:
            found.append(f"{side} spoke after its end")
    if not pair.wire.idle:
        found.append("a timer is left")
    return found


@cache
def whole(known: Known) -> Traffic:
    return run(small(known)).client.traffic


def check_all(known: Known, offsets: range, flow: Flow, kind: type[Cut]) -> set[tuple[Phase, str | None]]:
    """Cut at each offset; returns in which phases it hit and what the client said."""
    seen: set[tuple[Phase, str | None]] = set()
    wrong = []
    for offset in offsets:
        pair = run(session(known, lambda: ScriptedDesk(every=5.0), kind(after=offset, direction=flow)))
        wrong += [f"{flow.value} {offset}: {problem}" for problem in problems(pair)]
        seen.add((pair.ended.phase, pair.kind))
    assert wrong == []
    return seen


def test_the_session_that_is_cut_is_the_one_described(known: Known) -> None:
    assert 1_000 < whole(known).bytes_received <= 8_192
    assert 500 < whole(known).bytes_sent <= 8_192
    assert problems(run(small(known))) == []


def test_cut_after_every_byte_from_the_server(known: Known) -> None:
    seen = check_all(known, range(whole(known).bytes_received), Flow.DOWN, Cut)
    assert {phase for phase, _ in seen} == {
        Phase.UPGRADING,
        Phase.OPENING,
        Phase.JOINING,
        Phase.AUTHENTICATING,
        Phase.LIVE,
    }
    assert {kind for phase, kind in seen if phase is Phase.AUTHENTICATING} == {"auth.closed"}
    assert {kind for phase, kind in seen if phase is Phase.UPGRADING} == {"http.closed"}


def test_cut_after_every_byte_from_the_client(known: Known) -> None:
    seen = check_all(known, range(whole(known).bytes_sent), Flow.UP, Cut)
    assert {kind for phase, kind in seen if phase is Phase.LIVE} == {"session.closed-1006", None}


def test_reset_at_seeded_bytes_is_called_a_reset(known: Known) -> None:
    start = random.Random(4).randrange(17)
    seen = check_all(known, range(start, whole(known).bytes_received, 17), Flow.DOWN, Reset)
    assert {kind for _, kind in seen} == {"session.tcp-reset"}


def full_size(known: Known, fault: StreamFault | None) -> Pair:
    """The whole catalogue, the burst of history, two ticks a second."""
    world = World(broker=known.broker, seed=3, epoch=EPOCH)
    account = next(account for account in world.accounts if account.account.value == "demo")
    ssid = known.broker.write_credential(account)
    desk = WorldDesk(world, account_kind=account.account, rng=random.Random(2))
    return Pair(
        known,
        client=client_session(known, ssid=ssid),
        desk=desk,
        wrap_server=lambda server: FaultyWire(server, fault, random.Random(1)) if fault else server,
    )


@pytest.mark.parametrize("count", [60, pytest.param(2_000, marks=pytest.mark.long)])
def test_a_full_size_session_cut_at_seeded_offsets(known: Known, count: int) -> None:
    whole = run(full_size(known, None)).client.traffic
    assert whole.bytes_received > 50_000
    rng = random.Random(count)
    wrong = []
    for number in range(count):
        flow, size = (Flow.DOWN, whole.bytes_received) if number % 2 else (Flow.UP, whole.bytes_sent)
        kind = Reset if number % 3 == 0 else Cut
        offset = rng.randrange(size)
        pair = run(full_size(known, kind(after=offset, direction=flow)))
        wrong += [f"{kind.name} {flow.value} {offset}: {problem}" for problem in problems(pair)]
    assert wrong == []
