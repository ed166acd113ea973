"""What a monitor has seen of one target since it became odd, as a case for the doctor's rules.

While all is well nothing is kept: what a session was until then is put together from what others remember anyway.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol

from probe.diagnose.case import Case, Host, Look, Looks, Past
from probe.diagnose.diagnose import Verdict, diagnose
from probe.diagnose.facts import Facts
from probe.diagnose.past import past_of
from probe.diagnose.rule import Rule
from probe.diagnose.verdict import LOOKED_LONG_ENOUGH, Asked
from probe.measure.records import Recognised
from probe.measure.watch import Watch
from probe.model.credentials import Redactor, redactor_for
from probe.model.endpoint import Endpoint
from probe.model.events import (
    Ended,
    Event,
    FirstData,
    Phase,
    QuoteArrived,
    RequestAnswered,
    RequestSent,
    Told,
    Traffic,
    Upgraded,
)
from probe.model.failures import Failure
from probe.model.findings import Certainty, State
from probe.model.meanings import Assets, History
from probe.monitor.knock import LOOKS
from probe.monitor.link import Link
from probe.monitor.recalled import prices_of, told_by, until_now
from probe.monitor.sign_in import SignIn
from probe.monitor.wanted import Wanted
from probe.session.broker import Broker

LOOKS_BACK = 24 * 3600.0
OPENING = 40  # events of a new connection; most have proved good by then
QUOTES, OTHERS = 240, 32  # of each kind that are kept; when there are twice as many, the older ones go
MOST, MOST_EVIDENCE = 6, 4  # are told of one incident, and of one verdict
_REMEMBERED = frozenset((QuoteArrived, FirstData, RequestSent))  # by others
LOCAL = "host.", "load."  # codes of failures of this machine


class Surroundings(Protocol):
    """What all targets of one monitor have in common."""

    def rules_of(self, broker: Broker) -> Mapping[str, Rule]: ...

    def host(self, *, counts: bool) -> Host:
        """This machine; `counts`: its handles and ports too."""

    def has_time(self, now: float) -> bool:
        """Whether there may be one more judgement now; each takes some milliseconds."""

    def utc(self, at: float) -> float: ...

    def tell(self, target: str, bug: Exception) -> None:
        """A rule broke over what was seen of this target."""


class Witness:
    """Knows nothing until it has met who watches, and who holds the sessions."""

    __slots__ = (
        "_around", "_earlier", "_endpoint", "_facts", "_link", "_opening", "_present", "_since", "_wanted", "_watch",
    )  # fmt: skip

    def __init__(self, wanted: Wanted, around: Surroundings) -> None:
        self._wanted, self._around = wanted, around
        self._watch: Watch
        self._link: Link
        self._endpoint: Endpoint | None = None
        self._facts: Facts | None = None  # of the present connection, or the last one
        self._opening: list[Event] | None = None  # of a connection that has not proved good yet
        self._since: tuple[float, int] | None = None  # that one is looked at; the messages until then
        self._earlier: tuple[Recognised, ...] = ()  # of connections before it
        self._present: tuple[Recognised, ...] = ()

    def meet(self, watch: Watch, link: Link) -> None:
        self._watch, self._link = watch, link

    # -- what happens ------------------------------------------------------------------------------------------------

    def dialling(self, at: float, endpoint: Endpoint) -> None:
        self._begin(None, endpoint)
        self._opening = []

    def event(self, event: Event) -> None:
        event = self._lean(event)
        if self._opening is not None and len(self._opening) < OPENING:
            if type(event) not in _REMEMBERED:
                self._opening.append(event)  # most connections prove good, and then nobody asks
            return
        facts = self._known()
        facts.add(event)
        _trim(facts.quotes, QUOTES)
        if type(event) is QuoteArrived:
            return
        for rows in (
            facts.heartbeats_sent,
            facts.heartbeats,
            facts.missed,
            facts.answered,
            facts.expired,
            facts.surprises,
        ):
            _trim(rows, OTHERS)

    def _lean(self, event: Event) -> Event:
        """Without what takes room and is not asked for again."""
        match event:
            case Upgraded():
                return replace(event, headers=())
            case Told(meaning=Assets() as assets):
                return replace(event, meaning=self._those_watched(assets))
            case RequestAnswered(answer=History() as page):
                return event._replace(answer=_newest(page))
            case RequestAnswered(answer=Assets() as assets):
                return event._replace(answer=self._those_watched(assets))
            case _:
                return event

    def failed(self, at: float, failure: Failure) -> None:
        known = self._facts or self._opening
        ended = self._known().ended if known else None
        if ended is not None and ended.failure == failure:
            return
        attempt = next((each for each in reversed(self._watch.tries.lately) if each.failure is failure), None)
        endpoint = next(
            (each for each in self._wanted.endpoints if attempt and each.region == attempt.endpoint), None
        )
        self._begin(told_by(attempt, failure, at), endpoint or self._endpoint)

    def all_is_well(self) -> None:
        self._facts = self._opening = self._since = None
        self._earlier = self._present = ()

    def wake(self, now: float, received: int | None) -> None:
        """To be called now and then: of a connection that is gone the kernel says nothing. `received`: messages, of the
        session."""
        if self._facts is None or self._facts.ended is not None:
            return
        self._facts.kernel = self._link.kernel() or self._facts.kernel
        if self._since is None and received is not None:
            self._since = now, received

    def _those_watched(self, assets: Assets) -> Assets:
        """A list of hundreds is worth keeping only while one of ours is missing in it."""
        ours = tuple(each for each in assets.rows if each.symbol in self._watch.symbols)
        is_whole = {each.symbol for each in ours} == {*self._watch.symbols}
        return replace(assets, rows=ours) if is_whole and len(ours) < len(assets.rows) else assets

    def _begin(self, facts: Facts | None, endpoint: Endpoint | None) -> None:
        self._earlier = _joined(self._earlier, self._present)
        self._facts, self._endpoint, self._present = facts, endpoint, ()
        self._opening = self._since = None

    def _known(self) -> Facts:
        if self._facts is not None:
            return self._facts
        facts = self._facts = Facts()
        opening, self._opening = self._opening, None
        vitals = self._watch.vitals
        if opening is None:
            self._endpoint = self._watch.endpoint
            opening = [] if vitals is None else [*until_now(vitals, self._link.trial, self._link.session)]
            facts.peer_beats = 0 if vitals is None else vitals.peer_beats
        for event in (*opening, *([] if vitals is None else prices_of(vitals, self._watch))):
            facts.add(event)
        return facts

    # -- the case ----------------------------------------------------------------------------------------------------

    def verdicts(self, now: float) -> tuple[Recognised, ...] | None:
        if not self._around.has_time(now):
            return None
        try:
            found = self._judged(now)
        except Exception as bug:  # noqa: BLE001 - whoever only watches must not end of a rule that is wrong
            self._around.tell(self._wanted.name, bug)
            found = ()
        # Of one connection the later judgement counts, unless it has become less sure meanwhile.
        kept = tuple(each for each in self._present if all(_surer(each, one) for one in found))
        self._present = (*kept, *found)
        return _joined(self._earlier, self._present)

    def _judged(self, now: float) -> tuple[Recognised, ...]:
        case = self.case(now)
        if case is None:
            return ()
        now_utc, redact = self._around.utc(now), redactor_for(self._link.credentials)
        verdicts = diagnose(case, self._around.rules_of(self._wanted.broker)).verdicts
        return tuple(
            _recognised(each, now_utc, redact) for each in verdicts if each.state is not State.HEALTHY
        )

    def case(self, now: float) -> Case | None:
        """None: there was no connection yet."""
        endpoint = self._endpoint or self._watch.endpoint
        if endpoint is None:
            return None
        facts = self._known()
        if facts.ended is None:  # as if it were left now
            session = self._link.session
            phase = session.phase if session else Phase.CONNECTING
            traffic = session.traffic if session else Traffic()
            facts = replace(facts, ended=Ended(at=now, phase=phase, failure=None, traffic=traffic))
        failure = facts.ended.failure if facts.ended else None
        of_this_machine = failure is not None and failure.code.startswith(LOCAL)
        return Case(
            host=self._around.host(counts=of_this_machine),
            looks=Looks(first=self._look(facts, endpoint, now)),
            past=self._past(failure, self._around.utc(now)),
            is_ours=self._wanted.simulated,
        )

    def _look(self, facts: Facts, endpoint: Endpoint, now: float) -> Look:
        wanted, watch, vitals = self._wanted, self._watch, self._watch.vitals
        is_live = vitals is not None and facts.went_live
        late = watch.overdue if is_live else ()
        worst = min(late, key=lambda each: each.since, default=None)
        symbol = worst.symbol if worst else next(iter(watch.symbols), None)
        control = next(
            (each for each in watch.symbols if each not in {symbol, *(one.symbol for one in late)}), ""
        )
        session = self._link.session
        now_utc, goes_in = self._around.utc(now), wanted.can_hold(endpoint)
        data_every = session.rules.data_every if session and session.rules else 0.0
        return Look(
            endpoint=endpoint,
            facts=facts,
            asked=Asked(
                login=goes_in,
                symbol=symbol if goes_in else None,
                account=wanted.account if wanted.key is not None else None,
                signed_in=isinstance(wanted.key, SignIn),
                market_open=watch.freshness.is_open(symbol, now_utc) if symbol else None,
                price_within=max(LOOKED_LONG_ENOUGH, LOOKS * data_every),
            ),
            clock=vitals.skew if is_live and vitals else None,
            proxy=facts.dialled.proxy or "" if facts.dialled else "",
            control_symbol=control,
            overdue=late if is_live else None,
            messages_per_second=self._rate(facts, now) if is_live else None,
        )

    def _rate(self, facts: Facts, now: float) -> float | None:
        if self._since is None or facts.ended is None:
            return None
        began, before = self._since
        return (facts.ended.traffic.messages_received - before) / max(now - began, 1.0)

    def _past(self, failure: Failure | None, now_utc: float) -> Past:
        """Without the attempt that is judged."""
        tries, since = self._watch.tries, now_utc - LOOKS_BACK
        past = past_of(
            (
                each
                for each in tries.lately
                if each.at_utc >= since and (failure is None or each.failure != failure)
            ),
            (each for each in tries.ends if each.at_utc >= since),
            now_utc,
        )
        return replace(past, peer_beats=tries.peer_beats)


def _trim(rows: list[Any], most: int) -> None:
    if len(rows) > 2 * most:
        del rows[:-most]


def _newest(page: History) -> History:
    return replace(
        page,
        ticks=(max(page.ticks),) if page.ticks else (),
        candles=(max(page.candles),) if page.candles else (),
    )


def _joined(earlier: tuple[Recognised, ...], present: tuple[Recognised, ...]) -> tuple[Recognised, ...]:
    """Each failure once, where it was seen first, and as surely as it was ever known."""
    by_code: dict[str, Recognised] = {}
    for each in (*earlier, *present):
        known = by_code.get(each.code)
        if known is None or _surer(each, known):
            by_code[each.code] = each
    return tuple(by_code.values())[:MOST]


def _surer(one: Recognised, other: Recognised) -> bool:
    order = list(Certainty)
    return order.index(one.certainty) < order.index(other.certainty)


def _recognised(verdict: Verdict, at_utc: float, redact: Redactor) -> Recognised:
    return Recognised(
        code=verdict.code,
        certainty=verdict.certainty,
        says=redact(verdict.says),
        at_utc=at_utc,
        evidence=tuple(map(redact, verdict.evidence[:MOST_EVIDENCE])),
        excluded=tuple(verdict.excluded),
        remaining=tuple(verdict.remaining),
    )
