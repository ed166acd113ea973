"""How a terminal stands by what its answers say together: its link and rights, its account, its prices and the broker's clock."""

import statistics
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from probe.brokers.mt5.verdicts import (
    ALGO_OFF,
    API_OFF,
    NOT_CONNECTED,
    READ_ONLY,
    ROBOTS_OFF,
    malformed,
    no_price,
)
from probe.model.failures import Blame
from probe.model.meanings import Effect, Quote, Trouble

Record = Mapping[str, Any]  # a named tuple of the package, by its fields' names

LARGEST = 1e16  # no price, balance, ticket's time or account number is beyond it
LOSSY_PERCENT = 2.0
PINGS, FEW_PINGS = 60, 5
HIGH_TIMES, HIGH_SECONDS = 3.0, 0.05  # so much above the usual a ping is high
HOUR, DAY = 3600.0, 86_400.0
QUARTER = 900.0  # zones differ by multiples of it
FRESH = 60.0  # seconds for which a tick counts as flowing
AGREEING = 5  # looks in a row that must find the same offset
FROZEN = 120.0
LATE = 60.0
QUIET = 300.0  # at a weekend: then this symbol does not trade around the clock


def number(record: Record, key: str) -> float | None:
    """None: it is missing, or nothing that can be."""
    value = record.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= LARGEST:
        return None
    return float(value)


def word(record: Record, key: str) -> str:
    value = record.get(key)
    return "".join(sign for sign in value[:80] if sign.isprintable()) if isinstance(value, str) else ""


class Rights:
    """What may be switched off. Off from the start, it may be meant so and is noted; it does harm when it was on before."""

    def __init__(self) -> None:
        self._were_on: set[str] = set()

    def look(self, name: str, off: Trouble, *, is_off: bool | None) -> Iterator[Trouble]:
        """`off` is the trouble, if it is off."""
        if is_off is None:
            return
        if not is_off:
            self._were_on.add(name)
        elif name in self._were_on:
            yield off
        else:
            yield replace(off, effect=Effect.NOTED)


class Link:
    """The terminal and its way to the broker."""

    def __init__(self) -> None:
        self.is_connected: bool | None = None
        self._rights = Rights()
        self._pings: deque[float] = deque(maxlen=PINGS)
        self._high = 0  # readings in a row

    def see(self, info: Record) -> tuple[list[Trouble], float | None]:
        """With the ping in seconds, if it was measured anew: the terminal goes on showing the last one."""
        connected = info.get("connected")
        if not isinstance(connected, bool):
            self.is_connected = None
            return [malformed("terminal_info", "connected")], None
        self.is_connected = connected
        ping = self._new_ping(number(info, "ping_last")) if connected else None
        rows = [] if connected else [NOT_CONNECTED]
        rows += self._about_the_way(number(info, "retransmission") or 0.0) if connected else []
        rows += self._rights.look("algo", ALGO_OFF, is_off=_is(info, "trade_allowed", False))
        rows += self._rights.look("api", API_OFF, is_off=_is(info, "tradeapi_disabled", True))
        return rows, ping

    def _new_ping(self, microseconds: float | None) -> float | None:
        """0 says that it is not known."""
        seconds = (microseconds or 0.0) / 1e6
        if seconds <= 0 or (self._pings and seconds == self._pings[-1]):
            return None
        usual = statistics.median(self._pings) if len(self._pings) >= FEW_PINGS else seconds
        is_high = seconds > max(HIGH_TIMES * usual, usual + HIGH_SECONDS)
        self._high = self._high + 1 if is_high else 0
        self._pings.append(seconds)
        return seconds

    def _about_the_way(self, lost_percent: float) -> Iterator[Trouble]:
        """One high ping alone says nothing: a second one, or lost packets, must agree."""
        is_lossy = lost_percent > LOSSY_PERCENT
        ping = ""
        if self._high > 1 or (self._high and is_lossy):
            usual = statistics.median(self._pings) * 1000
            ping = f"the terminal's ping to its broker is {self._pings[-1] * 1000:.0f} ms, and usually {usual:.0f} ms"
        loss = f"{lost_percent:.1f} % of this machine's packets had to be sent again" if is_lossy else ""
        if ping or loss:
            yield Trouble(
                code="mt5.ping-high",
                sentence=", and ".join(each for each in (ping, loss) if each),
                advice="Cure lost packets first; then look for a nearer access server, or run the terminal nearer to it.",
                effect=Effect.DEGRADES,
                blame=Blame.NETWORK,
            )


