"""A codec under any messages, as either end: sound values, nothing unprintable, and no exception."""

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import ModuleType
from typing import TypeVar

from probe.model.intents import Intent, Murmur, UnknownIntent
from probe.model.meanings import (
    Admitted,
    Goodbye,
    Meaning,
    Notice,
    OrderList,
    OrderOpened,
    OrdersClosed,
    Quotes,
    Refused,
    Unrecognised,
)
from probe.session.codec import Codec, Message
from tests.brokers.conforming import misfits
from tests.brokers.recorded import frames, transcripts
from tests.fuzz.messages import joined, split

Said = TypeVar("Said")

_A_NUMBER = re.compile(rb"(?<=[:,\[])-?[0-9.]+(?=[,\]}])")
_STRANGE_NUMBERS = (b"1e999", b"-1e999", b"NaN", b"9" * 400, b"null", b"true", b'"7"', b"[]")
DATES = ("2026-07-26 15:28:07", "0001-01-01 00:00:00", "9999-12-31 23:59:59", "1_0", "\u0661")


def seeds(broker: ModuleType, variants: Iterable[list[Message]]) -> list[bytes]:
    """The broker's transcripts and some variants, whole, and with every number replaced by a strange one."""
    recorded = [frames(path, side) for path in transcripts(broker) for side in "SC"]
    valid = [joined(messages) for messages in (*recorded, *variants) if messages]
    return valid + [_A_NUMBER.sub(instead, seed) for seed in valid for instead in _STRANGE_NUMBERS]


def _carries_infinity(intent: Intent) -> bool:
    """JSON can write 1e999 but not what becomes of it; murmurs carry on what they were given, unread."""
    match intent:
        case Murmur(payload=payload):
            return "inf" in repr(payload)
        case _:
            return False


def check(make_codec: Callable[[], Codec], data: bytes) -> None:
    messages = split(data)
    client, server = make_codec(), make_codec()
    for message in messages:
        for meaning in client.decode_meaning(message):
            assert misfits(meaning) == []
            if isinstance(meaning, Unrecognised):
                assert len(meaning.problem) < 300
                assert len(meaning.preview) <= 640
                continue
            # What a notice carries is not read, so it cannot be written.
            assert isinstance(meaning, Notice) or _comes_back(meaning, make_codec)
        for intent in server.decode_intent(message):
            assert misfits(intent) == []
            if isinstance(intent, UnknownIntent):
                assert len(intent.problem) < 300
                assert len(intent.preview) <= 640
            elif not _carries_infinity(intent):
                assert intent in _over_the_wire(
                    make_codec().encode_intent(intent), make_codec().decode_intent
                )


def _comes_back(meaning: Meaning, make_codec: Callable[[], Codec]) -> bool:
    again = _over_the_wire(make_codec().encode_meaning(meaning), make_codec().decode_meaning)
    match meaning:
        case Admitted() | Goodbye() | Refused():  # read in more ways than one, written in one
            return any(type(one) is type(meaning) for one in again)
        case Quotes(rows=rows):  # some dialects write one row a message
            return list(rows) == [row for one in again if isinstance(one, Quotes) for row in one.rows]
        case _:
            return _settled(meaning) in map(_settled, again)


def _settled(meaning: Meaning) -> Meaning:
    """With the ends of orders in whole seconds: where drift brings more, it is not written."""
    match meaning:
        case OrderOpened(order=order):
            return replace(meaning, order=replace(order, closes_at=int(order.closes_at)))
        case OrdersClosed(orders=orders) | OrderList(orders=orders):
            ended = tuple(replace(order, closes_at=int(order.closes_at)) for order in orders)
            return replace(meaning, orders=ended)
        case _:
            return meaning


def _over_the_wire(said: Iterable[Message], read: Callable[[Message], Iterable[Said]]) -> list[Said]:
    heard: list[Said] = []
    for message in said:
        if isinstance(message, str):
            message.encode()  # half a surrogate pair cannot be sent
        heard += read(message)
    return heard
