"""BingX's codec under any messages, packed as the server packs them or not at all: sound values and no exception."""

import re

from probe.brokers import bingx
from probe.brokers.bingx.codec import BingxCodec
from probe.brokers.bingx.frames import pack
from probe.model.errors import LocalProtocolError
from probe.model.intents import UnknownIntent, Watch
from probe.model.meanings import Quotes, Unrecognised
from probe.session.codec import Message
from tests.brokers.conforming import misfits
from tests.brokers.recorded import frames, transcripts
from tests.fuzz.messages import PACKETS, joined, split

_A_NUMBER = re.compile(rb"(?<=[:,\[])-?[0-9.]+(?=[,\]}])")
_STRANGE = (b"1e999", b"-1e999", b"NaN", b"9" * 400, b"null", b"true", b'"7"', b"[]", b'"1_0"', b'"--5"')
_VARIANTS: list[list[Message]] = [
    ['{"ping":"2177c68e4d0e45679965f482929b59c2","time":"2022-06-07T16:27:36.323+0800"}', "Ping", b"Ping"],
    ['{"code":100400,"msg":"x","id":"1"}', '{"code":"100204","msg":null}', '{"e":"listenKeyExpired"}'],
]
_recorded = [frames(path, side) for path in transcripts(bingx) for side in "SC"]
_valid = [joined(messages) for messages in (*_recorded, *_VARIANTS) if messages]
SEEDS: list[bytes] = _valid + [_A_NUMBER.sub(instead, seed) for seed in _valid for instead in _STRANGE]
DICTIONARY: list[bytes] = [
    *PACKETS,
    *(
        f'"{word}"'.encode()
        for word in (
            *("code", "dataType", "data", "msg", "id", "ping", "pong", "time", "reqType", "sub", "unsub", "symbol"),
            *("ETH-USDT@ticker", "ETH-USDT@trade", "ETH-USDT@lastPrice", "@", "e", "E", "s", "c", "p", "T", "K", "b", "a"),
        )
    ),
]  # fmt: skip


def run(data: bytes) -> None:
    client, server = BingxCodec(), BingxCodec()
    client.encode_intent(Watch(symbol="ETH-USDT"))
    for message in split(data):
        for meaning in client.decode_meaning(pack(message) if isinstance(message, str) else message):
            assert misfits(meaning) == []
            if isinstance(meaning, Unrecognised):
                assert len(meaning.problem) < 300
                assert len(meaning.preview) <= 640
            elif isinstance(meaning, Quotes):
                _comes_back(meaning)
        for intent in server.decode_intent(message):
            assert misfits(intent) == []
            if isinstance(intent, UnknownIntent):
                assert len(intent.problem) < 300
                assert len(intent.preview) <= 640


def _comes_back(quotes: Quotes) -> None:
    try:
        written = BingxCodec().encode_meaning(quotes)
    except LocalProtocolError:
        return
    again = [meaning for message in written for meaning in BingxCodec().decode_meaning(message)]
    rows = [row for meaning in again if isinstance(meaning, Quotes) for row in meaning.rows]
    assert [(row.symbol, row.price) for row in rows] == [(row.symbol, row.price) for row in quotes.rows]
