"""What the brokers' codecs share is the same for each of them."""

import pytest

from probe.model.intents import Join, Leave, UnknownIntent
from probe.model.meanings import Goodbye, Joined, JoinRefused, Unrecognised
from tests.pretending import KNOWN, Known

every_broker = pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.broker.name)


@every_broker
@pytest.mark.parametrize("message", ["40/chat", '40/chat,{"sid":"x"}', "41/chat", "41/chat,", '44/chat,"no"'])
def test_a_packet_of_another_namespace_tells_us_nothing(known: Known, message: str) -> None:
    problem = "a packet of another namespace, '/chat'"
    assert known.broker.codec().decode_meaning(message) == [Unrecognised(problem=problem, preview=message)]


@every_broker
@pytest.mark.parametrize("name", ["successupdateBalance", "s_balance"])
def test_an_event_of_another_namespace_tells_nothing_inline_or_attached(known: Known, name: str) -> None:
    payload = '{"balance":1,"isDemo":1}'
    header = f'451-/chat,["{name}",{{"_placeholder":true,"num":0}}]'
    inline, attached = known.broker.codec(), known.broker.codec()
    told = inline.decode_meaning(f'42/chat,["{name}",{payload}]')
    told += attached.decode_meaning(header) + attached.decode_meaning(payload.encode())
    problem = "a packet of another namespace, '/chat'"
    assert [(type(meaning), getattr(meaning, "problem", "")) for meaning in told] == [
        (Unrecognised, problem)
    ] * 2


@every_broker
@pytest.mark.parametrize(
    "message", ["40/chat", "40/chat,{}", "41/chat", '42/chat,["ps"]', '42/chat,["tick"]']
)
def test_a_packet_for_another_namespace_asks_nothing_of_a_broker(known: Known, message: str) -> None:
    problem = "a packet of another namespace, '/chat'"
    assert known.broker.codec().decode_intent(message) == [UnknownIntent(problem=problem, preview=message)]


@every_broker
def test_the_default_namespace_may_be_named_and_carry_a_query(known: Known) -> None:
    codec = known.broker.codec()
    assert codec.decode_meaning('40/,{"sid":"x"}') == [Joined(sid="x")]
    assert codec.decode_meaning("41/") == [Goodbye(reason="41")]
    assert codec.decode_meaning('44/,{"message":"no"}') == [JoinRefused(message="no")]
    assert codec.decode_intent("40/?a=b,") == [Join()]
    assert codec.decode_intent("41/,") == [Leave()]
