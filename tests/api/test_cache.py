import asyncio
from typing import Any

import pytest

from probe.api.cache import Cache
from probe.api.errors import Unanswered
from tests.api.served import SYMBOL, Served, serving, until
from tests.pretending import POCKETOPTION, Known


def test_ten_who_ask_at_once_cause_one_question(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            cache = Cache(session, seconds=30)
            answers = await asyncio.gather(*(cache.balance() for _ in range(10)))
            assert {id(each) for each in answers} == {id(answers[0])}
            assert session.statistics().requests_answered == 1

    serving(known.broker, what)


def test_an_answer_says_its_age_and_is_asked_again_when_it_is_too_old() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            cache = Cache(session, seconds=30)
            first = await cache.candles(SYMBOL, 60, count=5)
            await asyncio.sleep(20)
            assert await cache.candles(SYMBOL, 60, count=5) is first
            assert first.age_seconds == pytest.approx(20, abs=1)
            assert await cache.candles(SYMBOL, 60, count=6) is not first
            await asyncio.sleep(11)
            assert await cache.candles(SYMBOL, 60, count=5) is not first
            assert (await cache.assets()).value

    serving(POCKETOPTION.broker, what)


def test_a_new_connection_forgets_what_the_old_one_said(known: Known) -> None:
    async def what(at: Served) -> None:
        async with at.open(reconnect=True) as session:
            cache = Cache(session, seconds=3600)
            first = await cache.balance()
            number = await at.simulator.board.switch_on("drop@0s")
            await until(lambda: not session.is_live)
            await at.simulator.board.switch_off(number)
            await session.ready(600)
            assert await cache.balance() is not first

    serving(known.broker, what)


def test_one_who_leaves_does_not_spoil_it_for_the_others() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            cache = Cache(session, seconds=30)
            impatient, patient = (asyncio.create_task(cache.balance()) for _ in range(2))
            await asyncio.sleep(0)
            impatient.cancel()
            assert (await patient).value.amount
            assert session.statistics().requests_answered == 1

    serving(POCKETOPTION.broker, what)


def test_a_failure_is_not_kept() -> None:
    async def what(at: Served) -> None:
        async with at.open() as session:
            told: list[dict[str, Any]] = []
            asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
            cache = Cache(session, seconds=3600)
            for _ in range(2):
                with pytest.raises(Unanswered):
                    await cache.candles("NOSUCH", 60, count=5)
            assert session.statistics().requests_expired == 2
            assert told == []

    serving(POCKETOPTION.broker, what)
