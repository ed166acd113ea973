"""The credential and the libraries, before a packet is sent."""

from probe.catalogue import entries
from probe.diagnose.case import Case, Source
from probe.diagnose.rule import Rule, RuleBook
from probe.diagnose.rules.engine import is_apart
from probe.diagnose.rules.flow import flood
from probe.model.endpoint import Account
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

_OTHER_TEXTS = {
    "cfg.ssid-raw-token": "it is more than a bare token",
    "cfg.ssid-mangled": "nothing in it is damaged",
    "cfg.ssid-wrong-frame": "it is no known frame of another connection",
}
REFUSALS = ("auth.refused", "auth.rejected-41", "auth.closed")  # kinds
_NOT_SENT = "nothing was sent, so no server can have had a part in it"


def _unreadable(code: str, *, shape: bool | None) -> Rule:
    """A credential that cannot be used as it stands. `shape`: the one that makes it certain; None: any does."""

    def rule(case: Case) -> Sign | None:
        pasted = case.pasted
        if pasted is None or pasted.code != code:
            return None
        seen = f"the text {'begins' if pasted.begins_as_frame else 'does not begin'} as a whole login does"
        problem = pasted.problem[0].lower() + pasted.problem[1:]
        is_sure = shape is None or pasted.begins_as_frame is shape
        against = {other: _OTHER_TEXTS.get(other, _NOT_SENT) for other in entries()[code].look_alikes}
        if shape and not pasted.begins_as_frame:  # what is damaged may have been a bare token
            del against["cfg.ssid-raw-token"]
        return Sign(
            evidence=(problem,) if shape is None else (seen, problem),
            excluded=against,
            advice=(pasted.next_step,),
            at_most=Certainty.CERTAIN if is_sure else Certainty.LIKELY,
        )

    return rule


book.of("cfg.ssid-raw-token")(_unreadable("cfg.ssid-raw-token", shape=False))
book.of("cfg.ssid-mangled")(_unreadable("cfg.ssid-mangled", shape=True))
book.of("cfg.ssid-wrong-frame")(_unreadable("cfg.ssid-wrong-frame", shape=None))
book.of("cfg.url-malformed")(_unreadable("cfg.url-malformed", shape=None))


def newer_source(case: Case) -> tuple[Source, Source] | None:
    """The place whose token is used, and one with another token that was written later."""
    sources = case.pasted.sources if case.pasted else ()
    used = next((each for each in sources if each.used and each.fingerprint), None)
    if used is None or used.age_seconds is None:
        return None
    others = (
        each
        for each in sources
        if each.fingerprint not in ("", used.fingerprint)
        and each.age_seconds is not None
        and each.age_seconds < used.age_seconds
    )
    newest = min(others, key=lambda each: each.age_seconds or 0.0, default=None)
    return (used, newest) if newest else None


NO_OTHER = "the token that was sent is the one that was given, and the places looked at hold no other"


def is_only_token(case: Case) -> bool:
    """A password holds none, so it may be any that was kept."""
    tokens = {each.fingerprint for each in case.pasted.sources} if case.pasted else set()
    return len(tokens) == 1 and "" not in tokens


@book.of("cfg.ssid-stale-cache")
def stale_cache(case: Case) -> Sign | None:
    found = newer_source(case)
    if found is None:
        return None
    used, newer = found
    live = case.facts is not None and case.facts.went_live
    excluded = {
        "auth.reconnect-stale-token": "it is the first connection, and already it uses the older one",
        "cfg.ssid-field-override": "the tokens themselves differ",
    }
    if case.looks is None:
        excluded["auth.session-expired"] = _NOT_SENT
    return Sign(
        evidence=(
            f"the token that is used (…{used.fingerprint}) comes from {used.name}, written {ago(used.age_seconds)}",
            f"another one (…{newer.fingerprint}) lies in {newer.name}, written {ago(newer.age_seconds)}",
        ),
        excluded=excluded,
        state=State.HEALTHY if live else _harm(case),
    )


def is_refused(case: Case) -> bool:
    """The login, in whichever form."""
    return case.failure is not None and case.failure.kind in REFUSALS


def _harm(case: Case) -> State:
    return State.FAILED if is_refused(case) else State.DEGRADED


def ago(seconds: float | None) -> str:
    seconds = seconds or 0.0
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= 2 * size), _UNITS[-1])
    return f"{seconds / size:.0f} {unit} ago"


