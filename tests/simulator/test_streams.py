from itertools import pairwise

from probe.model.intents import UnwatchSentiment, Watch, WatchSentiment, WatchSignals
from probe.model.meanings import Quote, Quotes, Sentiment, Signals
from probe.simulator.desk import WorldDesk
from probe.simulator.floor import SIGNAL_PERIODS
from probe.simulator.streams import STALE_SECONDS, together
from probe.simulator.world import World
from tests.simulator.desks import NOON, OTC, Visit, a_world, only

GOLD = "XAUUSD_otc"


def moody_world(**house: object) -> World:
    return a_world(house={"sentiment_every": 2.0} | house)


def test_sentiment_is_said_at_once_and_then_in_its_rhythm() -> None:
    world = moody_world()
    visit = Visit(world).run(3.3)
    visit.ask(WatchSentiment(symbol=OTC))
    visit.run(13.4)
    times = visit.times_of(Sentiment)
    assert [round(at, 6) for at in times] == [3.3, 5.3, 7.3, 9.3, 11.3, 13.3]
    rows = [told.rows for told in visit.of(Sentiment)]
    assert rows == [((OTC, world.floor.sentiment(OTC, NOON + at)),) for at in times]


def test_signals_are_told_at_once_and_then_every_minute_to_who_asked() -> None:
    world = a_world(house={"signal_words": ("sell", "buy")})
    visit = Visit(world)
    assert visit.run(130).of(Signals) == []
    for _ in range(2):
        only(Signals, visit.ask(WatchSignals()))
    visit.forget()
    visit.run(260)
    assert [round(at, 6) for at in visit.times_of(Signals)] == [190.0, 250.0]
    first = visit.of(Signals)[0]
    assert first == world.floor.signals(("sell", "buy"), NOON + 190.0)
    assert {seconds for row in first.rows for seconds, _ in row.said} == {*SIGNAL_PERIODS}
    for row in first.rows:
        listing = world.floor.listing(row.symbol)
        for seconds, word in row.said:
            rose = listing.price_at(NOON + 190.0) >= listing.price_at(NOON + 190.0 - seconds)
            assert word == ("buy" if rose else "sell")


def test_a_broker_without_signals_says_nothing_about_them() -> None:
    visit = Visit(a_world(house={"signal_words": ()}))
    assert visit.ask(WatchSignals()) == []
    assert visit.run(130).of(Signals) == []


def test_following_twice_is_answered_twice_and_told_once() -> None:
    visit = Visit(moody_world())
    for _ in range(2):
        only(Sentiment, visit.ask(WatchSentiment(symbol=OTC)))
    visit.forget()
    visit.run(9)
    assert visit.times_of(Sentiment) == [2.0, 4.0, 6.0, 8.0]


def test_only_the_sentiment_that_is_followed_is_told() -> None:
    visit = Visit(moody_world())
    for symbol in (OTC, GOLD):
        visit.ask(WatchSentiment(symbol=symbol))
    visit.ask(Watch(symbol=OTC))
    visit.run(5)
    visit.ask(UnwatchSentiment(symbol=OTC))
    visit.ask(UnwatchSentiment(symbol="#NOBODY"))
    visit.forget()
    visit.run(10)
    assert {symbol for told in visit.of(Sentiment) for symbol, _ in told.rows} == {GOLD}
    assert len(visit.of(Quotes)) > 5


def test_prices_alone_bring_no_sentiment_and_sentiment_no_prices() -> None:
    priced, moody = Visit(moody_world()), Visit(moody_world())
    priced.ask(Watch(symbol=OTC))
    moody.ask(WatchSentiment(symbol=OTC))
    assert (priced.run(9).of(Sentiment), moody.run(9).of(Quotes)) == ([], [])


def test_nothing_is_said_of_an_unknown_symbol_or_by_a_house_without_sentiment() -> None:
    for visit, symbol in ((Visit(moody_world()), "#NOBODY"), (Visit(a_world()), OTC)):
        assert visit.ask(WatchSentiment(symbol=symbol)) == []
        assert visit.run(5).of(Sentiment) == []


def test_after_a_long_sleep_sentiment_goes_on_from_now() -> None:
    visit = Visit(moody_world())
    visit.ask(WatchSentiment(symbol=OTC))
    assert (
        len([told for told in visit.desk.due(5_000.0) if isinstance(told, Sentiment)])
        <= 1 + STALE_SECONDS / 2
    )
    visit.forget()
    visit.now = 5_000.0
    assert len(visit.run(5_010).of(Sentiment)) == 5


def test_when_it_is_left_nobody_is_told_about_sentiment() -> None:
    visit = Visit(moody_world())
    visit.ask(WatchSentiment(symbol=OTC))
    visit.desk.leave(1.0)
    assert visit.desk.next_due() is None


# -- several rows -------------------------------------------------------------------------------------------------------


def due_after_a_pause(desk: WorldDesk) -> list[Quotes]:
    return [told for told in desk.due(2.0) if isinstance(told, Quotes)]


def test_where_rows_go_together_all_that_is_due_is_one_message() -> None:
    told = []
    for rows_together in (False, True):
        visit = Visit(a_world(house={"rows_together": rows_together}))
        for symbol in (OTC, GOLD):
            visit.ask(Watch(symbol=symbol, period=0))
        told.append(due_after_a_pause(visit.desk))
    apart, joined = told
    assert len(apart) > 5
    assert len(joined) == 1
    assert joined[0].rows == tuple(quote for quotes in apart for quote in quotes.rows)


def test_rows_are_not_joined_over_something_else() -> None:
    first, second, third = (Quotes((Quote(OTC, float(at), 1.0),)) for at in range(3))
    mood = Sentiment(rows=((OTC, 50),))
    assert together([first, second, mood, third]) == [Quotes(first.rows + second.rows), mood, third]
    assert together([]) == []


# -- what sentiment is --------------------------------------------------------------------------------------------------


def test_sentiment_drifts_between_none_and_all() -> None:
    floor = a_world().floor
    day = [floor.sentiment(OTC, NOON + second) for second in range(0, 86_400, 2)]
    assert (min(day) >= 0, max(day) <= 100, max(day) - min(day) > 50) == (True, True, True)
    assert max(abs(later - earlier) for earlier, later in pairwise(day)) <= 2
    assert len(set(day)) > 50


def test_sentiment_belongs_to_its_market_its_symbol_and_its_time() -> None:
    def some(world: World, symbol: str) -> list[int]:
        return [world.floor.sentiment(symbol, NOON + minute * 60) for minute in range(50)]

    assert some(a_world(), OTC) == some(a_world(), OTC)
    assert some(a_world(), OTC) != some(a_world(), GOLD)
