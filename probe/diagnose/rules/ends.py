"""How a live session ends: with which words, and on whose account."""

from collections.abc import Mapping
from dataclasses import replace

from probe.diagnose.case import Case
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.flow import lagged, our_own_fault, told, without
from probe.diagnose.rules.login import book as login
from probe.diagnose.rules.past import not_idle_alike
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign

book = RuleBook()

AMID_TRAFFIC = 3.0  # seconds since the last byte: less is not idle
YOUNG = 120.0  # seconds; no service ends sessions at an age below it
SLACK = 2.0  # seconds that a heartbeat may be under way
INTERNAL_ERROR = 1011
SERVICE_GOES = (1001, 1012, 1013)  # close codes: going away, restarting, try again later


def ended_as(case: Case, *kinds: str) -> Failure | None:
    failure = case.failure
    return failure if failure is not None and failure.slug is None and failure.kind in kinds else None


def close_code(failure: Failure) -> int | None:
    return failure.close.received_code if failure.close else None


def when(case: Case) -> str:
    facts = case.facts
    if facts is None or facts.ended is None:
        return "when is not known"
    if not facts.went_live:
        return f"before the login was accepted ({facts.ended.phase.value})"
    return f"{facts.seconds_live:.1f} s after the accepted login"


def _last_heard(case: Case) -> float | None:
    facts = case.facts
    if facts is None or facts.ended is None or facts.heard_at is None:
        return None
    return facts.ended.at - facts.heard_at


def _amid_traffic(case: Case) -> str | None:
    idle = _last_heard(case)
    return None if idle is None or idle > AMID_TRAFFIC else f"data came {idle * 1000:.0f} ms before"


def _closed_by(
    case: Case, code: str, seen: Mapping[str, str | None], what: str, at_most: Certainty = Certainty.CERTAIN
) -> Sign:
    reason = case.failure.close.received_reason if case.failure and case.failure.close else ""
    evidence = [f"{what}, {when(case)}"] + ([f"its reason: {reason}"] if reason else [])
    return Sign(evidence=tuple(evidence), excluded=without(dict(seen), code), at_most=at_most)


@book.of("session.closed-normal")
def closed_normal(case: Case) -> Sign | None:
    failure = ended_as(case, "session.closed-normal", "session.goodbye", "session.closed-other")
    if failure is None or login["auth.logged-in-elsewhere"](case) is not None:
        return None
    if close_code(failure) in (1002, 1007, 1009) or (close_code(failure) == INTERNAL_ERROR and lagged(case)):
        return None
    what = (
        "the server said goodbye"
        if failure.kind == "session.goodbye"
        else f"the server closed with {close_code(failure)}"
    )
    facts, code = case.facts, close_code(failure)
    lived = facts.seconds_live if facts and facts.went_live else None
    terms = facts.greeting if facts else None
    beat_within = terms.ping_interval + terms.ping_timeout if terms else None
    goes = "the code says that the service itself goes away" if code in SERVICE_GOES else None
    seen = {
        "session.app-close-4xxx": "the code is none of the service's own",
        "auth.logged-in-elsewhere": goes,
        "session.max-lifetime": "it ended while it was young"
        if lived is not None and lived < YOUNG
        else None,
        "eio.version": f"the server gives a heartbeat {beat_within:g} s"
        if lived is not None and beat_within is not None and lived < beat_within - SLACK
        else "no Engine.IO is spoken"
        if lived is not None and terms is None
        else None,
    }
    sign = _closed_by(case, "session.closed-normal", seen, what)
    if code == INTERNAL_ERROR:
        sign = replace(sign, says="the server closed the session over an error of its own")
    return sign


@book.of("session.closed-1005")
def closed_1005(case: Case) -> Sign | None:
    failure = ended_as(case, "session.closed-1005")
    if failure is None:
        return None
    went_live = case.facts is not None and case.facts.went_live
    seen = {
        "session.closed-1006": "a close frame came",
        "session.policy-1008": "the close frame was empty",
        "auth.rejected-41": "the login had been accepted" if went_live else None,
    }
    return _closed_by(case, "session.closed-1005", seen, "the server sent an empty close frame")


@book.of("session.closed-1006")
def closed_1006(case: Case) -> Sign | None:
    failure = ended_as(case, "session.closed-1006")
    if failure is None or failure.seen.error == "EPIPE":
        return None
    upgraded = case.facts is not None and case.facts.upgraded is not None
    seen = {
        "session.tcp-reset": "the stream ended without a reset",
        "session.closed-normal": "no close frame came",
        "session.closed-1005": "no close frame came, not even an empty one",
        "http.401": "the upgrade had been accepted (101)" if upgraded else None,
        "session.idle-timeout": _amid_traffic(case) or not_idle_alike(case),
    }
    return _closed_by(case, "session.closed-1006", seen, "the connection ended without a close frame")


