"""The terminal's own journal: what one line says, and what lines one after the other say about its link to the broker.

It shows what asking every few seconds cannot: how often the link was lost and for how long, through which access server it
came back, and how long orders took. Its clock is the wall clock of the terminal's machine, the date stands in the
file's name only, and both old and new builds' words are understood. A line that is not known is no event: most are not.
"""

import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import assert_never

from probe.brokers.mt5.codes import trade_code
from probe.model.failures import Blame
from probe.model.meanings import Effect, Figure, Figures, Meaning, Trouble, Troubles
from probe.wire.calls import NewLines

ABOUT = "journal"
DAY = 86_400.0
EPOCH = date(1970, 1, 1).toordinal()
LONGEST_LINE = 4096  # characters; what is longer was not written by a terminal
REMEMBERED = 3600.0  # seconds for which a drop counts
ORDERS_REMEMBERED = 600.0
MANY = 3  # drops within that time are no accident
SWITCH_WITHIN = 10.0  # seconds that changing the access server may take
KEPT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    at: float  # seconds since 1970 by the terminal's wall clock, as if it were UTC
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorized:
    at: float
    server: str
    access_point: str | None = None  # old builds do not say more than the server
    ping_seconds: float | None = None
    build: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Synchronized:
    at: float
    company: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """The terminal goes to a better access server because it wants to: no fault."""

    at: float
    quality_percent: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnected:
    at: float
    server: str


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDone:
    at: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFailed:
    at: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    at: float
    build: int


JournalEvent = Lost | Authorized | Synchronized | Switched | Disconnected | OrderDone | OrderFailed | Started
_Make = Callable[[float, re.Match[str]], JournalEvent]

_NUMBER = r"(\d{1,9}(?:\.\d{1,9})?)"  # bounded: no line may become a number nobody can hold
_LINE = re.compile(r"[^\t]{0,8}\t\d\t(\d\d):(\d\d):(\d\d)(?:\.(\d{3}))?\t([^\t]{1,80})\t(.*)")


def _authorized(at: float, found: re.Match[str]) -> Authorized:
    rest = found[2]
    access_point = re.search(r"\bthrough ([^(]{1,120})", rest)
    ping, build = re.search(rf"\bping: {_NUMBER} ms", rest), re.search(r"\bbuild (\d{1,9})", rest)
    return Authorized(
        at=at,
        server=found[1],
        access_point=access_point[1].strip() if access_point else None,
        ping_seconds=(float(ping[1]) / 1000 or None) if ping else None,
        build=int(build[1]) if build else None,
    )


# The source, what its text must hold, and what that is. The account stands before it in quotes.
_TEXTS: tuple[tuple[str, re.Pattern[str], _Make], ...] = (
    ("Network", re.compile(r"\bauthorized on (\S+)(.*)"), _authorized),
    ("Network", re.compile(r"\bconnection to (\S+) lost\b"), lambda at, found: Lost(at=at, server=found[1])),
    (
        "Network",
        re.compile(r"\bterminal synchronized with ([^:]{1,200})"),
        lambda at, found: Synchronized(at=at, company=found[1].strip()),
    ),
    (
        "Network",
        re.compile(r"\bconnecting to a better access point with (\d{1,3})%"),
        lambda at, found: Switched(at=at, quality_percent=int(found[1])),
    ),
    (
        "Network",
        re.compile(r"\bdisconnected from (\S+)"),
        lambda at, found: Disconnected(at=at, server=found[1]),
    ),
    (
        "Trades",
        re.compile(rf"\bdone in {_NUMBER} ms"),
        lambda at, found: OrderDone(at=at, seconds=float(found[1]) / 1000),
    ),
    (
        "Trades",
        re.compile(r"\bfailed .*\[([^\[\]]{1,120})\]\s*$"),
        lambda at, found: OrderFailed(at=at, reason=found[1].strip()),
    ),
    (
        "Terminal",
        re.compile(r"\bbuild (\d{1,9}) started\b"),
        lambda at, found: Started(at=at, build=int(found[1])),
    ),
)


def read(line: str, date_of_file: date) -> JournalEvent | None:
    """What one line says; None: nothing that counts here."""
    found = _LINE.match(line) if len(line) <= LONGEST_LINE else None
    if found is None:
        return None
    hours, minutes, seconds, thousandths, source, text = found.groups()
    at = (
        (date_of_file.toordinal() - EPOCH) * DAY
        + int(hours) * 3600
        + int(minutes) * 60
        + int(seconds)
        + int(thousandths or 0) / 1000
    )
    for wanted, pattern, make in _TEXTS:
        if source == wanted and (said := pattern.search(text)) is not None:
            return make(at, said)
    return None


def date_of(file: str) -> date | None:
    """What its name says: ``20261121.log``."""
    digits = re.search(r"(?<!\d)(\d{4})(\d\d)(\d\d)(?!\d)", file, re.ASCII)
    try:
        return date(*map(int, digits.groups())) if digits else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """The terminal was without its broker, and came back."""

    seconds: float  # from lost to authorized
    access_point: str | None  # through which it came back
    heard_at: float  # monotonic


