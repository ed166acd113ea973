"""PocketOption's codec under any messages, as either end: sound values, nothing unprintable, and no exception."""

import re
from collections.abc import Iterator
from pathlib import Path

from probe.brokers import pocketoption
from probe.brokers.pocketoption.codec import PocketOptionCodec
from probe.model.intents import Intent, Murmur, UnknownIntent
from probe.model.meanings import Unrecognised
from probe.session.codec import Message
from tests.brokers.conforming import misfits
from tests.fuzz.messages import PACKETS, joined, split


def _transcripts() -> Iterator[list[Message]]:
    for path in sorted((Path(pocketoption.__file__).parent / "transcripts").glob("*.txt")):
        for side in "SC":
            lines = [line[3:] for line in path.read_text().splitlines() if line.startswith(f"{side}> ")]
            yield [line[9:].encode() if line.startswith("(binary) ") else line for line in lines]


_VARIANTS: list[list[Message]] = [
    ['42["updateStream",["EURUSD","1789230980123",1.25]]', '42["updateStream",[["E",1,2,3],["F",1,2]]]'],
    ['42["updateTime",1789230980]', '42["auth/success"]', '42["NotAuthorized",{"reason":"expired"}]'],
    ['42["successcancelPendingOrder",{"ticket":"t"}]', '42["failcancelPendingOrder",{"error":"E","ticket":"t"}]'],
    ['42["failopenPendingOrder",{"error":"OPEN_TIME"}]', '42["successupdatePending",[]]', '42["chafor",[["E",63]]]'],
    ['42["openOrder",{"asset":"E","amount":"10","action":"put","isDemo":"1","requestId":"buy","time":"60"}]'],
    ['42["openPendingOrder",{"openType":1,"amount":1,"asset":"E","openPrice":1.5,"timeframe":60,"command":1}]'],
    ['42["loadHistoryPeriod",{"asset":"E","index":null,"time":1733698782000,"offset":9000,"period":0}]'],
    ['42["subscribeSymbol","E"]', '42["unSubscribeSymbol","E"]', '42["subfor","E"]', '42["getBalance"]', '42["ps"]'],
    ['42["auth",{"sessionToken":"0f1e2d3c4b5a69788796a5b4c3d2e1f0","uid":"123","isChart":1}]', '42["assets/load"]'],
]  # fmt: skip
_VALID = [joined(messages) for messages in (*_transcripts(), *_VARIANTS) if messages]
_A_NUMBER = re.compile(rb"(?<=[:,\[])-?[0-9.]+(?=[,\]}])")
SEEDS: list[bytes] = _VALID + [
    _A_NUMBER.sub(instead, seed)
    for seed in _VALID
    for instead in (b"1e999", b"-1e999", b"NaN", b"9" * 400, b"null", b"true", b'"7"', b"[]")
]
_WORDS = (
    *("updateStream", "updateAssets", "updateHistoryNew", "loadHistoryPeriod", "successopenOrder", "chafor"),
    *("successcloseOrder", "updateClosedDeals", "openOrder", "openPendingOrder", "changeSymbol", "auth"),
    *(
        "asset",
        "symbol",
        "period",
        "index",
        "time",
        "data",
        "history",
        "candles",
        "price",
        "isDemo",
        "balance",
    ),
    *("session", "uid", "amount", "action", "call", "requestId", "closePrice", "openTimestamp", "command"),
    *("2026-07-26 15:28:07", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "1_0", "\u0661"),
)
DICTIONARY: list[bytes] = [
    *PACKETS,
    *(f'"{word}"'.encode() for word in _WORDS),
]


def _carries_infinity(intent: Intent) -> bool:
    """JSON can write 1e999 but not what becomes of it; murmurs carry on what they were given, unread."""
    match intent:
        case Murmur(payload=payload):
            return "inf" in repr(payload)
        case _:
            return False


def run(data: bytes) -> None:
    messages = split(data)
    client, server = PocketOptionCodec(), PocketOptionCodec()
    for message in messages:
        for meaning in client.decode_meaning(message):
            assert misfits(meaning) == []
            if isinstance(meaning, Unrecognised):
                assert len(meaning.problem) < 300
                assert len(meaning.preview) <= 640
        for intent in server.decode_intent(message):
            assert misfits(intent) == []
            if isinstance(intent, UnknownIntent):
                assert len(intent.problem) < 300
                assert len(intent.preview) <= 640
            elif not _carries_infinity(intent):
                said = PocketOptionCodec().encode_intent(intent)
                assert [again for part in said for again in PocketOptionCodec().decode_intent(part)] == [
                    intent
                ]
