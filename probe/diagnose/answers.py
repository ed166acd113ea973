"""Which failure it is when something else answers than was asked for: by status, headers and page, never by the words of a
library. One failure is exactly one of them, so that no two rules speak of the same answer."""

import json
import re
from collections.abc import Mapping

from probe.diagnose.case import Case, Try
from probe.diagnose.handshaking import certificate_in, speaks_plainly
from probe.model.events import Phase
from probe.model.failures import Answer, Failure
from probe.session.phases import DEADLINES
from probe.session.refusal import is_challenge_title, title_of

LATELY = 3600.0  # seconds in which a server may still hold earlier attempts against us
BURST, BURST_WITHIN = 10, 60.0  # attempts, seconds: no policy that is meant well tries so often
NO_BODY_IN_FULL = "http.error-seen-as-timeout"
UNNAMED = "session.disconnected"  # nothing has failed yet
DEADLINE_KINDS = ("http.open-timeout", "eio.no-open", "sio.connect-silent", "auth.silent-after-connect")
SLACK = 0.5  # seconds by which a timer of ours may be late
_BLOCKS = ("sorry, you have been blocked", "attention required! | cloudflare")
# What an edge's page of errors holds, whatever it is about. Cloudflare's headers are on a server's own pages, too.
_EDGE_PAGE = re.compile(
    r"cf-error|cf_styles-css|cf\.errors\.css|\| cloudflare|used cloudflare to|by (?:<[^>]*>)?cloudflare"
    r'|"cloudflare_error"|\A\s*error code: 1\d{3}\s*\Z',
    re.IGNORECASE,
)
# The scripts of a challenge alone: another of the same folder stands in ordinary pages behind Cloudflare.
_CHALLENGE = re.compile(r"_cf_chl_opt|cf-chl-|/cdn-cgi/challenge-platform/\S*orchestrate", re.IGNORECASE)
_EDGE_CODE = re.compile(r"error(?:[ _-]code)?(?:<[^>]*>|\W){0,8}(1\d{3})\b", re.IGNORECASE)
_BY_EDGE_CODE = {
    **dict.fromkeys((1005, 1006, 1007, 1008, 1010, 1020, 1106), "http.cf-ip-reputation"),
    **dict.fromkeys((1000, 1003, 1013), "http.host-vs-sni"),
    1009: "geo.blocked",
    1015: "http.429",
}
# As Engine.IO's own servers number their complaints.
_BY_ENGINE_CODE = {
    0: "http.wrong-path",
    1: "eio.sid-unknown",
    2: "http.no-upgrade",
    3: "http.no-upgrade",
    4: "http.origin-or-ua",
    5: "eio.version",
}
_OPEN_PACKET = re.compile(r"\s*(?:\d+:)?0(?=\{)")
_NAMES_A_HEADER = re.compile(r"\borigin\b|user-agent", re.IGNORECASE)


def edge_code(answer: Answer) -> int | None:
    """The number on a page of Cloudflare's."""
    found = _EDGE_CODE.search(answer.body) if _is_edges_page(answer) else None
    return int(found[1]) if found else None


def is_edges(answer: Answer) -> bool:
    return answer.header("server").lower() == "cloudflare" or bool(answer.header("cf-ray"))


def _is_edges_page(answer: Answer) -> bool:
    """The edge itself wrote it."""
    return is_edges(answer) and _EDGE_PAGE.search(answer.body) is not None


def is_block_page(answer: Answer) -> bool:
    """It says so, or is a 403's page of the edge's own without a number."""
    says_so = is_edges(answer) and any(sign in answer.body.lower() for sign in _BLOCKS)
    return says_so or (answer.status == 403 and _is_edges_page(answer) and edge_code(answer) is None)


def is_challenge(answer: Answer) -> bool:
    """By its own word, or by what stands in its page."""
    return (
        answer.header("cf-mitigated") == "challenge"
        or _CHALLENGE.search(answer.body) is not None
        or is_challenge_title(title_of(answer.body.encode()))
    )


def engine_code(answer: Answer) -> int | None:
    """The number of Engine.IO's own complaint."""
    try:
        said = json.loads(answer.body)
    except (ValueError, RecursionError):
        return None
    code = said.get("code") if isinstance(said, dict) and "message" in said else None
    return code if isinstance(code, int) and code in _BY_ENGINE_CODE else None