class Account:
    """Whose account the terminal shows, and what may be done with it."""

    def __init__(self, *, login: int | None, server: str) -> None:
        self.login, self.server = login, server  # those it should be; none: the first that are seen
        self._rights = Rights()

    def see(self, info: Record) -> list[Trouble]:
        """All that is wrong with an account that is logged in."""
        if (stranger := self._stranger(info)) is not None:
            return [stranger]
        rows = list(self._rights.look("trade", READ_ONLY, is_off=_is(info, "trade_allowed", False)))
        rows += self._rights.look("expert", ROBOTS_OFF, is_off=_is(info, "trade_expert", False))
        return [*rows, *_about_margin(info)]

    def _stranger(self, info: Record) -> Trouble | None:
        login, server = login_of(info), word(info, "server")
        self.login, self.server = self.login or login, self.server or server
        if login == self.login and (not server or server.lower() == self.server.lower()):
            return None
        return Trouble(
            code="mt5.multi-terminal",
            sentence=f"the terminal shows account {login} at {server}, and this session is about {self.login} at {self.server}",
            advice="Believe none of its numbers and send no order: somebody logged in to another account, or this is another "
            "terminal. Give each account a terminal of its own.",
            effect=Effect.SHUTS_OUT,
            blame=Blame.US,
            certain=True,
        )


def login_of(info: Record) -> int:
    """0: it is logged in to none."""
    return int(number(info, "login") or 0)


def _about_margin(info: Record) -> Iterator[Trouble]:
    """Margins are percentages or money, as the broker likes."""
    in_money = number(info, "margin_so_mode") == 1
    has, call = number(info, "equity" if in_money else "margin_level"), number(info, "margin_so_call")
    if (number(info, "margin") or 0) > 0 and has is not None and call is not None and has < call:
        unit, what = ("", "equity") if in_money else (" %", "margin level")
        yield Trouble(
            code="mt5.trade-disabled",
            sentence=f"the account's {what} is {has:.1f}{unit}, below the broker's margin call at {call:.1f}{unit}",
            advice="New orders may be refused for want of money, and positions closed by the broker: add money or close some.",
            effect=Effect.NOTED,
            blame=Blame.US,
        )


