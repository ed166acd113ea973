"""What another client's frames show: each connection by itself, each wish by whether it was met."""

import pytest

from probe.brokers import find_broker
from probe.session.codec import Message
from probe.session.overheard import Frame, Overheard, overheard

PO, BINGX = find_broker("pocketoption"), find_broker("bingx")
GREETING = '0{"sid":"abc","upgrades":[],"pingInterval":25000,"pingTimeout":20000,"maxPayload":1000000}'
IN = '451-["successauth",{"_placeholder":true,"num":0}]'
LOGIN = '42["auth",{"session":"q7w6ha4u5vb1k2m9z0c3d8e7f1","isDemo":1,"uid":81234567,"platform":2}]'
PRICE = '451-["updateStream",{"_placeholder":true,"num":0}]'
ONE, TWO = "EURUSD_otc", "GBPUSD_otc"
NONE, ONLY_ONE, BOTH = frozenset[str](), frozenset({ONE}), frozenset({ONE, TWO})


def said(*messages: Message) -> list[Frame]:
    return [Frame(is_sent=True, message=each) for each in messages]


def heard(*messages: Message) -> list[Frame]:
    return [Frame(is_sent=False, message=each) for each in messages]


def watch(symbol: str, period: int = 60) -> list[Frame]:
    return said(f'42["changeSymbol",{{"asset":"{symbol}","period":{period}}}]')


def price(symbol: str, at: float, value: float = 1.1) -> list[Frame]:
    return heard(PRICE, f'[["{symbol}",{at},{value}]]'.encode())


ENTERS = [*heard(GREETING, '40{"sid":"def"}'), *said("40", LOGIN), *heard(IN, b'{"id":"x"}')]


def in_po(*frames: Frame) -> list[Overheard]:
    return list(overheard(frames, PO.codec))


def test_a_wish_before_the_login_is_early_until_a_price_comes_of_it() -> None:
    before = [*heard(GREETING), *watch(ONE), *watch(TWO), *said(LOGIN), *heard(IN, b'{"id":"x"}')]
    (talk,) = in_po(*before, *price(TWO, 1.0))
    assert (talk.admitted, talk.early, talk.mended) == (True, ONLY_ONE, NONE)


def test_what_is_asked_once_more_and_comes_is_mended() -> None:
    before = [*heard(GREETING), *watch(ONE), *said(LOGIN), *heard(IN, b'{"id":"x"}')]
    (talk,) = in_po(*before, *watch(ONE), *price(ONE, 1.0))
    assert (talk.early, talk.mended) == (ONLY_ONE, ONLY_ONE)


def test_the_same_wish_twice_is_told_from_another_period_of_the_same_symbol() -> None:
    (talk,) = in_po(*ENTERS, *watch(ONE), *watch(ONE), *watch(TWO, 60), *watch(TWO, 5))
    assert (talk.watched, talk.twice) == (BOTH, ONLY_ONE)


def test_a_price_that_comes_once_more_is_counted_and_one_that_moves_is_not() -> None:
    (talk,) = in_po(*ENTERS, *price(ONE, 1.0), *price(ONE, 1.0), *price(ONE, 2.0), *price(TWO, 1.0))
    assert (talk.prices, talk.repeated, talk.priced) == (4, 1, BOTH)


def test_a_greeting_begins_another_connection() -> None:
    talks = in_po(*ENTERS, *watch(ONE), *ENTERS, *watch(TWO))
    assert [each.watched for each in talks] == [{ONE}, {TWO}]


def test_where_nobody_greets_the_log_itself_says_where_a_connection_begins() -> None:
    begins = Frame(is_sent=True, message=None)
    talks = overheard([begins, *heard("Ping"), *said("Pong"), begins, *heard("Ping", "Ping")], BINGX.codec)
    assert [(each.beats_asked, each.beats_answered) for each in talks] == [(1, 1), (2, 0)]


@pytest.mark.parametrize(
    "message", ["", "42", "451-[", "x" * 10_000, b"\xff\xfe", '42["changeSymbol",{"asset":7}]']
)
def test_what_nobody_understands_is_passed_over(message: Message) -> None:
    (talk,) = in_po(*said(message), *heard(message))
    assert talk == Overheard()
