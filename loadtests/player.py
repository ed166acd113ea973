"""Plays a recorded connection on a live session: everything is due when it was due in the recording, whatever the answers do."""

from contextlib import suppress
from random import Random
from time import monotonic, time

import gevent

from loadtests.session import LoadSession, StepFailed
from probe.load.replay import Recording, moved, offset_of
from probe.model.intents import (
    AskAssets,
    AskBalance,
    AskHistory,
    AskOrders,
    Intent,
    PlaceOrder,
    Trading,
    Watch,
)
from probe.session.requests import answer_key

NAMES = {  # as scenarios call them
    AskAssets: "assets",
    AskBalance: "balance",
    AskHistory: "candles",
    AskOrders: "get_orders",
    PlaceOrder: "place_order",
    Watch: "market_data",
}


class Playback:
    """One user's.

    Args:
        number: The user's; users take the recorded connections in turn.
        speed: 2 plays in half the time.
        exact: Without the pause in front that keeps users of one recording out of step.
    """

    def __init__(
        self, recording: Recording, *, number: int, rng: Random, speed: float = 1.0, exact: bool = False
    ) -> None:
        self._recorded = recording.of_user(number)
        self._speed = speed
        self._offset = offset_of(self._recorded, rng, exact=exact)

    def play(self, session: LoadSession, *, may_trade: bool) -> None:
        """From its beginning to its end, once. Orders are left out where nobody may trade.

        What is due while the session is not live counts as failed, and is not sent later.
        """
        recorded, began_at = self._recorded, monotonic() + self._offset / self._speed
        for move in recorded.moves:
            due = began_at + move.at / self._speed
            _sleep_until(due)
            if isinstance(move.intent, Trading) and not may_trade:
                continue
            intent = move.intent
            if recorded.began_at_utc is not None:
                intent = moved(intent, time() - (recorded.began_at_utc + move.at))
            _say(session, intent, due)
        _sleep_until(began_at + recorded.seconds / self._speed)


def _say(session: LoadSession, intent: Intent, due: float) -> None:
    if answer_key(intent) is not None:
        session.put(intent, NAMES.get(type(intent), type(intent).__name__), due)
        return
    with suppress(StepFailed):  # it is not live, or the caps were reached, which is recorded
        session.tell(intent)


def _sleep_until(due: float) -> None:
    left = due - monotonic()
    if left > 0:
        gevent.sleep(left)
