"""What another client of a broker said and was told, by its own log: whether it asked too early, twice, or no more at all."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from probe.model.intents import AnswerBeat, AskHistory, Intent, Unwatch, Watch
from probe.model.meanings import Admitted, BeatAsked, Meaning, Quotes, Welcome
from probe.session.codec import Codec, Message


class Frame(NamedTuple):
    is_sent: bool  # by the client
    message: Message | None  # None: it only says that a connection begins here


@dataclass(frozen=True, slots=True, kw_only=True)
class Overheard:
    """One connection of that client."""

    admitted: bool = False  # it was seen to be let in
    early: frozenset[str] = frozenset()  # symbols it asked about before, and was not answered about
    mended: frozenset[str] = frozenset()  # those of them that it asked about once more, with success
    watched: frozenset[str] = frozenset()  # symbols it subscribed to, after it was let in
    twice: frozenset[str] = frozenset()  # those of them it subscribed to more than once
    priced: frozenset[str] = frozenset()  # symbols whose prices came
    prices: int = 0
    repeated: int = 0  # of these, with the time and the value of the one before
    beats_asked: int = 0  # messages of the server's that want an answer of the same kind
    beats_answered: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherClient:
    """Another client of the same broker, as far as its log shows it."""

    hides: str = ""  # its words for a failure, where its log has no reason beside them
    close_codes: tuple[int, ...] = ()  # as it reports them
    reads_packed_as_text: bool = False  # it took the first bytes of gzip for UTF-8
    connections: tuple[Overheard, ...] = ()


def overheard(frames: Iterable[Frame], codec: Callable[[], Codec]) -> tuple[Overheard, ...]:
    """Where no frame says that a connection begins, the server's greeting does."""
    talks = [_Talk(codec)]
    for frame in frames:
        if frame.message is None:
            talks.append(_Talk(codec))
            continue
        if frame.is_sent:
            talks[-1].ask(frame.message)
            continue
        meanings = talks[-1].understand(frame.message)
        if any(isinstance(each, Welcome) for each in meanings) and talks[-1].is_greeted:
            talks.append(_Talk(codec))
        talks[-1].told(meanings)
    return tuple(each.summary() for each in talks if each.is_anything)


class _Talk:
    """Two codecs: each remembers what its own side of a connection must."""

    def __init__(self, codec: Callable[[], Codec]) -> None:
        self._theirs, self._ours = codec(), codec()
        self.is_anything = self.is_greeted = self._admitted = False
        self._early = dict[str, bool]()  # whether it was asked about once more
        self._mended: set[str] = set()
        self._wishes: Counter[tuple[str, int]] = Counter()
        self._last: dict[str, tuple[float, float]] = {}
        self._prices = self._repeated = self._beats_asked = self._beats_answered = 0

    def ask(self, message: Message) -> None:
        self.is_anything = True
        for intent in self._ours.decode_intent(message):
            self._asked(intent)

    def _asked(self, intent: Intent) -> None:
        match intent:
            case AnswerBeat():
                self._beats_answered += 1
            case Watch(symbol=symbol) | AskHistory(symbol=symbol) if not self._admitted:
                self._early.setdefault(symbol, False)
            case Watch(symbol=symbol, period=period):
                self._wishes[symbol, period] += 1
                if symbol in self._early:
                    self._early[symbol] = True
            case Unwatch(symbol=symbol):
                for wish in [each for each in self._wishes if each[0] == symbol]:
                    del self._wishes[wish]
            case _:
                pass

    def understand(self, message: Message) -> list[Meaning]:
        return self._theirs.decode_meaning(message)

    def told(self, meanings: Iterable[Meaning]) -> None:
        self.is_anything = True
        for meaning in meanings:
            match meaning:
                case Welcome():
                    self.is_greeted = True
                case Admitted():
                    self._admitted = True
                case BeatAsked():
                    self._beats_asked += 1
                case Quotes(rows=rows):
                    for row in rows:
                        self._priced(row.symbol, row.broker_time, row.price)
                case _:
                    pass

    def _priced(self, symbol: str, at: float, price: float) -> None:
        self._prices += 1
        self._repeated += self._last.get(symbol) == (at, price)
        self._last[symbol] = at, price
        if (asked_again := self._early.get(symbol)) is not None:
            if asked_again:
                self._mended.add(symbol)
            else:
                del self._early[symbol]

    def summary(self) -> Overheard:
        return Overheard(
            admitted=self._admitted,
            early=frozenset(self._early),
            mended=frozenset(self._mended),
            watched=frozenset(symbol for symbol, _ in self._wishes),
            twice=frozenset(symbol for (symbol, _), count in self._wishes.items() if count > 1),
            priced=frozenset(self._last),
            prices=self._prices,
            repeated=self._repeated,
            beats_asked=self._beats_asked,
            beats_answered=self._beats_answered,
        )
