"""How fast a session may ask: not at all slowed down at a simulator, politely elsewhere, and told either way."""

import asyncio

from probe.api.errors import TooManyRequests
from probe.api.holding import Holding
from probe.api.pace import ORDERS, PATIENCE, REQUESTS, Pace, pace_of
from probe.api.session import Session
from probe.model.endpoint import Account, Endpoint
from probe.model.intents import AskBalance, SellOrder
from probe.monitor.wanted import ConnectMode, Wanted
from probe.session.buckets import Rate
from tests.api.served import Served, serving, until
from tests.pretending import POCKETOPTION, QUOTEX


def wanted(*urls: str) -> Wanted:
    return Wanted(
        name="one",
        broker=QUOTEX.broker,
        endpoints=tuple(
            Endpoint(broker="quotex", region=str(number), url=url, account=Account.DEMO)
            for number, url in enumerate(urls)
        ),
        key=None,
        symbols=(),
        connect=ConnectMode.FALLBACK,
    )


def test_this_machine_bears_anything_and_whoever_else_is_asked_politely() -> None:
    near, far = pace_of(wanted("ws://127.0.0.1:1/")), pace_of(wanted("wss://broker.example/"))
    assert {each.says for each in near.figures.values()} == {"no limit"}
    assert {name: each.says for name, each in far.figures.items()} == {
        "requests": str(REQUESTS),
        "orders": str(ORDERS),
    }
    both = pace_of(wanted("ws://127.0.0.1:1/", "wss://broker.example/"))
    assert both.figures["requests"].says == str(REQUESTS)


def test_an_order_is_a_question_too() -> None:
    pace = Pace()
    assert len(pace.about(AskBalance())) == 1
    assert len(pace.about(SellOrder(ticket="1"))) == 2


def test_what_is_too_fast_waits_and_what_would_wait_too_long_is_not_sent() -> None:
    async def what(at: Served) -> None:
        async with at.open() as opened:
            holding = Holding(
                opened._holding.wanted,
                reconnect=False,
                max_retries=None,
                phase_deadline=None,
                utc=opened._holding.utc,
                pace=Pace(Rate(size=2, every=PATIENCE / 2), None),
            )
            await holding.open(10.0)
            session, clock = Session(holding), asyncio.get_running_loop().time
            began = clock()
            await session.batch(session.balance(fresh=True), session.balance(fresh=True))
            assert clock() - began < 1
            await session.balance(fresh=True)
            assert clock() - began >= PATIENCE / 2
            answered = session.statistics().requests_answered
            told = await asyncio.gather(
                *(session.balance(fresh=True) for _ in range(4)), return_exceptions=True
            )
            assert sum(isinstance(each, TooManyRequests) for each in told) == 2
            limits = session.statistics().limits["requests"]
            assert (limits.allowed, limits.delayed, limits.refused) == (2, 3, 2)
            assert session.statistics().requests_answered > answered
            await holding.close()

    serving(POCKETOPTION.broker, what)


def test_how_often_it_connected_and_waited_for_its_limit_is_told() -> None:
    async def what(at: Served) -> None:
        async with at.open(reconnect=True) as session:
            await at.simulator.board.switch_on("drop:at=61s")
            at_first = session.statistics().limits["reconnects"]
            assert (at_first.allowed, at_first.delayed) == (1, 0)
            await until(lambda: session.statistics().attempts > 12, within=3_000.0)
            told = session.statistics().limits["reconnects"]
            assert told.allowed + told.delayed == session.statistics().attempts

    serving(POCKETOPTION.broker, what)


def test_who_is_refused_hears_it_in_words() -> None:
    words = str(TooManyRequests("quotex", "AskHistory", str(REQUESTS)))
    assert words.startswith("AskHistory was not sent to quotex")
    assert "60 at once" in words