class Market:
    """Prices and the broker's clock. Its times are what its clock on the wall shows, written as if that were UTC."""

    def __init__(self, utc_at_zero: float) -> None:
        self.offset_seconds: float | None = None  # the broker's clock ahead of UTC
        self._utc_at_zero = utc_at_zero
        self._times: dict[str, float] = {}  # of the newest tick
        self._since: dict[str, float] = {}  # when it was first seen, monotonic
        self._ahead: dict[str, float] = {}  # how far a tick that went on was ahead of UTC
        self._candidate, self._agreeing = 0.0, 0
        self._moved_at: float | None = None

    def see(self, symbol: str, tick: Record, now: float) -> tuple[Quote | None, list[Trouble]]:
        """A price, if it is a new one. The first that is seen may be of any age."""
        at = (number(tick, "time_msc") or 0.0) / 1000 or number(tick, "time") or 0.0
        price = number(tick, "bid") or number(tick, "last") or 0.0
        if at <= 0 or price <= 0:
            return None, [no_price(symbol)]
        before = self._times.get(symbol)
        if before == at:
            return None, []
        self._times[symbol], self._since[symbol] = at, now
        if before is None or at < before:
            self._ahead.pop(symbol, None)
            return None, []
        self._ahead[symbol] = at - self.utc(now)
        self._learn(now)
        return Quote(symbol, at, price), []

    def utc(self, now: float) -> float:
        return self._utc_at_zero + now

    def is_open(self, symbol: str, now: float) -> bool:
        """As far as its prices show: what moves at a weekend trades around the clock."""
        moves = symbol in self._ahead and now - self._since[symbol] <= QUIET
        return moves or not is_weekend(self.utc(now))

    def troubles(self, now: float) -> Iterator[Trouble]:
        """Of prices that stand still although the terminal is connected, or that come late."""
        utc = self.utc(now)
        fresh = self._fresh(now)
        quiet = now - max(self._since.values(), default=now)
        if quiet >= FROZEN and not (is_weekend(utc) or is_pause(utc)):
            yield Trouble(
                code="data.stale-ticks",
                sentence=f"the terminal is connected, and no price of {', '.join(self._since)} has moved for {quiet:.0f} s",
                advice="Compare with another terminal or broker: a holiday looks the same. If prices move there, restart the "
                "terminal or choose another access server.",
                effect=Effect.STALLS if len(self._since) > 1 else Effect.DEGRADES,
                blame=Blame.BROKER,
            )
        late = self.offset_seconds - max(fresh) if self.offset_seconds is not None and fresh else 0.0
        if late > LATE:
            yield Trouble(
                code="data.stale-ticks",
                sentence=f"prices come, and are {late:.0f} s old when they come",
                advice="Check this machine's clock first; if it is right, restart the terminal or choose another access server.",
                effect=Effect.DEGRADES,
                blame=Blame.UNKNOWN,
            )
        if self._moved_at is not None and now - self._moved_at < HOUR:
            yield Trouble(
                code="mt5.server-timezone",
                sentence=f"the broker's clock was put to {(self.offset_seconds or 0.0) / HOUR:+g} h from UTC",
                advice="Nothing, if it is the change of daylight saving; times before and after it are an hour apart.",
                effect=Effect.NOTED,
                blame=Blame.BROKER,
            )

    def _fresh(self, now: float) -> list[float]:
        return [ahead for symbol, ahead in self._ahead.items() if now - self._since[symbol] <= FRESH]

    def _learn(self, now: float) -> None:
        """Only while several symbols flow, and not at a weekend. Once known it moves by whole hours: all else is lateness."""
        fresh = self._fresh(now)
        if len(fresh) < 2 or is_weekend(self.utc(now)):
            return
        found = round(max(fresh) / QUARTER) * QUARTER
        self._agreeing = self._agreeing + 1 if found == self._candidate else 1
        self._candidate = found
        if self._agreeing < AGREEING or found == self.offset_seconds:
            return
        if self.offset_seconds is None:
            self.offset_seconds = found
        elif (found - self.offset_seconds) % HOUR == 0:
            self.offset_seconds, self._moved_at = found, now


def is_weekend(utc: float) -> bool:
    """From Friday's to Sunday's evening currencies do not trade; both borders with room for daylight saving."""
    day, seconds = (int(utc // DAY) + 3) % 7, utc % DAY  # Monday is 0
    return (day == 4 and seconds >= 21 * HOUR) or day == 5 or (day == 6 and seconds < 22 * HOUR + 300)


def is_pause(utc: float) -> bool:
    """Around the end of the day in New York metals and indices rest for an hour, and currencies for minutes."""
    return 21 * HOUR - 300 <= utc % DAY < 23 * HOUR + 300


def _is(record: Record, key: str, wanted: bool) -> bool | None:  # noqa: FBT001 - it is a value, no option
    value = record.get(key)
    return value is wanted if isinstance(value, bool) else None