def offered_upgrades(answer: Answer) -> list[object] | None:
    """What an Engine.IO greeting in the body offers; None: there is no such greeting."""
    start = _OPEN_PACKET.match(answer.body)
    if start is None:
        return None
    try:
        said, _ = json.JSONDecoder().raw_decode(answer.body, start.end())
    except (ValueError, RecursionError):
        return None
    upgrades = said.get("upgrades")
    return upgrades if isinstance(upgrades, list) and "sid" in said else None


def is_web_page(answer: Answer) -> bool:
    kind = answer.header("content-type").lower()
    return kind.startswith("text/html") or answer.body.lstrip()[:1] == "<"


def is_polled(case: Case) -> bool:
    """It asks questions one by one, so nothing may be said of WebSockets."""
    return case.looks is not None and case.looks.first.endpoint.scheme not in ("ws", "wss")


def is_before_login(case: Case) -> bool:
    facts = case.facts
    return facts is not None and facts.ended is not None and facts.ended.phase in _BEFORE_LOGIN


_BEFORE_LOGIN = (Phase.SIGNING_IN, Phase.UPGRADING, Phase.OPENING, Phase.JOINING)

# -- what went before --------------------------------------------------------------------------------------------------


def hammering(case: Case) -> str:
    """How often it was tried of late, where a server may have had enough of it; empty: not known, or not so."""
    tries = _of_late(case)
    limited = [each for each in tries if each.status == 429 or each.code == "http.429"]
    if limited:
        ago = min(each.ago_seconds for each in limited)
        return f"{ago:.0f} s ago it said that there were too many requests (429)"
    most = _most_in_a_burst(tries)
    return f"it was tried {most} times within {BURST_WITHIN:g} s" if most >= BURST else ""


def calm(case: Case) -> str:
    """That we did not try too often, where it is known for long enough; else empty. What nobody watched has no attempts."""
    if case.past is None or not case.past.tries or case.past.seconds < LATELY or hammering(case):
        return ""
    count = len(_of_late(case))
    return f"it was tried {count} time{'' if count == 1 else 's'} in the last {LATELY / 60:.0f} min"


def _of_late(case: Case) -> list[Try]:
    return [each for each in case.past.tries if each.ago_seconds <= LATELY] if case.past else []


def _most_in_a_burst(tries: list[Try]) -> int:
    """To one host: a race asks several at once."""
    times = sorted(each.ago_seconds for each in tries if each.purpose != "race")
    return max((sum(begin <= at < begin + BURST_WITHIN for at in times) for begin in times), default=0)


# -- which of them it is -----------------------------------------------------------------------------------------------


def told_as(case: Case) -> str:
    """The slug of why the upgrade, a call or the greeting failed; empty: they did not, or another stage did."""
    failure = case.failure
    if failure is None:
        return ""
    if _ran_out(case, failure):
        return UNNAMED
    if failure.slug is not None or not failure.kind.startswith("http."):
        return failure.code
    if _is_full(case):
        return "auth.connection-cap"
    if opens_as_websocket(case):
        return "eio.websocket-only"
    code = _without_past(case, failure)
    speaks_otherwise = code == "http.not-http" and bool(failure.seen.first_bytes)
    if code in _LOOKS_LIKE_AN_OUTAGE and not speaks_otherwise and hammering(case):
        return "http.ban-disguised"
    return code


def _ran_out(case: Case, failure: Failure) -> bool:
    """It was we who had no more time, and the step's own was not over."""
    facts = case.facts
    if is_polled(case) or facts is None or facts.ended is None:
        return False
    deadline = DEADLINES.get(facts.ended.phase)
    if failure.kind == "local.timeout" or failure.kind not in DEADLINE_KINDS or deadline is None:
        return failure.kind == "local.timeout"
    began = max((each.at for each in facts.phases), default=None)
    return began is not None and facts.ended.at - began < deadline - SLACK


