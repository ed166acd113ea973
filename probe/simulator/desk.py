"""The broker's counter for one connection: admits, answers, and tells what happens on the floor and in the account."""

import random
from collections import deque
from collections.abc import Iterable, Sequence
from email.utils import formatdate
from heapq import heapify, heappush, heapreplace
from itertools import count, islice, takewhile
from math import inf, nextafter
from typing import assert_never

from probe.model.endpoint import Account
from probe.model.intents import (
    AnswerBeat,
    AskAssets,
    AskBalance,
    AskHistory,
    AskOrders,
    Beat,
    CancelPending,
    Intent,
    Join,
    Leave,
    Login,
    Murmur,
    PlaceOrder,
    PlacePending,
    UnknownIntent,
    Unwatch,
    Watch,
)
from probe.model.meanings import (
    Admitted,
    Assets,
    Candle,
    Goodbye,
    History,
    Meaning,
    Notice,
    Quote,
    Quotes,
    Refused,
)
from probe.simulator.accounts import Mailbox, SimAccount
from probe.simulator.floor import LONGEST_PERIOD, Listing
from probe.simulator.prices import Tick
from probe.simulator.world import World

SERVER_NAME = "tradeprobe-sim"
STALE_SECONDS = 5.0  # older ticks are not told: a machine that slept must not be met by thousands
# A desk is asked and cannot call, and another connection may trade on the same account at any time.
LOOK_EVERY_SECONDS = 1.0


