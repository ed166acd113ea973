"""Prices and markets: closed, unknown, frozen, off the clock, twice, out of order, with holes."""

from itertools import pairwise
from statistics import median

from probe.diagnose.beside import is_blocked_demo
from probe.diagnose.case import Case, Clock, Host, Look
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.flow import (
    SEVERAL,
    UNUSUAL,
    closed,
    control_flows,
    gaps,
    is_explained,
    is_listed,
    moves_elsewhere,
    only_here,
    overdue,
    prices,
    streaming,
    told,
    without,
)
from probe.diagnose.verdict import SKEW_WORTH_SAYING
from probe.measure.complaints import ODD_TICKS, REPEATED_SHARE, STALE_TAIL_SECONDS
from probe.measure.freshness import FIRST
from probe.measure.vitals import FROZEN_TICKS
from probe.model.endpoint import Account
from probe.model.events import QuoteArrived, RequestAnswered
from probe.model.findings import Certainty, Sign, State
from probe.model.intents import AskHistory
from probe.model.meanings import History

book = RuleBook()

STANDS = 20.0  # seconds; sixty trades at one price may be a moment's
STEADY = 1.0  # seconds by which the age of prices may differ, to be called constant
TWICE = 2  # once may be chance
FEW = 5  # prices, before their clock says anything


def _asked(case: Case) -> Look | None:
    """The first look, if it got in and asked for prices."""
    look = case.looks.first if case.looks else None
    return look if look is not None and look.facts.went_live and look.asked.symbol is not None else None


@book.of("data.market-closed")
def market_closed(case: Case) -> Sign | None:
    look = _asked(case)
    if look is None or case.failure is not None:
        return None
    who, stands = closed(look), _stands(prices(look, look.asked.symbol)[-FROZEN_TICKS:])
    comes = bool(prices(look, look.asked.symbol)) and overdue(look, look.asked.symbol) is None
    if not who or (comes and not stands):
        return None
    if look.facts.is_open(look.asked.symbol or "") is None and is_listed(look) is False:
        return None
    by_flag = look.facts.is_open(look.asked.symbol or "") is False
    says = f"{who} the market of {look.asked.symbol} is closed"
    excluded = {
        "session.silent-stall": says,
        "data.unknown-asset": "the broker's list has it" if is_listed(look) else None,
        "session.one-symbol-stall": says if by_flag else None,
        "data.demo-feed-dead": "this is a live account"
        if look.asked.account is Account.LIVE
        else (says if by_flag else None),
    }
    return Sign(
        says=f"no price can be expected: {says}",
        evidence=(says, stands or f"no price of it came within {look.facts.seconds_live:.1f} s"),
        excluded=without(excluded, "data.market-closed"),
        state=State.UNKNOWN,
        at_most=Certainty.CERTAIN if by_flag else Certainty.LIKELY,
    )


