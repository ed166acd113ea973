"""What other connections show, beside the one that is looked at: those of another client, by its log, and the monitor's own."""

from itertools import pairwise

from probe.diagnose.case import Case
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.data import repeated
from probe.measure.calendar import is_open
from probe.model.findings import Certainty, Sign, State
from probe.session.overheard import Overheard

book = RuleBook()

SETTLED = 20.0  # seconds after a reconnect in which prices may still come for the first time
REPEATED = 0.25  # of all prices: as many come twice where they are asked for twice


def _connections(case: Case) -> tuple[Overheard, ...]:
    return case.client.connections if case.client else ()


def _named(symbols: frozenset[str]) -> str:
    return ", ".join(sorted(symbols)[:3])


@book.of("cfg.masked-by-client")
def masked(case: Case) -> Sign | None:
    words = case.client.hides if case.client else ""
    if not words:
        return None
    facts = case.facts
    went_live = facts is not None and facts.went_live
    found = ("tradeprobe's own connection is let in",) if went_live else ()
    excluded = {"auth.false-success": "the client does not say that it is connected"}
    if facts is not None and facts.dialled is not None and not any(each.trouble for each in case.packages):
        excluded["cfg.library-version"] = "no package here is known not to fit that client"
    if went_live:
        excluded["auth.silent-after-connect"] = "the login was answered"
    return Sign(
        evidence=(f"the client's log says {words!r}, and no reason", *found),
        excluded=excluded,
        # What it hides is a verdict of its own.
        state=State.DEGRADED if went_live else State.HEALTHY,
        at_most=Certainty.POSSIBLE,
    )


@book.of("session.close-code-misleading")
def misleading(case: Case) -> Sign | None:
    codes = case.client.close_codes if case.client else ()
    failure = case.failure
    if failure is None or not codes:
        return None
    received = failure.close.received_code if failure.close else None
    status = failure.http_status
    seen = f"the upgrade is refused with HTTP {status}" if status else ""
    seen = seen or (f"the close frame on the wire says {received}" if received is not None else "")
    if not seen or received in codes:
        return None
    reported = " and ".join(map(str, codes))
    return Sign(
        says=f"the client's log says {reported}, which hides the cause: {seen}",
        evidence=(f"the client reports {reported}", seen),
        excluded=dict.fromkeys(
            ("session.closed-1006", "session.closed-1005", "session.protocol-error", "http.401"),
            f"{seen}: that is what the client's code hides",
        ),
        state=State.HEALTHY,  # the cause is a verdict of its own
        at_most=Certainty.LIKELY,  # the log is of another moment
    )


@book.of("auth.request-before-auth")
def too_early(case: Case) -> Sign | None:
    hasty = [each for each in _connections(case) if each.admitted and each.early]
    if not hasty:
        return None
    early = frozenset().union(*(each.early for each in hasty))
    mended = frozenset().union(*(each.mended for each in hasty))
    excluded = {
        "session.request-no-reply": "they were sent before the login was accepted",
        "session.resubscribe-lost": "they were sent, only too early",
    }
    if mended:
        excluded["auth.session-expired"] = "the same request was answered after the login"
    return Sign(
        evidence=(
            f"by its log the client asked about {_named(early)} before its login was accepted, and nothing came of it",
            *([f"asked once more after it, prices of {_named(mended)} came"] if mended else []),
        ),
        excluded=excluded,
        state=State.DEGRADED,
        at_most=Certainty.CERTAIN if mended else Certainty.LIKELY,
    )


@book.of("session.resubscribe-lost")
def resubscribe_lost(case: Case) -> Sign | None:
    return _not_asked_anew(case) or _not_told_anew(case)


def _not_asked_anew(case: Case) -> Sign | None:
    for before, after in pairwise([each for each in _connections(case) if each.admitted]):
        lost = (before.watched - after.watched - after.early) & before.priced - after.priced
        if lost:
            not_sent = "by its log the client did not send that subscription after the reconnect"
            return Sign(
                evidence=(f"prices of {_named(lost)} came before a reconnect, and none since", not_sent),
                excluded={
                    "session.silent-stall": "a reconnect came before it",
                    "auth.request-before-auth": not_sent,
                    "session.subscription-cap": not_sent,
                    "session.reconnect-broken": "a connection was opened, and let in",
                },
                state=State.DEGRADED,
            )
    return None


def _not_told_anew(case: Case) -> Sign | None:
    """The monitor's own session, which subscribes after each login."""
    turn = case.past.reconnected if case.past else None
    if turn is None or turn.ago_seconds < SETTLED or not turn.symbols_since:
        return None
    lost = frozenset(each for each in turn.symbols_before - turn.symbols_since if not _is_closed(case, each))
    if not lost:
        return None
    excluded = {
        "auth.request-before-auth": "the monitor subscribes when its login was accepted",
        "session.reconnect-broken": "a session was opened",
        "session.silent-stall": "a reconnect came before it",
    }
    kept = f"since then only those of {_named(turn.symbols_since)} come"
    return Sign(
        evidence=(f"before the reconnect {turn.ago_seconds:.0f} s ago prices of {_named(lost)} came", kept),
        excluded=excluded,
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,
    )


def _is_closed(case: Case, symbol: str) -> bool:
    """By the broker's word, else by the calendar."""
    look = case.looks.first if case.looks else None
    said = look.facts.is_open(symbol) if look else None
    if said is None and look is not None and look.began_utc is not None:
        said = is_open(symbol, None, look.began_utc)
    return said is False


@book.of("session.duplicate-subscriptions")
def twice(case: Case) -> Sign | None:
    for each in _connections(case):
        if each.twice and each.repeated > REPEATED * each.prices:
            asked = f"by its log the client subscribed to {_named(each.twice)} more than once"
            return Sign(
                evidence=(asked, f"{each.repeated} of {each.prices} prices came twice"),
                excluded={
                    "data.duplicates": asked,
                    "auth.logged-in-elsewhere": "it is one connection, and it was not ended",
                },
                state=State.DEGRADED,
            )
    comes_twice = repeated(case)
    if comes_twice is None or not case.own_connections:
        return None
    others = (
        "another connection" if case.own_connections == 1 else f"{case.own_connections} other connections"
    )
    return Sign(
        evidence=(comes_twice[0], f"this machine has {others} to that place"),
        excluded={"auth.logged-in-elsewhere": "neither of them was ended"},
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,  # whose they are, and what they ask for, is not seen
    )
