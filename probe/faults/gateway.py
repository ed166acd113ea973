"""Faults of a gateway over a trading terminal: of the terminal behind it, of its sessions, and of what it answers."""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from probe.faults.grammar import ParameterType, about
from probe.faults.paged import Entries, PageFault

AUTH_STATUSES = (401, 403)


@dataclass(frozen=True, kw_only=True)
class GatewayFault(PageFault):
    brokers: ClassVar[tuple[str, ...]] = ("mt5",)
    of_sign_in: ClassVar[bool] = False


class Variant(Enum):
    V0 = "v0"
    V1 = "v1"


@dataclass(frozen=True, kw_only=True)
class GatewayVariant(GatewayFault):
    v: Variant = field(default=Variant.V1, metadata=about(Variant, "which of the public server's two"))
    auth: int = field(
        default=401, metadata=about(ParameterType.COUNT, "without a token: 401, or 403 as older ones")
    )

    def __post_init__(self) -> None:
        if self.auth not in AUTH_STATUSES:
            raise ValueError(f"a missing token is answered with 401 or 403, not with {self.auth}")


# -- the terminal behind it --------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TerminalClosed(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class BrokerLinkDown(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class FrozenFeed(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class AccountSwitched(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class OtherLoggedOut(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class BlockedLoop(GatewayFault):
    seconds: float = field(
        default=4.0, metadata=about(ParameterType.SECONDS, "how long each call of the terminal takes")
    )


@dataclass(frozen=True, kw_only=True)
class IpcTimeout(GatewayFault):
    seconds: float = field(
        default=8.0,
        metadata=about(ParameterType.SECONDS, "how long each call takes to fail; 60 where nobody chose it"),
    )


@dataclass(frozen=True, kw_only=True)
class AlgoOff(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class InvestorAccount(GatewayFault): ...


# -- its sessions ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class TokensLost(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class SeveralWorkers(GatewayFault):
    n: int = field(
        default=4, metadata=about(ParameterType.COUNT, "how many, each with its own sessions", minimum=2)
    )


# -- what it answers ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BadOffset(GatewayFault):
    hours: int = field(
        default=-70, metadata=about(ParameterType.COUNT, "the offset that is told", minimum=-1e6)
    )


@dataclass(frozen=True, kw_only=True)
class LongHistory(GatewayFault):
    rows: int = field(default=10_000, metadata=about(ParameterType.COUNT, "how many deals there are"))


@dataclass(frozen=True, kw_only=True)
class Nginx503(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class Nginx504(GatewayFault):
    seconds: float = field(default=0.0, metadata=about(ParameterType.SECONDS, "how late it comes"))


@dataclass(frozen=True, kw_only=True)
class HtmlAnswer(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class RedirectedElsewhere(GatewayFault):
    to: str = field(
        default="https://elsewhere.sim.test", metadata=about(ParameterType.TEXT, "where, without the path")
    )


@dataclass(frozen=True, kw_only=True)
class DrippingAnswer(GatewayFault):
    every: float = field(default=1.0, metadata=about(ParameterType.SECONDS, "between two bytes of the body"))


@dataclass(frozen=True, kw_only=True)
class BigBody(GatewayFault):
    size: int = field(default=10_000_000, metadata=about(ParameterType.BYTES, "how much is added to it"))


@dataclass(frozen=True, kw_only=True)
class EndlessBody(GatewayFault): ...


@dataclass(frozen=True, kw_only=True)
class InvalidUtf8(GatewayFault): ...


class WildNumber(Enum):
    NAN = "nan"
    DIGITS = "digits"


@dataclass(frozen=True, kw_only=True)
class WildNumbers(GatewayFault):
    kind: WildNumber = field(
        default=WildNumber.NAN, metadata=about(WildNumber, "no number, or one of 400 digits")
    )


GATEWAY_FAULTS: Entries = {
    "gateway-variant": (
        GatewayVariant,
        "",
        "the gateway is the other variant of the public server (without this fault v1)",
    ),
    "gateway-terminal-closed": (
        TerminalClosed,
        "mt5.gateway-up-terminal-down",
        "the terminal was closed after the login: zeros and empty lists with 200, 404 and 500",
    ),
    "gateway-broker-down": (
        BrokerLinkDown,
        "data.stale-ticks",
        "the terminal has lost its broker: everything is answered, from what it knew",
    ),
    "gateway-frozen-feed": (FrozenFeed, "data.stale-ticks", "ticks stand still, and the server's time with"),
    "gateway-account-switched": (
        AccountSwitched,
        "mt5.multi-terminal",
        "another session has switched the one terminal to its own account",
    ),
    "gateway-other-logged-out": (
        OtherLoggedOut,
        "mt5.gateway-up-terminal-down",
        "another session's logout has shut the terminal's interface down; the next login opens it again",
    ),
    "gateway-blocked": (BlockedLoop, "mt5.bridge-hang", "each call of the terminal blocks the whole gateway"),
    "gateway-ipc-timeout": (
        IpcTimeout,
        "mt5.ipc-timeout",
        "each call of the terminal times out (-10005), and blocks the whole gateway meanwhile",
    ),
    "gateway-algo-off": (
        AlgoOff,
        "mt5.algo-off",
        "algo trading is off in the terminal; seen by whoever asks the terminal itself",
    ),
    "gateway-investor": (
        InvestorAccount,
        "mt5.investor-password",
        "the account may not trade; seen by whoever asks the terminal itself",
    ),
    "gateway-tokens-lost": (
        TokensLost,
        "mt5.gateway-401",
        "the gateway was started anew: no token from before is valid while this lasts",
    ),
    "gateway-workers": (
        SeveralWorkers,
        "mt5.gateway-401-random",
        "several workers behind one address, each of which knows its own tokens only",
    ),
    "gateway-bad-offset": (
        BadOffset,
        "mt5.server-timezone",
        "the offset of the broker's time is absurd, as after a login on an old tick",
    ),
    "gateway-long-history": (LongHistory, "", "the history is as long as it gets"),
    "gateway-nginx-503": (
        Nginx503,
        "http.bad-gateway",
        "nginx refuses with its own 503 page, as its limiter does",
    ),
    "gateway-nginx-504": (Nginx504, "http.bad-gateway", "nginx has waited long enough: its own 504 page"),
    "gateway-html": (HtmlAnswer, "http.200-not-101", "a page comes with 200 where JSON should"),
    "gateway-redirect": (
        RedirectedElsewhere,
        "http.redirect",
        "everything is redirected to another host, and the token should not go there",
    ),
    "gateway-drip": (DrippingAnswer, "http.open-timeout", "bodies come byte by byte"),
    "gateway-big-body": (BigBody, "session.message-too-big", "bodies are of enormous size"),
    "gateway-endless-body": (EndlessBody, "session.message-too-big", "bodies never end"),
    "gateway-invalid-utf8": (InvalidUtf8, "http.200-not-101", "bodies are no UTF-8"),
    "gateway-wild-numbers": (
        WildNumbers,
        "http.200-not-101",
        "numbers are NaN, or hundreds of digits long",
    ),
}