_UNITS = ((86_400, "days"), (3_600, "hours"), (60, "minutes"), (1, "s"))


def contradiction(case: Case) -> tuple[Account, Account] | None:
    """The kind of account that the endpoint is for, and that which the credential claims, if they differ."""
    if case.looks is None:
        return None
    asked, claimed = case.looks.first.endpoint.account, case.looks.first.asked.account
    kinds = (Account.DEMO, Account.LIVE)
    return (asked, claimed) if asked in kinds and claimed in kinds and asked is not claimed else None


@book.of("cfg.ssid-field-override")
def field_override(case: Case) -> Sign | None:
    found = contradiction(case)
    if found is None or case.looks is None or newer_source(case) is not None:
        return None
    asked, claimed = found
    balance = case.looks.first.facts.balance
    host = case.looks.first.endpoint.address.host_header
    evidence = [f"{host} is set to be for {asked.value} accounts, and the login frame says {claimed.value}"]
    is_judged = balance is not None and balance.is_demo is not None
    if balance is not None and is_judged:
        evidence.append(f"the server says that the account is {'demo' if balance.is_demo else 'live'}")
    excluded = {
        "cfg.ssid-mangled": "the frame parses",
        "auth.demo-real-mismatch": "setting and frame do not agree with each other",
    }
    if is_only_token(case):
        excluded["cfg.ssid-stale-cache"] = NO_OTHER
    return Sign(
        evidence=tuple(evidence),
        excluded=excluded,
        state=_harm(case),
        at_most=Certainty.CERTAIN
        if is_judged
        else Certainty.LIKELY,  # that it is why it was refused, nobody has said
    )


@book.of("cfg.library-version")
def library_version(case: Case) -> Sign | None:
    unfit = [each for each in case.packages if each.trouble]
    if not unfit:
        return None
    read = "it is read from what is installed, before any connection"
    return Sign(
        says="a client that is installed here does not fit a library beside it (tradeprobe itself does without that client)",
        evidence=tuple(f"{each.name} {each.version}: {each.trouble}" for each in unfit),
        excluded={
            "auth.silent-after-connect": read,
            "eio.version": read,
            "cfg.client-outdated": read,
        },
        state=State.DEGRADED,
    )


@book.of("cfg.socks-extra-missing")
def socks_extra_missing(case: Case) -> Sign | None:
    lacking = [each for each in case.packages if each.without_socks]
    if not lacking:
        return None
    return Sign(
        says="a SOCKS proxy is set, and a client that is installed here has no package to use it",
        evidence=tuple(
            f"{each.without_socks} names a SOCKS proxy, and beside {each.name} {each.version} neither python-socks nor PySocks is installed"
            for each in lacking
        ),
        excluded={
            "tcp.proxy-refused": "it is read from what is set and installed, before any connection",
            "tcp.proxy-ignored": "neither package is there",
        },
        state=State.DEGRADED,
    )


@book.of("cfg.client-outdated")
def client_outdated(case: Case) -> Sign | None:
    facts, failure = case.facts, case.failure
    if facts is None:
        return None
    if failure is not None and failure.code == "cfg.client-outdated":
        return Sign(evidence=(str(failure),), says=failure.facts.says, advice=(failure.facts.advise,))
    if not facts.surprises or any(is_apart(each) for each in facts.surprises):
        return None
    is_noise = failure is not None and failure.code == "session.protocol-error"
    if is_noise or (case.looks is not None and flood(case.looks.first)):
        return None
    first = facts.surprises[0]
    mute = facts.went_live and facts.first_data is None and case.looks and case.looks.first.asked.symbol
    count = len(facts.surprises)
    excluded = {"cfg.login-page-changed": "what is not understood came over the socket, after the sign-in"}
    if facts.upgraded is not None:
        excluded["http.cf-challenge"] = "the server took the upgrade"
    if facts.went_live:
        excluded["auth.rejected-fleetwide"] = "the login was accepted"
    return Sign(
        says="the server speaks in a way that this version does not know",
        evidence=(
            f"{count} message{'s' if count > 1 else ''} came that this version does not know; first: {first.problem}",
        ),
        excluded=excluded,
        advice=("Update tradeprobe; the broker may have changed its messages.",),
        state=State.FAILED if mute else State.DEGRADED,
        at_most=Certainty.POSSIBLE,
    )
