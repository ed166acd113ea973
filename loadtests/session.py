"""One user's session: opened, asked, upset and opened anew, and whatever happens to it told to the recorder.

Everything here runs in callbacks of gevent's hub, but for the verbs that wait: `open`, `ask`, `expect` and `close` park the greenlet
that calls them until what it waits for is there. What nobody asked for never fails a step.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from random import Random
from time import monotonic
from typing import Any

from gevent import get_hub

from loadtests.driver import Connection
from loadtests.fleet import Fleet
from loadtests.guard import Guard
from loadtests.parked import LATE, Parked
from loadtests.showing import Showing
from probe.drivers.dial import DialPlan
from probe.load.plan import Upset, UpsetKind
from probe.load.recorder import Recorder, RequestMeter
from probe.load.streams import StreamMeter
from probe.model.credentials import Credentials, Secret, redactor_for
from probe.model.endpoint import Endpoint
from probe.model.errors import LocalProtocolError, UnsafeTarget
from probe.model.events import (
    PINGS,
    Ended,
    Event,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    PeerBeat,
    Phase,
    PhaseFinished,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    RequestSent,
    Surprise,
    Told,
    Traffic,
)
from probe.model.intents import AskAssets, Intent, Trading, Watch
from probe.model.meanings import Assets, Meaning
from probe.session.broker import Broker
from probe.session.client import ClientSession, Plan
from probe.session.reconnect import decide
from probe.session.talking import Talking

NOT_LIVE, REFUSED, EXPIRED, SESSION_LOST = "not-live", "refused", "expired", "session-lost"
UNFINISHED = "unfinished"  # we left, and it had not been answered
NOT_LIVE_PAUSE = 1.0  # before somebody who asked on a session that is not live may ask again, if it does not come back before
DRAIN_WITHIN = 1.0  # at the end, for answers that are on their way
CLOSE_WITHIN = 3.0
SLOW = 100.0  # bytes a second of a slow reader, where it is not said
_redactor = lru_cache(maxsize=256)(redactor_for)  # 120 us and 2 KiB; sessions of one credential share it
_NOT_OF_THE_WAY_IN = (Phase.LIVE, Phase.CLOSING)

Done = Callable[[Meaning | None, str], None]  # the answer, or why there is none
Sample = Callable[
    [str, float, float | None, float, str, Meaning | None], None
]  # name, due, sent, at, failure, answer


class StepFailed(Exception):
    """What was asked came to nothing, and is recorded as `kind`."""

    def __init__(self, step: str, kind: str) -> None:
        self.step, self.kind = step, kind
        super().__init__(f"{step}: {kind}")


@dataclass(slots=True, kw_only=True)
class Common:
    """What all sessions of one process share."""

    broker: Broker
    endpoint: Endpoint
    credentials: Credentials | None
    dial: DialPlan  # its resolver is the guard's
    guard: Guard
    recorder: Recorder
    fleet: Fleet
    rng: Random
    symbols: tuple[str, ...]  # that each session follows
    on_bug: Callable[[Exception], None]  # of ours, or a refusal of the guard: the run cannot go on
    remembered: int = 0  # of the last told meanings, for `expect`
    kept_messages: int = 0  # of each session's transcript
    showing: Showing | None = None  # of the one user of a run that shows everything
    on_sample: Sample | None = None  # who wants to know of each request
    _plan: Plan | None = field(default=None, init=False)

    def plan(self, key: Credentials | None) -> Plan:
        """With that key; sessions of one share it."""
        if key is not self.credentials:
            return self._new_plan(key)
        if self._plan is None:
            self._plan = self._new_plan(key)
        return self._plan

    def _new_plan(self, key: Credentials | None) -> Plan:
        address = self.endpoint.address
        return Plan(
            host=address.host_header,
            path=address.path,
            account=self.endpoint.account,
            headers=self.broker.request_headers(key, address),
            watch=tuple(Watch(symbol=symbol) for symbol in self.symbols),
            keep_messages=self.kept_messages,
        )


@dataclass(slots=True)
class _Asked:
    name: str
    meter: RequestMeter
    due: float
    sent: float
    done: Done | None


class LoadSession:
    """
    Args:
        reopens: Whether another connection takes the place of one that was lost.
    """

    __slots__ = (
        "_asked",
        "_attempts",
        "_common",
        "_connection",
        "_dropped",
        "_due",
        "_expecting",
        "_is_leaving",
        "_live",
        "_lost_at",
        "_pings",
        "_reopens",
        "_session",
        "_spoilt",
        "_stream",
        "_timer",
        "_told",
        "_waiting",
        "_way_back",
        "last_failure",
    )  # fmt: skip

    def __init__(self, common: Common, *, reopens: bool = True) -> None:
        self._common, self._reopens = common, reopens
        self._session: ClientSession | None = None
        self._connection: Connection[ClientSession] | None = None
        self._stream: StreamMeter | None = None
        self._due = 0.0  # when the present connection was wanted
        self._live = False
        self._is_leaving = True  # not wanted yet
        self._dropped = False
        self._spoilt = False  # the next login shall be refused
        self._way_back: float | None = None  # the spread of an upset's next connection
        self._lost_at: float | None = None
        self._attempts = 0
        self._timer: Any = None
        self._asked: dict[int, _Asked] = {}
        self._pings: deque[_Asked] | None = None
        self._told: list[Meaning] | None = None
        # Tuples, because most sessions have nobody in them, and an empty one weighs nothing.
        self._expecting: tuple[tuple[Callable[[Meaning], bool], Parked], ...] = ()
        self._waiting: tuple[Parked, ...] = ()  # for this to be live, or over, or to owe nothing
        self.last_failure = ""

    @property
    def is_live(self) -> bool:
        return self._live

    @property
    def traffic(self) -> Traffic:
        return Traffic() if self._session is None else self._session.traffic

    # -- verbs that wait -----------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Wait until it is live. Where it reopens, it goes on trying after it has failed.

        Raises:
            StepFailed: it came to nothing this time.
        """
        attempts = self._attempts
        if self._is_leaving:
            self._is_leaving = False
            self._common.fleet.want(self)
            # In the hub: a greenlet keeps for ever what its stack once took, and dialling takes it deep.
            get_hub().loop.run_callback(self._dial, monotonic())
        while not self._live:
            if self._attempts != attempts or self._is_leaving:
                raise StepFailed("connect", self.last_failure)
            self._wait()

    def ask(self, intent: Intent | None, name: str, *, within: float | None = None) -> Meaning | None:
        """The answer, with the time it took recorded under this name. None asks for a sign of life, and is the answer to it.

        Raises:
            StepFailed: there is none; that is recorded.
            UnsafeTarget: it is an order, and this is not a simulator that proved itself.
        """
        parked = Parked()
        done = parked.wake_with
        self.put(intent, name, monotonic(), done)
        outcome = parked.wait(within)
        if outcome is LATE:
            self._give_up(done)
            outcome = parked.wait()
        answer: Meaning | None = outcome[0]
        failure: str = outcome[1]
        if failure == NOT_LIVE:
            self._wait(NOT_LIVE_PAUSE)
        if failure:
            raise StepFailed(name, failure)
        return answer

    def expect(
        self, wanted: type | Callable[[Meaning], bool], *, within: float = 10.0, name: str | None = None
    ) -> Meaning:
        """The next meaning of this kind that comes unasked, or the oldest of those remembered. Recorded if it has a name.

        Raises:
            StepFailed: none came; that is recorded in any case.
        """
        fits = (lambda meaning: isinstance(meaning, wanted)) if isinstance(wanted, type) else wanted
        step = name or f"expect {getattr(wanted, '__name__', 'something')}"
        began = monotonic()
        found: Meaning | None = next((each for each in self._told or () if fits(each)), None)
        if found is not None and self._told is not None:
            self._told.remove(found)
        elif self._live:
            found = self._wait_for(fits, within)
        now = monotonic()
        kind = "" if found is not None else EXPIRED if self._live else SESSION_LOST
        if name is not None or kind:
            meter = self._common.recorder.request(step)
            meter.due(began)
            meter.sent(began, began)
            self._settle(_Asked(step, meter, began, began, None), now, kind, found)
        if found is None:
            raise StepFailed(step, kind)
        return found

    def close(self) -> None:
        """Leave in order, after what is on its way has come; nothing is left."""
        self._common.fleet.left(self)
        try:
            until = monotonic() + DRAIN_WITHIN
            while self._live and (self._asked or self._pings) and (left := until - monotonic()) > 0:
                self._wait(left)
            self.leave()
            until = monotonic() + CLOSE_WITHIN
            while self._connection is not None and (left := until - monotonic()) > 0:
                self._wait(left)
        finally:  # whoever closes may be killed meanwhile
            self.leave()
            if self._connection is not None:
                self._connection.drop()

    # -- verbs that do not ---------------------------------------------------------------------------------------------

    def tell(self, intent: Intent) -> None:
        """Say something whose answer nobody waits for; if one comes, `expect` finds it."""
        connection, guard = self._connection, self._common.guard
        if connection is None or not self._live:
            raise StepFailed(type(intent).__name__, NOT_LIVE)
        self._refuse_unless_allowed(intent)
        if not guard.claim_message(monotonic()):
            self._common.recorder.refused(guard.last_refusal)
            raise StepFailed(type(intent).__name__, REFUSED)
        connection.act(lambda session, now: session.ask(intent, now))

    def put(self, intent: Intent | None, name: str, due: float, done: Done | None = None) -> None:
        """Ask now what was due then. What comes of it is recorded, and told to `done`, at once or later."""
        common = self._common
        if intent is not None and self._live:
            self._refuse_unless_allowed(intent)
        meter = common.recorder.request(name)
        now = monotonic()
        connection = self._connection
        if connection is None or not self._live:
            self._unsent(_Asked(name, meter, due, now, done), NOT_LIVE)
        elif not common.guard.claim_message(now):
            common.recorder.refused(common.guard.last_refusal)
            self._unsent(_Asked(name, meter, due, now, done), REFUSED)
        elif intent is None:
            meter.due(due)
            meter.sent(due, now)
            self._pings = self._pings or deque()
            self._pings.append(_Asked(name, meter, due, now, done))
            if len(self._pings) == 1:
                connection.act(_ping)
        else:
            session, kind = self._session, NOT_LIVE  # until we hear that it is over, it may be
            if session is not None and session.phase is Phase.LIVE:
                try:
                    number = session.ask(intent, now)
                except UnsafeTarget:  # an order, and the server has not said yet that this is a demo account
                    kind = REFUSED
                else:
                    if number is None:
                        raise LocalProtocolError(f"nothing answers {type(intent).__name__}: tell it")
                    meter.due(due)
                    meter.sent(due, now)
                    self._asked[number] = _Asked(name, meter, due, now, done)
                    connection.acted()
                    return
            self._unsent(_Asked(name, meter, due, now, done), kind)

    def leave(self) -> None:
        """In order, and for good."""
        if self._is_leaving:
            return
        self._is_leaving = True
        self._common.fleet.left(self)
        self._common.fleet.unwant(self)
        self._stop_timer()
        if self._connection is not None:
            self._connection.thaw()
        if self._connection is not None:  # thawed, it may have heard that it is over
            self._connection.act(_leave)
        self._wake_all()

    def upset(self, upset: Upset) -> None:
        """Do this to the live session; what lasts, lasts until `calm`."""
        connection = self._connection
        if connection is None or not self._live:
            return
        match upset.kind:
            case UpsetKind.DROP | UpsetKind.AUTH_EXPIRY:
                self._spoilt = upset.kind is UpsetKind.AUTH_EXPIRY and self._common.credentials is not None
                self._dropped, self._way_back = True, upset.jitter
                connection.drop()
            case UpsetKind.HALF_OPEN:
                connection.freeze()
            case UpsetKind.SLOW_READER:
                connection.throttle(upset.bytes_per_second or SLOW)
            case UpsetKind.LOST_PONG:
                connection.withhold_pongs(True)
            case UpsetKind.SUBSCRIBE_FLOOD:
                self._flood()

    def calm(self) -> None:
        """What lasts is over."""
        for end in (Connection.thaw, lambda it: it.throttle(None), lambda it: it.withhold_pongs(False)):
            if self._connection is not None:
                end(self._connection)

    # -- opening -------------------------------------------------------------------------------------------------------

    def _dial(self, due: float) -> None:
        common = self._common
        self._stop_timer()
        if not common.guard.claim_connection():
            common.recorder.refused(common.guard.last_refusal)
            self._fail_to_connect(REFUSED)
            return
        self._begun(due)
        key = _spoilt(common.credentials) if self._spoilt and common.credentials else common.credentials
        self._session = ClientSession(
            codec=common.broker.codec(),
            credentials=key,
            plan=common.plan(key),
            rng=common.rng,
            redact=_redactor(key),
        )
        self._due = due
        self._stream = common.recorder.stream()
        hears = self._on_event if common.showing is None else self._shown
        self._connection = Connection(self._session, common.dial, on_event=hears, on_bug=self._broke)
        common.fleet.opened(self)
        self._connection.open(due)

    def _begun(self, due: float) -> None:
        recorder = self._common.recorder
        recorder.connecting(due)
        if self._lost_at is not None and self._attempts == 1:
            recorder.comes_back(due, due - self._lost_at)

    def _went_live(self, at: float) -> None:
        recorder = self._common.recorder
        self._live, self._attempts = True, 0
        recorder.connected(self._due, at)
        if self._lost_at is not None:
            recorder.recovered(at - self._lost_at)
            self._lost_at = None
        self._common.fleet.joined(self)
        self._wake_all()

    def _ended(self, event: Ended) -> None:
        common, recorder = self._common, self._common.recorder
        self.last_failure = event.failure.kind if event.failure is not None else "left"
        was_live, self._live = self._live, False
        self._hang_up(event.traffic, in_order=event.in_order)
        if was_live:
            common.fleet.left(self)
            if self._dropped:
                recorder.dropped(event.at)
            elif event.failure is None or self._is_leaving:
                recorder.left()
            else:
                recorder.lost(event.failure.kind, event.at)
            if not self._is_leaving:
                self._lost_at = event.at
        elif event.failure is not None and not self._is_leaving:
            recorder.connect_failed(event.failure.kind, event.at)
        self._reopen(event)
        self._let_go(event.at)

    def _let_go(self, at: float) -> None:
        """Of all who wait: nothing comes of it any more."""
        owed = [*(self._pings or ()), *self._asked.values()]
        self._pings = None
        self._asked.clear()
        for asked in owed:
            self._settle(asked, at, self._why_lost)
        for _, parked in self._expecting:
            parked.wake()
        self._wake_all()

    def _broke(self, bug: Exception) -> None:
        """The connection was dropped for a fault of ours, or because the guard lets nobody go there."""
        traffic = self.traffic
        if self._live:
            self._live = False
            self._common.fleet.left(self)
        self._hang_up(traffic)
        self.last_failure = REFUSED
        self._attempts += 1
        self._common.recorder.connect_failed(REFUSED, monotonic())
        self._common.on_bug(bug)
        self._let_go(monotonic())

    def _hang_up(self, traffic: Traffic, *, in_order: bool = False) -> None:
        if self._stream is not None:
            self._stream.closed()
        if self._connection is not None:  # or it is the second time, for a fault in what followed the end
            self._common.fleet.ended(self, traffic, in_order=in_order)
            self._common.guard.release_connection()
        self._connection = self._session = self._stream = None

    def _reopen(self, event: Ended) -> None:
        """When the reconnect policy says, or the upset that cut it."""
        self._attempts += 1
        dropped, self._dropped = self._dropped, False
        if self._is_leaving or not self._reopens:
            return
        if dropped or self._way_back is not None:
            delay = self._common.rng.uniform(0.0, self._way_back or 0.0)
            if not self._spoilt or not dropped:
                self._way_back, self._spoilt = None, False
        else:
            decision = decide(event.failure, self._attempts, self._common.rng)
            if decision.delay_seconds is None:
                return
            delay = decision.delay_seconds
        self._dial_later(delay)

    def _dial_later(self, delay: float) -> None:
        due = monotonic() + delay
        self._timer = get_hub().loop.timer(delay)
        self._timer.start(self._dial, due, update=True)

    def _fail_to_connect(self, kind: str) -> None:
        self.last_failure = kind
        self._attempts += 1
        if self._reopens and not self._is_leaving:
            self._dial_later(decide(None, self._attempts, self._common.rng).delay_seconds or NOT_LIVE_PAUSE)
        self._wake_all()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.stop()
            self._timer.close()
            self._timer = None

    # -- what the session says -----------------------------------------------------------------------------------------

    def _shown(self, event: Event) -> None:
        if self._common.showing is not None:
            self._common.showing.show(self._session, event)
        self._on_event(event)

    def _on_event(self, event: Event) -> None:
        if type(event) is QuoteArrived:  # the hot one
            at, symbol, broker_time, price = event
            self._stream.tick(symbol, broker_time, price, at)  # type: ignore[union-attr] # there is one while there is a connection
            return
        recorder = self._common.recorder
        match event:  # the frequent ones first
            case RequestSent():
                if type(event.intent) is Watch and self._stream is not None:
                    self._stream.subscribed(event.intent.symbol, event.at)
            case RequestAnswered():
                asked = self._asked.pop(event.request, None)
                if asked is None:
                    self._hear(event.answer)
                else:
                    self._settle(asked, event.at, "", event.answer)
            case HeartbeatSent():
                recorder.beat_sent(event.due_at, event.at)
            case HeartbeatAnswered():
                recorder.beat_answered(event.due_at, event.sent_at, event.at)
                if self._pings and event.name in PINGS:
                    self._pinged(event.sent_at, event.at, "")
            case HeartbeatMissed():
                recorder.beat_missed()
                if self._pings and event.name in PINGS:
                    self._pinged(event.sent_at, event.at, EXPIRED)
            case PeerBeat():
                recorder.peer_beat()
            case Told():
                self._hear(event.meaning)
            case RequestExpired():
                if (asked := self._asked.pop(event.request, None)) is not None:
                    lost = self._session is None or self._session.phase is Phase.ENDED
                    self._settle(asked, event.at, self._why_lost if lost else EXPIRED)
            case PhaseFinished():
                if event.phase not in _NOT_OF_THE_WAY_IN:
                    recorder.phase(event.phase.value, event.seconds)
                    if not self._live and self._session is not None and self._session.phase is Phase.LIVE:
                        self._went_live(event.at)
            case Surprise():
                recorder.surprise()
            case Ended():
                self._ended(event)
            case _:
                pass

    def _hear(self, meaning: Meaning) -> None:
        for place in self._expecting:
            try:
                fits: object = place[0](meaning)
            except Exception as mistake:  # noqa: BLE001 - of who expects it, and raised there
                fits = mistake
            if fits:
                self._expecting = tuple(each for each in self._expecting if each is not place)
                place[1].wake(fits if isinstance(fits, Exception) else meaning)
            if fits and not isinstance(fits, Exception):
                return
        if self._common.remembered:
            if (
                self._told is None
            ):  # no deque: an empty one weighs more than all that is told to most sessions
                self._told = []
            self._told.append(meaning)
            if len(self._told) > self._common.remembered:
                del self._told[0]

    def _pinged(self, sent_at: float, at: float, kind: str) -> None:
        """The socket has one ping out at a time: who asked while it was gets one of its own after it."""
        pings = self._pings
        if pings and pings[0].sent <= sent_at:
            self._settle(pings.popleft(), at, kind)
        if pings and self._connection is not None:
            self._connection.act(_ping)

    def _settle(self, asked: _Asked, at: float, kind: str, answer: Meaning | None = None) -> None:
        if kind:
            asked.meter.failed(kind, asked.due, at, asked.sent)
        else:
            asked.meter.answered(asked.due, asked.sent, at)
        if self._common.on_sample is not None:
            self._common.on_sample(asked.name, asked.due, asked.sent, at, kind, answer)
        if asked.done is not None:
            asked.done(answer, kind)
        if self._waiting and not self._asked and not self._pings:
            self._wake_all()

    def _unsent(self, asked: _Asked, kind: str) -> None:
        asked.meter.due(asked.due)
        asked.meter.failed(kind, asked.due, asked.sent)
        if self._common.on_sample is not None:
            self._common.on_sample(asked.name, asked.due, None, asked.sent, kind, None)
        if asked.done is not None:
            asked.done(None, kind)

    def _give_up(self, done: Done) -> None:
        """Whoever asked has no more time."""
        now = monotonic()
        for number, asked in self._asked.items():
            if asked.done is done:
                del self._asked[number]
                self._settle(asked, now, EXPIRED)
                return
        for asked in self._pings or ():
            if asked.done is done and self._pings is not None:
                self._pings.remove(asked)
                self._settle(asked, now, EXPIRED)
                return

    # -- small things --------------------------------------------------------------------------------------------------

    @property
    def _why_lost(self) -> str:
        return UNFINISHED if self._is_leaving else SESSION_LOST

    def _refuse_unless_allowed(self, intent: Intent) -> None:
        if isinstance(intent, Trading) and not self._common.guard.may_trade(self._common.endpoint.url):
            raise UnsafeTarget(
                "the order was",
                "this is not a simulator that was started for this run and has proved it",
                "Load tests trade on `sim:BROKER` only.",
            )

    def _wait(self, within: float | None = None) -> None:
        parked = Parked()
        self._waiting += (parked,)
        try:
            parked.wait(within)
        finally:
            self._waiting = tuple(each for each in self._waiting if each is not parked)

    def _wait_for(self, fits: Callable[[Meaning], bool], within: float) -> Meaning | None:
        place = (fits, Parked())
        self._expecting += (place,)
        try:
            found = place[1].wait(within)
        finally:
            self._expecting = tuple(each for each in self._expecting if each is not place)
        if isinstance(found, Exception):
            raise found
        return None if found is LATE else found

    def _wake_all(self) -> None:
        waiting, self._waiting = self._waiting, ()
        for parked in waiting:
            parked.wake()

    def _flood(self) -> None:
        """Ask for every symbol there is, as fast as it goes."""
        known = tuple(self._common.broker.house.listings) or self._common.symbols

        def ask_for_all(answer: Meaning | None, _: str) -> None:
            symbols = tuple(row.symbol for row in answer.rows) if isinstance(answer, Assets) else known
            for symbol in symbols:
                self.put(Watch(symbol=symbol), "subscribe", monotonic())

        try:
            self._common.broker.codec().encode_intent(AskAssets())
        except LocalProtocolError:  # it has no such question
            ask_for_all(None, "")
        else:
            self.put(AskAssets(), "assets", monotonic(), ask_for_all)


def _ping(session: Talking, now: float) -> None:
    session.ping(now)


def _leave(session: Talking, now: float) -> None:
    session.leave(now)


def _spoilt(key: Credentials) -> Credentials:
    """A copy that looks like it and opens nothing."""
    token = key.token.reveal()
    wrong = "".join(chr(ord(sign) ^ 1) if sign.isalnum() and sign.isascii() else sign for sign in token[-8:])
    wrong = token[:-8] + "".join(sign if sign.isalnum() else "0" for sign in wrong)
    # In the frame its beginning may be escaped, and its end is not.
    frame = key.frame.reveal().replace(token[-8:], wrong[-8:])
    return replace(key, token=Secret(wrong), frame=Secret(frame))
