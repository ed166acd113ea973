"""One user's session at a broker that is asked over HTTP: the verbs of every other session, and one connection that is kept.

The session asks by itself what it asks of every server: that is a part of the load, and is seen in heartbeats, ticks and frames. What
a user asks comes on top. A question that is on its way is not asked a second time, so who wants the same waits until it is
answered and then has a question of his own: the wait is in his response time, and not in its service time.
"""

from collections import deque
from functools import lru_cache
from time import monotonic, time

from loadtests.conversation import Conversation
from loadtests.session import (
    EXPIRED,
    NOT_LIVE,
    REFUSED,
    Common,
    Done,
    LoadSession,
    _Asked,
)
from probe.load.plan import Upset, UpsetKind
from probe.logs import get_logger
from probe.model.credentials import redactor_for
from probe.model.errors import ConfigError
from probe.model.events import (
    Event,
    Phase,
    RequestAnswered,
    RequestExpired,
    RequestSent,
    Told,
    Traffic,
)
from probe.model.failures import Failure
from probe.model.intents import Intent, Leave
from probe.model.meanings import Effect, Meaning, Trouble, Troubles, Unrecognised
from probe.session.broker import Broker, SurveyPlan
from probe.session.polled import PolledSession, PollPlan

UNREADABLE = "unrecognised"


def is_polled(broker: Broker, url: str) -> bool:
    """Whether one asks there over HTTP.

    Raises:
        ConfigError: one asks a process on this machine.
    """
    scheme = url.partition("://")[0]
    if scheme in broker.surveys and scheme not in ("http", "https"):
        raise ConfigError(
            f"{scheme}:// is a program on this machine, and load tests speak over the network",
            next_step="Load the gateway in front of it: http://HOST:PORT.",
        )
    return scheme in broker.surveys


def asked_of(broker: Broker, url: str, symbols: tuple[str, ...]) -> set[Intent]:
    """What a user may ask there; of all else there is nothing."""
    survey = broker.surveys[url.partition("://")[0]](SurveyPlan(base=url, symbols=symbols, utc_at_zero=0.0))
    return {each.intent for each in survey.rounds() if each.intent is not None}


