"""From a password to a credential: a session that was kept, else its renewal, else signing in on the broker's web pages."""

import asyncio
from dataclasses import dataclass

from probe.drivers.calls import Answer, arun
from probe.drivers.exchange import CallDone, CallSettings
from probe.kept import KeptSessions
from probe.model.credentials import PasswordLogin, WebSession
from probe.model.endpoint import Endpoint
from probe.model.events import Ended, Phase, PhaseFinished, Traffic
from probe.model.failures import Failure
from probe.session.broker import WebEntry
from probe.wire.calls import Flow

# A renewal that ends so is worth asking for the password; anything else would end signing in as well.
NEEDS_THE_PASSWORD = ("login.signed-out", "login.stale-token", "login.page-changed")
RENEWED = "a renewed token"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entered:
    """What came of it, and how."""

    outcome: WebSession | Failure
    how: str
    began_at: float  # monotonic
    at: float
    calls: tuple[CallDone, ...]

    @property
    def event(self) -> PhaseFinished | Ended:
        if isinstance(self.outcome, Failure):
            return Ended(at=self.at, phase=Phase.SIGNING_IN, failure=self.outcome, traffic=Traffic())
        return PhaseFinished(at=self.at, phase=Phase.SIGNING_IN, began_at=self.began_at)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One account's way in.

    Args:
        web: The broker's pages.
        login: What a person types there.
        keep: Where sessions are kept; None: nowhere, every time is the first.
        answer: Who is asked for a PIN.
    """

    web: WebEntry
    login: PasswordLogin
    keep: KeptSessions | None
    answer: Answer

    async def enter(self, endpoint: Endpoint, settings: CallSettings) -> Entered:
        """
        Raises:
            ConfigError: sessions cannot be kept where they should be.
        """
        clock, origin = asyncio.get_running_loop().time, self.web.origin(endpoint)
        calls: list[CallDone] = []

        async def run(flow: Flow[WebSession | Failure]) -> WebSession | Failure:
            won = await arun(flow, settings, answer=self.answer, on_call=calls.append)
            return won if isinstance(won, Failure) else await self._kept(won)

        began_at = clock()
        kept = (
            await asyncio.to_thread(self.keep.load, self.login.broker, self.login.key) if self.keep else None
        )
        if kept is not None and kept.session.origin != origin:
            kept = None
        outcome: WebSession | Failure | None = None
        how = "a kept session"
        if kept is not None and kept.has_token:
            outcome = kept.session
        elif kept is not None and kept.session.cookies:
            how = RENEWED
            outcome = await run(self.web.renew(kept.session, origin))
            if isinstance(outcome, Failure) and outcome.kind in NEEDS_THE_PASSWORD:
                outcome = None
        if outcome is None:
            how = "the password"
            outcome = await run(self.web.sign_in(self.login, origin))
        return Entered(outcome=outcome, how=how, began_at=began_at, at=clock(), calls=tuple(calls))

    async def reject(self, session: WebSession) -> None:
        """The broker refused its token: it is never used again."""
        if self.keep is not None:
            await asyncio.to_thread(self.keep.reject, session)

    async def _kept(self, session: WebSession) -> WebSession | Failure:
        if self.keep is None:
            return session
        return await asyncio.to_thread(self.keep.save, session) or session
