"""An examination that was written down, judged again: by what was known then and by the rules of today, asking nobody."""

import html
import json
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from probe.brokers import find_broker
from probe.diagnose.case import Case
from probe.diagnose.diagnose import Diagnosis, diagnose, rules_for
from probe.diagnose.verdict import judge
from probe.doctor.examine import Examination, Means, Outcome, Patient, Rung
from probe.doctor.transcripts import NO_URL, Then, Transcript, read_transcript
from probe.drivers.proxies import ChosenProxy
from probe.model.endpoint import Account, Endpoint, read_url
from probe.model.errors import ConfigError
from probe.model.findings import State
from probe.model.packing import Unreadable, unpacked
from probe.model.proxy import read_proxy_url
from probe.monitor.knock import Knock
from probe.session.broker import Broker
from probe.session.transcript import BINARY, Line

SCHEMA_VERSION = 1
MOST_BYTES = 8 * 1024 * 1024  # a shared file has some kilobytes
UNSAID = "nobody wrote that down"
# What rules may raise where a record says what no session can show.
NONSENSE = (ArithmeticError, AttributeError, LookupError, OSError, TypeError, ValueError, struct.error)
_BEGINNING = re.compile(r'\{\s*"schema_version"\s*:\s*\d{1,9}\s*,\s*"kind"\s*:\s*"doctor"')
_QUOTED = re.compile(r"^(?:>[ ]?)+", re.MULTILINE)
_HOW = (
    "Give a file that `probe doctor --share` wrote, what doctor, check or monitor printed with --json, or messages "
    "with `C> ` and `S> ` in front."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retold:
    examination: Examination
    what: str  # in words: what the file is
    at: str  # when it was written, UTC; empty: nobody knows
    then: tuple[Then, ...] = ()

    @property
    def judged_otherwise(self) -> bool:
        now = self.examination.diagnosis.verdicts
        if not self.then:
            return False
        return [each.code for each in now] != [each.code for each in self.then] or any(
            before.certainty not in (None, after.certainty)
            for before, after in zip(self.then, now, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    schema_version: int
    known: Case
    made_with: str = ""
    offline: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proxy:
    url: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Session:
    proxy: _Proxy | None = None
    last_messages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Record:
    schema_version: int
    at: str
    target: str
    seconds: float = 0.0
    broker: str | None = None
    region: str | None = None
    url: str | None = None
    verdicts: tuple[Then, ...] = ()
    rungs: tuple[Rung, ...] = ()
    session: _Session | None = None
    case: _Kept | None = None


def retell(data: bytes, where: str, broker: Broker | None = None) -> Retold:
    """
    Args:
        data: Of a shared file, of what `--json` printed, or of a transcript.
        broker: Whose messages a transcript has, if it does not say so.

    Raises:
        ConfigError: there is nothing in it to judge; it says what to do.
        UnknownBroker: it is of a broker that this version does not know.
    """
    if len(data) > MOST_BYTES:
        raise ConfigError(
            f"it has {len(data) / 1024**2:.0f} MiB or more, and {MOST_BYTES // 1024**2} is the most",
            where=where,
            next_step="A shared file has some kilobytes. Of a long transcript the end is enough.",
        )
    with sensible(where):
        told = _record_in(data.decode("utf-8-sig", "replace"), where)
        record = None if told is None else unpacked(_Record, told)
        if record is not None and record.case is not None:
            return _judged(record, record.case)
        return _heard(data if told is None else json.dumps(told).encode(), where, broker, record)


@contextmanager
def sensible(where: str) -> Iterator[None]:
    """For what is done with what a stranger wrote.

    Raises:
        ConfigError: it cannot be done.
    """
    try:
        yield
    except Unreadable as problem:
        raise ConfigError(
            f"its record says what cannot be ({problem})",
            where=where,
            next_step="It was changed on the way, or written by a later version: update tradeprobe, or ask for the file itself.",
        ) from None
    except NONSENSE as problem:
        raise ConfigError(
            f"its record contradicts itself ({type(problem).__name__})",
            where=where,
            next_step="It was changed on the way: ask for the file itself.",
        ) from None


# -- finding it ------------------------------------------------------------------------------------------------------------


def _record_in(text: str, where: str) -> dict[str, Any] | None:
    """None: there is none."""
    problem = ""
    for candidate in (text, _mended(text)):
        found = _BEGINNING.search(candidate)
        if found is None:
            continue
        try:
            record, _ = _DECODER.raw_decode(candidate, found.start())
        except RecursionError:
            problem = "it is nested too deeply"
            continue
        except ValueError:
            problem = "it is cut short, or was changed on the way"
            continue
        if record["schema_version"] > SCHEMA_VERSION:
            raise ConfigError(
                "a later version of tradeprobe wrote it",
                where=where,
                next_step="Update this one: pip install -U tradeprobe.",
            )
        told: dict[str, Any] = record
        return told
    if problem:
        raise ConfigError(
            f"there is a record in it that cannot be read: {problem}",
            where=where,
            next_step="Ask for the file itself, attached and not pasted.",
        )
    return None


def _mended(text: str) -> str:
    """What mail programs and forums do to a text, undone: quoting, wrapping, signs written as HTML."""
    if "&quot;" in text:
        text = html.unescape(text)
    return " ".join(line.strip() for line in _QUOTED.sub("", text).splitlines())


def _number(digits: str) -> int:
    if len(digits) > 40:
        raise ValueError("too long")
    return int(digits)


def _fraction(digits: str) -> float:
    return _no_number(digits) if len(digits) > 40 else float(digits)


def _no_number(word: str) -> float:
    raise ValueError(word)


_DECODER = json.JSONDecoder(parse_int=_number, parse_float=_fraction, parse_constant=_no_number)


# -- judging it ------------------------------------------------------------------------------------------------------------


def _judged(record: _Record, kept: _Kept) -> Retold:
    broker = find_broker(record.broker) if record.broker else None
    case = kept.known
    knock = _knock(record, case, broker)
    examination = Examination(
        patient=Patient(
            name=record.target,
            broker=broker,
            endpoint=_endpoint(record, case),
            proxy=knock.proxy if knock else None,
            pasted=case.pasted,
            is_ours=case.is_ours,
        ),
        means=Means(offline=kept.offline),
        began_utc=datetime.fromisoformat(record.at).timestamp(),
        seconds=record.seconds,
        case=case,
        diagnosis=diagnose(case, rules_for(broker)),
        rungs=record.rungs,
        knock=knock,
        made_with=kept.made_with,
    )
    return Retold(
        examination=examination,
        what=f"an examination of {record.target}",
        at=record.at,
        then=record.verdicts,
    )


def _endpoint(record: _Record, case: Case) -> Endpoint | None:
    endpoint = case.looks.first.endpoint if case.looks else None
    if endpoint is None and record.url is not None:
        endpoint = Endpoint(
            broker=record.broker or "", region=record.region or "", url=record.url, account=Account.NONE
        )
    try:
        if endpoint is not None:
            read_url(endpoint.url)
    except ConfigError as problem:
        raise Unreadable(f"url: {problem.problem}") from None
    return endpoint


def _knock(record: _Record, case: Case, broker: Broker | None) -> Knock | None:
    if broker is None or case.looks is None:
        return None
    look, session = case.looks.first, record.session or _Session()
    return Knock(
        broker=broker,
        endpoint=look.endpoint,
        proxy=None if session.proxy is None else _proxy(session.proxy),
        entered=None,
        began_at=look.began_utc or 0.0,
        facts=look.facts,
        asked=look.asked,
        clock=look.clock,
        verdict=judge(look.facts, look.asked, look.clock),
        last_messages=tuple(map(_line, session.last_messages)),
        control_symbol=look.control_symbol,
    )


def _proxy(said: _Proxy) -> ChosenProxy:
    return ChosenProxy(proxy=read_proxy_url(said.url, where="its record"), source=said.source)


def _line(text: str) -> Line:
    said = text[2:]
    return Line(0.0, text[:1], said.removeprefix(BINARY), said.startswith(BINARY))


def _heard(data: bytes, where: str, broker: Broker | None, record: _Record | None) -> Retold:
    try:
        transcript = read_transcript(data, where, broker)
    except ConfigError as problem:
        if record is not None:
            raise _kept_nothing(record, where) from None
        raise ConfigError(
            f"there is nothing in it to judge: {problem.problem}",
            where=where,
            next_step="Name the --broker." if problem.next_step.startswith("Name the --broker") else _HOW,
        ) from None
    case, broker = transcript.case, transcript.broker
    diagnosis = diagnose(case, rules_for(broker))
    if not diagnosis.verdicts:  # what was not looked at is no sign of health
        diagnosis = Diagnosis(state=State.UNKNOWN, verdicts=())
    endpoint = case.looks.first.endpoint if case.looks else None
    examination = Examination(
        patient=Patient(
            name=record.target if record else broker.name if broker else "a target",
            broker=broker,
            endpoint=endpoint if endpoint and endpoint.url != NO_URL else None,
        ),
        means=Means(),
        began_utc=transcript.began_utc or 0.0,
        seconds=0.0,
        case=case,
        diagnosis=diagnosis,
        rungs=_rungs(transcript, diagnosis),
        knock=None,
    )
    return Retold(
        examination=examination,
        what=_what(transcript),
        at=record.at if record else transcript.at,
        then=record.verdicts if record else transcript.then,
    )


def _kept_nothing(record: _Record, where: str) -> ConfigError:
    said = ", ".join(map(str, record.verdicts)) or "nothing was wrong"
    return ConfigError(
        f"an older version wrote it, which kept nothing that could be judged again; it said: {said}",
        where=where,
        next_step="Ask for a new one, made by a version of today: probe doctor TARGET --share FILE.",
    )


def _rungs(transcript: Transcript, diagnosis: Diagnosis) -> tuple[Rung, ...]:
    steps = ("this machine", "credential", "names", "TCP", "TLS")
    unknown = [Rung(name=name, outcome=Outcome.NOT_CHECKED, note=UNSAID) for name in steps]
    failure = transcript.case.failure
    if failure is not None:
        return (*unknown, Rung(name="session", outcome=Outcome.BROKEN, note=str(failure)))
    known = f"{transcript.messages} of its messages are known"
    if diagnosis.verdicts:
        return (*unknown, Rung(name="session", outcome=Outcome.FINE, note=known))
    note = f"only {known}, and nothing in them is wrong"
    return (*unknown, Rung(name="session", outcome=Outcome.NOT_CHECKED, seconds=0.0, note=note))


def _what(transcript: Transcript) -> str:
    words = f"a transcript of {transcript.messages} messages"
    if transcript.conversations > 1:
        words += f", the last of {transcript.conversations} conversations in it"
    return words
