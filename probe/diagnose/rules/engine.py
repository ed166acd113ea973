"""The openings of Engine.IO and Socket.IO, and Engine.IO's heartbeat."""

from urllib.parse import parse_qs, urlsplit

from probe.diagnose.answers import engine_code, offered_upgrades, told_as
from probe.diagnose.case import Case
from probe.diagnose.facts import Facts
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.edge import on_time, ruled_out
from probe.model.events import Phase, Surprise
from probe.model.failures import Answer
from probe.model.findings import Certainty, Sign, State
from probe.wire.socketio import LOST, OVERTAKEN, UNANNOUNCED

book = RuleBook()

NO_SUCH_NAMESPACE = "Invalid namespace"
GOODBYE = "41"


def _failed_as(case: Case, code: str) -> Facts | None:
    """What is known of the connection, if that is how it failed."""
    return case.facts if told_as(case) == code else None


def _ours(case: Case) -> str:
    """The version of Engine.IO that this client speaks; empty: none."""
    url = case.looks.first.endpoint.url if case.looks else ""
    return parse_qs(urlsplit(url).query).get("EIO", [""])[0]


def _theirs(case: Case) -> str:
    """The version that the server shows; empty: it does not show it."""
    facts = case.facts
    if facts is None:
        return ""
    if facts.joined is not None and _ours(case) == "4":
        return "4" if facts.joined.sid else "3"  # only from version 4 on a namespace has an id of its own
    return "4" if facts.greeting is not None and facts.greeting.max_payload is not None else ""


def _is_other_version(case: Case) -> bool:
    return bool(_ours(case)) and _theirs(case) not in ("", _ours(case))


def _error(answer: Answer) -> str:
    return f"the server refused with Engine.IO's error {engine_code(answer)}"


@book.of("eio.version")
def version(case: Case) -> Sign | None:
    answer, facts = case.failure.seen.answer if case.failure else None, case.facts
    if answer is not None and told_as(case) == "eio.version":
        code = _error(answer)
        return Sign(
            evidence=(f"this client speaks version {_ours(case)}", code),
            excluded={
                "eio.ping-direction": "no session was opened in which a heartbeat could be missing",
                "eio.ping-timeout": "no session was opened in which a heartbeat could be missing",
                "eio.sid-unknown": code,
                "http.wrong-path": code,
                "session.closed-normal": "no session was opened",
            },
        )
    if facts is None or not _is_other_version(case):
        return None
    how = (
        "it let us in unasked, without an id for the namespace"
        if _theirs(case) == "3"
        else "its greeting names the largest message it takes"
    )
    return Sign(
        evidence=(f"this client speaks version {_ours(case)}, and the server {_theirs(case)}: {how}",),
        excluded=ruled_out(
            {
                "eio.ping-direction": "the versions differ",
                "eio.ping-timeout": "" if facts.peer_beats else "no heartbeat of this session ever worked",
                "eio.sid-unknown": "the session was opened",
                "http.wrong-path": "the WebSocket opened",
                "session.closed-normal": "the server has sent no close frame"
                if case.failure is None or not case.failure.close or case.failure.close.received_code is None
                else "",
            }
        ),
        state=State.FAILED if case.failure else State.DEGRADED,
    )


@book.of("eio.ping-direction")
def never_pinged(case: Case) -> Sign | None:
    facts = _failed_as(case, "eio.ping-timeout")
    if facts is None or _beats(case) or _is_other_version(case):
        return None
    return Sign(
        evidence=("the server owes the heartbeat, and has never sent one", *_terms(facts)),
        excluded=ruled_out(
            {
                "eio.version": f"both speak version {_ours(case)}" if _theirs(case) else "",
                "eio.ping-timeout": "no heartbeat was seen before",
                "session.idle-timeout": "it ended when the heartbeat was due, while messages came",
                "session.max-lifetime": f"it ended after {_age(facts):.0f} s",
            }
        ),
    )


@book.of("eio.ping-timeout")
def pings_stopped(case: Case) -> Sign | None:
    facts = _failed_as(case, "eio.ping-timeout")
    if facts is None or not _beats(case) or _is_other_version(case):
        return None
    worked = f"{_beats(case)} before"
    return Sign(
        evidence=(worked, "then none, although other messages came", *_terms(facts)),
        excluded=ruled_out(
            {
                "eio.version": worked,
                "eio.ping-direction": worked,
                "session.half-open": "other messages kept coming",
                "host.event-loop-blocked": on_time(case),
            }
        ),
    )


def _beats(case: Case) -> str:
    """That they came, in this session or in earlier ones; empty: none ever did."""
    here, earlier = case.facts.peer_beats if case.facts else 0, case.past.peer_beats if case.past else 0
    count = here or earlier
    where = "" if here else " in earlier sessions"
    return f"{count} heartbeat{'s' if count > 1 else ''} of the server's came{where}" if count else ""


def _terms(facts: Facts) -> tuple[str, ...]:
    greeting = facts.greeting
    if greeting is None:
        return ()
    return (
        f"it promised one every {greeting.ping_interval:g} s, late by {greeting.ping_timeout:g} s at most",
    )


def _age(facts: Facts) -> float:
    """Of the session, at its end."""
    opened = facts.upgraded.at if facts.upgraded else 0.0
    return facts.ended.at - opened if facts.ended else 0.0


