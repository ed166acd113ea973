"""The live session: prices that stop or never begin, and requests that stay unanswered."""

from dataclasses import replace
from itertools import pairwise
from statistics import median

from probe.diagnose.case import Case, Look
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.flow import (
    PUSHED,
    closed,
    control_asked_at,
    control_flows,
    flood,
    is_explained,
    is_listed,
    is_mute,
    is_usual,
    moves_elsewhere,
    only_here,
    our_own_fault,
    overdue,
    ponged_after,
    prices,
    streaming,
    told,
    without,
)
from probe.model.events import RequestExpired
from probe.model.findings import Certainty, Sign, State
from probe.model.intents import AskHistory, Watch

book = RuleBook()

DISPLACED_WITHIN = 1.0  # seconds after another subscription
WAITED = 5.0  # seconds; what was asked later had no time to be answered
LAGS, PARTS = (
    1.5,
    6,
)  # seconds by which prices may grow older from the first of so many parts of a look to the last
MANY = 20  # prices, before their age says anything


def _stalled(case: Case) -> tuple[Look, float] | None:
    """All symbols have stopped, in a market that nobody calls closed, over a connection that answers pings. With the time
    of the last price."""
    look = streaming(case)
    if look is None or case.failure is not None or closed(look):
        return None
    rows = look.facts.quotes
    if not rows or not prices(look, look.asked.symbol) or overdue(look, look.asked.symbol) is None:
        return None
    if control_flows(look) or ponged_after(look, rows[-1].at) is None or only_here(case):
        return None
    return look, rows[-1].at


def _asked_after(look: Look, at: float) -> bool | None:
    """Whether a request that was made then was answered; None: none was made, it had no time, or what came was not
    understood."""
    if any(each.sent_at > at for each in look.facts.answered):
        return True
    lost = next((each for each in look.facts.expired if each.sent_at > at and _ran_out(each)), None)
    is_lost = lost is not None and not any(each.at > lost.sent_at for each in look.facts.surprises)
    return False if is_lost else None


def _ran_out(expired: RequestExpired) -> bool:
    return expired.at - expired.sent_at >= WAITED


_LONGER = (
    "Look for longer (--deep), or at a symbol that trades all the time: one that seldom trades looks the same.",
)


def _market(case: Case) -> str | None:
    """What shows that the market moves. The broker's word that it is open does not: its list may be ten minutes old."""
    return "a second connection, opened right after, got new prices of it" if moves_elsewhere(case) else None


def _weighed(look: Look, sign: Sign) -> Sign:
    """Of a symbol that seldom trades one look tells nothing."""
    if look.facts.is_open(look.asked.symbol or ""):
        sign = replace(sign, evidence=(*sign.evidence, "the broker says that its market is open"))
    if not is_usual(look, look.asked.symbol):
        return sign
    return replace(sign, at_most=Certainty.POSSIBLE, state=State.UNKNOWN, advice=_LONGER)


def _silence(look: Look) -> str:
    assert look.facts.ended is not None  # noqa: S101 - a look that is judged has ended
    rows = prices(look, look.asked.symbol)
    return f"no price of {look.asked.symbol} for {look.facts.ended.at - rows[-1].at:.1f} s, after {len(rows)} of them"


@book.of("session.silent-stall")
def silent_stall(case: Case) -> Sign | None:
    found = _stalled(case)
    if found is None:
        return _no_price_for_long(case)
    look, last = found
    answered = _asked_after(look, last)
    if answered is False:
        return None
    ponged = ponged_after(look, last)
    excluded = {
        "session.half-open": f"a ping was answered {ponged - last:.1f} s after the last price"
        if ponged
        else None,
        "data.market-closed": _market(case),
        "session.heartbeat-without-data": "a request made after the last price was answered"
        if answered
        else None,
        "auth.false-success": "prices had come before",
        "data.unknown-asset": "its prices had come before",
        "session.slow-consumer": our_own_fault(case).get("session.slow-consumer"),
    }
    sign = Sign(
        evidence=(_silence(look), "pings are answered"),
        excluded=without(excluded, "session.silent-stall"),
    )
    return _weighed(look, sign)


