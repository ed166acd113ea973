"""A conversation that somebody wrote down, as a case: what was said, and nothing of machine, way and TLS."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import dropwhile
from math import inf
from typing import Any

from probe.brokers import all_brokers
from probe.diagnose.case import Case, Look, Looks, Past
from probe.diagnose.facts import Facts
from probe.diagnose.past import past_of
from probe.diagnose.verdict import Asked
from probe.load.replay import Said, conversations, documents
from probe.measure.records import Attempt, Disconnected
from probe.model.credentials import MASK
from probe.model.endpoint import Account, Endpoint, read_url
from probe.model.errors import ConfigError
from probe.model.events import Ended, Phase, Traffic
from probe.model.failures import Failure
from probe.model.findings import Certainty
from probe.model.intents import Intent, Login, UnknownIntent, Watch
from probe.model.meanings import Admitted, Joined, Meaning, Quotes, Refused, Unrecognised, Welcome
from probe.model.packing import Unreadable, unpacked
from probe.session.broker import Broker
from probe.session.core import DIALLING_PHASE_OF
from probe.session.retold import RetoldSession

NO_URL = "ws://not-known.example/"
_BEGINNING = (Welcome, Joined, Login)  # a conversation in which none of these is said is a later part of one
_OF_LOGIN = (Login, Admitted, Refused)
_EVENTS: dict[str, type[Attempt | Disconnected]] = {each.kind: each for each in (Attempt, Disconnected)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """A verdict of whoever wrote it."""

    code: str
    certainty: Certainty | None = None  # None: it was not said

    def __str__(self) -> str:
        return f"{self.code} ({self.certainty.value})" if self.certainty else self.code


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    broker: Broker | None
    case: Case
    messages: int
    conversations: int  # in the file; the last one is judged
    began_utc: float | None
    at: str  # when it was written; empty: it does not say
    then: tuple[Then, ...]


def read_transcript(data: bytes, where: str, broker: Broker | None) -> Transcript:
    """
    Args:
        broker: Whose it is; None: the file tells, by its words or its messages.

    Raises:
        ConfigError: there is nothing in it to judge.
    """
    told = list(_told(data, where))
    said = [each for each in conversations(data, where) if each]
    broker = broker or _named(told) or _spoken(said)
    past, failure = _past(told), _failure(told)
    if not said and failure is None and past is None:
        raise ConfigError("no message and no failure is in it", where=where)
    if said and broker is None:
        raise ConfigError(
            "the messages do not say whose they are", where=where, next_step="Name the --broker."
        )
    last = said[-1] if said and broker and broker.has_socket else []
    looks = Looks(first=_look(last, broker, failure, told)) if broker and (last or failure) else None
    return Transcript(
        broker=broker,
        case=Case(looks=looks, past=past),
        messages=len(last),
        conversations=len(said),
        began_utc=last[0].utc if last else None,
        at=next((each["at"] for each in reversed(told) if _is_time(each.get("at"))), ""),
        then=next((found for each in reversed(told) if (found := _then(each))), ()),
    )


# -- what stands beside the messages -------------------------------------------------------------------------------------


def _told(data: bytes, where: str) -> Iterator[Mapping[str, Any]]:
    """Objects of ours; none: it is a HAR or text."""
    text = data.decode("utf-8-sig", "replace").strip()
    for each in documents(text, where) if text.startswith("{") else ():
        inside = each.get("session") if isinstance(each, dict) and each.get("kind") == "doctor" else each
        if isinstance(inside, dict) and isinstance(inside.get("kind"), str):
            yield inside


def _then(said: Mapping[str, Any]) -> tuple[Then, ...]:
    found = said.get("findings") if said["kind"] == "check" else [said] if said["kind"] == "incident" else []
    try:
        return unpacked(tuple[Then, ...], found)
    except Unreadable:
        return ()


def _is_time(said: object) -> bool:
    try:
        return isinstance(said, str) and bool(datetime.fromisoformat(said))
    except ValueError:
        return False


def _named(told: Sequence[Mapping[str, Any]]) -> Broker | None:
    names = {each.get("broker") for each in told}
    names |= {str(each.get("target")).removeprefix("sim:") for each in told}
    return next((each for each in all_brokers() if each.name in names), None)


def _failure(told: Sequence[Mapping[str, Any]]) -> Failure | None:
    """The last one that is told."""
    found = (_failure_in(each.get("failure")) for each in reversed(told))
    return next((each for each in found if each), None)


def _failure_in(said: object) -> Failure | None:
    if not isinstance(said, dict):
        return None
    code = said.get("close_code")
    try:
        return unpacked(Failure, said | {"slug": said.get("code"), "detail": ""} | _closed(code))
    except Unreadable:
        return None


def _closed(code: object) -> dict[str, Any]:
    return {} if code is None else {"close": {"received_code": code, "received_first": True}}


def _past(told: Sequence[Mapping[str, Any]]) -> Past | None:
    """What a monitor told of one target, the last one in the file."""
    events = [each for each in map(_event, told) if each]
    if not events:
        return None
    mine = [each for each in events if each.target == events[-1].target]
    return past_of(
        [each for each in mine if isinstance(each, Attempt)],
        [each for each in mine if isinstance(each, Disconnected)],
        max(each.at_utc for each in mine),
    )


def _event(said: Mapping[str, Any]) -> Attempt | Disconnected | None:
    kind = _EVENTS.get(said["kind"])
    try:
        found = unpacked(kind, {**said, "failure": None}) if kind else None
    except Unreadable:
        return None
    failure = _failure_in(said.get("failure"))
    return found and replace(found, failure=failure)


# -- the messages ----------------------------------------------------------------------------------------------------------


def _spoken(said: Sequence[Sequence[Said]]) -> Broker | None:
    """The one broker that understands most of it."""
    speaking = [each for each in all_brokers() if each.has_socket] if said else []
    scores = {each.name: _score(said[-1], each) for each in speaking}
    best = max(scores.values(), default=0)
    found = [each for each in speaking if scores[each.name] == best]
    return found[0] if len(found) == 1 and best > 0 else None


def _score(said: Sequence[Said], broker: Broker) -> int:
    heard = [meaning for _, meaning in _heard(said, broker)]
    return sum(-1 if isinstance(each, Unrecognised | UnknownIntent) else 1 for each in heard)


def _heard(said: Iterable[Said], broker: Broker) -> Iterator[tuple[Said, Meaning | Intent]]:
    client, server = broker.codec(), broker.codec()  # each joins attachments of one direction
    for each in said:
        if each.message is None:
            client, server = broker.codec(), broker.codec()
        elif each.is_sent:
            yield from ((each, intent) for intent in client.decode_intent(each.message))
        else:
            yield from ((each, meaning) for meaning in server.decode_meaning(each.message))


def _look(
    said: Sequence[Said], broker: Broker, failure: Failure | None, told: Sequence[Mapping[str, Any]]
) -> Look:
    began_utc = said[0].utc if said else None
    heard = [what for _, what in _heard(said, broker)]
    watched = [each.symbol for each in heard if isinstance(each, Watch)]
    under_way = _under_way(heard)
    goes_in = under_way is not None or any(isinstance(each, _OF_LOGIN) for each in heard) or _is_masked(said)
    facts = _facts(said, broker, failure, under_way, goes_in=goes_in)
    return Look(
        endpoint=_endpoint(broker, told),
        facts=facts,
        asked=Asked(
            login=goes_in,
            symbol=watched[-1] if watched else None,
            account=next((each.account for each in heard if isinstance(each, Login)), None),
            price_within=inf,  # how long was waited for one, nobody wrote down
        ),
        began_utc=began_utc,
    )


def _is_masked(said: Sequence[Said]) -> bool:
    """Something secret was sent: the login."""
    return any(each.is_sent and isinstance(each.message, str) and MASK in each.message for each in said)


def _under_way(heard: Sequence[Meaning | Intent]) -> Phase | None:
    """In which phase it was when the first of this was said; None: it had just begun."""
    if any(isinstance(each, _BEGINNING) for each in heard):
        return None
    first = next((each for each in heard if isinstance(each, Admitted | Refused | Quotes)), None)
    return Phase.AUTHENTICATING if isinstance(first, Admitted | Refused) else Phase.LIVE


def _facts(
    said: Sequence[Said],
    broker: Broker,
    failure: Failure | None,
    under_way: Phase | None,
    *,
    goes_in: bool,
) -> Facts:
    facts = Facts()
    if not said:
        phase = DIALLING_PHASE_OF.get(failure.facts.layer, Phase.AUTHENTICATING) if failure else Phase.LIVE
        facts.add(Ended(at=0.0, phase=phase, failure=failure, traffic=Traffic()))
        return facts
    session = RetoldSession(broker, goes_in=goes_in)
    session.open(0.0, under_way)
    intents = broker.codec()
    at = 0.0
    for each in said if under_way is None else _from_its_beginning(said):
        at = 0.0 if each.utc is None else each.at  # of what has no time nothing is known about pauses
        if not each.is_sent:
            session.hear(each.message, at)
        for intent in intents.decode_intent(each.message) if each.is_sent and each.message else ():
            session.say(intent, at)
    for event in session.events():
        facts.add(event)
    facts.add(session.end(at, failure))
    return facts


def _from_its_beginning(said: Sequence[Said]) -> Iterable[Said]:
    """Without attachments of what was said before."""
    return dropwhile(lambda each: isinstance(each.message, bytes) and not each.is_sent, said)


def _endpoint(broker: Broker, told: Sequence[Mapping[str, Any]]) -> Endpoint:
    url = next((each["url"] for each in reversed(told) if isinstance(each.get("url"), str)), NO_URL)
    try:
        read_url(url)
    except ConfigError:
        url = NO_URL
    return Endpoint(broker=broker.name, region="", url=url, account=Account.NONE)
