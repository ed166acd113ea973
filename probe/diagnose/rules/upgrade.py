"""What answers in place of the WebSocket, or of what a call asked for, or does not answer at all."""

import re
from urllib.parse import urlsplit

from probe.diagnose.answers import (
    UNNAMED,
    calm,
    engine_code,
    is_polled,
    is_web_page,
    offered_upgrades,
    told_as,
)
from probe.diagnose.case import Case
from probe.diagnose.handshaking import certificate_in
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.edge import (
    COUNTRY_PAGE,
    ONE_PACKET,
    SHOWN,
    is_secure,
    no_challenge,
    no_login_yet,
    no_proxy,
    on_answer,
    on_time,
    ruled_out,
    seen_in,
)
from probe.diagnose.rules.portal import is_captive
from probe.model.failures import Answer
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

_UPGRADE = re.compile(r"upgrade|websocket", re.IGNORECASE)
_LOGIN_PAGE = re.compile(r"log-?in|sign-?in|auth", re.IGNORECASE)
# What begins so is known: these protocols speak first, or answer at once that they do not understand.
_PROTOCOLS = {
    "SSH-": "SSH",
    "220": "a mail or file server",
    "+OK": "a mail server",
    "* OK": "a mail server",
    "RFB ": "a remote desktop (VNC)",
    "-ERR": "Redis",
    "\x05\xff": "a SOCKS proxy",
    "AMQP\x00": "a message broker (AMQP)",
}


def _others_answer(case: Case) -> str:
    """That the network does not do the same to everybody."""
    answer = case.failure.seen.answer if case.failure else None
    for each in case.controls:
        if answer is None or each.status is None or each.redirects_to:
            continue
        if each.handshake is not None and each.handshake.failure is None:
            return f"the control {each.host} has proved who it is, and answers (HTTP {each.status})"
        if each.status != answer.status:
            return f"the control {each.host} answers in another way (HTTP {each.status})"
    return ""


# -- another place -----------------------------------------------------------------------------------------------------


@book.of("http.200-not-101")
def ordinary_page(case: Case) -> Sign | None:
    if told_as(case) != "http.200-not-101" or case.failure is None or is_captive(case):
        return None
    answer = case.failure.seen.answer
    polled = is_polled(case)
    is_page = answer is not None and is_web_page(answer)
    says = ""
    if polled:
        says = "a web page, or something else than agreed, answered in place of the data"
    elif answer is not None and not is_page:
        says = f"something else than a WebSocket answered, and no web page either (HTTP {answer.status})"
    return Sign(
        evidence=seen_in(answer) if answer else (str(case.failure),),
        says=says,
        excluded=ruled_out(
            {
                "tcp.captive-portal": _others_answer(case),
                "http.no-upgrade": "a web page came, and no proxy's name (Via) with it"
                if is_page
                and answer
                and not answer.header("via")
                and not (case.looks and case.looks.first.proxy)
                else "",
                "http.cf-challenge": no_challenge(answer) if answer else "",
                "auth.wrong-region": no_login_yet(case),
                "eio.polling-only": "the body is a web page" if is_page else "",
            }
        ),
    )


@on_answer(book, "http.wrong-path")
def wrong_path(case: Case, answer: Answer) -> Sign | None:
    endpoint = case.looks.first.endpoint if case.looks else None
    path = endpoint.address.path.partition("?")[0] if endpoint else ""
    polled, engine = is_polled(case), engine_code(answer)
    return Sign(
        evidence=(*seen_in(answer), f"the path asked for was {path}"),
        says=f"the server has nothing under this path (HTTP {answer.status})" if engine is None else "",
        excluded=ruled_out(
            {
                "eio.version": f"the answer is {answer.status}, without Engine.IO's error 5",
                "eio.websocket-only": "what was refused was no polling" if not polled else "",
                "http.no-upgrade": "a plain question was asked"
                if polled
                else "Engine.IO itself answered, and saw no fault in the upgrade"
                if engine is not None
                else "",
                "cfg.url-malformed": "the URL was understood, and a server answered at it",
                "cfg.client-outdated": "the URL was given, and is not the one built in"
                if endpoint and endpoint.named_by_user
                else "",
            }
        ),
    )