class Journal:
    """What the lines so far add up to. Those it begins with are the past: they show where things stand, and count for nothing."""

    def __init__(self) -> None:
        self.outages: deque[Outage] = deque(maxlen=KEPT)
        self.sync_seconds: float | None = None  # from authorized to synchronized, the last time
        self.access_point: str | None = None
        self.build: int | None = None
        self._down: Lost | Disconnected | None = None
        self._down_heard_at = 0.0  # monotonic
        self._switched: Switched | None = None  # and not yet at the other end
        self._authorized_at: float | None = None
        self._failed: deque[tuple[float, str]] = deque(maxlen=KEPT)  # when heard, and why

    def fold(self, new: NewLines, now: float) -> tuple[Meaning, ...]:
        """What can be said after these lines."""
        day = date_of(new.file) or date.min
        figures: list[Figure] = []
        for line in new.lines:
            if (event := read(line, day)) is not None:
                figures += self._take(event, now, is_past=new.is_first)
        troubles = Troubles(about=ABOUT, rows=tuple(self._rows(now)))
        return (troubles, Figures(rows=tuple(figures))) if figures and not new.is_first else (troubles,)

    def _take(self, event: JournalEvent, now: float, *, is_past: bool) -> tuple[Figure, ...]:
        match event:
            case Lost() | Disconnected():
                if self._down is None:
                    self._down, self._down_heard_at = event, now
            case Switched():
                self._switched = event
            case Authorized(at=at, ping_seconds=ping):
                if not is_past and self._is_drop:
                    self._note_outage(event, now)
                self._down = self._switched = None
                self._authorized_at = at
                self.access_point = event.access_point or self.access_point
                self.build = event.build or self.build
                return () if ping is None else (Figure("terminal_ping_seconds", ping),)
            case Synchronized(at=at):
                if self._authorized_at is not None and at >= self._authorized_at:
                    self.sync_seconds = at - self._authorized_at
                self._down = self._authorized_at = None
            case OrderDone(seconds=seconds):
                return (Figure("order_rtt_seconds", seconds),)
            case OrderFailed(reason=reason):
                if not is_past:
                    self._failed.append((now, reason))
            case Started(build=build):
                self.build = build
            case _:
                assert_never(event)
        return ()

    @property
    def _is_drop(self) -> bool:
        """Nobody wanted it: neither the user nor the terminal, which leaves a bad access server for a better one."""
        if not isinstance(self._down, Lost):
            return False
        return self._switched is None or not 0 <= self._down.at - self._switched.at <= SWITCH_WITHIN

    def _note_outage(self, back: Authorized, now: float) -> None:
        assert self._down is not None  # noqa: S101 - a drop is one
        seconds = back.at - self._down.at
        if (
            seconds < 0
        ):  # over midnight, where no date is known; or the clock was set back, and then nobody knows
            seconds %= DAY
        self.outages.append(Outage(seconds=seconds, access_point=back.access_point, heard_at=now))

    # -- what that says ----------------------------------------------------------------------------------------------

    def _rows(self, now: float) -> Iterator[Trouble]:
        if (link := self._about_the_link(now)) is not None:
            yield link
        while self._failed and now - self._failed[0][0] > ORDERS_REMEMBERED:
            self._failed.popleft()
        for reason, count in Counter(reason for _, reason in self._failed).items():
            code = trade_code(reason)
            if code is not None and code.slug is not None:
                yield Trouble(
                    code=code.slug,
                    sentence=f"the journal shows {_times(count, 'order')} that failed within {ORDERS_REMEMBERED / 60:.0f} min: "
                    f"{code.says}",
                    advice=code.advice,
                    effect=Effect.NOTED,
                    blame=code.blame,
                )

    def _about_the_link(self, now: float) -> Trouble | None:
        down = self._down
        if down is not None and (self._is_drop or now - self._down_heard_at >= SWITCH_WITHIN):
            how = "lost" if isinstance(down, Lost) else "gave up"
            sentence = f"the terminal {how} its connection to {_shown(down.server)}, and its journal shows no other since"
            return _link_trouble(sentence, Effect.STALLS)
        recent = [each for each in self.outages if now - each.heard_at <= REMEMBERED]
        if not recent:
            return None
        longest = max(each.seconds for each in recent)
        sentence = f"the terminal lost its broker {_times(len(recent), 'time')} within an hour, for {longest:.1f} s at the longest"
        return _link_trouble(sentence, Effect.DEGRADES if len(recent) >= MANY else Effect.NOTED)


def _link_trouble(sentence: str, effect: Effect) -> Trouble:
    return Trouble(
        code="mt5.no-server-connection",
        sentence=sentence,
        advice="Compare with the connect times of the broker's access servers: if these are fine, the broker is in trouble, "
        "else the network between.",
        effect=effect,
        blame=Blame.UNKNOWN,
    )


def _times(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _shown(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:80])