def _no_price_for_long(case: Case) -> Sign | None:
    """Where prices are asked for: none came, and no answer said why."""
    look = case.looks.first if case.looks else None
    if (
        look is None
        or look.endpoint.scheme in PUSHED
        or not look.facts.went_live
        or look.asked.symbol is None
    ):
        return None
    facts = look.facts
    if facts.first_data is not None or case.failure is not None or is_explained(look):
        return None
    if closed(look) or facts.seconds_live < look.asked.price_within:
        return None
    heard = facts.ended.at - facts.heard_at if facts.ended and facts.heard_at is not None else None
    excluded = {
        "session.half-open": f"an answer came {heard:.1f} s before the end"
        if heard is not None and heard < look.asked.price_within
        else None,
        "auth.false-success": "requests are answered" if facts.answered else None,
        "data.unknown-asset": "the broker's list has it" if is_listed(look) else None,
        "session.slow-consumer": "prices are asked for, one question after the other",
        "session.heartbeat-without-data": "requests are answered" if facts.answered else None,
    }
    return Sign(
        says=f"logged in, and no new price of {look.asked.symbol} comes",
        evidence=(f"no new price of it came within {facts.seconds_live:.1f} s",),
        excluded=without(excluded, "session.silent-stall"),
        at_most=Certainty.POSSIBLE,
    )


@book.of("session.heartbeat-without-data")
def heartbeat_without_data(case: Case) -> Sign | None:
    found = _stalled(case)
    if found is None or _asked_after(*found) is not False:
        return None
    look, _ = found
    sign = Sign(
        evidence=(_silence(look), "pings are answered, and a request made since then is not"),
        excluded=without(
            {
                "data.market-closed": _market(case),
                "session.silent-stall": "a request made after the last price was not answered",
                "session.half-open": "pings were answered after the last price",
            },
            "session.heartbeat-without-data",
        ),
    )
    return _weighed(look, sign)


