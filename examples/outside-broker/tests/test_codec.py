"""The lines that were seen, and that both ends read what the other writes."""

import pytest
from kestrel_probe import BROKER
from kestrel_probe.codec import PING, KestrelCodec

from probe.model.credentials import Secret
from probe.model.endpoint import Account
from probe.model.errors import CredentialInvalid
from probe.model.intents import (
    AskBalance,
    AskHistory,
    Beat,
    Intent,
    Leave,
    Login,
    UnknownIntent,
    Unwatch,
    Watch,
)
from probe.model.meanings import (
    Admitted,
    Balance,
    BeatAnswered,
    Candle,
    Goodbye,
    History,
    Meaning,
    Quote,
    Quotes,
    Refused,
    Unrecognised,
)

TOKEN = "planted0secret0token000001"
LOGIN = f"LOGIN|{TOKEN}|demo"

ASKED: dict[str, Intent] = {
    LOGIN: Login(frame=Secret(LOGIN), token=Secret(TOKEN), account=Account.DEMO),
    "SUB|BTCUSD|60": Watch(symbol="BTCUSD", period=60),
    "UNSUB|BTCUSD": Unwatch(symbol="BTCUSD"),
    "PAST|BTCUSD|60|1763800000.0|3600.0|7": AskHistory(symbol="BTCUSD", period=60, until=1763800000.0, span=3600.0, index=7),
    "MONEY": AskBalance(),
    "PING": Beat(name=PING),
    "OUT": Leave(),
}  # fmt: skip

TOLD: dict[str, Meaning] = {
    "IN|4711": Admitted(user="4711"),
    "NO|no such token": Refused(reason="no such token"),
    "MONEY|demo|50000.0": Balance(amount=50_000.0, is_demo=True),
    "Q|BTCUSD|1763800000.25|67800.5": Quotes((Quote("BTCUSD", 1763800000.25, 67800.5),)),
    "PAST|BTCUSD|60|7|1763800000.0=67800.5|1763799960.0=1.0=4.0=0.5=2.0": History(
        symbol="BTCUSD",
        period=60,
        index=7,
        ticks=((1763800000.0, 67800.5),),
        candles=(Candle(1763799960.0, 1.0, 4.0, 0.5, 2.0),),
    ),
    "PAST|BTCUSD|60|||": History(symbol="BTCUSD", period=60, index=None),
    "PONG": BeatAnswered(),
    "OUT": Goodbye(reason="OUT"),
}


@pytest.mark.parametrize(("line", "wish"), ASKED.items(), ids=list(ASKED))
def test_what_a_client_asks_is_one_line_for_both_ends(line: str, wish: Intent) -> None:
    assert KestrelCodec().encode_intent(wish) == [line]
    assert KestrelCodec().decode_intent(line) == [wish]


@pytest.mark.parametrize(("line", "meaning"), TOLD.items(), ids=list(TOLD))
def test_what_the_broker_tells_is_one_line_for_both_ends(line: str, meaning: Meaning) -> None:
    assert KestrelCodec().encode_meaning(meaning) == [line]
    assert KestrelCodec().decode_meaning(line) == [meaning]


@pytest.mark.parametrize(
    "line", ["", "Q", "Q|BTCUSD|now|1", "Q|BTCUSD|1|nan", "PAST|A|1||1|", "MONEY|demo|much", "SUB|x|y", b"\0"]
)
def test_what_nobody_writes_is_a_surprise_and_no_crash(line: str | bytes) -> None:
    (told,), (asked,) = KestrelCodec().decode_meaning(line), KestrelCodec().decode_intent(line)
    assert (type(told), type(asked)) == (Unrecognised, UnknownIntent)


def test_a_login_line_is_read_and_its_token_never_shown() -> None:
    key = BROKER.read_credentials(f" {LOGIN}\n")
    assert (key.account, key.token) == (Account.DEMO, Secret(TOKEN))
    assert TOKEN not in repr(key)


@pytest.mark.parametrize("text", ["LOGIN|short|demo", f"LOGIN|{TOKEN}", f"LOGIN|{TOKEN}|maybe"])
def test_another_line_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(CredentialInvalid) as refused:
        BROKER.read_credentials(text)
    assert TOKEN not in str(refused.value)
