"""Playing a recording: when its messages are due, what is left out, and that a real session answers them."""

import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from loadtests.player import Playback
from loadtests.session import LoadSession, StepFailed
from probe.load.replay import Move, Recorded, Recording, recording_in
from probe.model.endpoint import Account
from probe.model.errors import ConfigError
from probe.model.intents import AskAssets, AskBalance, AskHistory, Intent, SellOrder, Unwatch
from tests.loadtests.commons import Shared, eventually, shared
from tests.loadtests.simulated import Beside, simulator_beside
from tests.pretending import POCKETOPTION, QUOTEX

HISTORY = AskHistory(symbol="EURUSD_otc", period=60, until=1000.0, span=600.0, index=7)
PAGE = 42.0  # UTC of the recording


class Noting:
    """A session that only writes down what it is asked."""

    def __init__(self, *, is_live: bool = True) -> None:
        self.asked: list[tuple[str, Intent, float]] = []
        self.told: list[Intent] = []
        self._is_live = is_live

    def put(self, intent: Intent, name: str, due: float) -> None:
        self.asked.append((name, intent, due))

    def tell(self, intent: Intent) -> None:
        if not self._is_live:
            raise StepFailed("tell", "not-live")
        self.told.append(intent)


def recording(*moves: tuple[float, Intent], seconds: float = 0.0, utc: float | None = None) -> Recording:
    made = tuple(Move(at=at, intent=intent) for at, intent in moves)
    return Recording(connections=(Recorded(moves=made, seconds=seconds, began_at_utc=utc),))


def played(on: Any, of: Recording, *, may_trade: bool = False, **more: Any) -> float:
    """When it began."""
    began_at = time.monotonic()
    Playback(of, number=0, rng=Random(1), **{"exact": True} | more).play(on, may_trade=may_trade)
    return began_at


def test_messages_are_due_as_they_were_whatever_became_of_the_one_before() -> None:
    on = Noting()
    began_at = played(on, recording((0.0, AskBalance()), (0.02, AskAssets()), (0.1, HISTORY), seconds=0.12))
    assert [name for name, _, _ in on.asked] == ["balance", "assets", "candles"]
    first = on.asked[0][2]
    assert [round(due - first, 6) for _, _, due in on.asked] == [0.0, 0.02, 0.1]
    assert time.monotonic() - began_at >= 0.12  # it lasts as long as it did


def test_speed_scales_the_time() -> None:
    on = Noting()
    played(on, recording((0.0, AskBalance()), (2.0, AskAssets()), seconds=2.0), speed=40.0)
    assert round(on.asked[1][2] - on.asked[0][2], 6) == 0.05


def test_users_of_one_recording_are_out_of_step_unless_it_shall_be_exact() -> None:
    of = recording((0.0, AskBalance()), (0.02, AskBalance()), seconds=0.02)
    on = Noting()
    began_at = played(on, of, exact=False)
    assert on.asked[0][2] > began_at + 0.001
    assert Playback(of, number=0, rng=Random(1))._offset != Playback(of, number=0, rng=Random(2))._offset


def test_what_nothing_answers_is_told_and_a_session_that_is_gone_ends_nothing() -> None:
    of = recording((0.0, Unwatch(symbol="EURUSD_otc")), (0.0, AskBalance()))
    live, gone = Noting(), Noting(is_live=False)
    played(live, of)
    played(gone, of)
    assert live.told == [Unwatch(symbol="EURUSD_otc")]
    assert [len(each.asked) for each in (live, gone)] == [1, 1]


def test_orders_are_played_only_where_they_may_be() -> None:
    of = recording((0.0, SellOrder(ticket="1")), (0.0, AskBalance()))
    barred, free = Noting(), Noting()
    played(barred, of)
    played(free, of, may_trade=True)
    assert [len(each.asked) for each in (barred, free)] == [1, 2]


def test_instants_are_those_of_today() -> None:
    on = Noting()
    played(on, recording((0.0, HISTORY), utc=time.time() - 86_400.0 - 30.0))
    intent = on.asked[0][1]
    assert isinstance(intent, AskHistory)
    assert intent.until == HISTORY.until + 86_400.0


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.har: it cannot be read \(No such file or directory\)"):
        recording_in(str(tmp_path / "missing.har"), POCKETOPTION.broker)


@pytest.fixture(scope="module")
def simulator() -> Iterator[Beside]:
    with simulator_beside("pocketoption") as running:
        yield running


@pytest.fixture
def there(simulator: Beside) -> Shared:
    broker, endpoint = POCKETOPTION.broker, simulator.endpoint("pocketoption", "ws")
    key = broker.read_credentials(endpoint.credential.reveal())
    return shared(broker, endpoint.url, key, account=Account.DEMO)


def test_a_recording_is_played_on_a_live_session_and_each_sample_is_kept(
    there: Shared, tmp_path: Path
) -> None:
    codec = POCKETOPTION.broker.codec()
    (message,) = codec.encode_intent(HISTORY)
    file = tmp_path / "recorded.txt"
    file.write_text(f"C> {message!s}\n" * 2)
    session = LoadSession(there.common)
    session.open()
    played(session, recording_in(str(file), POCKETOPTION.broker), speed=20.0)
    eventually(lambda: there.figures().requests["candles"].answered == 2)
    session.close()
    candles = there.figures().requests["candles"]
    assert (candles.due, candles.sent, candles.failed) == (2, 2, {})
    assert candles.response.count == candles.service.count == candles.lateness.count == 2
    assert there.bugs == []


def test_the_recording_of_another_broker_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "recorded.txt"
    file.write_text('C> {"reqType":"sub"}')
    with pytest.raises(ConfigError, match="not one message in it is understood as said to Quotex"):
        recording_in(str(file), QUOTEX.broker)
