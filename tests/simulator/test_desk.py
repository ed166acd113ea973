import random
from email.utils import parsedate_to_datetime
from itertools import pairwise

import pytest

from probe.model.endpoint import Account
from probe.model.events import QuoteArrived, RequestAnswered, Told
from probe.model.intents import (
    AskAssets,
    AskBalance,
    AskHistory,
    AskOrders,
    Murmur,
    PlaceOrder,
    Unwatch,
    Watch,
)
from probe.model.meanings import (
    Admitted,
    Assets,
    Balance,
    Candle,
    Goodbye,
    History,
    Notice,
    OrderList,
    OrderOpened,
    OrdersClosed,
    Quote,
    Quotes,
    Refused,
)
from probe.session.broker import Broker
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import BROKER, KNOWN, POCKETOPTION, Known, Pair, client_session
from tests.simulator.desks import (
    NOON,
    OTC,
    Visit,
    a_world,
    account_of,
    login_of,
    only,
    order,
    other_login,
    utc,
)

SYMBOLS = ["EURUSD_otc", "#AAPL_otc", "AMZN_otc", "BTCUSD", "ADA-USD_otc"]
DEMO, LIVE = Account.DEMO, Account.LIVE


def quotes(visit: Visit, symbol: str | None = None) -> list[Quote]:
    rows = [quote for told in visit.of(Quotes) for quote in told.rows]
    return [quote for quote in rows if symbol in (None, quote.symbol)]


def page(
    visit: Visit, *, symbol: str = OTC, period: int, until: float, span: float, index: int = 5
) -> History:
    """`until` as a pretend time."""
    noon = NOON + visit.world.floor.zone
    asked = AskHistory(symbol=symbol, period=period, until=noon + until, span=span, index=index)
    return only(History, visit.ask(asked))


# -- the login ----------------------------------------------------------------------------------------------------------


def test_a_login_is_told_what_the_house_tells_in_its_order() -> None:
    assert [type(meaning) for _, meaning in Visit(a_world()).said] == [
        Admitted,
        Balance,
        OrderList,
        OrderList,
        Assets,
        Notice,
    ]
    turned = a_world(
        house={"after_login": ("updateCharts", "assets", "closed orders", "open orders", "balance")}
    )
    said = Visit(turned).said
    assert [type(meaning) for _, meaning in said] == [Admitted, Notice, Assets, OrderList, OrderList, Balance]
    assert said[1][1] == Notice(name="updateCharts", payload=BROKER.house.notices["updateCharts"])
    assert [told.closed for told in Visit(turned).of(OrderList)] == [True, False]


@pytest.mark.parametrize(
    ("kind", "setting", "named"),
    [(DEMO, None, False), (LIVE, None, True), (DEMO, True, True), (LIVE, False, False)],
)
def test_only_live_logins_name_the_server_unless_the_world_says_otherwise(
    kind: Account, setting: bool | None, named: bool
) -> None:
    world = a_world(names_server=setting)
    identity = account_of(world, kind)
    admitted = only(Admitted, Visit(world, listener=kind, login=login_of(identity)).of(Admitted))
    assert (admitted.server is not None, admitted.user) == (named, identity.user)


@pytest.mark.parametrize("kind", [DEMO, LIVE])
def test_the_balance_says_which_kind_of_account_it_is(broker: Broker, kind: Account) -> None:
    world = a_world(broker=broker)
    visit = Visit(world, listener=kind, login=login_of(account_of(world, kind), broker))
    assert only(Balance, visit.of(Balance)).is_demo is (kind is DEMO)


def test_an_unknown_token_is_refused(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker), login=other_login("a" * 26))
    assert [meaning for _, meaning in visit.said] == [Refused(reason="NotAuthorized")]
    assert visit.desk.next_due() is None


@pytest.mark.parametrize(("kind", "listener"), [(DEMO, LIVE), (LIVE, DEMO)])
def test_a_session_on_the_other_cluster_is_sent_away(kind: Account, listener: Account) -> None:
    world = a_world()
    visit = Visit(world, listener=listener, login=login_of(account_of(world, kind)))
    assert [meaning for _, meaning in visit.said] == [Goodbye(reason="41")]
    assert visit.ask(AskBalance()) == []


def test_a_guest_gets_a_demo_account_and_finds_it_again() -> None:
    world, login = a_world(), other_login("own-token-of-a-guest", "guest")
    first = Visit(world, login=login)
    assert first.of(Balance) == [Balance(amount=BROKER.house.guest_balance, is_demo=True)]
    first.ask(order(amount=100.0))
    assert Visit(world, login=login).of(Balance) == [Balance(amount=49_900.0, is_demo=True)]
    assert Visit(world, login=other_login("another-guest", "guest")).of(Balance)[0].amount == 50_000.0


