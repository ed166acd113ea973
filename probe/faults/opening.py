"""Faults of the way to a live session: the upgrade, the greeting, the join and the login."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from http import HTTPStatus
from typing import ClassVar

from probe.faults.grammar import ParameterType, about
from probe.faults.protocol import Afterwards, ClosingFault, ProtocolFault
from probe.model.intents import Intent, Login
from probe.model.meanings import Admitted, Balance, Goodbye, Joined, JoinRefused, Meaning, Refused, Welcome
from probe.session.behaviour import Refusal, Silence, Wait
from probe.session.phases import STEP_OF, Step
from probe.wire.websocket import UpgradeRequested

REFUSAL = "NotAuthorized"

_EDGE = (("Server", "cloudflare"), ("CF-RAY", "8f1e2d3c4b5a6978-FRA"))
_PAGE = ("Content-Type", "text/html; charset=UTF-8")
_JSON = ("Content-Type", "application/json")


def _page(title: str) -> bytes:
    return f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>".encode()


_ANSWERS: dict[int, tuple[tuple[tuple[str, str], ...], bytes]] = {
    200: ((*_EDGE, _PAGE), _page("Just a moment...")),
    302: ((*_EDGE, ("Location", "https://sim.test/blocked")), b""),
    400: ((_JSON,), b'{"code":1,"message":"Session ID unknown"}'),
    403: ((*_EDGE, _PAGE, ("cf-mitigated", "challenge")), _page("Just a moment...")),
    404: ((_JSON,), b'{"code":0,"message":"Transport unknown"}'),
}


def http_answer(code: int, retry_after: float) -> Refusal:
    """What a server or its edge typically says with that status."""
    try:
        reason = HTTPStatus(code).phrase
    except ValueError:
        reason = "Unknown"
    headers, body = _ANSWERS.get(code, ((*_EDGE, _PAGE), _page(f"{code} {reason}")))
    if code in (429, 503):
        headers = (*headers, ("Retry-After", f"{retry_after:.0f}"))
    return Refusal(status=code, reason=reason, headers=headers, body=body)


@dataclass(kw_only=True, eq=False)
class HttpStatus(ProtocolFault):
    code: int = field(default=403, metadata=about(ParameterType.COUNT, "the status", minimum=200))
    retry_after: float = field(
        default=30.0, metadata=about(ParameterType.SECONDS, "what 429 and 503 ask to wait")
    )

    def __post_init__(self) -> None:
        if not 200 <= self.code <= 599:
            raise ValueError(f"an HTTP status that refuses is between 200 and 599, not {self.code}")

    def upgrade(self, request: UpgradeRequested, now: float) -> Refusal | Silence | Wait | None:
        return http_answer(self.code, self.retry_after)


@dataclass(kw_only=True, eq=False)
class SilentUpgrade(ProtocolFault):
    def upgrade(self, request: UpgradeRequested, now: float) -> Refusal | Silence | Wait | None:
        return Silence()


class HandshakeStep(Enum):
    UPGRADE = "upgrade"
    OPEN = "open"
    JOIN = "join"
    AUTH = "auth"


_SAID_AT: dict[HandshakeStep, frozenset[Step]] = {
    HandshakeStep.UPGRADE: frozenset(),
    HandshakeStep.OPEN: frozenset((Step.GREET,)),
    HandshakeStep.JOIN: frozenset((Step.JOINED, Step.JOIN_REFUSED)),
    # what is pushed after the verdict must not overtake it
    HandshakeStep.AUTH: frozenset((Step.ADMITTED, Step.REFUSED, Step.TELL)),
}


@dataclass(kw_only=True, eq=False)
class Slow(ProtocolFault):
    step: HandshakeStep = field(
        default=HandshakeStep.AUTH, metadata=about(HandshakeStep, "the answer that is late")
    )
    seconds: float = field(default=5.0, metadata=about(ParameterType.SECONDS, "how late"))
    _waited: bool = field(default=False, init=False)

    def upgrade(self, request: UpgradeRequested, now: float) -> Refusal | Silence | Wait | None:
        if self._waited or self.step is not HandshakeStep.UPGRADE:
            return None
        self._waited = True
        return Wait(seconds=self.seconds)

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        late = self.scene.live_at is None and STEP_OF[type(meaning)] in _SAID_AT[self.step]
        return ((self.seconds if late else 0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class BeatTerms(ProtocolFault):
    interval: float = field(
        default=5.0, metadata=about(ParameterType.SECONDS, "what the greeting says about it", minimum=1.0)
    )
    timeout: float = field(
        default=5.0, metadata=about(ParameterType.SECONDS, "and about its timeout", minimum=1.0)
    )

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        if isinstance(meaning, Welcome):
            meaning = replace(meaning, ping_interval=self.interval, ping_timeout=self.timeout)
        return ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class NoOpen(ProtocolFault):
    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        return () if isinstance(meaning, Welcome) else ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class NoJoin(ProtocolFault):
    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        return () if isinstance(meaning, Joined) else ((0.0, meaning),)


@dataclass(kw_only=True, eq=False)
class ConnectError(ProtocolFault):
    message: str = field(default="Invalid namespace", metadata=about(ParameterType.TEXT, "what it says"))

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        return ((0.0, JoinRefused(message=self.message) if isinstance(meaning, Joined) else meaning),)


@dataclass(kw_only=True, eq=False)
class AuthRefused(ProtocolFault):
    of_login = True

    reason: str = field(default=REFUSAL, metadata=about(ParameterType.TEXT, "the words"))
    then: Afterwards = field(
        default=Afterwards.CLOSE, metadata=about(Afterwards, "whether the server closes the connection too")
    )

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        if isinstance(meaning, Admitted | Refused):
            return ((0.0, Refused(reason=self.reason)),)
        # what would have followed the verdict is not told either
        return () if self.scene.live_at is None and STEP_OF[type(meaning)] is Step.TELL else ((0.0, meaning),)

    def stays_after(self, meaning: Meaning) -> bool:
        return isinstance(meaning, Refused) and self.then is Afterwards.STAY


@dataclass(kw_only=True, eq=False)
class AuthOutage(AuthRefused):
    for_all_alike: ClassVar[bool] = True


@dataclass(kw_only=True, eq=False)
class AuthGoodbye(ProtocolFault):
    of_login = True

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        return ((0.0, Goodbye(reason="") if isinstance(meaning, Admitted | Refused) else meaning),)


@dataclass(kw_only=True, eq=False)
class AuthSilent(ProtocolFault):
    of_login = True

    def hears(self, intent: Intent, now: float) -> bool:
        return not isinstance(intent, Login)


@dataclass(kw_only=True, eq=False)
class AuthClose(ClosingFault):
    of_login = True

    def hears(self, intent: Intent, now: float) -> bool:
        if isinstance(intent, Login):
            self.close_at = now
        return not isinstance(intent, Login)


@dataclass(kw_only=True, eq=False)
class FalseSuccess(ProtocolFault):
    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        empty = self.scene.live_at is not None and STEP_OF[type(meaning)] is Step.TELL
        return () if empty else ((0.0, meaning),)


class AccountWord(Enum):
    LIVE = "live"
    DEMO = "demo"
    NOTHING = "nothing"


_IS_DEMO = {AccountWord.LIVE: False, AccountWord.DEMO: True, AccountWord.NOTHING: None}


@dataclass(kw_only=True, eq=False)
class LyingBalance(ProtocolFault):
    of_login = True

    word: AccountWord = field(
        default=AccountWord.LIVE, metadata=about(AccountWord, "what the balance says about the account")
    )

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        if isinstance(meaning, Balance):
            meaning = replace(meaning, is_demo=_IS_DEMO[self.word])
        return ((0.0, meaning),)


class EarlyPolicy(Enum):
    IGNORE = "ignore"
    SERVE = "serve"
    CLOSE = "close"


@dataclass(kw_only=True, eq=False)
class PreAuthEvents(ProtocolFault):
    of_login = True

    policy: EarlyPolicy = field(
        default=EarlyPolicy.CLOSE, metadata=about(EarlyPolicy, "what becomes of events sent before the login")
    )

    def __post_init__(self) -> None:
        self.pre_auth_events = self.policy.value


@dataclass(kw_only=True, eq=False)
class SessionCap(ClosingFault):
    """Only the latest logins of an account stay. An older session hears of it when it next does anything."""

    of_login = True

    cap: int = field(
        default=1, metadata=about(ParameterType.COUNT, "sessions an account may have", minimum=1)
    )
    code: int = field(default=1000, metadata=about(ParameterType.COUNT, "the close code for the older one"))
    reason: str = field(
        default="logged in elsewhere", metadata=about(ParameterType.TEXT, "the close frame's words")
    )
    _account: str = field(default="", init=False)

    def hears(self, intent: Intent, now: float) -> bool:
        if isinstance(intent, Login):
            self._account = intent.user or intent.token.fingerprint()
        return True

    def says(self, meaning: Meaning, now: float) -> Sequence[tuple[float, Meaning]]:
        if isinstance(meaning, Admitted):
            latest = self.known.setdefault(self._account, [])
            latest.append(self)
            while len(latest) > self.cap:
                latest.pop(0).close_at = now
        return ((0.0, meaning),)
