"""Recorded sessions as something that can be played again: what a client wanted, and when. Nothing secret is kept of them.

Two kinds of file are read. A HAR with WebSocket messages, as Chromium's DevTools and mitmproxy write it: under
`_webSocketMessages` of an entry, `type` is `send` or `receive`, `time` UTC in seconds, `opcode` 1 for text and 2 for binary,
which is base64 in `data`. And our own transcripts: the `evidence` of records that `probe monitor --json` prints, the
`last_messages` of `probe check --json`, and frames written as text, `C> ` and `S> ` in front.

What the session does by itself (login, heartbeats, Engine.IO) is left out, for the session that plays does its own.
"""

import base64
import binascii
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import isfinite
from pathlib import Path
from random import Random
from statistics import median
from typing import Any, NamedTuple

from probe.model.endpoint import Account
from probe.model.errors import ConfigError, LocalProtocolError
from probe.model.intents import (
    AnswerBeat,
    AskHistory,
    Beat,
    ChooseAccount,
    Intent,
    Join,
    Leave,
    Login,
    Murmur,
    PlaceOrder,
    PlacePending,
    UnknownIntent,
)
from probe.model.meanings import Quotes
from probe.session.broker import Broker
from probe.session.codec import Codec, Message
from probe.session.requests import Requests, answer_key
from probe.session.transcript import BINARY, KEPT_CHARACTERS, MARKER

