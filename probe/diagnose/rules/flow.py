"""How the prices of one look flowed: what the rules about sessions and about data both ask."""

from dataclasses import replace
from itertools import pairwise

from probe.catalogue import entries
from probe.diagnose.case import Case, Look
from probe.diagnose.verdict import LOOKED_LONG_ENOUGH
from probe.measure.freshness import Freshness, Overdue
from probe.measure.vitals import FLOOD_RATE
from probe.model.endpoint import Account
from probe.model.events import WEBSOCKET, QuoteArrived, RequestAnswered, RequestExpired
from probe.model.findings import Certainty, Sign
from probe.model.intents import Watch
from probe.model.meanings import Effect
from probe.session.signs import as_told

PUSHED = ("ws", "wss")  # schemes where prices come by themselves
SEVERAL = 2  # one may be chance
UNUSUAL = 5.0  # so many times the longest gap before
AMID = 2.0  # seconds since the last byte: less is amid traffic
LAG_SECONDS = 1.0  # of our own loop: what a missing answer may be blamed on


def streaming(case: Case) -> Look | None:
    """The first look, if prices were to come over it by themselves, and nothing that came says why they should not."""
    look = case.looks.first if case.looks else None
    if look is None or look.asked.symbol is None or not look.facts.went_live:
        return None
    return None if is_explained(look) or look.endpoint.scheme not in PUSHED else look


def flood(look: Look) -> float | None:
    """Messages a second, if they are more than any market makes."""
    facts, rate = look.facts, look.messages_per_second
    if rate is None and facts.ended is not None:
        rate = facts.ended.traffic.messages_received / max(facts.seconds_live, 1.0)
    return rate if rate is not None and rate > FLOOD_RATE else None


def is_explained(look: Look) -> bool:
    """An answer says what is wrong."""
    return any(each.effect is not Effect.NOTED for rows in look.facts.troubles.values() for each in rows)


def prices(look: Look, symbol: str | None) -> list[QuoteArrived]:
    return [each for each in look.facts.quotes if each.symbol == symbol]


def closed(look: Look) -> str:
    """Who says that the market is closed; empty: nobody does."""
    said = look.facts.is_open(look.asked.symbol or "")
    if said is False:
        return "the broker itself says"
    return "by the calendar" if said is None and look.asked.market_open is False else ""


def is_listed(look: Look) -> bool | None:
    """Whether the broker's list has the symbol; None: no list came."""
    assets = look.facts.assets
    return None if assets is None else any(each.symbol == look.asked.symbol for each in assets.rows)


def overdue(look: Look, symbol: str | None) -> Overdue | None:
    """By the same limits as a monitor has, when the look ended."""
    facts = look.facts
    if look.overdue is not None:
        return next((each for each in look.overdue if each.symbol == symbol), None)
    if symbol is None or facts.live_at is None or facts.ended is None:
        return None
    fresh = Freshness(lambda _, __: True)
    fresh.expect(symbol, facts.live_at)
    for each in prices(look, symbol):
        fresh.tick(symbol, each.at)
    return next(iter(fresh.overdue(facts.ended.at, 0.0)), None)


def control_flows(look: Look) -> bool:
    control = look.control_symbol
    return bool(control) and bool(prices(look, control)) and overdue(look, control) is None


def control_asked_at(look: Look) -> float | None:
    if look.overdue is not None:
        return look.facts.live_at if look.control_symbol else None
    asked: list[RequestAnswered | RequestExpired] = [*look.facts.answered, *look.facts.expired]
    return next(
        (
            each.sent_at
            for each in asked
            if isinstance(each.intent, Watch) and each.intent.symbol == look.control_symbol
        ),
        None,
    )


