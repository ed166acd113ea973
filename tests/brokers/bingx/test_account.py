"""Whole sessions in memory with a listen key: what it opens, how it ends, and that nobody ever sees it."""

import random
from typing import Any

import pytest

from probe.brokers.bingx import BROKER
from probe.brokers.bingx.codec import BingxCodec
from probe.model.credentials import Credentials, Secret, redactor_for
from probe.model.endpoint import Account
from probe.model.events import Ended, Event, Phase, QuoteArrived, Told
from probe.model.intents import Watch
from probe.model.meanings import Admitted, Balance, Meaning, Refused, Troubles
from probe.session.behaviour import Misbehaviour
from probe.session.broker import Broker
from probe.session.client import ClientSession, Plan
from probe.session.codec import Message
from probe.session.pretend import PretendWire
from probe.session.reconnect import decide
from probe.session.served import ServedSession
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from probe.wire.drivable import Signal

EPOCH = 1_795_000_000.0
CANARY = "c0ffee" * 10 + "0123"
HOUR = 3600.0
SPOT = BROKER.speaking({"heartbeat": "spot", "ack": "old"})


class Client(ClientSession):
    """Keeps what it sent."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.sent: list[bytes] = []

    def outgoing(self) -> list[bytes | Signal]:
        gone = super().outgoing()
        self.sent += [each for each in gone if isinstance(each, bytes)]
        return gone


class Entered:
    """A session at the simulated exchange with this key, or with none."""

    def __init__(
        self,
        key: str | None,
        *,
        broker: Broker = BROKER,
        lent_for: float | None = None,
        codec: BingxCodec | None = None,
    ) -> None:
        self.world = World(broker=broker, seed=1, epoch=EPOCH)
        if lent_for is not None:
            self.world.lend(Secret(CANARY), self.world.accounts[0].user, EPOCH + lent_for)
        credentials: Credentials | None = None if key is None else broker.read_credentials(key)
        self.client = Client(
            codec=codec or broker.codec(),
            credentials=credentials,
            plan=Plan(
                host="exchange.test",
                path="/swap-market",
                account=Account.NONE,
                watch=(Watch(symbol="BTC-USDT"),),
                keep_messages=10_000,
            ),
            rng=random.Random(1),
            redact=redactor_for(credentials),
        )
        server = ServedSession(
            codec=broker.codec(),
            desk=WorldDesk(self.world, account_kind=Account.NONE, rng=random.Random(2)),
            misbehaviour=Misbehaviour(),
            rng=random.Random(3),
        )
        self.server = server
        self.told: list[Event] = []
        self.served: list[Event] = []
        self.wire = PretendWire(
            self.client, server, on_client=self.told.append, on_server=self.served.append, latency=0.01
        )

    def run(self, until: float) -> "Entered":
        self.wire.run(until)
        return self

    def of(self, kind: type[Any]) -> list[tuple[float, Any]]:
        """What was told of this kind, and when."""
        return [
            (each.at, each.meaning)
            for each in self.told
            if isinstance(each, Told) and isinstance(each.meaning, kind)
        ]

    @property
    def ended(self) -> Ended:
        (ended,) = (event for event in self.told if isinstance(event, Ended))
        return ended


def the_simulators() -> str:
    return BROKER.write_credential(World(broker=BROKER, seed=1, epoch=EPOCH).accounts[0])


def test_a_key_brings_the_account_at_once_and_every_five_seconds_beside_the_prices() -> None:
    one = Entered(the_simulators()).run(60.0)
    assert one.client.phase is Phase.LIVE
    ((admitted_at, _),) = one.of(Admitted)
    balances = one.of(Balance)
    assert {held for _, held in balances} == {Balance(amount=50_000.0, is_demo=True)}
    assert [round(at - admitted_at) for at, _ in balances] == [5 * count for count in range(12)]
    assert sum(isinstance(event, QuoteArrived) for event in one.told) > 50


def test_without_a_key_nothing_of_an_account_is_told() -> None:
    one = Entered(None).run(60.0)
    assert (one.client.phase, one.of(Balance)) == (Phase.LIVE, [])


def test_on_spot_a_key_is_taken_with_the_first_heartbeat_and_no_account_is_shown() -> None:
    one = Entered(the_simulators(), broker=SPOT).run(60.0)
    ((admitted_at, _),) = one.of(Admitted)
    assert (one.client.phase, round(admitted_at), one.of(Balance)) == (Phase.LIVE, 5, [])


@pytest.mark.parametrize("broker", [BROKER, SPOT], ids=["swap", "spot"])
def test_an_unknown_key_is_a_rejected_credential_that_is_not_tried_again(broker: Broker) -> None:
    failure = Entered(CANARY, broker=broker).run(20.0).ended.failure
    assert failure is not None
    assert (failure.kind, failure.facts.code) == ("auth.refused", "auth.session-expired")
    assert decide(failure, 1, random.Random(1)).delay_seconds is None


def test_a_key_that_was_good_until_before_is_unknown() -> None:
    failure = Entered(CANARY, lent_for=-1.0).run(20.0).ended.failure
    assert failure is not None
    assert failure.kind == "auth.refused"


def test_a_key_that_expires_ends_the_session_which_is_not_tried_again() -> None:
    one = Entered(CANARY, lent_for=HOUR).run(HOUR + 60.0)
    failure = one.ended.failure
    assert failure is not None
    assert HOUR <= one.ended.at < HOUR + 2.0
    assert (failure.kind, failure.detail) == ("auth.revoked", "the listen key has expired")
    assert decide(failure, 1, random.Random(1)).delay_seconds is None
    troubles = [row.code for _, each in one.of(Troubles) for row in each.rows]
    assert troubles == ["crypto.bingx-listen-key"]


def test_a_key_that_is_renewed_goes_on() -> None:
    one = Entered(CANARY, lent_for=HOUR).run(HOUR / 2)
    one.world.lend(Secret(CANARY), one.world.accounts[0].user, EPOCH + 1.5 * HOUR)
    assert one.run(HOUR + 60.0).client.phase is Phase.LIVE


class Staying(BingxCodec):
    """It does not mind being told that its key is no longer one."""

    refusals = 0

    def decode_meaning(self, message: Message) -> list[Meaning]:
        told = super().decode_meaning(message)
        self.refusals += sum(isinstance(each, Refused) for each in told)
        return [each for each in told if not isinstance(each, Refused)]


def test_a_client_that_stays_after_its_key_is_told_once_and_then_nothing_of_the_account() -> None:
    codec = Staying()
    one = Entered(CANARY, lent_for=30.0, codec=codec).run(90.0)
    assert (one.client.phase, codec.refusals) == (Phase.LIVE, 1)
    assert max(at for at, _ in one.of(Balance)) < 31.0


@pytest.mark.parametrize("lent_for", [None, 30.0, HOUR], ids=["unknown", "expired", "good"])
def test_the_key_is_seen_nowhere_but_in_the_request(lent_for: float | None) -> None:
    one = Entered(CANARY, lent_for=lent_for).run(60.0)
    sent = b"".join(one.client.sent)
    assert sent.startswith(f"GET /swap-market?listenKey={CANARY} HTTP/1.1\r\n".encode())
    assert sent.count(CANARY.encode()) == 1
    shown = (one.told, one.client.transcript(), one.client.plan, one.served, one.server.transcript())
    assert CANARY not in repr(shown)