MOST_BYTES = 64 * 1024 * 1024
UNTIMED_GAP = 1.0  # seconds between messages of which nobody wrote down when they came
GRID = 60.0  # seconds; what lies on a minute lies on one again when it is played
_NOT_SHOWN = "\ufffd"  # in place of a sign that could not be
_OPCODES = {1: "text", 2: "binary"}
_HOW = (
    "Record it with DevTools open before the page connects (Network, Export HAR), or with mitmproxy "
    "(mitmdump --set hardump=FILE)."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    at: float  # seconds after the connection's first message
    intent: Intent
    answered_after: float | None = None  # seconds, in the recording; None: it was not, or nothing answers it


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """One connection."""

    moves: tuple[Move, ...]
    seconds: float  # to its last message
    began_at_utc: float | None = None  # None: nobody wrote it down
    received: int = 0  # messages from the server
    ticks: int = 0  # among them

    def mean_gap(self) -> float:
        gaps = [later.at - earlier.at for earlier, later in pairwise(self.moves)]
        return sum(gaps) / len(gaps) if gaps else self.seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    connections: tuple[Recorded, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)  # messages of the client, by why

    def of_user(self, number: int) -> Recorded:
        """Users take the connections in turn."""
        return self.connections[number % len(self.connections)]

    def describe(self) -> str:
        moves = [move for each in self.connections for move in each.moves]
        waits = [move.answered_after for move in moves if move.answered_after is not None]
        longest = max(each.seconds for each in self.connections)
        words = f"{_counted(len(self.connections), 'recorded connection')} of at most {longest:.0f} s, "
        words += f"{_counted(len(moves), 'message')} to play"
        if waits:
            words += (
                f", {len(waits)} of them answered there (half of them within {median(waits) * 1000:.0f} ms)"
            )
        if self.left_out:
            words += "; left out: " + ", ".join(f"{count} {why}" for why, count in self.left_out.items())
        return words


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"


def offset_of(recorded: Recorded, rng: Random, *, exact: bool = False) -> float:
    """How much later than its user a recording begins: users who share one shall not speak in step. At speed 1."""
    return 0.0 if exact else rng.uniform(0.0, recorded.mean_gap())


def moved(intent: Intent, seconds: float) -> Intent:
    """The same wish so much later: what it says about an instant goes with it, in whole minutes."""
    seconds -= seconds % GRID
    match intent:
        case AskHistory(until=until):
            return replace(intent, until=until + seconds)
        case PlaceOrder(closes_at=float() as at):
            return replace(intent, closes_at=at + seconds)
        case PlacePending(open_at=float() as at):
            return replace(intent, open_at=at + seconds)
        case _:
            return intent


def recording_in(path: str, broker: Broker) -> Recording:
    """
    Raises:
        ConfigError: it cannot be read, or nothing in it can be played.
    """
    try:
        with Path(path).open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as problem:
        raise ConfigError(
            f"it cannot be read ({problem.strerror or problem})",
            where=path,
            next_step="Give a HAR file, or a transcript of ours.",
        ) from None
    return read_recording(data, where=path, broker=broker)


def read_recording(data: bytes, *, where: str, broker: Broker) -> Recording:
    """
    Args:
        where: What the file is called, for messages about it.
        broker: Whose sessions they are said to be.

    Raises:
        ConfigError: there is nothing in it that could be played.
    """
    if not broker.has_socket:
        raise ConfigError(
            f"sessions of {broker.title} are questions over HTTP, and only WebSocket messages are played",
            where=where,
            next_step="Load it with operations instead: leave --replay out.",
        )
    connections = [each for each in conversations(data, where) if each]
    if not any(said.is_sent for each in connections for said in each):
        what = "nothing that a client said" if connections else "no WebSocket message"
        raise ConfigError(f"there is {what} in it", where=where, next_step=_HOW)
    left_out: Counter[str] = Counter()
    recorded: list[Recorded] = []
    for said in connections:
        counted: Counter[str] = Counter()
        played = _understood(said, broker, counted)
        if played.moves or not counted.keys() <= {_STRANGE}:
            left_out += counted
            recorded.append(played)
        else:
            left_out["of other connections"] += sum(counted.values())
    if not recorded:
        raise ConfigError(
            f"not one message in it is understood as said to {broker.title}",
            where=where,
            next_step="Name the broker that it was recorded with.",
        )
    if not any(each.moves for each in recorded):
        why = ", ".join(f"{count} {words}" for words, count in left_out.items())
        raise ConfigError(
            f"nothing in it can be played ({why})",
            where=where,
            next_step="Record a session that asks something.",
        )
    return Recording(
        connections=tuple(each for each in recorded if each.moves), left_out=dict(left_out.most_common())
    )


# -- what was said ------------------------------------------------------------------------------------------------------

_STRANGE = "not understood"
_OWN = "that sessions send by themselves"
_PAGE = "of the web page's own"
_LIVE = "about a live account"


class Said(NamedTuple):
    at: float  # seconds after the first
    is_sent: bool
    message: Message | None  # None: the file does not hold it
    utc: float | None


def _understood(said: Sequence[Said], broker: Broker, left_out: Counter[str]) -> Recorded:
    client, server, writer = (
        broker.codec(),
        broker.codec(),
        broker.codec(),
    )  # each joins attachments of one direction
    waiting = Requests()
    wishes: list[tuple[float, Intent, int | None]] = []
    answered: dict[int, float] = {}
    received = ticks = 0
    for each in said:
        if not each.is_sent:
            received += 1
            for meaning in () if each.message is None else server.decode_meaning(each.message):
                ticks += len(meaning.rows) if isinstance(meaning, Quotes) else 0
                if pending := waiting.answered_by(meaning):
                    answered[pending.number] = each.at - pending.sent_at
            continue
        for intent in _wishes(each, client, writer, left_out):
            key = answer_key(intent)
            number = None if key is None else waiting.add(intent, key, each.at).number
            wishes.append((each.at, intent, number))
    return Recorded(
        moves=tuple(
            Move(at=at, intent=intent, answered_after=None if number is None else answered.get(number))
            for at, intent, number in wishes
        ),
        seconds=said[-1].at,
        began_at_utc=said[0].utc,
        received=received,
        ticks=ticks,
    )


def _wishes(said: Said, codec: Codec, writer: Codec, left_out: Counter[str]) -> Iterator[Intent]:
    """What of a message is played again."""
    if said.message is None:
        left_out[_STRANGE] += 1
        return
    for intent in codec.decode_intent(said.message):
        if why := _why_not(intent, writer):
            left_out[why] += 1
        else:
            yield intent


def _why_not(intent: Intent, writer: Codec) -> str:
    """Empty: it can be played."""
    match intent:
        case Join() | Login() | Beat() | AnswerBeat() | Leave():
            return _OWN
        case Murmur():
            return _PAGE
        case UnknownIntent():
            return _STRANGE
        case PlaceOrder(account=Account.LIVE) | ChooseAccount(account=Account.LIVE):
            return _LIVE
        case _:
            pass
    try:
        return "" if writer.encode_intent(intent) else _PAGE
    except LocalProtocolError:  # only the page asks so
        return _PAGE


# -- the files ---------------------------------------------------------------------------------------------------------


def conversations(data: bytes, where: str) -> Iterator[list[Said]]:
    """What was said on each connection that the file tells of.

    Raises:
        ConfigError: it is no file of one of these kinds.
    """
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"it has {len(data) / 1024**2:.0f} MiB, and {MOST_BYTES // 1024**2} is the most",
            where=where,
            next_step="Record less, or cut it: each entry of a HAR stands alone.",
        )
    try:
        text = data.decode("utf-8-sig").strip()
    except UnicodeDecodeError:
        raise ConfigError(
            "it is no text", where=where, next_step="Unpack it first, if it is compressed."
        ) from None
    if not text:
        raise ConfigError("it is empty", where=where, next_step=_HOW)
    if text.startswith(("{", "[")):
        for document in documents(text, where):
            yield from _in_document(document, where)
    else:
        yield _plain_text(text, where)


