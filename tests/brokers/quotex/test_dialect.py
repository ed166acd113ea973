"""Every contradiction in what is known about the dialect is a choice, and the session works whichever way it is made."""

import json
import random
from dataclasses import asdict, replace

import pytest

from probe.brokers.quotex import BROKER
from probe.brokers.quotex.codec import QuotexCodec
from probe.brokers.quotex.dialect import CHOICES, DEFAULT, Dialect
from probe.model.errors import ConfigError
from probe.model.events import (
    Heard,
    HeartbeatAnswered,
    HeartbeatMissed,
    HeartbeatSent,
    PeerBeat,
    Phase,
    QuoteArrived,
    RequestAnswered,
    RequestExpired,
    Told,
)
from probe.model.intents import (
    AskBalance,
    AskHistory,
    ChooseAccount,
    Intent,
    Join,
    PlaceOrder,
    SellOrder,
    Unwatch,
)
from probe.model.meanings import (
    AccountChosen,
    Admitted,
    Assets,
    Balance,
    Candle,
    Direction,
    History,
    Meaning,
    OptionKind,
    OrderOpened,
    OrderSold,
    Quote,
    Quotes,
    Sentiment,
)
from probe.simulator.desk import WorldDesk
from probe.simulator.world import World
from tests.pretending import Known, Pair, client_session

EPOCH = 1_795_000_000.0  # a Saturday: the over-the-counter symbols are open
SYMBOLS = ("EURUSD_otc", "GBPUSD_otc")
OTHERS = [(choice.name, other) for choice in CHOICES for other in choice.others]
each_other = pytest.mark.parametrize(("name", "value"), OTHERS, ids=[f"{name}={v}" for name, v in OTHERS])


def speaking(**chosen: str) -> Known:
    world = World(broker=BROKER, seed=1, epoch=EPOCH)
    account = next(account for account in world.accounts if account.account.value == "demo")
    return Known(BROKER.speaking(chosen), BROKER.write_credential(account), account.token)


class Talk(Pair):
    """A session with the simulator's desk that does a bit of everything."""

    def __init__(self, client: Known, server: Known) -> None:
        world = World(broker=server.broker, seed=1, epoch=EPOCH)
        super().__init__(
            server,
            client=client_session(client, watch=SYMBOLS),
            desk=WorldDesk(world, account_kind=client_session(client).plan.account, rng=random.Random(2)),
        )
        self.path = client.path
        self.run(5)
        if self.client.phase is Phase.LIVE:
            self.ask(ChooseAccount(account=self.client.plan.account))
            self.ask(AskBalance())
            self.ask(
                AskHistory(symbol=SYMBOLS[0], period=60, until=EPOCH + self.wire.now, span=600, index=17)
            )
            self.ask(AN_ORDER)
            self.ask(SellOrder(ticket=self.ticket))
            self.ask(Unwatch(symbol=SYMBOLS[1]))
            self.run(40)

    def ask(self, intent: Intent) -> None:
        self.wire.act(lambda now: self.client.ask(intent, now))
        self.run(self.wire.now + 1)

    def answers(self, kind: type) -> list[object]:
        return [event.answer for event in self.of(RequestAnswered) if isinstance(event.answer, kind)]

    @property
    def ticket(self) -> str:
        (opened,) = self.answers(OrderOpened)
        assert isinstance(opened, OrderOpened)
        return opened.order.id

    @property
    def candles(self) -> tuple[Candle, ...]:
        return next(h.candles for h in self.answers(History) if isinstance(h, History) and h.index is None)

    @property
    def quoted(self) -> set[str]:
        return {quote.symbol for quote in self.of(QuoteArrived) if quote.at > self.wire.now - 10}

    def works(self) -> bool:
        """Everything that was asked was answered, and what was not given up still comes."""
        told = [event.meaning for event in self.of(Told)]
        kinds = (AccountChosen, Balance, History, OrderOpened, OrderSold)
        return (
            self.client.phase is Phase.LIVE
            and not self.of(RequestExpired)
            and all(self.answers(kind) for kind in kinds if kind is not Balance)
            and any(isinstance(meaning, Assets) for meaning in told)
            and any(isinstance(meaning, Sentiment) for meaning in told)
            and self.quoted == {SYMBOLS[0]}
            and all(abs(EPOCH + quote.at - quote.broker_time) < 1 for quote in self.of(QuoteArrived))
            and all(c.low <= min(c.open, c.close) <= max(c.open, c.close) <= c.high for c in self.candles)
        )


