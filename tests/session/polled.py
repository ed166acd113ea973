"""A polled session whose other end is a test: time is `now`, replies are handed in."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from probe.model.credentials import Credentials, Redactor, Secret
from probe.model.endpoint import Account
from probe.model.events import Event, Phase
from probe.model.failures import Failure
from probe.model.intents import AskBalance
from probe.model.meanings import Admitted, Balance, Meaning, Quote, Quotes
from probe.session.codec import DialectRules
from probe.session.polled import Answered, Asked, PolledSession, PollPlan, Round, Said
from probe.wire.calls import Asking, Call, HttpCall, HttpReply, Reply
from probe.wire.drivable import Signal

RULES = DialectRules(
    path="/",
    query={},
    phases=(Phase.OPENING, Phase.AUTHENTICATING, Phase.LIVE),
    speaks_first={},
    beats=(),
    peer_beats=False,
)
KEY = Credentials(
    broker="x",
    frame=Secret("planted0secret"),
    token=Secret("planted0secret"),
    account=Account.NONE,
    user=None,
)
E = TypeVar("E")


def reply(body: str = "{}", *, status: int = 200, headers: Sequence[tuple[str, str]] = ()) -> HttpReply:
    return HttpReply(url="http://x", status=status, headers=tuple(headers), body=body.encode(), seconds=0.05)


class Place:
    """A survey of three questions."""

    rules = RULES

    def __init__(self, *, politely: bool = False) -> None:
        self._politely = politely

    def rounds(self) -> Sequence[Round]:
        return (
            Round(name="health", every=20.0, ask=self._ask("/health"), is_beat=True, lane="beat"),
            Round(name="price", every=5.0, ask=self._price),
            Round(
                name="account",
                every=15.0,
                ask=self._ask("/account", Balance(amount=1.0, is_demo=None)),
                intent=AskBalance(),
            ),
        )

    def open(self, now: float) -> Asking[Said]:
        return self._ask("/")(now)

    def enter(self, credentials: Credentials | None, now: float) -> Asking[Said]:
        return self._ask("/me", Admitted())(now)

    def leave(self) -> Asking[None] | None:
        return self._goodbye() if self._politely else None

    def _goodbye(self) -> Asking[None]:
        yield HttpCall(method="POST", url="http://x/logout")

    def _ask(self, path: str, *meanings: Meaning) -> Callable[[float], Asking[Said]]:
        def flow(now: float) -> Asking[Said]:
            got = yield HttpCall(method="GET", url=f"http://x{path}")
            return got if isinstance(got, Failure) else list(meanings)

        return flow

    def _price(self, now: float) -> Asking[Said]:
        got = yield HttpCall(method="GET", url="http://x/price")
        if isinstance(got, Failure):
            return got
        assert isinstance(got, HttpReply)
        return [Quotes((Quote("EURUSD", now, float(got.body)),))]


class Talk:
    def __init__(
        self, survey: Any = None, *, credentials: Credentials | None = KEY, goal: Phase = Phase.LIVE
    ) -> None:
        self.now = 100.0
        self.session = PolledSession(
            survey=survey or Place(),
            credentials=credentials,
            plan=PollPlan(account=Account.NONE, goal=goal),
            redact=Redactor((KEY.token,)),
        )
        self.out: list[Asked] = []
        self.signals: list[Signal] = []
        self.events: list[Event] = []
        self.session.begin(self.now)
        self._pump()

    def _pump(self) -> None:
        for item in self.session.outgoing():
            if isinstance(item, Signal):
                self.signals.append(item)
            else:
                self.out.append(item)
        self.events += self.session.events()

    def paths(self) -> list[str]:
        """Of the calls that are out."""
        return [
            each.call.url.removeprefix("http://x") for each in self.out if isinstance(each.call, HttpCall)
        ]

    def answer(self, path: str, what: Reply | None = None, *, after: float = 0.1) -> None:
        asked = next(
            each
            for each in self.out
            if isinstance(each.call, HttpCall) and each.call.url == f"http://x{path}"
        )
        self.out.remove(asked)
        self.now += after
        self.session.receive(Answered(number=asked.number, reply=what or reply("1.5")), self.now)
        self._pump()

    def reply_to(self, kind: type[Call], what: Reply) -> None:
        """To the first call of that kind that is out."""
        asked = next(each for each in self.out if isinstance(each.call, kind))
        self.out.remove(asked)
        self.session.receive(Answered(number=asked.number, reply=what), self.now)
        self._pump()

    def pass_time(self, seconds: float, *, answers: bool = True) -> None:
        """With every call answered at once, if it is answered."""
        until = self.now + seconds
        while True:
            while answers and self.out:
                self.answer(self.paths()[0], after=0.0)
            due = self.session.next_wake()
            if due is None or due > until:
                break
            self.now = max(due, self.now)
            self.session.wake(self.now)
            self._pump()
        self.now = until

    def live(self) -> None:
        self.answer("/")
        self.answer("/me")

    def leave(self) -> None:
        self.session.leave(self.now)
        self._pump()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.events if isinstance(event, kind)]