@book.of("session.tcp-reset")
def tcp_reset(case: Case) -> Sign | None:
    failure = ended_as(case, "session.tcp-reset", "session.tls-broken")
    if failure is None or failure.seen.error == "EPIPE":
        return None
    went_live = case.facts is not None and case.facts.went_live
    is_reset = failure.kind == "session.tcp-reset"
    seen = {
        "session.closed-1006": "the connection was reset, it did not just end" if is_reset else None,
        "tcp.reset-in-path": "it had been opened, and the login accepted" if went_live else None,
        "session.idle-timeout": _amid_traffic(case) or not_idle_alike(case),
        "http.ban-disguised": "this very connection had been let in" if went_live else None,
    }
    what = (
        f"the connection was reset ({failure.seen.error or 'RST'})"
        if is_reset
        else "the encrypted stream broke"
    )
    return _closed_by(
        case, "session.tcp-reset", seen, what, at_most=Certainty.CERTAIN if is_reset else Certainty.LIKELY
    )


@book.of("session.used-after-close")
def used_after_close(case: Case) -> Sign | None:
    failure = case.failure
    if failure is None or failure.seen.error != "EPIPE":
        return None
    seen = {
        "session.closed-normal": "no close frame had come" if close_code(failure) is None else None,
        "session.closed-1006": "the error is on a send of ours: the end itself came before it",
        "session.tcp-reset": "the system says EPIPE: it knew of the end before we wrote",
        "session.reconnect-broken": "a new connection was made after it"
        if case.looks and case.looks.again and case.looks.again.facts.went_live
        else None,
    }
    return _closed_by(
        case, "session.used-after-close", seen, "we wrote to a connection that was over (EPIPE)"
    )


@book.of("session.policy-1008")
def policy_1008(case: Case) -> Sign | None:
    failure = ended_as(case, "session.policy-1008")
    if failure is None:
        return None
    seen = {
        "session.closed-1006": "a close frame came",
        "session.message-too-big": "the server gave another code",
        "session.app-close-4xxx": "the code is none of the service's own",
        "session.slow-consumer": our_own_fault(case).get("session.slow-consumer"),
    }
    return _closed_by(case, "session.policy-1008", seen, "the server closed with 1008")


@book.of("session.message-too-big")
def message_too_big(case: Case) -> Sign | None:
    failure = case.failure
    theirs = failure is not None and close_code(failure) == 1009
    if not theirs and ended_as(case, "session.message-too-big") is None:
        return told(case, "session.message-too-big")
    what = "the server closed with 1009" if theirs else "a message came that is larger than any broker sends"
    seen = {
        "session.protocol-error": "its size is all that is wrong with it",
        "session.policy-1008": "the server gave another code" if theirs else "it was we who closed",
        "session.closed-1006": "a close frame came" if theirs else "the connection still stood when it came",
    }
    return _closed_by(case, "session.message-too-big", seen, what)


@book.of("session.protocol-error")
def protocol_error(case: Case) -> Sign | None:
    failure = case.failure
    theirs = failure is not None and close_code(failure) in (1002, 1007)
    ours = ended_as(case, "session.protocol-error")
    if not theirs and ours is None:
        return None
    upgraded = case.facts is not None and case.facts.upgraded is not None
    broken = "the frames themselves break the rules" if ours else None
    seen = {
        "http.401": "the upgrade had been accepted (101)" if upgraded else None,
        "sio.binary-placeholder": broken,
        "session.message-too-big": broken or "the code is not 1009",
        "cfg.client-outdated": broken,
    }
    what = (
        f"bytes came that are no valid WebSocket ({ours.detail})"
        if ours
        else "the server calls our bytes invalid"
    )
    return _closed_by(
        case,
        "session.protocol-error",
        seen,
        what,
        at_most=Certainty.CERTAIN if ours else Certainty.LIKELY,
    )


@book.of("session.app-close-4xxx")
def app_close(case: Case) -> Sign | None:
    failure = ended_as(case, "session.app-close")
    if failure is None or login["auth.logged-in-elsewhere"](case) is not None:
        return None
    what = f"the server closed with {close_code(failure)}"
    return _closed_by(
        case, "session.app-close-4xxx", {"session.policy-1008": "the code is one of the service's own"}, what
    )
