"""The broker's counter for one connection: admits, answers, and tells what happens on the floor and in the account."""

import random
from collections import deque
from collections.abc import Sequence
from email.utils import formatdate
from heapq import merge
from math import inf
from operator import itemgetter
from types import MappingProxyType
from typing import assert_never

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.intents import (
    AnswerBeat,
    AskAssets,
    AskBalance,
    AskHistory,
    AskOrders,
    Beat,
    CancelPending,
    ChooseAccount,
    Intent,
    Join,
    Leave,
    Login,
    Murmur,
    PlaceOrder,
    PlacePending,
    SellOrder,
    Trading,
    UnknownIntent,
    Unwatch,
    UnwatchSentiment,
    Watch,
    WatchSentiment,
    WatchSignals,
)
from probe.model.meanings import (
    AccountChosen,
    AccountNotChosen,
    Admitted,
    Assets,
    BrokerClock,
    Goodbye,
    Meaning,
    Notice,
    Purses,
    Refused,
)
from probe.simulator.accounts import Mailbox, SimAccount
from probe.simulator.past import page, recent
from probe.simulator.streams import Streams, together
from probe.simulator.world import Accounts, World

SERVER_NAME = "tradeprobe-sim"

_NO_PURSES: Accounts = MappingProxyType({})
_ABOUT_MONEY = ("purses", "balance")
_ABOUT_ORDERS = ("open orders", "closed orders", "pending orders")


