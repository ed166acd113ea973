"""Faults of a broker's web pages: what a client meets on its way from a password to a session.

Their time counts from when they are switched on, for everybody alike. The pages ask the board at each request.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import Random
from typing import ClassVar, TypeVar, cast

from probe.faults.grammar import FaultKind, FaultOrder, FaultSpec, ParameterType, about, parameters_of
from probe.faults.posted import PostedOrders
from probe.model.errors import ConfigError

CHALLENGE_STATUSES = (200, 403)


@dataclass(frozen=True, kw_only=True)
class PageFault:
    brokers: ClassVar[tuple[str, ...]] = ()  # empty: all that have such pages
    of_sign_in: ClassVar[bool] = True  # False: it happens to any page

    share: float = field(
        default=1.0, metadata=about(ParameterType.PROBABILITY, "the share of requests it happens to")
    )


@dataclass(frozen=True, kw_only=True)
class Challenge(PageFault):
    of_sign_in: ClassVar[bool] = False

    status: int = field(default=403, metadata=about(ParameterType.COUNT, "200 or 403"))

    def __post_init__(self) -> None:
        if self.status not in CHALLENGE_STATUSES:
            raise ValueError(f"a challenge comes with status 200 or 403, not {self.status}")


@dataclass(frozen=True, kw_only=True)
class FormMissing(PageFault): ...


@dataclass(frozen=True, kw_only=True)
class RegionBlocked(PageFault): ...


@dataclass(frozen=True, kw_only=True)
class PinWanted(PageFault): ...


@dataclass(frozen=True, kw_only=True)
class SignInRefused(PageFault): ...


class SettingsFlaw(Enum):
    MISSING = "missing"
    NOT_JSON = "not-json"


@dataclass(frozen=True, kw_only=True)
class SettingsMissing(PageFault):
    flaw: SettingsFlaw = field(
        default=SettingsFlaw.MISSING, metadata=about(SettingsFlaw, "what is wrong with them")
    )


@dataclass(frozen=True, kw_only=True)
class StaleToken(PageFault): ...


@dataclass(frozen=True, kw_only=True)
class WebSessionOver(PageFault): ...


@dataclass(frozen=True, kw_only=True)
class HistoryByWord(PageFault):
    brokers: ClassVar[tuple[str, ...]] = ("quotex",)


@dataclass(frozen=True, kw_only=True)
class SlowPages(PageFault):
    of_sign_in: ClassVar[bool] = False

    seconds: float = field(default=5.0, metadata=about(ParameterType.SECONDS, "how late"))


_ENTRIES: dict[str, tuple[type[PageFault], str, str]] = {
    "signin-challenge": (
        Challenge,
        "http.cf-challenge",
        "every page is the edge's challenge for browsers (Just a moment...)",
    ),
    "signin-form-missing": (FormMissing, "cfg.login-page-changed", "the sign-in page has no form"),
    "signin-region-blocked": (
        RegionBlocked,
        "geo.blocked",
        "signing in ends at a page that says: not available in your region",
    ),
    "signin-pin": (PinWanted, "auth.2fa-pin", "signing in asks for a PIN, as if one had been mailed"),
    "signin-refused": (SignInRefused, "auth.bad-credentials", "the right password is refused"),
    "signin-settings-missing": (
        SettingsMissing,
        "cfg.login-page-changed",
        "the page after signing in lacks its settings, or they are no JSON",
    ),
    "signin-stale-token": (
        StaleToken,
        "auth.reconnect-stale-token",
        "the pages hand out the same token again and again, and the socket takes it no more",
    ),
    "signin-expired": (
        WebSessionOver,
        "auth.session-expired",
        "web sessions end when they want their token renewed, or anything else that is no page",
    ),
    "signin-slow": (SlowPages, "", "every page comes late"),
    "history-by-word": (
        HistoryByWord,
        "",
        "the web history is found for demo and live, not for 1 and 0 as some clients ask",
    ),
}

PAGE_FAULTS: Mapping[str, FaultSpec] = {
    name: FaultSpec(
        name=name,
        kind=FaultKind.PAGES,
        summary=summary,
        parameters=parameters_of(fault),
        finding=finding,
        brokers=fault.brokers,
    )
    for name, (fault, finding, summary) in _ENTRIES.items()
}
_SPECS = {fault: PAGE_FAULTS[name] for name, (fault, _, _) in _ENTRIES.items()}

F = TypeVar("F", bound=PageFault)


def page_fault(order: FaultOrder) -> PageFault:
    """The fault an order for one of the `PAGE_FAULTS` asks for.

    Raises:
        ConfigError: its values do not go together.
    """
    fault = _ENTRIES[order.spec.name][0]
    try:
        return fault(**cast("dict[str, float]", order.values))
    except ValueError as problem:
        raise ConfigError(str(problem), where=f"fault {str(order)!r}") from None


class PageBoard:
    """Which of them a broker's pages suffer; may be changed while they are served."""

    def __init__(self, rng: Random) -> None:
        self._orders = PostedOrders()
        self._rng = rng

    def set_faults(self, orders: Iterable[FaultOrder], now: float) -> None:
        """What was on already goes on; the new ones count from now."""
        self._orders.replace(orders, now)

    def strikes(self, fault: type[F], now: float) -> F | None:
        """Whether such a fault happens to a request that is answered now."""
        order = self._orders.acting(_SPECS[fault], now)
        if order is None:
            return None
        acting = page_fault(order)
        return cast("F", acting) if self._rng.random() < acting.share else None
