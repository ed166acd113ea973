"""What signing in wins is used until it is refused, and replaced once for each session that proved good."""

import asyncio
from dataclasses import dataclass, field

import pytest

from probe.brokers import find_broker
from probe.drivers.exchange import CallDone, CallSettings
from probe.drivers.tls import TlsProfile
from probe.model.credentials import Credentials, PasswordLogin, Secret, WebSession
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Event
from probe.model.failures import Failure
from probe.monitor.hold import WayIn
from probe.monitor.sign_in import Entered, SignIn

BROKER = find_broker("quotex")
MAIN, MIRROR = BROKER.endpoints[:2]
SETTINGS = CallSettings(tls=TlsProfile(), proxy=None, timeout=1.0, deadline=1.0)
REFUSED = Failure(kind="auth.refused")
assert BROKER.web is not None
WEB = BROKER.web


@dataclass(frozen=True, slots=True, kw_only=True)
class Clerk(SignIn):
    """Signs in without pages: a new token each time, a kept one if told so."""

    asks: int = 0  # requests that it takes
    given: list[WebSession] = field(default_factory=list)
    rejected: list[WebSession] = field(default_factory=list)

    async def enter(self, endpoint: Endpoint, settings: CallSettings) -> Entered:
        session = WebSession(
            broker="quotex",
            key=self.login.key,
            origin=self.web.origin(endpoint),
            token=Secret(f"token number {len(self.given):020}"),
            cookies=(),
            user_agent="Mozilla/5.0",
        )
        self.given.append(session)
        call = CallDone.__new__(CallDone)
        return Entered(outcome=session, how="", began_at=0.0, at=0.0, calls=(call,) * self.asks)

    async def reject(self, session: WebSession) -> None:
        self.rejected.append(session)


def clerk(*, asks: int = 0) -> Clerk:
    login = PasswordLogin(
        broker="quotex", user=Secret("a@b.test"), password=Secret("secret-word"), account=Account.DEMO
    )
    return Clerk(web=WEB, login=login, keep=None, answer=lambda question: None, asks=asks)


async def token(way: WayIn, endpoint: Endpoint = MAIN) -> str:
    told: list[Event] = []
    found = await way.credentials(endpoint, SETTINGS, told.append)
    assert isinstance(found, Credentials)
    return found.token.reveal()[-1]


def test_one_sign_in_serves_all_sessions_at_one_place() -> None:
    async def go() -> None:
        way = WayIn(key := clerk(asks=2))
        assert [await token(way) for _ in range(5)] == ["0"] * 5
        assert await token(way, MIRROR) == "1"  # other pages
        assert len(key.given) == 2

    asyncio.run(go())


def test_an_old_token_that_is_refused_is_replaced_once() -> None:
    async def go() -> None:
        way = WayIn(key := clerk())
        await token(way)
        assert await way.renew(REFUSED)
        assert await token(way) == "1"
        assert not await way.renew(REFUSED)
        assert key.rejected == key.given

    asyncio.run(go())


def test_once_more_after_a_session_that_proved_good() -> None:
    async def go() -> None:
        way = WayIn(clerk(asks=3))
        await token(way)
        way.proved()
        assert await way.renew(REFUSED)
        await token(way)
        way.proved()
        assert await way.renew(REFUSED)
        assert await token(way) == "2"

    asyncio.run(go())


def test_a_new_token_that_is_refused_is_not_replaced_but_never_used_again() -> None:
    async def go() -> None:
        way = WayIn(key := clerk(asks=3))
        await token(way)
        assert not await way.renew(REFUSED)
        assert key.rejected == key.given

    asyncio.run(go())


@pytest.mark.parametrize("failure", [None, Failure(kind="tcp.refused"), Failure(kind="auth.revoked")])
def test_nothing_else_makes_it_sign_in_again(failure: Failure | None) -> None:
    async def go() -> None:
        way = WayIn(key := clerk())
        await token(way)
        assert not await way.renew(failure)
        assert key.rejected == []
        assert not await WayIn(None).renew(REFUSED)

    asyncio.run(go())