class WorldDesk:
    """A `Desk` in a world.

    Args:
        world: Shared by all desks of a broker.
        account_kind: The cluster that the listener belongs to. Sessions of the other kind are sent away, unless
            one login opens all accounts.
        rng: For the ids of orders, and how long a login is thought about.
    """

    __slots__ = (
        "_account",
        "_account_kind",
        "_again_at",
        "_assets_until",
        "_floor",
        "_is_chart",
        "_login",
        "_look_every",
        "_looked_at",
        "_mailbox",
        "_purses",
        "_rng",
        "_streams",
        "_token",
        "_verdict_at",
        "_world",
    )

    def __init__(self, world: World, *, account_kind: Account, rng: random.Random) -> None:
        self._world = world
        self._floor = world.floor
        self._account_kind = account_kind
        self._rng = rng
        self._login: Login | None = None  # that is thought about
        self._verdict_at = inf
        self._purses = _NO_PURSES  # that the login opened
        self._account: SimAccount | None = None  # the purse in use
        self._token: Secret | None = None  # that opened it
        self._again_at = inf
        self._is_chart = False
        self._mailbox: Mailbox = deque()
        self._looked_at = 0.0
        # A desk is asked and cannot call, and another connection may trade on the same account at any time.
        self._look_every = world.house.look_every
        self._assets_until = inf  # when those that were told are outdated
        self._streams = Streams(world.floor, world.house)

    def upgrade_headers(self, now: float) -> Sequence[tuple[str, str]]:
        return (("Date", formatdate(self._floor.utc(now), usegmt=True)), ("Server", SERVER_NAME))

    # -- the login ---------------------------------------------------------------------------------------------------

    def admit(self, login: Login, now: float) -> Sequence[Meaning]:
        """A second login before the verdict takes the place of the first; the verdict comes when it would have."""
        at = self._floor.at(now)
        self._detach()
        self._login = login
        thinks = self._rng.uniform(*self._world.house.login_seconds)
        self._verdict_at = min(self._verdict_at, at + thinks)
        return self._verdict(login, at) if self._verdict_at <= at else []

    def _verdict(self, login: Login, at: float) -> list[Meaning]:
        world, house = self._world, self._world.house
        self._login, self._verdict_at = None, inf
        if login.rights == "chart":
            self._is_chart = world.knows_chart_token(login.token)
            return [Admitted(rights="chart")] if self._is_chart else []  # a stale one is met with silence
        purses = world.find_guest(login.token) if login.rights == "guest" else world.find(login.token)
        if purses is None or world.ends_at(login.token) <= at:
            return [Refused(reason="NotAuthorized")]
        kind = next(iter(purses)) if self._account_kind is Account.NONE else self._account_kind
        if house.one_login_for_all_accounts and login.account in purses:
            kind = login.account
        if kind not in purses:
            # The real clusters close at once and without words. Of what a desk can say, the bare disconnect, with
            # the close that follows it, is nearest.
            return [Goodbye(reason="41")]
        self._purses, self._looked_at, self._token = purses, at, login.token
        self._again_at = at + (house.again_every or inf)
        account = self._use(purses[kind], at)
        names_server = world.names_server
        if names_server is None:
            names_server = kind is Account.LIVE
        return [
            *self._pushed(house.before_verdict, account, at),
            Admitted(server=SERVER_NAME if names_server else None, user=account.identity.user),
            *self._pushed(house.after_login, account, at),
        ]

    def _use(self, account: SimAccount, at: float) -> SimAccount:
        self._detach()
        account.settle(at)
        account.attach(self._mailbox, at, self._world.sessions_per_account)
        self._account = account
        return account

    def _detach(self) -> None:
        if self._account is not None:
            self._account.detach(self._mailbox)
        self._account = None

    def _pushed(self, names: Sequence[str], account: SimAccount, at: float) -> list[Meaning]:
        return [self._named(name, account, at) for name in names]

    def _named(self, name: str, account: SimAccount, at: float) -> Meaning:
        match name:
            case "clock":
                return BrokerClock(seconds=at + self._floor.zone)
            case "balance":
                return account.balance()
            case "purses":
                return self._all_purses(at)
            case "open orders":
                return account.open_orders()
            case "closed orders":
                return account.closed_orders()
            case "pending orders":
                return account.pending_orders()
            case "assets":
                return self._assets(at)
            case _:
                return Notice(name=name, payload=self._world.house.notices.get(name))

    def _all_purses(self, at: float) -> Purses:
        held: dict[Account, float] = {}
        for kind, purse in self._purses.items():
            purse.settle(at)
            held[kind] = purse.balance().amount
        return Purses(demo=held.get(Account.DEMO), live=held.get(Account.LIVE))

    def leave(self, now: float) -> None:
        self._detach()
        self._login, self._verdict_at = None, inf
        self._streams = Streams(self._floor, self._world.house)

    # -- answering ---------------------------------------------------------------------------------------------------

    def handle(self, intent: Intent, now: float) -> Sequence[Meaning]:
        if self._is_chart:
            return []
        at = self._floor.at(now)
        if self._account is not None:
            self._account.settle(at)
        answers = self._answer(intent, at)
        return [*self._mail(), *answers]

    def _answer(self, intent: Intent, at: float) -> Sequence[Meaning]:
        floor, house = self._floor, self._world.house
        match intent:
            case AskAssets():
                return [self._assets(at)]
            case Watch(symbol=symbol, period=period):
                self._streams.watch(symbol, at)
                return _said(recent(symbol, period, floor=floor, house=house, at=at))
            case Unwatch(symbol=symbol):
                self._streams.unwatch(symbol)
                return []
            case WatchSentiment(symbol=symbol):
                return _said(self._streams.watch_sentiment(symbol, at))
            case UnwatchSentiment(symbol=symbol):
                self._streams.unwatch_sentiment(symbol)
                return []
            case WatchSignals():
                return _said(self._streams.watch_signals(at))
            case AskHistory():
                return _said(page(intent, floor=floor, house=house, at=at))
            case Murmur(name=name):
                return _said(house.murmur_answers.get(name))
            case AskBalance() | AskOrders() | ChooseAccount():
                return [] if self._account is None else self._trade(intent, self._account, at)
            case PlaceOrder() | SellOrder() | PlacePending() | CancelPending():
                return [] if self._account is None else self._trade(intent, self._account, at)
            case Join() | Login() | Beat() | AnswerBeat() | Leave() | UnknownIntent():
                return []  # the session's business
        assert_never(intent)

    def _trade(
        self,
        intent: AskBalance | AskOrders | ChooseAccount | Trading,
        account: SimAccount,
        at: float,
    ) -> Sequence[Meaning]:
        """What is granted comes by mail, as to the account's other connections; what is refused is said here."""
        match intent:
            case AskBalance():
                names = [name for name in self._world.house.after_login if name in _ABOUT_MONEY]
                return self._pushed(names, account, at)
            case AskOrders():
                return [account.open_orders()]
            case PlaceOrder():
                return _said(account.place(intent, at, self._rng))
            case SellOrder(ticket=ticket):
                return _said(account.sell(ticket, at))
            case PlacePending():
                return _said(account.place_pending(intent, at, self._rng))
            case CancelPending(ticket=ticket):
                return _said(account.cancel(ticket, at))
            case ChooseAccount():
                return self._choose(intent, at)
        assert_never(intent)

    def _choose(self, asked: ChooseAccount, at: float) -> list[Meaning]:
        if asked.tournament:
            return [AccountNotChosen(error="UNKNOWN_TOURNAMENT")]
        if asked.account not in self._purses:
            return [AccountNotChosen(error="UNKNOWN_ACCOUNT")]
        account = self._use(self._purses[asked.account], at)
        names = [name for name in self._world.house.after_login if name in _ABOUT_ORDERS]
        return [AccountChosen(), account.balance(), *self._pushed(names, account, at)]

    def _assets(self, at: float) -> Assets:
        assets, self._assets_until = self._floor.assets(at)
        return assets

    # -- telling -----------------------------------------------------------------------------------------------------

    def next_due(self) -> float | None:
        at = self._streams.next_at()
        if self._account is None:
            at = min(at, self._verdict_at)
        else:
            at = min(at, self._looked_at + self._look_every, self._account.next_at, self._assets_until)
            at = min(at, self._again_at)
        return None if at == inf else self._floor.due(at)

    def due(self, now: float) -> Sequence[Meaning]:
        at = self._looked_at = self._floor.at(now)
        told: list[Meaning] = []
        if self._login is not None and at >= self._verdict_at:
            told += self._verdict(self._login, at)
        if self._account is not None:
            self._account.settle(at)
            told += self._again(self._account, at)
        if at >= self._assets_until:
            told.append(self._assets(at))
        streamed = self._streams.due(at)
        # What happened at the same time as a tick is told after it: the tick may have decided it.
        in_order = merge(streamed, self._mailbox, key=itemgetter(0)) if self._mailbox else streamed
        told += [meaning for _, meaning in in_order]
        self._mailbox.clear()
        return together(told) if self._world.house.rows_together else told

    def _again(self, account: SimAccount, at: float) -> list[Meaning]:
        """What is pushed every so often, until the token has ended: that is told once."""
        house = self._world.house
        if self._token is not None and at >= self._world.ends_at(self._token):
            ended = Notice(name=house.token_ended, payload=self._token.reveal())
            self._detach()
            self._token = None
            return [ended] if house.token_ended else []
        if at < self._again_at:
            return []
        self._again_at = at + (house.again_every or inf)
        return self._pushed(house.after_login, account, at)

    def _mail(self) -> list[Meaning]:
        told = [meaning for _, meaning in self._mailbox]
        self._mailbox.clear()
        return told


def _said(answer: Meaning | None) -> list[Meaning]:
    return [] if answer is None else [answer]
