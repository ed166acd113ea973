import asyncio
from typing import Any

import pytest

from probe.api.errors import PoolTimeout, SessionClosed
from probe.api.pool import SessionPool
from probe.api.session import Session
from tests.api.served import Served, serving, until
from tests.pretending import POCKETOPTION, Known


def pool(at: Served, size: int, **more: Any) -> SessionPool:
    return SessionPool(at.ssid, size=size, **(at.options | more))


def test_a_session_that_works_is_used_again(known: Known) -> None:
    async def what(at: Served) -> None:
        async with pool(at, 2) as sessions:
            async with sessions.session() as first:
                await first.round_trip()
            async with sessions.session() as second:
                assert second is first
            assert (sessions.opened, sessions.idle, sessions.in_use) == (1, 1, 0)
        assert at.connections == 1

    serving(known.broker, what)


def test_never_more_than_its_size_and_the_cap_of_the_broker_holds() -> None:
    async def what(at: Served) -> None:
        most = 0

        async with pool(at, 2) as sessions:

            async def work() -> None:
                nonlocal most
                async with sessions.session(timeout=600) as session:
                    most = max(most, sessions.in_use)
                    await session.round_trip()
                    await asyncio.sleep(1)

            await asyncio.gather(*(work() for _ in range(10)))
            assert sessions.in_use == 0
        assert most == 2
        assert at.connections == 2

    serving(POCKETOPTION.broker, what, "connection-cap:cap=2")


def test_who_waited_longest_is_next() -> None:
    async def what(at: Served) -> None:
        order: list[int] = []
        async with pool(at, 1) as sessions:

            async def work(number: int) -> None:
                async with sessions.session():
                    order.append(number)
                    await asyncio.sleep(1)

            await asyncio.gather(*(work(number) for number in range(6)))
        assert order == [0, 1, 2, 3, 4, 5]

    serving(POCKETOPTION.broker, what)


def test_waiting_has_an_end_and_says_why() -> None:
    async def what(at: Served) -> None:
        async with pool(at, 1) as sessions, sessions.session():
            with pytest.raises(PoolTimeout, match="1 of 1 are in use"):
                async with sessions.session(timeout=5):
                    pass
            assert (sessions.in_use, at.connections) == (1, 1)

    serving(POCKETOPTION.broker, what)


def test_a_dead_session_is_replaced_before_anybody_gets_it(known: Known) -> None:
    async def what(at: Served) -> None:
        async with pool(at, 1) as sessions:
            async with sessions.session() as first:
                pass
            number = await at.simulator.board.switch_on("drop@0s")
            await until(lambda: not first.is_live)
            await at.simulator.board.switch_off(number)
            async with sessions.session() as second:
                assert second is not first
                await second.round_trip()
            assert (sessions.replaced, sessions.opened) == (1, 2)

    serving(known.broker, what)


def test_a_session_that_only_looks_alive_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    async def what(at: Served) -> None:
        async with pool(at, 1) as sessions:
            async with sessions.session() as first:
                await first.round_trip()
            monkeypatch.setattr("probe.api.pool.PROVEN_FOR", 0.0)
            asked = []

            async def never(self: Session) -> float:
                asked.append(self)
                await asyncio.sleep(1000)
                return 0.0

            with monkeypatch.context() as patched:
                patched.setattr(Session, "round_trip", never)
                async with sessions.session() as second:
                    assert second is not first
            assert asked == [first]

    serving(POCKETOPTION.broker, what)


def test_closing_ends_also_what_is_in_use_and_what_is_waited_for() -> None:
    async def what(at: Served) -> None:
        sessions = pool(at, 1)
        async with sessions.session() as session:
            waiting = asyncio.create_task(sessions.session().__aenter__())
            await asyncio.sleep(1)
            await sessions.close()
            with pytest.raises(SessionClosed):
                await session.round_trip()
        with pytest.raises(SessionClosed, match="pool"):
            await waiting
        assert (sessions.idle, sessions.in_use, at.connections) == (0, 0, 1)

    serving(POCKETOPTION.broker, what)


def test_who_gives_up_waiting_takes_nothing_with_him() -> None:
    async def what(at: Served) -> None:
        async with pool(at, 1) as sessions:
            for seconds in (0.0, 0.001, 0.02):
                task = asyncio.create_task(sessions.session().__aenter__())
                await asyncio.sleep(seconds)
                if task.cancel():
                    with pytest.raises(asyncio.CancelledError):
                        await task
            async with sessions.session(timeout=10) as session:
                await session.round_trip()
            assert "planted" not in repr(sessions)
            assert at.token not in repr(sessions)

    serving(POCKETOPTION.broker, what)


def test_who_waits_for_a_session_of_a_pool_that_is_closed_is_told_at_once() -> None:
    async def what(at: Served) -> None:
        sessions = pool(at, 1)

        async def wait() -> None:
            async with sessions.session(timeout=600):
                raise AssertionError("there is none")

        async with sessions.session():
            waiting = [asyncio.create_task(wait()) for _ in range(3)]
            await asyncio.sleep(1)
            await sessions.close()
            done, _ = await asyncio.wait(waiting, timeout=1)
            assert [type(each.exception()) for each in done] == [SessionClosed] * 3
        assert sessions.in_use == 0

    serving(POCKETOPTION.broker, what)