class PolledLoadSession(LoadSession):
    __slots__ = ("_conversation", "_on_way", "_queue", "_why")

    def __init__(self, common: Common, *, reopens: bool = True) -> None:
        super().__init__(common, reopens=reopens)
        self._conversation: Conversation | None = None
        self._queue: deque[tuple[_Asked, Intent]] = deque()
        self._on_way: dict[int, Intent] = {}  # questions that were not answered yet, whoever asked
        self._why = "", 0.0  # the last trouble that was told, and when

    @property
    def traffic(self) -> Traffic:
        return Traffic() if self._conversation is None else self._conversation.traffic

    # -- verbs ---------------------------------------------------------------------------------------------------------

    def tell(self, intent: Intent) -> None:
        """Ask something whose answer nobody waits for; `expect` finds it."""
        if isinstance(intent, Leave):
            self.leave()
        else:
            self.put(intent, type(intent).__name__.lower(), monotonic())

    def put(self, intent: Intent | None, name: str, due: float, done: Done | None = None) -> None:
        if intent is None:
            super().put(intent, name, due, done)
            return
        self._refuse_unless_allowed(intent)
        asked = _Asked(name, self._common.recorder.request(name), due, monotonic(), done)
        if not self._live:
            self._unsent(asked, NOT_LIVE)
            return
        asked.meter.due(due)
        self._queue.append((asked, intent))
        self._ask_next()

    def upset(self, upset: Upset) -> None:
        if upset.kind is UpsetKind.DROP:
            super().upset(upset)
        else:
            _say_once(self._common.broker.title, upset.kind)

    def calm(self) -> None:
        """Nothing that is done to it lasts."""

    # -- one question after the other ----------------------------------------------------------------------------------

    def _ask_next(self) -> None:
        connection, queue = self._conversation, self._queue
        if connection is None or not queue or self._asked or queue[0][1] in self._on_way.values():
            return
        asked, intent = queue.popleft()

        def do(session: PolledSession, now: float) -> None:
            if session.phase is not Phase.LIVE:  # over, and we are about to hear of it
                queue.appendleft((asked, intent))
                return
            number = session.ask(intent, now)
            if number is not None:
                self._asked[number] = asked

        connection.act(do)

    def _answered(self, asked: _Asked, sent_at: float, at: float, kind: str, answer: Meaning | None) -> None:
        # When it was handed to the session says little: what its connection carries meanwhile goes first.
        asked.sent = max(sent_at, asked.due)
        asked.meter.sent(asked.due, asked.sent)
        self._settle(asked, at, kind, answer)

    # -- opening and ending --------------------------------------------------------------------------------------------

    def _dial(self, due: float) -> None:
        common = self._common
        self._timer = None
        if not common.guard.claim_connection():
            common.recorder.refused("connections")
            self._fail_to_connect(REFUSED)
            return
        self._begun(due)
        url, now = common.endpoint.url, monotonic()
        survey = common.broker.surveys[common.endpoint.scheme](
            SurveyPlan(
                base=url.rstrip("/"),
                symbols=common.symbols,
                utc_at_zero=time() - now,
                credentials=common.credentials,
            )
        )
        session = PolledSession(
            survey=survey,
            credentials=common.credentials,
            plan=PollPlan(account=common.endpoint.account, keep_messages=common.kept_messages),
            redact=redactor_for(common.credentials),
        )
        conversation = Conversation(
            session,
            common.dial,
            guard=common.guard,
            on_event=self._on_event,
            on_bug=self._broke,
            on_refused=lambda: common.recorder.refused("rate"),
            on_dial=self._dialled_again,
        )
        self._due = due
        self._stream = common.recorder.stream()
        self._session, self._connection, self._conversation = session, conversation, conversation  # type: ignore[assignment] # the verbs of both are the same
        common.fleet.opened(self)
        conversation.open()

    def _dialled_again(self, began_at: float, at: float, failure: Failure | None) -> None:
        """The server had closed the connection, as it may when nothing is asked for long."""
        recorder = self._common.recorder
        recorder.connecting(began_at)
        if failure is None:
            recorder.connected(began_at, at)
        else:
            recorder.connect_failed(failure.kind, at)

    def _went_live(self, at: float) -> None:
        if self._stream is not None:
            for symbol in self._common.symbols:
                self._stream.subscribed(symbol, at)
        super()._went_live(at)

    def _hang_up(self, traffic: Traffic, *, in_order: bool = False) -> None:
        traffic = self.traffic
        super()._hang_up(traffic, in_order=traffic.messages_sent == traffic.messages_received)
        self._conversation = None
        self._on_way.clear()
        queue, self._queue = self._queue, deque()
        now = monotonic()
        for asked, _ in queue:
            self._settle(asked, now, self._why_lost)

    def _give_up(self, done: Done) -> None:
        for place, (asked, _) in enumerate(self._queue):
            if asked.done is done:
                del self._queue[place]
                self._settle(asked, monotonic(), EXPIRED)
                return
        super()._give_up(done)

    # -- what the session says -----------------------------------------------------------------------------------------

    def _on_event(self, event: Event) -> None:
        match event:
            case RequestSent():
                self._on_way[event.request] = event.intent
            case RequestAnswered() | RequestExpired():
                self._over(event)
            case Told(at=at, meaning=Troubles(rows=(Trouble(effect=effect, code=code), *_))):
                if effect is not Effect.NOTED:
                    self._why = code, at
                super()._on_event(event)
            case _:
                super()._on_event(event)

    def _over(self, event: RequestAnswered | RequestExpired) -> None:
        self._on_way.pop(event.request, None)
        asked = self._asked.pop(event.request, None)
        self._ask_next()
        if isinstance(event, RequestExpired):
            if asked is not None:
                self._answered(asked, event.sent_at, event.at, self._failure_of(event), None)
        elif asked is None:
            self._hear(event.answer)
        else:
            kind = _trouble_of(event.answer)
            self._answered(asked, event.sent_at, event.at, kind, None if kind else event.answer)

    def _failure_of(self, event: RequestExpired) -> str:
        if self._session is None or self._session.phase is Phase.ENDED:
            return self._why_lost
        code, at = self._why
        return code if at == event.at else EXPIRED  # what is told at one instant is about one answer


def _trouble_of(answer: Meaning) -> str:
    """What is wrong with it; empty: nothing."""
    match answer:
        case Unrecognised():
            return UNREADABLE
        case Troubles(rows=rows):
            return next((row.code for row in rows if row.effect is not Effect.NOTED), "")
        case _:
            return ""


@lru_cache
def _say_once(title: str, kind: UpsetKind) -> None:
    get_logger().warning(
        "upset_left_out",
        words=f"{kind.value} does not apply to {title}: its sessions are questions over HTTP. Nothing was done to them.",
    )
