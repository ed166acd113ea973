"""Where this broker is, and how its counter behaves: what the simulator takes from its house rules."""

import random

import pytest

from probe.brokers.quotex import BROKER
from probe.model.endpoint import Account, Sureness
from probe.model.events import RequestAnswered, Told
from probe.model.intents import AskHistory
from probe.model.meanings import Admitted, Balance, History, Purses
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import Known, Pair, client_session

EPOCH = 1_795_000_000.0


def with_login(token: str, *, is_demo: int) -> Pair:
    world = World(broker=BROKER, seed=1, epoch=EPOCH)
    known = Known(
        BROKER, f'42["authorization",{{"session":"{token}","isDemo":{is_demo},"tournamentId":0}}]', token
    )
    desk = WorldDesk(world, account_kind=Account.DEMO, rng=random.Random(2))
    return Pair(known, client=client_session(known), desk=desk).run(5)


TOKENS = [account.token for account in World(broker=BROKER, seed=1, epoch=EPOCH).accounts]


@pytest.mark.parametrize("is_demo", [0, 1])
@pytest.mark.parametrize("token", TOKENS, ids=["of the demo account", "of the live account"])
def test_one_token_opens_both_purses_and_the_login_says_which(token: str, is_demo: int) -> None:
    told = [event.meaning for event in with_login(token, is_demo=is_demo).of(Told)]
    assert [meaning.is_demo for meaning in told if isinstance(meaning, Balance)] == [bool(is_demo)]
    (purses,) = [meaning for meaning in told if isinstance(meaning, Purses)]
    assert purses.demo == 10_000


def test_the_verdict_on_a_login_takes_between_half_a_second_and_one() -> None:
    (at,) = [e.at for e in with_login(TOKENS[0], is_demo=1).of(Told) if isinstance(e.meaning, Admitted)]
    assert 0.5 <= at <= 1.0


def test_history_comes_in_at_most_199_candles_and_ten_minutes_of_ticks() -> None:
    pair = with_login(TOKENS[0], is_demo=1)
    asked = AskHistory(symbol="EURUSD_otc", period=60, until=EPOCH, span=86_400, index=7)
    pair.wire.act(lambda now: pair.client.ask(asked, now))
    pair.run(6)
    burst, page = [e.answer for e in pair.of(RequestAnswered) if isinstance(e.answer, History)]
    assert (len(burst.candles), len(page.candles), page.index) == (199, 199, 7)
    assert 540 <= burst.ticks[-1][0] - burst.ticks[0][0] <= 570


@pytest.mark.parametrize("account", [Account.DEMO, Account.LIVE])
def test_both_accounts_have_the_same_addresses_and_only_agreed_ones_get_credentials(account: Account) -> None:
    hosts = {e.region: (e.address.host, e.sureness) for e in BROKER.endpoints if e.account is account}
    assert hosts == {
        "main": ("ws2.qxbroker.com", Sureness.AGREED),
        "mirror": ("ws2.market-qx.trade", Sureness.AGREED),
        "old": ("ws.qxbroker.com", Sureness.CLAIMED),
    }
    assert next(e for e in BROKER.endpoints if e.account is account).region == "main"