def documents(text: str, where: str) -> Iterator[Any]:
    """One, or one on each line.

    Raises:
        ConfigError: it is no JSON.
    """
    first, *others = text.splitlines()
    try:
        json.loads(first)
        lines = [first, *others] if others else [text]
    except RecursionError:
        lines = [text]
    except ValueError:
        lines = [text]
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield json.loads(line, parse_int=_integer)
        except RecursionError:
            raise ConfigError("it is nested too deeply", where=where, next_step=_HOW) from None
        except ValueError as problem:
            place = f"{where}, line {number}" if len(lines) > 1 else where
            words = problem.msg if isinstance(problem, json.JSONDecodeError) else "a number is too long"
            at = (
                f" at line {problem.lineno}"
                if isinstance(problem, json.JSONDecodeError) and len(lines) == 1
                else ""
            )
            raise ConfigError(
                f"it is no whole JSON ({words}{at})",
                where=place,
                next_step="Was it copied before it was written to its end?",
            ) from None


def _integer(digits: str) -> int:
    if len(digits) > 40:
        raise ValueError("too long")
    return int(digits)


def _in_document(document: Any, where: str) -> Iterator[list[Said]]:
    log = document.get("log") if isinstance(document, dict) else None
    if isinstance(log, dict):
        entries = log.get("entries")
        if not isinstance(entries, list):
            raise ConfigError(
                "it begins as a HAR does, and has no list of entries", where=where, next_step=_HOW
            )
        for entry in entries:
            messages = entry.get("_webSocketMessages") if isinstance(entry, dict) else None
            if isinstance(messages, list):
                yield _timed([each for each in map(_of_har, messages) if each])
        return
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, list) and value and all(map(_is_line, value)):
            yield _timed([_of_line(each) for each in value])
        elif isinstance(value, list | dict):
            inside = value.values() if isinstance(value, dict) else value
            waiting.extend(each for each in inside if isinstance(each, list | dict))


_Heard = tuple[float | None, bool, Message | None]  # when (UTC), whether the client said it, what


def _of_har(message: Any) -> _Heard | None:
    """None: it is about the connection, and no message."""
    if not isinstance(message, dict) or message.get("type") not in ("send", "receive"):
        return None
    is_sent, at = message["type"] == "send", message.get("time")
    utc = float(at) if isinstance(at, int | float) and abs(at) < 1e12 and isfinite(at) else None
    data, kind = message.get("data"), _OPCODES.get(message.get("opcode", 1), "other")
    if kind == "other":  # a control frame
        return None
    if not isinstance(data, str):
        return utc, is_sent, None
    if kind == "text":
        return utc, is_sent, data
    try:
        return utc, is_sent, base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return utc, is_sent, None


def _is_line(value: Any) -> bool:
    if isinstance(value, str):
        return value.startswith(("> ", "< "))
    return (
        isinstance(value, dict)
        and value.get("direction") in (">", "<")
        and isinstance(value.get("text"), str)
    )


def _of_line(value: Any) -> _Heard:
    if isinstance(value, str):
        return None, value[0] == ">", _whole(value[2:])
    at, mark = value.get("at"), BINARY if value.get("binary") else ""
    utc = float(at) if isinstance(at, int | float) and isfinite(at) else None
    return utc, value["direction"] == ">", _whole(mark + value["text"])


def _whole(text: str) -> str | bytes | None:
    """None: it was cut, or some of it could not be shown."""
    message = _read(text)
    return None if len(message) >= KEPT_CHARACTERS or _NOT_SHOWN in text else message


def _read(text: str) -> str | bytes:
    if not text.startswith(BINARY):
        return text
    text = text.removeprefix(BINARY)
    marked = b"\x04" if text.startswith(MARKER) else b""
    return marked + text.removeprefix(MARKER).encode()


def _plain_text(text: str, where: str) -> list[Said]:
    heard: list[_Heard] = []
    for line in text.splitlines():
        if line.startswith(("C> ", "S> ")):
            heard.append((None, line[0] == "C", _read(line[3:])))
        elif line.strip() and not line.startswith("#"):
            raise ConfigError("it is neither a HAR nor a transcript of ours", where=where, next_step=_HOW)
    return _timed(heard)


def _timed(heard: Sequence[_Heard]) -> list[Said]:
    """A clock that was set back makes no gap, and what has no time comes a little after what was before it."""
    said: list[Said] = []
    at, before = 0.0, None
    for utc, is_sent, message in heard:
        if said:
            at += UNTIMED_GAP if utc is None or before is None else max(0.0, utc - before)
        before = utc
        said.append(Said(at, is_sent, message, utc))
    return said
