"""Whether orders of this session go to a demo account, by the server's own newest word. Whatever is unclear is a no."""

from probe.model.intents import ChooseAccount, Intent
from probe.model.meanings import (
    AccountChosen,
    AccountNotChosen,
    Balance,
    Meaning,
    OrderList,
    OrderOpened,
    OrdersClosed,
    Purses,
    Unrecognised,
)


class DemoProof:
    """Told everything that is asked and heard."""

    __slots__ = ("_choosing", "given")

    def __init__(self) -> None:
        self.given = False
        self._choosing = 0  # asked for another account; a balance may still be about the one before

    def ask(self, intent: Intent) -> None:
        if isinstance(intent, ChooseAccount):
            self._choosing += 1
            self.given = False

    def hear(self, meaning: Meaning) -> None:
        match meaning:
            case Balance(is_demo=is_demo):
                self.given = is_demo is True and not self._choosing
            case AccountChosen() | AccountNotChosen():
                self._choosing = max(0, self._choosing - 1)
                self.given = False  # until the next balance
            case Purses() | Unrecognised(tells_balance=True):  # neither says which account is in use
                self.given = False
            case OrderOpened(order=order) if not order.is_demo:
                self.given = False
            case OrdersClosed(orders=orders) | OrderList(orders=orders, closed=False) if any(
                not order.is_demo for order in orders
            ):
                self.given = False
            case _:
                pass