@on_answer(book, "http.no-upgrade")
def no_upgrade(case: Case, answer: Answer) -> Sign | None:
    if case.looks is None:
        return None
    direct = case.looks.direct
    passes = "past the proxy, the same server opens the WebSocket" if direct and direct.facts.upgraded else ""
    lacks = "the 101 lacks Upgrade: websocket or Connection: Upgrade" if answer.status == 101 else ""
    other = _other_protocol(answer)
    misses = "" if other else _misses_upgrade(answer)
    told = lacks or misses or other
    return Sign(
        evidence=(*seen_in(answer), *((told,) if told else ()), *((passes,) if passes else ())),
        says=""
        if passes or lacks or misses or answer.header("via")
        else f"the server does not take the request for a WebSocket (HTTP {answer.status})",
        excluded=ruled_out(
            {
                "tls.alpn-h2": "the answer is one of HTTP/1",
                "http.wrong-path": passes or lacks or misses,
                "eio.polling-only": "no greeting without upgrades came",
                "http.handshake-invalid": lacks or "no 101 came",
            }
        ),
        at_most=Certainty.CERTAIN if passes else Certainty.LIKELY if lacks or misses else Certainty.POSSIBLE,
    )


def _other_protocol(answer: Answer) -> str:
    wanted = answer.header("upgrade")
    is_other = answer.status == 426 and wanted and "websocket" not in wanted.lower()
    return f"the upgrade it wants is another one ({wanted})" if is_other else ""


def _misses_upgrade(answer: Answer) -> str:
    """By the server's own word."""
    if answer.status == 426:
        return "426 asks for the upgrade that was sent to it"
    if engine_code(answer) is not None:
        return "Engine.IO itself answered, and found no upgrade in the request"
    if offered_upgrades(answer) is not None:
        return "Engine.IO itself answered, as to a request without an upgrade"
    return "its body speaks of the upgrade" if _UPGRADE.search(answer.body) else ""


@on_answer(book, "http.redirect")
def redirect(case: Case, answer: Answer) -> Sign | None:
    if is_captive(case):
        return None
    target = answer.header("location")
    wants_tls = _wants_tls(case, target)
    scheme = "https" if is_polled(case) else "wss"
    return Sign(
        evidence=seen_in(answer),
        says=f"the server wants the same over TLS ({scheme}://)" if wants_tls else "",
        advice=(f"Write {scheme}:// in the URL, in place of {scheme[:-1]}://.",) if wants_tls else (),
        excluded=ruled_out(
            {
                "cfg.url-malformed": "the URL was understood, and a server answered at it",
                "tcp.captive-portal": _others_answer(case)
                or ("it leads to the same host, with TLS" if wants_tls else ""),
                "auth.session-expired": "the target is no login page"
                if target and not _LOGIN_PAGE.search(target)
                else "",
                "geo.blocked": "the target speaks of no country"
                if target and not COUNTRY_PAGE.search(target)
                else "",
            }
        ),
    )


def _wants_tls(case: Case, target: str) -> bool:
    """It leads to the same host, only with TLS."""
    if case.looks is None or is_secure(case):
        return False
    try:
        leads_to = urlsplit(target)
        host = leads_to.hostname
    except ValueError:
        return False
    return leads_to.scheme in ("https", "wss") and host == case.looks.first.endpoint.address.host


# -- no answer, or none that can be read -------------------------------------------------------------------------------


@book.of(UNNAMED)
def unfinished(case: Case) -> Sign | None:
    failure, ended = case.failure, case.facts.ended if case.facts else None
    if told_as(case) != UNNAMED or failure is None or ended is None:
        return None
    step = ended.phase.value
    ran_out = str(failure) if failure.kind == "local.timeout" else "the time given for all of it ran out"
    in_its_time = f"the time that the step {step!r} may take was not over"
    return Sign(
        says=f"{ran_out} at the step {step!r}, and nothing had failed yet",
        evidence=(in_its_time,),
        excluded={
            "session.reconnect-broken": "an attempt was made",
            "auth.silent-after-connect": in_its_time,
            "http.open-timeout": in_its_time,
        },
        advice=("Give it more time with --timeout.",),
        state=State.UNKNOWN,
        at_most=Certainty.POSSIBLE,
    )


