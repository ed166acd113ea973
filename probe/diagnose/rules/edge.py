"""What refuses: the edge before a server, and the server itself."""

import re
from collections.abc import Callable, Mapping

from probe.catalogue import entries
from probe.diagnose.answers import (
    edge_code,
    engine_code,
    is_before_login,
    is_block_page,
    is_edges,
    is_polled,
    none_open,
    told_as,
)
from probe.diagnose.case import Case
from probe.diagnose.rule import RuleBook
from probe.model.failures import Answer
from probe.model.findings import Certainty, Sign
from probe.session.refusal import title_of

book = RuleBook()

OfAnswer = Callable[[Case, Answer], Sign | None]

ONE_PACKET = 1200  # bytes that fit into one on any way
ON_TIME = 0.5  # seconds by which our own loop may be late without having missed an answer
SHOWN = 60  # characters of what it says
_TELLING = ("server", "cf-ray", "via", "www-authenticate", "retry-after", "location")
COUNTRY_PAGE = re.compile(r"block|country|region|geo|restrict|unavailable", re.IGNORECASE)


def ruled_out(observed: Mapping[str, str]) -> dict[str, str]:
    """Only what was really seen rules something out."""
    return {code: words for code, words in observed.items() if words}


def on_time(case: Case) -> str:
    """That our own loop did not sleep over an answer."""
    lag = case.host.loop_lag_seconds if case.host is not None else ON_TIME
    return f"this machine's own loop was late by {lag * 1000:.0f} ms at most" if lag < ON_TIME else ""


def on_answer(rules: RuleBook, code: str) -> Callable[[OfAnswer], OfAnswer]:
    """For a rule about an answer. Where none was kept, the failure's own words are all there is to say, unless what answers
    showed before is told from it."""

    def noted(function: OfAnswer) -> OfAnswer:
        @rules.of(code)
        def rule(case: Case) -> Sign | None:
            failure = case.failure
            if failure is None or told_as(case) != code:
                return None
            if failure.seen.answer is not None:
                return function(case, failure.seen.answer)
            is_told_apart = not entries()[code].look_alikes.keys().isdisjoint(case.shown.troubles)
            return None if is_told_apart else Sign(evidence=(str(failure),), at_most=Certainty.LIKELY)

        return function

    return noted


def seen_in(answer: Answer) -> tuple[str, ...]:
    said = [f"the answer was HTTP {answer.status}"]
    said += [f"{name}: {value}" for name in _TELLING if (value := answer.header(name))]
    code, engine = edge_code(answer), engine_code(answer)
    if code is not None:
        said.append(f"Cloudflare's page says error {code}")
    if engine is not None:
        said.append(f"its body is Engine.IO's error number {engine}")
    if title := title_of(answer.body.encode())[:SHOWN]:
        said.append(f"its page is titled “{title}”")
    return tuple(said)


def no_proxy(case: Case) -> str:
    return "no proxy is set" if case.looks and not case.looks.first.proxy else ""


def is_secure(case: Case) -> bool:
    return case.looks is not None and case.looks.first.endpoint.address.secure


def _no_proxys_word(case: Case, answer: Answer) -> str:
    """That no proxy on our side can have said it."""
    if answer.status == 407:
        return ""
    if is_secure(case):
        return "it came through TLS, into which a proxy cannot speak"
    return "" if answer.header("via") else no_proxy(case)


def no_login_yet(case: Case) -> str:
    return "it came before any login was sent" if is_before_login(case) else ""


def no_challenge(answer: Answer) -> str:
    return f"the answer (HTTP {answer.status}) has no mark of a challenge"


# -- the edge ----------------------------------------------------------------------------------------------------------


@on_answer(book, "http.cf-challenge")
def challenge(case: Case, answer: Answer) -> Sign | None:
    by_word = answer.header("cf-mitigated") == "challenge"
    how = "the header cf-mitigated says so" if by_word else "its page is one, by title or script"
    return Sign(
        evidence=(*seen_in(answer), f"it is a challenge for browsers: {how}"),
        excluded=ruled_out(
            {
                "http.cf-ip-reputation": ""
                if is_block_page(answer)
                else "it asks for a browser, and does not block",
                "http.403-origin": "the server behind the site's protection was not asked",
                "http.origin-or-ua": "the server behind the site's protection was not asked",
                "auth.session-expired": no_login_yet(case),
            }
        ),
        at_most=Certainty.CERTAIN
        if by_word
        else Certainty.LIKELY
        if is_edges(answer)
        else Certainty.POSSIBLE,
    )