AN_ORDER = PlaceOrder(
    symbol=SYMBOLS[0], direction=Direction.CALL, amount=5, duration=60, request_id=1_735_760_000
)
USUAL = speaking()


def test_the_usual_dialect_works() -> None:
    assert Talk(USUAL, USUAL).works()


@each_other
def test_two_ends_with_the_same_other_choice_understand_each_other(name: str, value: str) -> None:
    other = speaking(**{name: value})
    assert Talk(other, other).works()


# Where reading cannot tell what was meant: the transport's revision, who is first, and columns of equal kinds.
CLIENT_CANNOT_READ = {"engine=4", "join=client", "candle_columns=olhc"}
SERVER_CANNOT_READ = {"engine=4", "candle_columns=olhc"}


@each_other
def test_the_usual_client_reads_a_broker_that_chose_otherwise_where_it_can(name: str, value: str) -> None:
    works = Talk(USUAL, speaking(**{name: value})).works()
    assert works is (f"{name}={value}" not in CLIENT_CANNOT_READ)


@each_other
def test_the_usual_broker_reads_a_client_that_chose_otherwise_where_it_can(name: str, value: str) -> None:
    works = Talk(speaking(**{name: value}), USUAL).works()
    assert works is (f"{name}={value}" not in SERVER_CANNOT_READ)


# -- what each choice changes ------------------------------------------------------------------------------------------


def codec(**chosen: str) -> QuotexCodec:
    return QuotexCodec(Dialect(**chosen))


def attached(meaning: Meaning, **chosen: str) -> object:
    """The payload of a meaning's attachment."""
    _, attachment = codec(**chosen).encode_meaning(meaning)
    assert isinstance(attachment, bytes)
    return json.loads(attachment.removeprefix(b"\x04"))


def requests(intent: Intent, **chosen: str) -> list[list[object]]:
    return [json.loads(str(frame)[2:]) for frame in codec(**chosen).encode_intent(intent)]


def joins(known: Known) -> int:
    """How often the client asked to join."""
    return len(
        [event for event in Talk(known, known).heard if isinstance(event, Heard) and event.intent == Join()]
    )


def test_the_defaults_of_the_choices_are_those_of_the_dialect() -> None:
    assert {choice.name: choice.default for choice in CHOICES} == asdict(DEFAULT)
    assert all(choice.reason.endswith(".") for choice in CHOICES)


def test_engine_4_asks_for_itself_joins_is_pinged_and_marks_no_attachment() -> None:
    other = BROKER.speaking({"engine": "4"})
    assert {endpoint.url.partition("?")[2] for endpoint in other.endpoints} == {"EIO=4&transport=websocket"}
    assert {endpoint.url.partition("?")[2] for endpoint in BROKER.endpoints} == {"EIO=3&transport=websocket"}
    assert joins(speaking(engine="4")) == 1
    talk = Talk(speaking(engine="4"), speaking(engine="4"))
    assert talk.of(PeerBeat)
    assert {event.name for event in talk.of(HeartbeatSent)} == {"websocket", "tick"}
    assert [codec(engine=engine).encode_meaning(AccountChosen())[1] for engine in "34"] == [b"\x04{}", b"{}"]


def test_the_client_joins_only_if_the_broker_waits_for_it() -> None:
    assert [joins(speaking(join=who)) for who in ("server", "client")] == [0, 1]