@book.of("http.open-timeout")
def silent(case: Case) -> Sign | None:
    failure, facts = case.failure, case.facts
    if told_as(case) != "http.open-timeout" or failure is None or facts is None or facts.ended is None:
        return None
    if failure.kind == "local.timeout":
        return Sign(
            evidence=(str(failure),), says=str(failure), state=State.UNKNOWN, at_most=Certainty.POSSIBLE
        )
    traffic = facts.ended.traffic
    nothing = "not a byte of an answer came" if not traffic.bytes_received else ""
    waited = facts.ended.at - facts.phases[-1].at if facts.phases else 0.0
    ended = failure.kind == "http.closed"
    asked = f"the question of {traffic.bytes_sent} bytes fits into one packet"
    return Sign(
        evidence=(f"{nothing} in {waited:.0f} s" if nothing and not ended else nothing or str(failure),),
        says="the server ended the connection instead of answering" if ended else "",
        excluded=ruled_out(
            {
                "http.error-seen-as-timeout": nothing,
                "host.event-loop-blocked": on_time(case),
                "load.accept-backlog": "one connection was made at a time, and it came about",
                "tcp.timeout": "the connection came about",
                "tcp.mtu-blackhole": asked if 0 < traffic.bytes_sent < ONE_PACKET else "",
                "http.ban-disguised": calm(case),
            }
        ),
    )


@book.of("http.handshake-invalid")
def altered(case: Case) -> Sign | None:
    if told_as(case) != "http.handshake-invalid" or case.failure is None or case.looks is None:
        return None
    answer, direct = case.failure.seen.answer, case.looks.direct
    passes = (
        "past the proxy, the same server's handshake is right" if direct and direct.facts.upgraded else ""
    )
    grants = answer is not None and (
        answer.header("sec-websocket-extensions") or answer.header("sec-websocket-protocol")
    )
    what = "it takes what was not offered" if grants else "its key does not match"
    secure = case.looks.first.endpoint.address.secure
    return Sign(
        evidence=(f"a 101 came, and {what}" if answer else str(case.failure), *((passes,) if passes else ())),
        excluded=ruled_out(
            {
                "http.no-upgrade": "Upgrade and Connection are as they should be" if answer else "",
                "tls.interception": "" if secure else "there is no TLS that could be intercepted",
                "session.protocol-error": "the handshake itself is wrong, not what follows on it",
                "http.not-http": "the head of an HTTP answer was read" if answer else "",
            }
        ),
        at_most=Certainty.LIKELY if passes else Certainty.POSSIBLE,
    )


@book.of("http.not-http")
def not_http(case: Case) -> Sign | None:
    if told_as(case) != "http.not-http" or case.failure is None or certificate_in(case) is not None:
        return None
    first = case.failure.seen.first_bytes
    begins = f"what came begins with {_as_text(first)}" if first else ""
    spoken = next((name for begin, name in _PROTOCOLS.items() if first.startswith(begin)), "")
    ended = case.failure.kind == "http.closed"
    known = f"{spoken[0].upper()}{spoken[1:]} begins so" if spoken else ""
    no_tls = "those bytes are no TLS" if first else ""
    return Sign(
        evidence=(begins or ("the connection ended without an answer" if ended else str(case.failure)),)
        + ((known,) if known else ()),
        says="the connection ended before an answer came"
        if ended
        else "what answers on that port breaks the rules of HTTP"
        if first.startswith("HTTP/")
        else "",
        excluded=ruled_out(
            {
                "tls.tls-on-plain": no_tls,
                "tls.alpn-h2": "those bytes are no frame of HTTP/2" if first else "",
                "tls.client-cert-required": no_tls,
                "http.error-seen-as-timeout": "no head of an answer came",
                "tcp.proxy-refused": no_proxy(case),
            }
        ),
        at_most=Certainty.CERTAIN
        if known
        else Certainty.LIKELY
        if first and not ended
        else Certainty.POSSIBLE,
    )


def _as_text(first: str) -> str:
    """As words if it is some, else the numbers of its bytes."""
    words = first.strip()
    if words.isascii() and words.isprintable():
        return f"“{words[:SHOWN]}”"
    return "the bytes " + first[:_BYTES_SHOWN].encode("latin-1", "replace").hex(" ")


_BYTES_SHOWN = 16