@book.of("session.one-symbol-stall")
def one_symbol_stall(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or case.failure is not None or closed(look) or _is_displaced(look):
        return None
    rows, asked_at = prices(look, look.asked.symbol), control_asked_at(look)
    if not rows or not control_flows(look) or overdue(look, look.asked.symbol) is None or asked_at is None:
        return None
    excluded = {
        "data.market-closed": _market(case),
        "session.subscription-cap": f"it went on for {rows[-1].at - asked_at:.1f} s beside {look.control_symbol}",
        "data.unknown-asset": "it had prices on this connection",
        "session.silent-stall": f"prices of {look.control_symbol} go on",
    }
    sign = Sign(
        evidence=(_silence(look), f"prices of {look.control_symbol} go on"),
        excluded=without(excluded, "session.one-symbol-stall"),
    )
    return _weighed(look, sign)


def _is_displaced(look: Look) -> bool:
    asked_at, rows = control_asked_at(look), prices(look, look.asked.symbol)
    if asked_at is None or not control_flows(look) or overdue(look, look.asked.symbol) is None:
        return False
    return not rows or rows[-1].at - asked_at < DISPLACED_WITHIN


@book.of("session.subscription-cap")
def subscription_cap(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or not _is_displaced(look) or closed(look) or is_listed(look) is False:
        return told(case, "session.subscription-cap")
    rows = prices(look, look.asked.symbol)
    excluded = {
        "data.unknown-asset": "the broker's list has it" if is_listed(look) else None,
        "session.policy-1008": "the session was not closed",
        "data.market-closed": _market(case),
        "session.one-symbol-stall": None if rows else "it never had a price on this connection",
    }
    sign = Sign(
        evidence=(
            f"prices of {look.asked.symbol} stay away since {look.control_symbol} was subscribed to as well",
            f"prices of {look.control_symbol} come",
        ),
        excluded=without(excluded, "session.subscription-cap"),
    )
    return _weighed(look, sign)


@book.of("session.subscription-not-armed")
def subscription_not_armed(case: Case) -> Sign | None:
    """From the start: no price of anything, though requests are answered."""
    look = streaming(case)
    if look is None or case.failure is not None or look.facts.quotes or closed(look) or look.facts.surprises:
        return None
    facts = look.facts
    if not facts.answered or is_listed(look) is False or is_mute(case):
        return None
    if facts.seconds_live < look.asked.price_within:
        return None
    excluded = {
        "data.market-closed": _market(case),
        "auth.false-success": "requests are answered",
        "data.unknown-asset": "the broker's list has it" if is_listed(look) else None,
    }
    return Sign(
        evidence=(
            f"no price of any symbol came within {facts.seconds_live:.1f} s, from the start",
            "requests are answered",
        ),
        excluded=without(excluded, "session.subscription-not-armed"),
        at_most=Certainty.POSSIBLE,
    )


_WISH = {AskHistory: "a question about past prices", Watch: "a subscription"}


@book.of("session.request-no-reply")
def request_no_reply(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or is_listed(look) is False or closed(look):
        return None
    facts = look.facts
    if not prices(look, look.asked.symbol) or overdue(look, look.asked.symbol) is not None:
        return None
    lost = [each for each in facts.expired if isinstance(each.intent, AskHistory | Watch) and _ran_out(each)]
    if not lost:
        return None
    waited = lost[0].at - lost[0].sent_at
    excluded = {
        "data.unknown-asset": f"prices of {look.asked.symbol} flow",
        "auth.false-success": "prices flow",
        "auth.demo-blocked": "other requests of this account are answered" if facts.answered else None,
        "sio.binary-placeholder": None if facts.surprises else "nothing came that was not understood",
        "auth.request-before-auth": "it was sent after the login had been accepted",
    }
    return Sign(
        evidence=(f"prices flow, and {_WISH[type(lost[0].intent)]} was not answered within {waited:.1f} s",),
        excluded=without(excluded, "session.request-no-reply"),
        state=State.DEGRADED,
        # An answer may have come, and not have been understood; or it would have come, had the session not ended.
        at_most=Certainty.POSSIBLE
        if facts.surprises
        else Certainty.LIKELY
        if case.failure
        else Certainty.CERTAIN,
    )


@book.of("session.slow-consumer")
def slow_consumer(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or look.facts.ended is None:
        return None
    facts = look.facts
    if (rate := flood(look)) is not None:
        return Sign(
            says="messages come faster than any market makes them",
            evidence=(f"{rate:.0f} messages come a second",),
            state=State.DEGRADED,
            at_most=Certainty.LIKELY,
        )
    ages = [each.at - each.broker_time for each in prices(look, look.asked.symbol)]
    if len(ages) < MANY:
        return None
    # One price that comes out of order is old by itself, and of a clock that is set all are at once.
    size = len(ages) // PARTS
    typical = [median(ages[part * size : (part + 1) * size]) for part in range(PARTS)]
    grown = typical[-1] - typical[0]
    if grown < LAGS or any(later - earlier < LAGS / 10 for earlier, later in pairwise(typical)):
        return None
    host = case.host
    excluded = {
        "session.half-open": "data kept coming",
        "data.stale-ticks": "the age was small at first",
        "data.clock-offset": f"the age grew by {grown:.1f} s",
        "session.peer-stopped-ponging": None if facts.unanswered_ping else "pings are answered",
        "host.cpu-starved": "this process got its share of the processor"
        if host is not None and host.cpu_waited is not None and host.cpu_waited < 0.1
        else None,
    }
    unread = facts.kernel.unread_bytes if facts.kernel else None
    late = f"prices were {grown:.1f} s older at the end of the look than at its beginning"
    return Sign(
        evidence=(late, f"{unread} bytes wait to be read on this machine") if unread else (late,),
        excluded=without(excluded, "session.slow-consumer"),
        state=State.DEGRADED,
        # Where nothing waits here, they may be late at the broker's.
        at_most=Certainty.CERTAIN if unread else Certainty.POSSIBLE,
    )


@book.of("session.false-stall")
def false_stall(case: Case) -> Sign | None:
    """The monitor itself ended sessions for want of prices, in a market that is closed."""
    look = streaming(case)
    if look is None or case.past is None or not closed(look):
        return None
    given_up = [each for each in case.past.ends if each.code == "session.silent-stall"]
    if len(given_up) < 2:
        return None
    by_flag = look.facts.is_open(look.asked.symbol or "") is False
    return Sign(
        evidence=(
            f"{len(given_up)} sessions were given up for want of prices, and {closed(look)} the market is closed",
        ),
        excluded={
            "session.silent-stall": f"{closed(look)} the market of {look.asked.symbol} is closed",
            "session.idle-timeout": "this side ended them",
        },
        state=State.UNKNOWN,
        at_most=Certainty.CERTAIN if by_flag else Certainty.LIKELY,
    )