def test_a_guest_on_a_live_listener_is_sent_away() -> None:
    visit = Visit(a_world(), listener=LIVE, login=other_login("own-token-of-a-guest", "guest"))
    assert [meaning for _, meaning in visit.said] == [Goodbye(reason="41")]


def test_a_chart_session_gets_in_and_is_answered_nothing() -> None:
    world = a_world()
    visit = Visit(world, login=other_login(account_of(world, LIVE).token, "chart"))
    assert [meaning for _, meaning in visit.said] == [Admitted(rights="chart")]
    for intent in (Watch(symbol=OTC), AskAssets(), AskBalance(), order()):
        assert visit.ask(intent) == []
    assert visit.desk.next_due() is None


def test_a_stale_chart_token_is_met_with_silence() -> None:
    assert Visit(a_world(), login=other_login("0" * 32, "chart")).said == []


def test_before_the_login_prices_are_served_and_accounts_are_not(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker), login=other_login("a" * 26))
    assert [type(meaning) for meaning in visit.ask(Watch(symbol=OTC))] == [History]
    assert [visit.ask(intent) for intent in (AskBalance(), AskOrders(), order())] == [[], [], []]
    assert len(quotes(visit.run(10))) > 15


def test_the_date_header_is_true_utc_however_wrong_the_brokers_clock(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, skew_seconds=161.0))
    date = dict(visit.desk.upgrade_headers(90.7))["Date"]
    assert parsedate_to_datetime(date).timestamp() == NOON + 90


def test_a_wrong_clock_is_wrong_in_all_that_is_told(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, skew_seconds=161.25))
    visit.ask(Watch(symbol=OTC))
    visit.run(5)
    ages = [
        NOON + at + broker.zone_seconds + 161.25 - told.rows[0].broker_time
        for at, told in visit.said
        if isinstance(told, Quotes)
    ]
    assert ages
    assert all(abs(age) < 1e-6 for age in ages)
    opened = only(OrderOpened, visit.ask(order())).order
    assert opened.opened_at == NOON + 5 + broker.zone_seconds + 161.25


# -- live prices --------------------------------------------------------------------------------------------------------


def test_each_tick_is_told_at_its_own_time_and_alone(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(Watch(symbol=OTC))
    visit.run(60)
    told = [(at, meaning) for at, meaning in visit.said if isinstance(meaning, Quotes)]
    assert len(told) > 100
    assert {len(meaning.rows) for _, meaning in told} == {1}
    assert [NOON + at + broker.zone_seconds for at, _ in told] == [
        meaning.rows[0].broker_time for _, meaning in told
    ]


def test_recent_history_live_ticks_and_pages_tell_one_story(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker)).run(100.3)
    recent = only(History, visit.ask(Watch(symbol=OTC, period=60)))
    visit.run(460.3)
    live = tuple((quote.broker_time, quote.price) for quote in quotes(visit))
    start = recent.ticks[0][0] - broker.zone_seconds - NOON
    told = page(visit, period=1, until=500, span=500 - start)
    assert recent.ticks + live == told.ticks


@pytest.mark.parametrize("period", [5, 60, 180])
def test_candles_of_a_page_are_those_of_the_live_ticks(broker: Broker, period: int) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(Watch(symbol=OTC))
    visit.run(400.3)
    drawn: dict[float, list[float]] = {}
    for quote in quotes(visit):
        drawn.setdefault(quote.broker_time // period * period, []).append(quote.price)
    expected = tuple(Candle(at, seen[0], max(seen), min(seen), seen[-1]) for at, seen in drawn.items())
    assert page(visit, period=period, until=400.3, span=400.3).candles == expected[-broker.house.page_rows :]


def test_recent_history_ends_now_with_candles_some_periods_behind(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker)).run(130.3)
    recent = only(History, visit.ask(Watch(symbol=OTC, period=60)))
    house, now = broker.house, NOON + 130.3 + broker.zone_seconds
    assert (recent.symbol, recent.period, recent.index) == (OTC, 60, None)
    assert now - 0.8 < recent.ticks[-1][0] <= now
    assert now - house.recent_seconds <= recent.ticks[0][0] < now - house.recent_seconds + 1
    starts = [candle.start for candle in recent.candles]
    assert len(starts) == house.recent_candles
    last = 120 - house.candles_lag * 60
    assert starts[-1] == NOON + broker.zone_seconds + last
    assert {later - earlier for earlier, later in pairwise(starts)} == {60.0}
    assert recent.candles[-5:] == page(visit, period=60, until=last + 60, span=300).candles


