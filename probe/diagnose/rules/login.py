"""The login itself, and why a server ends what it had let in. All refusals look alike on the wire, so each is given to the
one failure that most speaks for, and the others stay in doubt unless something observed rules them out."""

import re
from ipaddress import ip_address

from probe.catalogue import entries
from probe.diagnose.answers import calm, others_open, told_as
from probe.diagnose.beside import is_blocked_demo, refused_beside
from probe.diagnose.case import Case, Look
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.config import (
    NO_OTHER,
    REFUSALS,
    ago,
    contradiction,
    is_only_token,
    is_refused,
    newer_source,
)
from probe.diagnose.rules.edge import seen_in
from probe.diagnose.words import span
from probe.model.endpoint import Account
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign
from probe.model.standins import is_public
from probe.session.signs import as_told

book = RuleBook()

AT_ONCE = 1.0  # seconds from the login to a 41 that answers it
LONG_UNUSED = 30 * 86_400.0  # seconds; no session is known to last so long without use
SOON = 2.0  # seconds after the login in which a refusal belongs to it
_SOMEBODY_ELSE = re.compile(
    r"duplicate|elsewhere|(?:another|other|new) (?:login|session|device|connection)", re.IGNORECASE
)
_SIGN_IN_ANEW = (
    "Sign out in every browser, then sign in again with --login; the rejected token is not used any more.",
)


# -- which refusal it is -------------------------------------------------------------------------------------------------


def refusal(case: Case) -> Failure | None:
    """A refused login, whose slug is not told by the server itself."""
    failure = case.failure
    return None if failure is None or failure.slug is not None or not is_refused(case) else failure


def suspect(case: Case) -> str:
    """The slug that a refused login is given to."""
    failure = refusal(case)
    if failure is None:
        return ""
    if newer_source(case):
        return "cfg.ssid-stale-cache"
    if _accepted_elsewhere(case):
        return "auth.wrong-region"
    if contradiction(case):
        return "cfg.ssid-field-override"
    if case.past is not None and case.past.held is not None:
        return "auth.session-outlives-token"
    if refused_beside(case):
        return "auth.rejected-fleetwide"
    is_old = (unused_seconds(case) or 0.0) >= LONG_UNUSED
    if address_fits(case) is False and not is_old:
        return "auth.ip-bound"
    if _is_another_browser(case) and not is_old:
        return "auth.ua-bound"
    return "auth.session-expired" if is_old and failure.kind == "auth.closed" else failure.code


def said(case: Case, failure: Failure) -> tuple[str, ...]:
    seconds = _seconds_since_login(case)
    if seconds is None or not is_refused(case):
        return (str(failure), *_of_session(case))
    what = "closed the connection" if failure.kind == "auth.closed" else "answered"
    detail = f": {failure.detail}" if failure.detail else ""
    return (f"the server {what} {span(seconds)} after the login{detail}", *_of_session(case))


def _of_session(case: Case) -> tuple[str, ...]:
    """What the credential says of itself."""
    unused = unused_seconds(case)
    used = () if unused is None else (f"by what is written in it, the session was last used {ago(unused)}",)
    return (*used, *(case.pasted.repairs if case.pasted else ()))


def unused_seconds(case: Case) -> float | None:
    """How long ago the session was last used, by what the broker wrote into it and our own clock; None: one of them cannot
    be right, or they do not say."""
    bound = case.pasted.bound if case.pasted else None
    used, now = bound.last_used_utc if bound else None, case.looks.first.began_utc if case.looks else None
    return None if used is None or now is None or used > now else now - used


def address_fits(case: Case) -> bool | None:
    """Whether the address in the session is the one that the server sees us under; None: that is not known."""
    facts, bound = case.facts, case.pasted.bound if case.pasted else None
    if facts is None or facts.dialled is None or bound is None or not bound.address:
        return None
    dialled = facts.dialled
    try:
        written, ours = ip_address(bound.address), ip_address(dialled.local_address.partition("%")[0])
        server = ip_address(dialled.address.partition("%")[0])
    except ValueError:
        return None
    if dialled.proxy is not None or written.version != ours.version:
        return None
    return written == ours if is_public(ours) or server.is_loopback else None


def _accepted_elsewhere(case: Case) -> Look | None:
    elsewhere = case.looks.elsewhere if case.looks else None
    return elsewhere if elsewhere is not None and elsewhere.facts.went_live else None


def _not_other_causes(case: Case) -> dict[str, str]:
    """What else a refusal may be of, as far as it is ruled out."""
    excluded = {}
    if address_fits(case):
        excluded["auth.ip-bound"] = "the address in the session is the one we come from"
    if is_only_token(case):
        excluded["cfg.ssid-stale-cache"] = NO_OTHER
    elsewhere = case.looks.elsewhere if case.looks else None
    ended = elsewhere.facts.ended if elsewhere else None
    if elsewhere and ended and ended.failure and ended.failure.kind in REFUSALS:
        excluded["auth.wrong-region"] = f"{elsewhere.endpoint.region} refuses it too"
    return excluded