@pytest.mark.parametrize(
    ("keep_alive", "beats"),
    [("engine+tick", {"engine", "tick"}), ("engine", {"engine"}), ("tick", {"tick"})],
)
def test_each_way_to_keep_alive_does(keep_alive: str, beats: set[str]) -> None:
    talk = Talk(speaking(keep_alive=keep_alive), USUAL)
    assert {event.name for event in talk.of(HeartbeatSent)} == {"websocket", *beats}
    assert not talk.of(HeartbeatMissed)


def test_a_broker_whose_clients_only_tick_answers_a_ping_nevertheless() -> None:
    talk = Talk(USUAL, speaking(keep_alive="tick"))
    assert not talk.of(HeartbeatMissed)
    assert "engine" in {event.name for event in talk.of(HeartbeatAnswered)}


@pytest.mark.parametrize("first", ["verdict", "instruments"])
def test_the_catalogue_comes_before_the_verdict_or_after_it(first: str) -> None:
    talk = Talk(USUAL, speaking(first_after_login=first))
    told = [type(event.meaning) for event in talk.of(Told)]
    assert (told.index(Assets) < told.index(Admitted)) is (first == "instruments")
    assert told.count(Assets) == 1


def test_an_older_login_names_no_tournament() -> None:
    login = QuotexCodec().decode_intent(USUAL.ssid)[0]
    assert [list(requests(login, login=kind)[0][1]) for kind in ("tournament", "plain")] == [  # type: ignore[call-overload]
        ["session", "isDemo", "tournamentId"],
        ["session", "isDemo"],
    ]


def test_candles_are_written_in_the_columns_of_the_dialect() -> None:
    candle = Candle(start=60, open=2, high=4, low=1, close=3)
    history = History(symbol="E", period=60, index=None, candles=(candle,))
    rows = [attached(history, candle_columns=columns)["candles"][0] for columns in ("ochl", "olhc")]  # type: ignore[index]
    assert [row[:5] for row in rows] == [[60, 2, 3, 4, 1], [60, 2, 1, 4, 3]]


def test_ticks_are_written_in_the_form_of_the_dialect() -> None:
    tick = Quotes((Quote("E", 1790265979.5, 1.25),))
    assert attached(tick) == [["E", 1790265979.5, 1.25, 1]]
    assert attached(tick, quote_time="milliseconds") == [["E", 1790265979500, 1.25, 1]]
    assert attached(tick, quote_fields="3") == [["E", 1790265979.5, 1.25]]


def test_ticks_come_one_by_one_or_together() -> None:
    assert [speaking(quote_rows=rows).broker.house.rows_together for rows in ("one", "many")] == [False, True]


def test_a_subscription_ends_in_the_spelling_of_the_dialect() -> None:
    unwatch = Unwatch(symbol="E")
    assert requests(unwatch) == [["instruments/unsubscribe", {"asset": "E"}], ["depth/unfollow", "E"]]
    assert requests(unwatch, unwatch="subfor") == [["subfor", "E"], ["depth/unfollow", "E"]]


def test_an_order_is_sold_by_the_key_of_the_dialect() -> None:
    assert [requests(SellOrder(ticket="t"), sell_key=key)[0][1] for key in ("ticket", "id")] == [
        {"ticket": "t"},
        {"id": "t"},
    ]


@pytest.mark.parametrize(
    ("spelling", "events"),
    [
        ("none", ["orders/open"]),
        ("store", ["settings/store", "orders/open"]),
        ("apply", ["settings/apply", "orders/open"]),
    ],
)
def test_settings_go_before_an_order_if_the_dialect_wants_them(spelling: str, events: list[str]) -> None:
    for option in OptionKind:
        order = replace(AN_ORDER, option=option, closes_at=EPOCH)
        said = requests(order, settings_before_order=spelling)
        assert [event for event, *_ in said] == events
        assert said[-1][1]["time"] == (60 if option is OptionKind.TIMER else EPOCH)  # type: ignore[index]


def test_a_choice_that_does_not_exist_is_named_with_those_that_do() -> None:
    with pytest.raises(ConfigError, match="engine"):
        BROKER.speaking({"engin": "4"})
    with pytest.raises(ConfigError, match="3, 4"):
        BROKER.speaking({"engine": "5"})