def test_a_subscription_without_a_period_has_no_history(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    assert visit.ask(Watch(symbol=OTC, period=0)) == []
    assert len(quotes(visit.run(5))) > 5


def test_watching_twice_does_not_double_the_ticks(broker: Broker) -> None:
    once, twice = Visit(a_world(broker=broker)), Visit(a_world(broker=broker))
    once.ask(Watch(symbol=OTC))
    for period in (60, 5, 0):
        twice.ask(Watch(symbol=OTC, period=period))
    assert quotes(once.run(30)) == quotes(twice.run(30))


def test_ticks_of_several_symbols_come_in_the_order_of_their_times(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, house={"stream_cap": None}))
    for symbol in SYMBOLS:
        visit.ask(Watch(symbol=symbol, period=0))
    visit.run(3)
    visit.forget()
    visit.said += [(6.0, meaning) for meaning in visit.desk.due(6.0)]
    times = [quote.broker_time for quote in quotes(visit)]
    assert {quote.symbol for quote in quotes(visit)} == set(SYMBOLS)
    assert times == sorted(times)
    assert (times[0] > NOON + 3 + broker.zone_seconds, times[-1] <= NOON + 6 + broker.zone_seconds) == (
        True,
        True,
    )


def test_beyond_the_cap_the_symbol_asked_for_longest_ago_goes_quiet(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, house={"stream_cap": 4}))
    for symbol in (*SYMBOLS[:4], SYMBOLS[0], SYMBOLS[4]):
        visit.ask(Watch(symbol=symbol, period=0))
    visit.run(5)
    assert {quote.symbol for quote in quotes(visit)} == {*SYMBOLS} - {SYMBOLS[1]}


def test_after_an_unsubscription_there_are_no_more_ticks(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    for symbol in SYMBOLS[:2]:
        visit.ask(Watch(symbol=symbol, period=0))
    visit.run(5)
    visit.ask(Unwatch(symbol=SYMBOLS[0]))
    visit.ask(Unwatch(symbol="#NOBODY"))
    visit.forget()
    visit.run(10)
    assert {quote.symbol for quote in quotes(visit)} == {SYMBOLS[1]}


def test_an_unknown_symbol_is_met_with_silence(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    assert visit.ask(Watch(symbol="#NOBODY")) == []
    assert visit.ask(AskHistory(symbol="#NOBODY", period=60, until=NOON, span=600, index=1)) == []


def test_after_a_long_sleep_only_the_last_seconds_are_told(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(Watch(symbol=OTC, period=0))
    visit.run(10)
    visit.forget()
    visit.said += [(5_000.0, meaning) for meaning in visit.desk.due(5_000.0)]
    times = [quote.broker_time - broker.zone_seconds - NOON for quote in quotes(visit)]
    assert 4_995 <= times[0] < 4_996
    assert 4_999 < times[-1] <= 5_000
    assert visit.run(5_001).desk.next_due() is not None
    assert page(visit, period=1, until=5_001, span=6).ticks[-1][1] == quotes(visit)[-1].price


def test_a_closed_market_sends_its_last_ticks_and_is_quiet_until_it_opens(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, epoch=utc("Tue 13:25")))
    recent = only(History, visit.ask(Watch(symbol="#AAPL", period=60)))
    closed_at = utc("Mon 20:00") + broker.zone_seconds
    assert closed_at - 1 < recent.ticks[-1][0] < closed_at
    assert (len(recent.candles), recent.candles[-1].start) == (broker.house.recent_candles, closed_at - 60)
    visit.run(310)
    opened_at = utc("Tue 13:30") + broker.zone_seconds
    times = [quote.broker_time for quote in quotes(visit)]
    assert opened_at <= times[0] < opened_at + 1
    assert len(times) > 15


def test_the_catalogue_is_told_again_when_a_market_opens(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker, epoch=utc("Tue 13:25")))
    visit.forget()
    visit.run(400)
    assert visit.times_of(Assets) == [300.0]
    row = next(asset for asset in visit.of(Assets)[0].rows if asset.symbol == "#AAPL")
    assert (row.is_open, row.opens_or_closes_at) == (True, utc("Tue 20:00") + broker.zone_seconds)


# -- the past -----------------------------------------------------------------------------------------------------------


def test_a_page_echoes_its_index_and_holds_what_came_before_its_edge(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker)).run(1_000)
    told = page(visit, period=60, until=600, span=300, index=173369878255)
    assert (told.symbol, told.period, told.index, told.ticks) == (OTC, 60, 173369878255, ())
    assert [candle.start for candle in told.candles] == [
        NOON + broker.zone_seconds + start for start in range(300, 600, 60)
    ]


@pytest.mark.parametrize("period", [0, 1])
def test_pages_of_the_shortest_periods_are_ticks(broker: Broker, period: int) -> None:
    visit = Visit(a_world(broker=broker)).run(1_000)
    told = page(visit, period=period, until=600, span=300)
    assert told.candles == ()
    assert 550 < len(told.ticks) < 700
    assert (
        NOON + broker.zone_seconds + 300
        <= told.ticks[0][0]
        < told.ticks[-1][0]
        < NOON + broker.zone_seconds + 600
    )