# -- refused -------------------------------------------------------------------------------------------------------------


@book.of("auth.session-expired")
def session_expired(case: Case) -> Sign | None:
    code, failure = "auth.session-expired", case.failure
    if told := case.shown.troubles.get(code):
        return as_told(told)
    if failure is None or (suspect(case) or failure.code) != code:
        return None
    signed_in = case.looks is not None and case.looks.first.asked.signed_in and failure.kind == "auth.refused"
    return Sign(
        says=failure.facts.says if failure.code == code else "",
        evidence=said(case, failure),
        excluded=_not_other_causes(case),
        advice=_SIGN_IN_ANEW if signed_in else (),
    )


@book.of("auth.rejected-41")
def rejected_41(case: Case) -> Sign | None:
    failure, seconds = refusal(case), _seconds_since_login(case)
    if failure is None or seconds is None or suspect(case) != "auth.rejected-41":
        return None
    return Sign(
        evidence=(
            f"41 came {span(seconds)} after the login frame, and no word of why",
            *_of_session(case),
        ),
        excluded={
            "auth.silent-after-connect": "41 is an answer",
            "session.closed-1005": "it came in answer to the login, before the session was live",
            "sio.connect-error": "the namespace had been opened; 41 came, and not 44",
        },
        at_most=Certainty.CERTAIN if seconds <= AT_ONCE and not _surprised(case) else Certainty.LIKELY,
    )


def _surprised(case: Case) -> bool:
    """Something came that was not understood: it may have been the reason."""
    return case.facts is not None and bool(case.facts.surprises)


def _seconds_since_login(case: Case) -> float | None:
    """Until it failed. It is sent as soon as the step before it is over."""
    facts = case.facts
    if facts is None or facts.ended is None or not facts.phases:
        return None
    return facts.ended.at - facts.phases[-1].at


@book.of("auth.ip-bound")
def ip_bound(case: Case) -> Sign | None:
    failure, bound = refusal(case), case.pasted.bound if case.pasted else None
    if failure is None or bound is None or suspect(case) != "auth.ip-bound":
        return None
    ours = case.facts.dialled.local_address if case.facts and case.facts.dialled else ""
    return Sign(
        evidence=(f"the session was made at {bound.address}, and we come from {ours}", *said(case, failure)),
        excluded={
            "http.cf-ip-reputation": "the upgrade was taken; the refusal came as an answer to the login",
            "geo.blocked": "no page came in place of the socket",
        },
        at_most=Certainty.POSSIBLE,  # until a session made behind this address is accepted
    )


@book.of("auth.wrong-region")
def wrong_region(case: Case) -> Sign | None:
    failure, elsewhere = refusal(case), _accepted_elsewhere(case)
    if failure is None or elsewhere is None or case.looks is None or suspect(case) != "auth.wrong-region":
        return None
    here = case.looks.first.endpoint
    excluded = {
        "auth.session-expired": f"{elsewhere.endpoint.region} accepts the same session",
        "http.200-not-101": "this host took the upgrade",
        "geo.blocked": "no page came in place of the socket",
    }
    if here.account is elsewhere.endpoint.account:
        excluded["auth.demo-real-mismatch"] = (
            f"both hosts are for {here.account.value or 'the same'} accounts"
        )
    return Sign(
        evidence=(
            f"{here.region} refuses the session, and {elsewhere.endpoint.region} accepts it",
            str(failure),
        ),
        excluded=excluded,
    )


@book.of("auth.demo-real-mismatch")
def demo_real_mismatch(case: Case) -> Sign | None:
    code = "auth.demo-real-mismatch"
    if case.looks is None:
        return None
    if suspect(case) == code and case.failure is not None:
        return Sign(
            says=case.failure.facts.says,
            evidence=said(case, case.failure),
            advice=(case.failure.facts.advise,),
            at_most=Certainty.POSSIBLE,
        )
    claimed, balance = case.looks.first.asked.account, case.looks.first.facts.balance
    if balance is None or balance.is_demo is None or claimed not in (Account.DEMO, Account.LIVE):
        return None
    if balance.is_demo == (claimed is Account.DEMO) or contradiction(case):
        return None
    theirs = "demo" if balance.is_demo else "live"
    return Sign(
        says=f"this is a login for a {claimed.value} account, and the server says that the account is a {theirs} one",
        evidence=(f"the login frame says {claimed.value}, the server's balance {theirs}",),
        excluded={
            "cfg.ssid-field-override": "no setting is for another kind of account than the frame",
            "auth.session-expired": "the login was accepted",
            "auth.wrong-region": "this host accepted the login",
        },
    )


def _is_another_browser(case: Case) -> bool:
    bound = case.pasted.bound if case.pasted else None
    return bound is not None and bound.has_unsendable_agent


# -- ended after it was accepted -----------------------------------------------------------------------------------------


