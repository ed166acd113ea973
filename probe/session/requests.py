"""Questions that wait for an answer: matched by id where the broker echoes one, else by kind, oldest first."""

from typing import NamedTuple

from probe.model import intents, meanings
from probe.model.intents import Intent
from probe.model.meanings import Meaning


class Pending(NamedTuple):
    number: int
    intent: Intent
    key: str
    sent_at: float


def answer_key(intent: Intent) -> str | None:
    """What the answer to this will be known by; None: nothing answers it."""
    match intent:
        case intents.AskBalance():
            return "balance"
        case intents.AskAssets():
            return "assets"
        case intents.Watch():
            return f"watch:{intent.symbol}:{intent.period}"
        case intents.AskHistory():
            return f"history:{intent.index}"
        case intents.AskOrders():
            return "orders"
        case intents.PlaceOrder():
            return f"order:{intent.request_id}"
        case intents.SellOrder():
            return f"sell:{intent.ticket}"
        case intents.ChooseAccount():
            return "account"
        case intents.PlacePending():
            return "pending"
        case intents.CancelPending():
            return f"cancel:{intent.ticket}"
        case _:
            return None


def answered_key(meaning: Meaning) -> str | None:
    """The key this could be the answer to. A trailing `*`: any request of that kind."""
    match meaning:
        case meanings.Balance() | meanings.Purses():
            return "balance"
        case meanings.Assets():
            return "assets"
        case meanings.History():
            return (
                f"watch:{meaning.symbol}:{meaning.period}"
                if meaning.index is None
                else f"history:{meaning.index}"
            )
        case meanings.OrderList():
            return None if meaning.closed else "orders"
        case meanings.OrderOpened():
            return f"order:{meaning.order.request_id}"
        case meanings.OrderRejected():
            return "order:*" if meaning.request_id is None else f"order:{meaning.request_id}"
        case meanings.OrderSold():
            return f"sell:{meaning.ticket}"
        case meanings.SaleRejected():
            return "sell:*" if meaning.ticket is None else f"sell:{meaning.ticket}"
        case meanings.AccountChosen() | meanings.AccountNotChosen():
            return "account"
        case meanings.PendingPlaced():
            return "pending"
        case meanings.PendingRejected():
            return "pending" if meaning.ticket is None else f"cancel:{meaning.ticket}"
        case meanings.PendingCancelled():
            return f"cancel:{meaning.ticket}"
        case _:
            return None


class Requests:
    __slots__ = ("_count", "_waiting")

    def __init__(self) -> None:
        self._waiting: dict[int, Pending] = {}  # in the order they were sent
        self._count = 0

    def add(self, intent: Intent, key: str, sent_at: float) -> Pending:
        self._count += 1
        pending = Pending(self._count, intent, key, sent_at)
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

    def take(self, number: int) -> Pending | None:
        return self._waiting.pop(number, None)

    def take_all(self) -> list[Pending]:
        rest = list(self._waiting.values())
        self._waiting.clear()
        return rest

    def __len__(self) -> int:
        return len(self._waiting)