def moves_elsewhere(case: Case) -> bool:
    """New prices of the symbol kept coming over a second connection, opened right after this one. What a server tells
    whoever subscribes, its last known price, is none of them."""
    looks = case.looks
    if looks is None or looks.fresh is None:
        return False
    before = [each.broker_time for each in prices(looks.first, looks.first.asked.symbol)]
    after = {each.broker_time for each in prices(looks.fresh, looks.fresh.asked.symbol)}
    return len([at for at in after if at > max(before, default=min(after, default=0.0))]) >= SEVERAL


def gaps(rows: list[QuoteArrived]) -> list[float]:
    """Between prices, by the later of both clocks: what waited somewhere arrives at once."""
    return [max(two.at - one.at, two.broker_time - one.broker_time) for one, two in pairwise(rows)]


def is_usual(look: Look, symbol: str | None) -> bool:
    """Such a silence, as far as one look can tell: there are symbols that trade once in a minute."""
    if look.overdue is not None:
        return overdue(look, symbol) is None
    rows, ended = prices(look, symbol), look.facts.ended
    known = gaps(rows)
    return ended is None or len(known) < SEVERAL or ended.at - rows[-1].at < UNUSUAL * max(known)


def only_here(case: Case) -> bool:
    """This is a demo account, and at the live one the symbol's prices flow. Another demo session has none either."""
    looks = case.looks
    other = looks.elsewhere if looks else None
    if looks is None or other is None or moves_elsewhere(case):
        return False
    accounts = (looks.first.endpoint.account, other.endpoint.account)
    flows = bool(prices(other, looks.first.asked.symbol)) and overdue(other, other.asked.symbol) is None
    return accounts == (Account.DEMO, Account.LIVE) and flows


def ponged_after(look: Look, at: float) -> float | None:
    """When the last ping that was sent after `at` was answered."""
    later = (each.at for each in look.facts.heartbeats if each.name == WEBSOCKET and each.sent_at > at)
    return max(later, default=None)


def our_own_fault(case: Case) -> dict[str, str]:
    """What of `session.slow-consumer` and `host.event-loop-blocked` is ruled out."""
    kernel, host, ruled_out = case.facts.kernel if case.facts else None, case.host, {}
    if kernel is not None and kernel.heard_seconds is not None and kernel.unread_bytes == 0:
        ruled_out["session.slow-consumer"] = "no byte waits to be read on this machine"
    if host is not None and host.loop_lag_seconds < LAG_SECONDS:
        ruled_out["host.event-loop-blocked"] = (
            f"this program was late by {host.loop_lag_seconds * 1000:.0f} ms at most"
        )
    return ruled_out


def lagged(case: Case) -> bool:
    return case.host is not None and case.host.loop_lag_seconds >= LAG_SECONDS


def is_mute(case: Case) -> bool:
    """Nothing at all came since a ping that was not answered."""
    facts = case.facts
    if facts is None or not facts.went_live:
        return False
    return facts.fell_silent and facts.seconds_without_pong >= LOOKED_LONG_ENOUGH


def trickles(case: Case) -> bool:
    """A ping waits and no message comes, but bytes do, to the end: of something that is not over yet."""
    facts = case.facts
    heard = facts.ended.heard_seconds if facts and facts.ended else None
    if facts is None or heard is None or not facts.fell_silent:
        return False
    return heard < AMID < facts.seconds_without_pong


def told(case: Case, code: str) -> Sign | None:
    """What an answer showed in so many words."""
    rows = case.facts.troubles.values() if case.facts else ()
    trouble = next((each for some in rows for each in some if each.code == code), None)
    if trouble is None:
        return None
    shown = "the answer itself says what is wrong"
    return replace(
        as_told(trouble),
        excluded=dict.fromkeys(entries()[code].look_alikes, shown) if trouble.certain else {},
        at_most=Certainty.CERTAIN if trouble.certain else Certainty.LIKELY,
    )


def without(excluded: dict[str, str | None], code: str) -> dict[str, str]:
    """Only what was observed, and only look-alikes that the entry names."""
    named = entries()[code].look_alikes
    return {other: seen for other, seen in excluded.items() if seen and other in named}