@book.of("auth.logged-in-elsewhere")
def logged_in_elsewhere(case: Case) -> Sign | None:
    failure, facts = case.failure, case.facts
    if failure is None or facts is None or _too_early(case):
        return None
    reason = failure.close.received_reason if failure.close and facts.went_live else ""
    speaks_of_it = _SOMEBODY_ELSE.search(reason) is not None
    if failure.code != "auth.logged-in-elsewhere" and not speaks_of_it:
        return None
    excluded = {"session.closed-normal": "the server gave a reason that has to do with the login"}
    if speaks_of_it:
        words = "by its reason it is about another login"
        excluded |= {"session.max-lifetime": words, "auth.session-expired": words}
    if case.own_connections == 1:
        excluded["auth.connection-cap"] = "there was one other connection to that place on this machine"
    return Sign(
        evidence=(f"{facts.seconds_live:.1f} s after the accepted login: {failure}",),
        excluded=excluded,
        at_most=Certainty.LIKELY,
    )


def _too_early(case: Case) -> bool:
    """A success that was withdrawn at once."""
    failure, facts = case.failure, case.facts
    if failure is None or facts is None or not facts.went_live:
        return False
    return failure.kind == "auth.revoked" and failure.slug is None and facts.seconds_live < SOON


@book.of("auth.false-success")
def false_success(case: Case) -> Sign | None:
    facts, failure = case.facts, case.failure
    if facts is None or not facts.went_live or case.looks is None or is_blocked_demo(case):
        return None
    if failure is not None and _too_early(case):
        refused = "the login was withdrawn in so many words"
        return Sign(
            evidence=(
                f"{span(facts.seconds_live)} after its success the login was refused ({failure.detail or failure})",
            ),
            excluded=dict.fromkeys(entries()["auth.false-success"].look_alikes, refused),
        )
    heard = facts.first_data or facts.answered or facts.surprises or facts.balance or facts.assets
    if failure is not None or heard or case.looks.first.asked.symbol is None:
        return None
    if facts.seconds_live < case.looks.first.asked.price_within or not facts.heartbeats:
        return None
    return Sign(
        evidence=(
            f"the login was accepted, and in the {facts.seconds_live:.1f} s since then came no price, no balance and no answer",
            "heartbeats were answered",
        ),
        excluded={
            "session.silent-stall": "no price had come before",
            "session.request-no-reply": "no prices flow either",
            "session.subscription-not-armed": "no other request was answered either",
            "session.half-open": "heartbeats were answered",
        },
        at_most=Certainty.LIKELY,
    )


# -- not answered --------------------------------------------------------------------------------------------------------


@book.of("auth.silent-after-connect")
def silent_after_connect(case: Case) -> Sign | None:
    failure, facts = case.failure, case.facts
    if failure is None or facts is None or told_as(case) != "auth.silent-after-connect":
        return None
    excluded = {
        "cfg.library-version": "the connection was made, and the login was sent",
        "auth.rejected-41": "no answer came at all",
        "cfg.ssid-mangled": "the frame that was sent parses",
        "cfg.ssid-wrong-frame": "event and keys are those of the trading socket",
    }
    if not facts.surprises:
        excluded["sio.binary-placeholder"] = "nothing came that was not understood, binary or other"
    if facts.kernel is not None and facts.kernel.unacknowledged == 0:
        excluded["session.half-open"] = "TCP acknowledged all that was sent"
    seconds = _seconds_since_login(case)
    waited = "" if seconds is None else f" in {seconds:.0f} s"
    return Sign(
        evidence=(f"the login was sent, and nothing answered it{waited}", *_of_session(case)),
        excluded=excluded,
        at_most=Certainty.POSSIBLE,  # until a credential that cannot be right is answered
    )


# -- too many ------------------------------------------------------------------------------------------------------------


@book.of("auth.connection-cap")
def connection_cap(case: Case) -> Sign | None:
    code, failure = "auth.connection-cap", case.failure
    if told := case.shown.troubles.get(code):
        return as_told(told)
    if failure is None or told_as(case) != code:
        return None
    answer, others = failure.seen.answer, others_open(case)
    excluded = {
        "host.fd-limit": "the connection was made",
        "load.ephemeral-ports": "the connection was made",
    }
    if answer is not None:
        slow = calm(case) if answer.status == 429 else f"the status is {answer.status}"
        excluded |= {"http.429": slow} if slow else {}
        excluded |= {"http.403-origin": "the status is 429"} if answer.status == 429 else {}
    if others:
        excluded["auth.logged-in-elsewhere"] = "ours was not the second connection, but a later one"
    return Sign(
        evidence=(*(seen_in(answer) if answer else (str(failure),)), *((others,) if others else ())),
        excluded=excluded,
        # Until it repeats at the same number, unless the server says so itself.
        at_most=Certainty.LIKELY if failure.code == code else Certainty.POSSIBLE,
    )