@on_answer(book, "http.cf-ip-reputation")
def reputation(_: Case, answer: Answer) -> Sign | None:
    code = edge_code(answer)
    known = f"the page's code is {code}" if code else ""
    return Sign(
        evidence=seen_in(answer),
        says=f"the site's protection blocks {_WHOM.get(code or 0, 'this address or client')}",
        excluded=ruled_out(
            {
                "http.cf-challenge": no_challenge(answer),
                "http.429": known or ("" if answer.status == 429 else f"the status is {answer.status}"),
                "http.host-vs-sni": known,
                "geo.blocked": known,
                "http.403-origin": "the page is Cloudflare's",
            }
        ),
    )


_WHOM = {
    1005: "this network (code 1005)",
    1006: "this address (code 1006)",
    1007: "this address (code 1007)",
    1008: "this address (code 1008)",
    1106: "this address (code 1106)",
    1010: "this kind of client (code 1010)",
    1020: "what one of its rules describes (code 1020)",
}


@on_answer(book, "http.host-vs-sni")
def host_against_server_name(case: Case, answer: Answer) -> Sign | None:
    code = edge_code(answer)
    return Sign(
        evidence=seen_in(answer),
        excluded=ruled_out(
            {
                "http.origin-or-ua": f"code {code} is about the Host header",
                "tls.sni-missing": "code 1013 compares it with a server name that was sent"
                if code == 1013
                else "",
                "http.cf-ip-reputation": f"the page's code is {code}",
                "tls.hostname": "the certificate was accepted" if is_secure(case) else "there is no TLS here",
            }
        ),
    )


# -- refused -----------------------------------------------------------------------------------------------------------


@on_answer(book, "http.origin-or-ua")
def origin_or_agent(_: Case, answer: Answer) -> Sign | None:
    """Only by the server's own word: trying other headers is for one's own servers."""
    return Sign(
        evidence=(*seen_in(answer), "its body speaks of the client's headers"),
        excluded={
            "http.cf-challenge": no_challenge(answer),
            "http.cf-ip-reputation": "it is no page of Cloudflare's with a code",
            "auth.ua-bound": "it came before any login was sent",
        },
        at_most=Certainty.POSSIBLE,
    )


_SITE_LOGINS = ("basic", "digest")
_CLOSED_SITE = (
    "Check the host: a site that is closed or under test answers so, and the one that traders use does not.",
    "If the host is right, ask whoever runs it for access.",
    "Keep your SSID: a new one will not help.",
)


@on_answer(book, "http.401")
def login_wanted(case: Case, answer: Answer) -> Sign | None:
    wanted = answer.header("www-authenticate").partition(" ")[0]
    of_the_site = wanted.lower() in _SITE_LOGINS
    return Sign(
        evidence=seen_in(answer),
        says=f"the site asks for a user name and a password of its own ({wanted}), which are not the trading account's"
        if of_the_site
        else "the server wants another login before it answers"
        if is_polled(case)
        else "",
        advice=_CLOSED_SITE if of_the_site else (),
        excluded=ruled_out(
            {
                "tcp.proxy-auth": "the status is 401, and a proxy's would be 407",
                "http.403-origin": "the status is 401, and not 403",
                "session.close-code-misleading": "the status itself was read",
            }
        ),
    )


@on_answer(book, "http.403-origin")
def refused(case: Case, answer: Answer) -> Sign | None:
    via = answer.header("via")
    who = "the server itself"
    if answer.status == 407:
        who = "a proxy on the way wants a login of its own, and"
    elif via and not is_secure(case):
        who = f"the server, or a proxy before it ({via}),"
    elif is_edges(answer) and not answer.body.strip():
        who = "the server, or the site's protection before it,"
    return Sign(
        evidence=seen_in(answer),
        says=f"{who} refuses the request (HTTP {answer.status})",
        advice=("Ask whoever runs this network for its proxy and a login to it, and set them.",)
        if answer.status == 407
        else (),
        excluded=ruled_out(
            {
                "http.cf-challenge": no_challenge(answer),
                "http.cf-ip-reputation": _no_block(answer),
                "auth.bad-credentials": no_login_yet(case),
                "geo.blocked": "its body names no country or region"
                if answer.body.strip() and not COUNTRY_PAGE.search(answer.body)
                else "",
                "tcp.proxy-auth": _no_proxys_word(case, answer),
                "auth.connection-cap": none_open(case),
            }
        ),
    )


def _no_block(answer: Answer) -> str:
    if not is_edges(answer):
        return "it does not come from Cloudflare"
    return "the page is none of Cloudflare's own" if answer.body.strip() and edge_code(answer) is None else ""
