"""Questions that wait for an answer: matched by id where the broker echoes one, else by kind, oldest first."""

from collections.abc import Callable
from math import inf
from typing import Any, NamedTuple

from probe.model import intents, meanings
from probe.model.intents import Intent
from probe.model.meanings import Meaning


class Pending(NamedTuple):
    number: int
    intent: Intent
    key: str
    sent_at: float
    due: float  # the answer


# What the answer to an intent will be known by.
_KEYS: dict[type, Callable[[Any], str]] = {
    intents.AskBalance: lambda _: "balance",
    intents.AskAssets: lambda _: "assets",
    intents.Watch: lambda intent: f"watch:{intent.symbol}:{intent.period}",
    intents.AskHistory: lambda intent: f"history:{intent.index}",
    intents.AskOrders: lambda _: "orders",
    intents.PlaceOrder: lambda intent: f"order:{intent.request_id}",
    intents.SellOrder: lambda intent: f"sell:{intent.ticket}",
    intents.ChooseAccount: lambda _: "account",
    intents.PlacePending: lambda _: "pending",
    intents.CancelPending: lambda intent: f"cancel:{intent.ticket}",
}


def _numbered(kind: str, number: object) -> str:
    return f"{kind}:*" if number is None else f"{kind}:{number}"


# The key of the request that a meaning could be the answer to. A trailing `*`: any request of that kind.
_ANSWERED: dict[type, Callable[[Any], str | None]] = {
    meanings.Balance: lambda _: "balance",
    meanings.Purses: lambda _: "balance",
    meanings.Assets: lambda _: "assets",
    meanings.History: lambda said: (
        f"watch:{said.symbol}:{said.period}" if said.index is None else f"history:{said.index}"
    ),
    meanings.OrderList: lambda said: None if said.closed else "orders",
    meanings.OrderOpened: lambda said: f"order:{said.order.request_id}",
    meanings.OrderRejected: lambda said: _numbered("order", said.request_id),
    meanings.OrderSold: lambda said: f"sell:{said.ticket}",
    meanings.SaleRejected: lambda said: _numbered("sell", said.ticket),
    meanings.AccountChosen: lambda _: "account",
    meanings.AccountNotChosen: lambda _: "account",
    meanings.PendingPlaced: lambda _: "pending",
    meanings.PendingRejected: lambda said: "pending" if said.ticket is None else f"cancel:{said.ticket}",
    meanings.PendingCancelled: lambda said: f"cancel:{said.ticket}",
}


def answer_key(intent: Intent) -> str | None:
    """What the answer to this will be known by; None: nothing answers it."""
    key = _KEYS.get(type(intent))
    return None if key is None else key(intent)


def answered_key(meaning: Meaning) -> str | None:
    """The key this could be the answer to. A trailing `*`: any request of that kind."""
    key = _ANSWERED.get(type(meaning))
    return None if key is None else key(meaning)


class Requests:
    __slots__ = ("_count", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[int, Pending] = {}  # in the order they were sent
        self._count = 0

    def add(self, intent: Intent, key: str, sent_at: float, due: float = inf) -> Pending:
        self._count += 1
        pending = tuple.__new__(Pending, (self._count, intent, key, sent_at, due))
        self._waiting[pending.number] = pending
        return pending

    def answered_by(self, meaning: Meaning) -> Pending | None:
        """Take out the oldest request that this answers."""
        if not self._waiting:
            return None
        key = answered_key(meaning)
        if key is None:
            return None
        for number, pending in self._waiting.items():
            if pending.key == key or (key[-1] == "*" and pending.key.startswith(key[:-1])):
                return self._waiting.pop(number)
        return None

    def take_overdue(self, now: float) -> list[Pending]:
        overdue = [pending for pending in self._waiting.values() if pending.due <= now]
        for pending in overdue:
            del self._waiting[pending.number]
        return overdue

    def next_due(self) -> float | None:
        return min((pending.due for pending in self._waiting.values()), default=None)

    def take_all(self) -> list[Pending]:
        rest = list(self._waiting.values())
        self._waiting.clear()
        return rest

    def __len__(self) -> int:
        return len(self._waiting)