@book.of("data.demo-feed-dead")
def demo_feed_dead(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or case.failure is not None or not only_here(case) or is_blocked_demo(case):
        return None
    if overdue(look, look.asked.symbol) is None:
        return None
    others = "the live account's prices flow"
    excluded = {
        "data.market-closed": others,
        "data.stale-ticks": others,
        "auth.demo-blocked": "the demo account's requests are answered" if look.facts.answered else None,
        "session.silent-stall": "another session of the demo account gets none either"
        if case.looks and case.looks.fresh
        else None,
    }
    return Sign(
        evidence=(f"no price of {look.asked.symbol} comes here", others),
        excluded=without(excluded, "data.demo-feed-dead"),
        at_most=Certainty.LIKELY,
    )


@book.of("data.unknown-asset")
def unknown_asset(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or is_listed(look) is not False or prices(look, look.asked.symbol):
        return told(case, "data.unknown-asset")
    rows = look.facts.assets.rows if look.facts.assets else ()
    symbol = look.asked.symbol or ""
    near = [each.symbol for each in rows if _bare(each.symbol) == _bare(symbol)]
    missing = f"{symbol} is not in the list of {len(rows)} symbols that the server sent"
    return Sign(
        says=f"the server does not know {symbol}" + (f"; it has {near[0]}" if near else ""),
        evidence=(missing, "no price of it came"),
        excluded={
            "session.one-symbol-stall": "it never had a price on this connection",
            "session.subscription-cap": "it was the first that was asked for",
            "data.market-closed": missing,
        },
    )


def _bare(symbol: str) -> str:
    return "".join(each for each in symbol.upper().partition("_")[0] if each.isalnum())


@book.of("data.stale-ticks")
def stale_ticks(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None:
        return told(case, "data.stale-ticks")
    rows = prices(look, look.asked.symbol)[-FROZEN_TICKS:]
    stands = _stands(rows)
    if not stands or closed(look):
        return None
    control = prices(look, look.control_symbol)[-FROZEN_TICKS:]
    moves = moves_elsewhere(case) and _moves(case.looks.fresh if case.looks else None)
    beside = control_flows(look) and _values(control) == 1 and len(control) >= ODD_TICKS
    is_open = look.facts.is_open(look.asked.symbol or "")
    ages = [each.at - each.broker_time for each in rows]
    steady = max(ages) - min(ages) < STEADY
    excluded = {
        "data.market-closed": "a second connection, opened right after, saw it move" if moves else None,
        "session.slow-consumer": "their age does not grow" if steady else None,
        "data.clock-offset": "the value does not change",
        "data.cached-as-fresh": "they came by themselves, and not as answers to requests",
    }
    return Sign(
        evidence=(
            stands,
            *(
                [f"the last {len(control)} prices of {look.control_symbol} are the same, too"]
                if beside
                else []
            ),
            *(["the broker says that its market is open"] if is_open else []),
        ),
        excluded=without(excluded, "data.stale-ticks"),
        # One symbol alone may have a quiet hour, or be pegged to another.
        state=State.DEGRADED if moves or beside else State.UNKNOWN,
        at_most=Certainty.CERTAIN if moves else Certainty.LIKELY if beside else Certainty.POSSIBLE,
    )


def _stands(rows: list[QuoteArrived]) -> str:
    """That prices come and are always the same one; empty: they are not."""
    if len(rows) < FROZEN_TICKS or _values(rows) > 1 or rows[-1].at - rows[0].at < STANDS:
        return ""
    return (
        f"the last {len(rows)} prices of {rows[0].symbol} are the same, over {rows[-1].at - rows[0].at:.0f} s"
    )


def _values(rows: list[QuoteArrived]) -> int:
    return len({each.price for each in rows})


def _moves(look: Look | None) -> bool:
    """More than now and then."""
    return look is not None and _values(prices(look, look.asked.symbol)) > TWICE


@book.of("data.cached-as-fresh")
def cached_as_fresh(case: Case) -> Sign | None:
    return told(case, "data.cached-as-fresh")


@book.of("data.clock-offset")
def clock_offset(case: Case) -> Sign | None:
    look = case.looks.first if case.looks else None
    clock = look.clock if look else None
    off = clock is not None and abs(clock.skew_seconds) > SKEW_WORTH_SAYING + clock.uncertainty_seconds
    # The first price may be an old one, kept for whoever subscribes.
    off = off and clock is not None and clock.samples >= FEW
    jump = _jump(look) if look else 0.0
    if look is None or not (jump or off) or is_explained(look):
        return told(case, "data.clock-offset")
    rows = look.facts.quotes
    ages = [each.at - each.broker_time for each in rows]
    steady = bool(jump) or (len(rows) >= ODD_TICKS and max(ages) - min(ages) < STEADY)
    by = jump or (clock.skew_seconds if clock else 0.0)
    others = [each for each in case.clocks if each.source != look.endpoint.address.host_header]
    if _is_ours(case.host, others, by):
        return None
    agreed = len(others) >= TWICE and all(abs(each.offset_seconds) <= SKEW_WORTH_SAYING for each in others)
    excluded = {
        "host.clock-wrong": f"this machine's clock agrees with {' and '.join(each.source for each in others)}"
        if agreed
        else None,
        "data.stale-ticks": "the values change" if len({each.price for each in rows}) > TWICE else None,
        "session.slow-consumer": "the difference does not grow" if steady else None,
    }
    says = f"the broker's clock and this machine's differ by {by:+.1f} s beyond its time zone"
    return Sign(
        says=f"the broker's clock jumped by {by:+.1f} s while it was looked at" if jump else says,
        evidence=(f"{len(rows)} prices carry a time that is off by {by:+.1f} s",),
        excluded=without(excluded, "data.clock-offset"),
        state=State.DEGRADED,
    )


def _is_ours(host: Host | None, others: list[Clock], by: float) -> bool:
    """This machine's own clock was set, or by every other clock is off, by as much: then the broker's is right."""
    steps = [host.clock_jump_seconds - (host.slept_seconds or 0.0)] if host is not None else []
    off = [each.offset_seconds for each in others]
    within = SKEW_WORTH_SAYING + max((each.uncertainty_seconds for each in others), default=0.0)
    return any(abs(by + step) <= within for step in steps) or (
        bool(off) and all(abs(by + each) <= within for each in off)
    )


def _jump(look: Look) -> float:
    """By how much the stamps moved at once and then stayed; 0: they did not, or it was a pause, and what came after is late."""
    rows = prices(look, look.asked.symbol)
    leads = [each.broker_time - each.at for each in rows]
    steps = [at for at, (one, two) in enumerate(pairwise(leads)) if abs(two - one) > SKEW_WORTH_SAYING]
    if len(steps) != 1 or not TWICE < steps[0] + 1 < len(leads) - TWICE:
        return 0.0
    by, gaps = leads[steps[0] + 1] - leads[steps[0]], [two.at - one.at for one, two in pairwise(rows)]
    is_late = gaps[steps[0]] - median(gaps) > -by / 2 > 0.0
    return 0.0 if is_late else by


# -- order ---------------------------------------------------------------------------------------------------------------


def _of_symbols(look: Look) -> list[tuple[QuoteArrived, QuoteArrived]]:
    """Neighbours of the same symbol."""
    symbols = {each.symbol for each in look.facts.quotes}
    return [pair for symbol in symbols for pair in pairwise(prices(look, symbol))]


def _is_odd(count: int, of: int) -> bool:
    return of >= ODD_TICKS and count > REPEATED_SHARE * of


@book.of("data.out-of-order")
def out_of_order(case: Case) -> Sign | None:
    look = streaming(case)
    pairs = _of_symbols(look) if look else []
    back = [one.broker_time - two.broker_time for one, two in pairs if two.broker_time < one.broker_time]
    if not _is_odd(len(back), len(pairs)):
        return None
    excluded: dict[str, str | None] = {
        "data.duplicates": "the stamps step back, they do not only repeat",
        "host.clock-stepped": "the stamps are the server's own",
        "session.duplicate-subscriptions": "it is one connection with one subscription of each symbol",
    }
    return Sign(
        evidence=(f"{len(back)} of {len(pairs)} prices carry a time before their predecessor's",),
        excluded=without(excluded, "data.out-of-order"),
        state=State.DEGRADED,
    )


@book.of("data.duplicates")
def duplicates(case: Case) -> Sign | None:
    comes_twice = repeated(case)
    if comes_twice is None:
        return None
    said, is_in_order = comes_twice
    excluded = {
        "session.duplicate-subscriptions": None
        if case.own_connections
        else "it is one connection with one subscription of each symbol",
        "data.stale-ticks": "the stamps repeat too",
        "data.out-of-order": "no stamp steps back" if is_in_order else None,
    }
    return Sign(
        evidence=(said,),
        excluded=without(excluded, "data.duplicates"),
        state=State.DEGRADED,
    )


def repeated(case: Case) -> tuple[str, bool] | None:
    """That prices come twice, in words, and whether their order is right otherwise; None: they do not."""
    look = streaming(case)
    pairs = _of_symbols(look) if look else []
    same = [one for one, two in pairs if (one.broker_time, one.price) == (two.broker_time, two.price)]
    back = [one for one, two in pairs if two.broker_time < one.broker_time]
    if not _is_odd(len(same), len(pairs)) or _is_odd(len(back), len(pairs)):
        return None
    return f"{len(same)} of {len(pairs)} prices repeat symbol, time and value", not back


# -- holes, and the past -------------------------------------------------------------------------------------------------


@book.of("data.gap")
def gap(case: Case) -> Sign | None:
    look = streaming(case)
    if look is None or closed(look) or case.failure is not None:
        return None
    rows = prices(look, look.asked.symbol)
    one, two = max(pairwise(rows), key=lambda pair: pair[1].at - pair[0].at, default=(None, None))
    if one is None or two is None or two.at - one.at < FIRST or one.price == two.price:
        return None
    *others, longest = sorted(gaps(rows))
    if len(others) < SEVERAL or longest < UNUSUAL * others[-1]:
        return None
    host = case.host
    excluded = {
        "data.market-closed": "the broker says that its market is open"
        if look.facts.is_open(look.asked.symbol or "")
        else None,
        "session.silent-stall": "prices come again",
        "host.suspend-resume": "this machine's clocks went on together"
        if host is not None and abs(host.clock_jump_seconds) < STEADY
        else None,
    }
    return Sign(
        evidence=(
            f"no price of {look.asked.symbol} for {two.at - one.at:.1f} s, then it went on at another value",
        ),
        excluded=without(excluded, "data.gap"),
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,
    )


@book.of("data.stale-history")
def stale_history(case: Case) -> Sign | None:
    look = streaming(case)
    pages = [each for each in look.facts.answered if isinstance(each.intent, AskHistory)] if look else []
    page = next((each for each in pages if _wrong_page(each)), None)
    if look is None or page is None:
        return told(case, "data.stale-history")
    what = _wrong_page(page)
    is_anothers = what.startswith("it names")
    if not is_anothers and (not prices(look, look.asked.symbol) or closed(look)):
        return None
    excluded = {
        "data.market-closed": "a closed one has a history of its own" if is_anothers else None,
        "data.clock-offset": "the stamps of the stream are right" if look.clock else None,
        "session.request-no-reply": "an answer came",
    }
    return Sign(
        evidence=(what,),
        excluded=without(excluded, "data.stale-history"),
        state=State.DEGRADED,
        at_most=Certainty.CERTAIN if is_anothers else Certainty.LIKELY,
    )


def _wrong_page(page: RequestAnswered) -> str:
    """What is wrong with it; empty: nothing."""
    asked, answer = page.intent, page.answer
    if not isinstance(asked, AskHistory) or not isinstance(answer, History):
        return ""
    if (answer.symbol, answer.period) != (asked.symbol, asked.period):
        return f"it names {answer.symbol} in steps of {answer.period} s where {asked.symbol} in steps of {asked.period} s was asked for"
    stamps = [at for at, _ in answer.ticks] + [each.start for each in answer.candles]
    age = asked.until - max(stamps, default=asked.until)
    return f"the newest candle of the history is {age:.0f} s old" if age > STALE_TAIL_SECONDS else ""
