"""What a broker's end of a session promises to clients nobody here wrote."""

import random

import pytest

from probe.model.events import Phase, Surprise
from probe.model.intents import Intent, Watch
from probe.session.behaviour import Misbehaviour
from probe.session.served import ServedSession
from probe.wire.drivable import Signal
from probe.wire.websocket import Binary, ClientSocket, Text
from tests.pretending import BROKER, SSID, TOKEN, ScriptedDesk

WATCH = '42["changeSymbol",{"asset":"EURUSD_otc","period":60}]'


class RawClient:
    """A client's socket without a session: says exactly what it is told to."""

    def __init__(self, policy: str = "ignore") -> None:
        behaviour = Misbehaviour()
        behaviour.pre_auth_events = policy
        self.desk = ScriptedDesk()
        self.server = ServedSession(
            codec=BROKER.codec(), desk=self.desk, misbehaviour=behaviour, rng=random.Random(1)
        )
        self._socket = ClientSocket(
            host="sim.test",
            path_and_query="/socket.io/?transport=websocket&EIO=4&t=abc",
            headers=(),
            rng=random.Random(2),
            max_message=1 << 20,
        )
        self.server.begin(0.0)
        self.server.receive(self._socket.request(), 0.0)
        self.heard = self._hear()

    def say(self, *messages: str) -> list[str]:
        for message in messages:
            self.server.receive(self._socket.send_text(message), 1.0)
        return self._hear()

    def _hear(self) -> list[str]:
        data = b"".join(item for item in self.server.outgoing() if not isinstance(item, Signal))
        told = self._socket.receive(data)
        return [str(each[0]) for each in told if isinstance(each, Text | Binary)]

    @property
    def asked(self) -> list[Intent]:
        return [intent for intent in self.desk.heard if isinstance(intent, Watch)]


def test_the_query_may_come_in_any_order_with_further_keys() -> None:
    assert RawClient().heard[0].startswith('0{"sid":"')


@pytest.mark.parametrize("join", ["40", "40{}", "40/,{}"])
def test_every_way_to_join_the_namespace_is_answered_alike(join: str) -> None:
    (reply,) = RawClient().say(join)
    assert reply.startswith('40{"sid":"')


@pytest.mark.parametrize(
    "first", [(WATCH, "40"), ("40", WATCH)], ids=["before the namespace", "before the login"]
)
@pytest.mark.parametrize(
    ("policy", "asked", "phase"),
    [("ignore", 0, Phase.AUTHENTICATING), ("serve", 1, Phase.AUTHENTICATING), ("close", 0, Phase.CLOSING)],
)
def test_what_comes_of_events_that_come_too_early_is_a_policy(
    first: tuple[str, str], policy: str, asked: int, phase: Phase
) -> None:
    client = RawClient(policy)
    client.say(*first)
    assert (len(client.asked), client.server.phase) == (asked, phase)


def test_ticks_asked_for_before_the_namespace_come_after_the_login_where_that_is_served() -> None:
    client = RawClient("serve")
    client.say(WATCH, "40", SSID)
    client.server.wake(2.0)
    assert any("updateStream" in message for message in client._hear())


@pytest.mark.parametrize(
    "login", [SSID, SSID[:-2], SSID.replace('"session"', '"sessoin"')], ids=["whole", "cut", "odd"]
)
def test_the_served_end_repeats_no_session_it_was_shown(login: str) -> None:
    client = RawClient()
    client.say("40", login)
    noted = [event for event in client.server.events() if isinstance(event, Surprise)]
    assert TOKEN not in repr(client.server.transcript()) + repr(noted)
