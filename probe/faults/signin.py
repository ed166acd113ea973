"""Faults of the way from a password to a session: a broker's pages for people."""

from dataclasses import dataclass, field
from enum import Enum
from typing import ClassVar

from probe.faults.grammar import ParameterType, about
from probe.faults.paged import Entries, PageFault

CHALLENGE_STATUSES = (200, 403)


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


SIGN_IN_FAULTS: Entries = {
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