class WorldDesk:
    """A `Desk` in a world.

    Args:
        world: Shared by all desks of a broker.
        account_kind: The cluster that the listener belongs to. Sessions of the other kind are sent away.
        rng: For the ids of orders.
    """

    __slots__ = (
        "_account",
        "_account_kind",
        "_assets_until",
        "_floor",
        "_is_chart",
        "_looked_at",
        "_mailbox",
        "_next_ticks",
        "_rng",
        "_subscription",
        "_watched",
        "_world",
    )

    def __init__(self, world: World, *, account_kind: Account, rng: random.Random) -> None:
        self._world = world
        self._floor = world.floor
        self._account_kind = account_kind
        self._rng = rng
        self._account: SimAccount | None = None
        self._is_chart = False
        self._mailbox: Mailbox = deque()
        self._looked_at = 0.0
        self._assets_until = inf  # when those that were told are outdated
        self._watched: dict[str, Listing] = {}  # least recently asked for first
        self._next_ticks: list[tuple[float, int, Listing, Tick]] = []  # a heap
        self._subscription = count()

    def upgrade_headers(self, now: float) -> Sequence[tuple[str, str]]:
        return (("Date", formatdate(self._floor.utc(now), usegmt=True)), ("Server", SERVER_NAME))

    # -- the login ---------------------------------------------------------------------------------------------------

    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        world, at = self._world, self._floor.at(now)
        if login.rights == "chart":
            self._is_chart = world.knows_chart_token(login.token)
            return [Admitted(rights="chart")] if self._is_chart else []  # a stale one is met with silence
        account = world.find_guest(login.token) if login.rights == "guest" else world.find(login.token)
        if account is None:
            return [Refused(reason="NotAuthorized")]
        identity = account.identity
        if identity.account is not self._account_kind:
            # The real clusters close at once and without words. Of what a desk can say, the bare disconnect, with
            # the close that follows it, is nearest.
            return [Goodbye(reason="41")]
        account.settle(at)
        account.attach(self._mailbox, at, world.sessions_per_account)
        self._account, self._looked_at = account, at
        names_server = world.names_server
        if names_server is None:
            names_server = identity.account is Account.LIVE
        admitted = Admitted(server=SERVER_NAME if names_server else None, user=identity.user)
        return [admitted, *(self._pushed(name, account, at) for name in world.house.after_login)]

    def _pushed(self, name: str, account: SimAccount, at: float) -> Meaning:
        match name:
            case "balance":
                return account.balance()
            case "open orders":
                return account.open_orders()
            case "closed orders":
                return account.closed_orders()
            case "assets":
                return self._assets(at)
            case _:
                return Notice(name=name, payload=self._world.house.notices.get(name))

    def leave(self, now: float) -> None:
        if self._account is not None:
            self._account.detach(self._mailbox)
        self._account = None
        self._watched.clear()
        self._next_ticks.clear()

    # -- answering ---------------------------------------------------------------------------------------------------

    def handle(self, intent: Intent, now: float) -> Sequence[Meaning]:
        if self._is_chart:
            return []
        at = self._floor.at(now)
        if self._account is not None:
            self._account.settle(at)
        answers = self._answer(intent, at)
        return [*self._mail(), *answers]

    def _answer(self, intent: Intent, at: float) -> list[Meaning]:
        match intent:
            case AskAssets():
                return [self._assets(at)]
            case Watch():
                return self._watch(intent, at)
            case Unwatch():
                self._unwatch(intent.symbol)
                return []
            case AskHistory():
                return self._page(intent, at)
            case Murmur():
                answer = self._world.house.murmur_answers.get(intent.name)
                return [] if answer is None else [answer]
            case AskBalance() | AskOrders() | PlaceOrder() | PlacePending() | CancelPending():
                return [] if self._account is None else self._trade(intent, self._account, at)
            case Join() | Login() | Beat() | AnswerBeat() | Leave() | UnknownIntent():
                return []  # the session's business
        assert_never(intent)

    def _trade(
        self,
        intent: AskBalance | AskOrders | PlaceOrder | PlacePending | CancelPending,
        account: SimAccount,
        at: float,
    ) -> list[Meaning]:
        """What is granted comes by mail, as to the account's other connections; what is refused is said here."""
        refused: Meaning | None
        match intent:
            case AskBalance():
                return [account.balance()]
            case AskOrders():
                return [account.open_orders()]
            case PlaceOrder():
                refused = account.place(intent, at, self._rng)
            case PlacePending():
                refused = account.place_pending(intent, at, self._rng)
            case CancelPending():
                refused = account.cancel(intent.ticket, at)
        return [] if refused is None else [refused]

    def _assets(self, at: float) -> Assets:
        assets, self._assets_until = self._floor.assets(at)
        return assets

    # -- prices ------------------------------------------------------------------------------------------------------

    def _watch(self, watch: Watch, at: float) -> list[Meaning]:
        symbol = watch.symbol
        if not self._floor.lists(symbol):
            return []
        listing = self._floor.listing(symbol)
        if self._watched.pop(symbol, None) is None:
            tick = listing.next_tick(at)
            heappush(self._next_ticks, (tick.at, next(self._subscription), listing, tick))
        self._watched[symbol] = listing
        cap = self._world.house.stream_cap
        if cap is not None and len(self._watched) > cap:
            self._unwatch(next(iter(self._watched)))
        return [self._recent(listing, watch.period, at)] if 0 < watch.period <= LONGEST_PERIOD else []

    def _unwatch(self, symbol: str) -> None:
        if self._watched.pop(symbol, None) is not None:
            self._next_ticks = [entry for entry in self._next_ticks if entry[2].symbol != symbol]
            heapify(self._next_ticks)

    def _recent(self, listing: Listing, period: int, at: float) -> History:
        """The burst after a subscription. Its candles lag behind its ticks."""
        house, zone = self._world.house, self._floor.zone
        ticks = listing.ticks(listing.last_open(at) - house.recent_seconds, nextafter(at, inf))
        running = (at + zone) // period * period
        candles = listing.candles_back(period, running - (house.candles_lag - 1) * period, at)
        return self._history(listing, period, None, ticks, islice(candles, house.recent_candles))

    def _page(self, asked: AskHistory, at: float) -> list[Meaning]:
        house, zone = self._world.house, self._floor.zone
        if not self._floor.lists(asked.symbol) or asked.period > LONGEST_PERIOD:
            return []
        listing = self._floor.listing(asked.symbol)
        since = max(asked.until - asked.span, 0.0)
        until = min(asked.until, nextafter(at + zone, inf))  # what is now is known, what comes is not
        ticks: list[Tick] = []
        candles: Iterable[Candle] = ()
        if asked.period <= house.ticks_up_to_period:
            ticks = listing.ticks(max(since, until - house.page_tick_seconds) - zone, until - zone)
        elif until > since:
            back = listing.candles_back(asked.period, until, at)
            candles = takewhile(lambda candle: candle.start >= since, islice(back, house.page_rows))
        return [self._history(listing, asked.period, asked.index, ticks, candles)]

    def _history(
        self,
        listing: Listing,
        period: int,
        index: int | None,
        ticks: Iterable[Tick],
        newest_first: Iterable[Candle],
    ) -> History:
        zone = self._floor.zone
        return History(
            symbol=listing.symbol,
            period=period,
            index=index,
            ticks=tuple((at + zone, price) for at, price in ticks),
            candles=tuple(newest_first)[::-1],
        )

    # -- telling -----------------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        at = self._next_ticks[0][0] if self._next_ticks else inf
        if self._account is not None:
            at = min(at, self._looked_at + LOOK_EVERY_SECONDS, self._account.next_at, self._assets_until)
        return None if at == inf else self._floor.due(at)

    def due(self, now: float) -> Sequence[Meaning]:
        at = self._looked_at = self._floor.at(now)
        if self._account is not None:
            self._account.settle(at)
        told: list[Meaning] = []
        if at >= self._assets_until:
            told.append(self._assets(at))
        mailbox, next_ticks, zone = self._mailbox, self._next_ticks, self._floor.zone
        while next_ticks and next_ticks[0][0] <= at:
            tick_at, subscription, listing, tick = next_ticks[0]
            while mailbox and mailbox[0][0] < tick_at:
                told.append(mailbox.popleft()[1])
            if tick_at >= at - STALE_SECONDS:
                told.append(Quotes((Quote(listing.symbol, tick_at + zone, tick.price),)))
            following = listing.next_tick(max(tick_at, at - STALE_SECONDS))
            heapreplace(next_ticks, (following.at, subscription, listing, following))
        if mailbox:
            told += self._mail()
        return told

    def _mail(self) -> list[Meaning]:
        told = [meaning for _, meaning in self._mailbox]
        self._mailbox.clear()
        return told