def opens_as_websocket(case: Case) -> bool:
    """What was refused had asked for polling; the same with a WebSocket was greeted."""
    asked_anew = case.looks.as_websocket if case.looks else None
    return asked_anew is not None and asked_anew.facts.greeting is not None


def others_open(case: Case) -> str:
    """Connections of this machine to the same place, where they are more than one login elsewhere would be; else empty."""
    count = case.own_connections or 0
    return f"this machine had {count} other connections to that place" if count >= ROOM_FOR_OTHERS else ""


def none_open(case: Case) -> str:
    """That this machine had none, or only one; empty: it had more, or nobody knows."""
    count = case.own_connections
    if count is None or count >= ROOM_FOR_OTHERS:
        return ""
    return f"this machine had {'one other connection' if count else 'no other connection'} to that place"


ROOM_FOR_OTHERS = 2  # connections besides ours: of one alone, a login elsewhere may be the trouble


def _is_full(case: Case) -> bool:
    """The server itself refused one connection more without a word of why, while this machine had others to it. A 429 speaks
    of a rate, unless it is known that there was none."""
    answer = case.failure.seen.answer if case.failure else None
    return (
        answer is not None
        and (answer.status == 403 or (answer.status == 429 and bool(calm(case))))
        and bool(others_open(case))
        and not hammering(case)
        and not answer.body.strip()
        and not is_edges(answer)
        and not any(answer.header(name) for name in ("via", "retry-after", "x-ratelimit-reset"))
    )


_LOOKS_LIKE_AN_OUTAGE = (
    "http.bad-gateway", "http.cf-52x", "http.open-timeout", "http.not-http", NO_BODY_IN_FULL,
)  # fmt: skip


def _without_past(case: Case, failure: Failure) -> str:
    answer = failure.seen.answer
    if answer is not None and answer.status == 101:
        return "http.handshake-invalid" if _is_switched(answer) else "http.no-upgrade"
    if answer is not None:
        return _by_answer(answer, polled=is_polled(case))
    if failure.kind == "http.closed" and speaks_plainly(case) and certificate_in(case) is not None:
        return "tls.tls-on-plain"
    if failure.kind == "http.closed":
        return "http.open-timeout" if _has_answered(case) else "http.not-http"
    return failure.code


def _has_answered(case: Case) -> bool:
    return case.facts is not None and any(done.phase in _ANSWERED for done in case.facts.phases)


_ANSWERED = (Phase.UPGRADING, Phase.OPENING)


def _is_switched(answer: Answer) -> bool:
    return (
        "websocket" in answer.header("upgrade").lower() and "upgrade" in answer.header("connection").lower()
    )


def _by_answer(answer: Answer, *, polled: bool) -> str:
    code = _BY_EDGE_CODE.get(edge_code(answer) or 0)
    if is_challenge(answer):
        return "http.cf-challenge"
    if code is not None:
        return code
    if is_block_page(answer):
        return "http.cf-ip-reputation"
    if not polled and (code := _by_upgrade(answer)):
        return code
    if answer.status >= 500 and not answer.is_whole:
        return NO_BODY_IN_FULL
    if answer.status in BEHIND_THE_EDGE and is_edges(answer):
        return "http.cf-52x"
    return _by_status(answer.status)


BEHIND_THE_EDGE = (*range(520, 527), 530)


def _by_upgrade(answer: Answer) -> str:
    """What only a WebSocket's handshake can mean."""
    offered = offered_upgrades(answer)
    if offered is not None:
        return "http.no-upgrade" if "websocket" in offered else "eio.polling-only"
    engine = engine_code(answer)
    if engine is not None:
        return _BY_ENGINE_CODE[engine]
    if answer.status in (400, 403) and not is_web_page(answer) and _NAMES_A_HEADER.search(answer.body):
        return "http.origin-or-ua"
    return "http.no-upgrade" if answer.status in (400, 426) else ""


_BY_STATUS: Mapping[int, str] = {
    401: "http.401",
    404: "http.wrong-path",
    418: "http.ban-disguised",
    429: "http.429",
    451: "geo.blocked",
}


def _by_status(status: int) -> str:
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= 500:
        return "http.bad-gateway"
    if status >= 400:
        return "http.403-origin"
    return "http.redirect" if status >= 300 else "http.200-not-101"