@book.of("eio.sid-unknown")
def unknown_session(case: Case) -> Sign | None:
    answer = case.failure.seen.answer if case.failure else None
    if answer is None or told_as(case) != "eio.sid-unknown":
        return None
    code = _error(answer)
    return Sign(
        evidence=(code,),
        excluded={
            "eio.version": code,
            "auth.session-expired": "it came before any login was sent",
            "eio.polling-only": code,
        },
    )


@book.of("eio.polling-only")
def only_polling(case: Case) -> Sign | None:
    answer = case.failure.seen.answer if case.failure else None
    if answer is None or told_as(case) != "eio.polling-only":
        return None
    offers = (
        f"the greeting lists {', '.join(map(str, offered_upgrades(answer) or ())) or 'nothing'} to upgrade to"
    )
    return Sign(
        evidence=(
            f"a WebSocket was asked for, and a greeting for polling came (HTTP {answer.status})",
            offers,
        ),
        excluded={
            "http.no-upgrade": offers,
            "http.wrong-path": "Engine.IO answers on that path",
            "eio.sid-unknown": "the server has opened a session",
        },
    )


@book.of("eio.websocket-only")
def only_websocket(case: Case) -> Sign | None:
    answer = case.failure.seen.answer if case.failure else None
    if answer is None or told_as(case) != "eio.websocket-only":
        return None
    opens = "the same host and path opened a WebSocket, and greeted"
    return Sign(
        evidence=(
            f"the URL asks for polling (transport=polling), and was refused (HTTP {answer.status})",
            f"asked with transport=websocket right after, {opens}",
        ),
        excluded=dict.fromkeys(("http.cf-challenge", "http.wrong-path", "eio.polling-only"), opens),
        advice=(
            "Write transport=websocket in the URL.",
            "Let a Socket.IO client use WebSocket alone, for example transports=['websocket'].",
        ),
    )


@book.of("eio.no-open")
def no_greeting(case: Case) -> Sign | None:
    facts = _failed_as(case, "eio.no-open")
    if facts is None or case.failure is None:
        return None
    odd = next((each.preview for each in facts.surprises if each.phase is Phase.OPENING), "")
    if case.failure.kind == "eio.bad-open":
        odd = "a goodbye"
    came = f"what came first is no greeting: {odd}" if odd else ""
    it_came = "the first message came, and was read" if odd else ""
    return Sign(
        evidence=("the WebSocket opened", came or "no message came"),
        says="what came after the WebSocket opened is no Engine.IO greeting" if came else "",
        excluded=ruled_out(
            {
                "sio.connect-silent": "not even the greeting came",
                "session.silent-stall": "no data had come yet",
                "host.event-loop-blocked": it_came or on_time(case),
                "tcp.mtu-blackhole": it_came,
            }
        ),
    )


@book.of("sio.connect-error")
def refused(case: Case) -> Sign | None:
    facts = _failed_as(case, "sio.connect-error")
    if facts is None or case.failure is None or case.failure.detail == NO_SUCH_NAMESPACE:
        return None
    said = case.failure.detail
    return Sign(
        evidence=(f"the answer to joining was {said!r}",),
        excluded=ruled_out(
            {
                "sio.namespace": f"its reason is {said!r}",
                "auth.session-expired": "it came before any login was sent",
                "auth.rejected-41": "" if said == GOODBYE else "it is a refusal with words (44)",
            }
        ),
    )


@book.of("sio.namespace")
def no_namespace(case: Case) -> Sign | None:
    facts = _failed_as(case, "sio.connect-error")
    if facts is None or case.failure is None or case.failure.detail != NO_SUCH_NAMESPACE:
        return None
    return Sign(
        evidence=(f"the answer to joining was {NO_SUCH_NAMESPACE!r}",),
        excluded={
            "sio.connect-error": "its reason is the namespace",
            "session.subscription-not-armed": "nothing was joined yet in which events could be missing",
        },
    )


@book.of("sio.connect-silent")
def join_unanswered(case: Case) -> Sign | None:
    facts = _failed_as(case, "sio.connect-silent")
    if facts is None or _is_other_version(case):
        return None
    beats = f"{_beats(case)} meanwhile" if facts.peer_beats else ""
    return Sign(
        evidence=("the greeting came, and then no 40", *((beats,) if beats else ())),
        excluded=ruled_out(
            {
                "eio.version": f"the server's greeting is one of version {_theirs(case)}"
                if _theirs(case)
                else "",
                "eio.no-open": "the greeting came",
                "session.half-open": beats,
                "host.event-loop-blocked": beats or on_time(case),
            }
        ),
    )


@book.of("sio.binary-placeholder")
def apart(case: Case) -> Sign | None:
    """Attachments that came are joined here; what is left are those that did not."""
    facts = case.facts
    odd = [each for each in facts.surprises if is_apart(each)] if facts else []
    if not odd:
        return None
    return Sign(
        evidence=(
            f"header and attachment did not come together {len(odd)} time{'s' if len(odd) > 1 else ''}: {odd[0].problem}",
        ),
        excluded={
            "data.gap": "one half of the message is there",
            "session.request-no-reply": "one half of the message is there",
            "cfg.client-outdated": "it is not what is in them, but that one half is missing",
        },
        state=State.DEGRADED,
        at_most=Certainty.LIKELY,
    )


def is_apart(surprise: Surprise) -> bool:
    return surprise.problem in (LOST, OVERTAKEN, UNANNOUNCED)