def test_adjacent_pages_neither_overlap_nor_leave_a_gap(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker)).run(1_000)
    for period, kind in ((1, "ticks"), (60, "candles")):
        older, newer = (
            getattr(page(visit, period=period, until=until, span=300), kind) for until in (300, 600)
        )
        assert older + newer == getattr(page(visit, period=period, until=600, span=600), kind)


def test_a_page_holds_the_newest_rows_that_fit(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    starts = [candle.start for candle in page(visit, period=60, until=0, span=20_000).candles]
    assert (len(starts), starts[-1]) == (broker.house.page_rows, NOON + broker.zone_seconds - 60)
    ticks = page(visit, period=1, until=0, span=1e12).ticks
    oldest = NOON + broker.zone_seconds - broker.house.page_tick_seconds
    assert oldest <= ticks[0][0] < oldest + 1


def test_a_page_tells_nothing_of_the_future(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker)).run(90.4)
    ticks = page(visit, period=1, until=5_000, span=5_010).ticks
    assert NOON + broker.zone_seconds + 89 < ticks[-1][0] <= NOON + broker.zone_seconds + 90.4
    running = page(visit, period=60, until=5_000, span=5_000).candles[-1]
    assert running.start == NOON + broker.zone_seconds + 60
    assert running.close == ticks[-1][1]
    assert page(visit, period=60, until=5_000, span=100).candles == ()


@pytest.mark.parametrize("period", [-5, 0, 1, 2, 60, 86_400])
@pytest.mark.parametrize(("until", "span"), [(-1e300, 60), (1e300, 60), (NOON, -60), (NOON, 0), (0, 9)])
def test_a_page_without_an_inside_is_empty(broker: Broker, period: int, until: float, span: float) -> None:
    told = Visit(a_world(broker=broker)).ask(
        AskHistory(symbol=OTC, period=period, until=until, span=span, index=1)
    )
    assert told == [History(symbol=OTC, period=period, index=1)]


def test_a_period_longer_than_any_chart_is_not_answered(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    asked = AskHistory(symbol=OTC, period=10**18, until=NOON, span=1e18, index=1)
    assert [visit.ask(asked), visit.ask(Watch(symbol=OTC, period=10**18))] == [[], []]


# -- the rest -----------------------------------------------------------------------------------------------------------


def test_requests_of_the_web_page_are_answered_as_the_house_does() -> None:
    visit = Visit(a_world())
    answer = BROKER.house.murmur_answers["favorite/load"]
    assert visit.ask(Murmur(name="favorite/load")) == [answer]
    assert visit.ask(Murmur(name="subfor", payload=OTC)) == []


def test_the_catalogue_the_balance_and_the_orders_are_told_when_asked(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    assert only(Assets, visit.ask(AskAssets())) is visit.of(Assets)[0]
    assert only(Balance, visit.ask(AskBalance())) == Balance(amount=50_000.0, is_demo=True)
    assert visit.ask(AskOrders()) == [OrderList(orders=(), closed=False)]


def test_when_it_is_left_a_desk_has_nothing_more_to_say(broker: Broker) -> None:
    visit = Visit(a_world(broker=broker))
    visit.ask(Watch(symbol=OTC))
    visit.ask(order())
    visit.desk.leave(1.0)
    assert visit.desk.next_due() is None
    assert visit.desk.due(100.0) == []


def a_session(known: Known, kind: Account) -> Pair:
    world = World(broker=known.broker, seed=7, epoch=NOON)
    desk = WorldDesk(world, account_kind=DEMO, rng=random.Random(1))
    credential = known.broker.write_credential(account_of(world, kind))
    return Pair(known, client=client_session(known, ssid=credential), desk=desk)


@pytest.mark.parametrize("known", KNOWN, ids=lambda known: known.broker.name)
def test_a_whole_session_trades_through_both_ends(known: Known) -> None:
    pair = a_session(known, DEMO)
    pair.run(10)
    pair.wire.act(lambda now: pair.client.ask(order(request_id=17), now))
    pair.run(80)
    answers = {type(event.intent): event.answer for event in pair.of(RequestAnswered)}
    opened = answers[PlaceOrder]
    assert isinstance(opened, OrderOpened)
    assert opened.order.request_id == 17
    closed = [event.meaning for event in pair.of(Told) if isinstance(event.meaning, OrdersClosed)]
    assert [order.id for order in only(OrdersClosed, closed).orders] == [opened.order.id]
    assert isinstance(answers[Watch], History)
    assert len(pair.of(QuoteArrived)) > 140


def test_a_session_on_the_wrong_cluster_ends_before_it_is_live() -> None:
    pair = a_session(POCKETOPTION, LIVE).run(30)
    assert pair.kind == "auth.rejected-41"
