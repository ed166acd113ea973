"""What an answer in place of the one that was asked for means, where staging does not reach."""

from dataclasses import replace

import pytest

from probe.catalogue import entries
from probe.diagnose.answers import calm, hammering, told_as
from probe.diagnose.case import USUAL, Case, Control, Handshake, Look, Looks, Past, Try
from probe.diagnose.diagnose import Verdict, diagnose
from probe.diagnose.facts import Facts
from probe.diagnose.rules import away, edge, engine, upgrade
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, PhaseFinished, TlsFacts, Traffic
from probe.model.failures import KINDS, Answer, Failure, Seen
from probe.model.findings import Certainty

RULES = {**edge.book, **away.book, **upgrade.book, **engine.book}
EDGE = (("server", "cloudflare"),)
WS, HTTP = "ws://sim.test/socket.io/?EIO=4&transport=websocket", "http://gateway.test:8000"


def looked(failure: Failure, url: str = WS, phase: Phase = Phase.UPGRADING, past: Past | None = None) -> Case:
    facts = Facts()
    facts.add(Ended(at=1.0, phase=phase, failure=failure, traffic=Traffic()))
    endpoint = Endpoint(broker="any", region="one", url=url, account=Account.DEMO)
    return Case(
        looks=Looks(first=Look(endpoint=endpoint, facts=facts, asked=Asked(login=True, symbol=None))),
        past=past,
    )


def answered(answer: Answer, url: str = WS, past: Past | None = None) -> Case:
    return looked(Failure(kind="http.other-status", seen=Seen(answer=answer)), url, past=past)


def verdict(case: Case) -> Verdict:
    return diagnose(case, RULES).verdicts[0]


@pytest.mark.parametrize(
    "status", [400, 401, 403, 404, 405, 418, 422, 426, 429, 500, 501, 503, 520, 302, 200]
)
def test_of_what_is_polled_nobody_says_that_it_is_a_websocket(status: int) -> None:
    said = verdict(answered(Answer(status=status, body='{"detail":"no"}'), HTTP))
    words = " ".join((said.says, *said.evidence, *said.excluded.values()))
    assert "WebSocket" not in words
    assert "upgrade" not in words.lower()


@pytest.mark.parametrize("status", [200, 204, 301, 308, 400, 402, 405, 410, 451, 500, 511, 527, 599])
@pytest.mark.parametrize("url", [WS, HTTP])
def test_every_answer_is_one_failure_of_the_catalogue(status: int, url: str) -> None:
    assert told_as(answered(Answer(status=status), url)) in entries()


@pytest.mark.parametrize(
    ("page", "code"),
    [
        ("error code: 1009", "geo.blocked"),
        ('<span class="cf-error-code">1010</span>', "http.cf-ip-reputation"),
        ("<h2>Error 1003</h2>... by Cloudflare", "http.host-vs-sni"),
        (
            "<title>Access denied | one.test used Cloudflare to restrict access</title>"
            "<h1><span>Error</span> <span>1020</span></h1>",
            "http.cf-ip-reputation",
        ),
        ("error code: 1015", "http.429"),
        ('<h1>Error 1006</h1><script src="https://cdnjs.cloudflare.com/x.js">', "http.403-origin"),
        ("error code: 1016", "http.403-origin"),
        ("order 1020 is not yours", "http.403-origin"),
    ],
)
def test_the_number_on_the_edges_page_says_what_it_is(page: str, code: str) -> None:
    assert told_as(answered(Answer(status=403, headers=EDGE, body=page))) == code


@pytest.mark.parametrize("headers", [(), EDGE])
@pytest.mark.parametrize(
    "body", ['{"error_code":1020}', '{"error":1009}', "<h1>Error 1006: sign in first</h1>"]
)
def test_the_same_number_in_an_applications_own_words_says_nothing(
    headers: tuple[tuple[str, str], ...], body: str
) -> None:
    assert told_as(answered(Answer(status=403, headers=headers, body=body))) == "http.403-origin"


@pytest.mark.parametrize("status", [200, 403, 429, 503])
@pytest.mark.parametrize(
    ("headers", "page", "code"),
    [
        (EDGE, "<title>Just a moment...</title>", "http.cf-challenge"),
        ((("cf-mitigated", "challenge"),), "", "http.cf-challenge"),
        (EDGE, '<script src="/cdn-cgi/challenge-platform/h/b/orchestrate/x">', "http.cf-challenge"),
        (EDGE, "<h1>Sorry, you have been blocked</h1>", "http.cf-ip-reputation"),
        # neither a page of maintenance nor a script that Cloudflare puts into ordinary pages
        ((), "<title>Just a moment, we are back soon</title>", None),
        (EDGE, '<html><script src="/cdn-cgi/challenge-platform/scripts/jsd/main.js">', None),
        (EDGE, "", None),
    ],
)
def test_a_challenge_or_a_block_is_known_whatever_its_status(
    status: int, headers: tuple[tuple[str, str], ...], page: str, code: str | None
) -> None:
    by_status = {200: "http.200-not-101", 403: "http.403-origin", 429: "http.429", 503: "http.bad-gateway"}
    assert told_as(answered(Answer(status=status, headers=headers, body=page))) == (code or by_status[status])


@pytest.mark.parametrize(
    ("answer", "own", "past", "code"),
    [
        (Answer(status=403), 2, None, "auth.connection-cap"),
        (Answer(status=403), 1, None, "http.403-origin"),
        (Answer(status=403), None, None, "http.403-origin"),
        (Answer(status=403, headers=EDGE), 2, None, "http.403-origin"),
        (Answer(status=403, headers=(("via", "1.1 squid"),)), 2, None, "http.403-origin"),
        (Answer(status=403, body="no"), 2, None, "http.403-origin"),
        (Answer(status=403), 2, "burst", "http.403-origin"),
        (Answer(status=429), 2, None, "http.429"),
        (Answer(status=429), 2, "burst", "http.429"),
        (Answer(status=429), 2, "few", "auth.connection-cap"),
        (Answer(status=503), 2, None, "http.bad-gateway"),
        (Answer(status=500), 5, None, "http.bad-gateway"),
    ],
)
def test_other_connections_make_a_cap_only_of_a_bare_refusal(
    answer: Answer, own: int | None, past: str | None, code: str
) -> None:
    kept = {None: None, "burst": tries(*range(100, 112)), "few": tries(300.0)}[past]
    assert told_as(replace(answered(answer, past=kept), own_connections=own)) == code


@pytest.mark.parametrize(("own", "remains"), [(None, True), (0, False), (1, False), (2, True)])
@pytest.mark.parametrize("status", [403, 503])
def test_a_cap_remains_unless_there_was_no_other_connection(
    status: int, own: int | None, remains: bool
) -> None:
    case = replace(answered(Answer(status=status, body="no")), own_connections=own)
    assert ("auth.connection-cap" in verdict(case).remaining) is remains


@pytest.mark.parametrize(
    "body", ['{"code":1}', "[1]", '{"code":"1","message":""}', '{"code":99,"message":""}', "{" * 5000]
)
def test_what_only_resembles_an_engine_ios_complaint_is_none(body: str) -> None:
    assert told_as(answered(Answer(status=400, body=body))) == "http.no-upgrade"


def test_a_redirect_to_a_login_page_may_be_an_expired_session() -> None:
    said = verdict(answered(Answer(status=302, headers=(("location", "/en/sign-in"),))))
    assert "auth.session-expired" in said.remaining


@pytest.mark.parametrize(
    ("control", "is_ruled_out"),
    [
        (Control(host="control.test", port=80, status=200), False),
        (Control(host="control.test", port=80, status=204), True),
        (
            Control(host="control.test", port=443, status=200, handshake=Handshake(how=USUAL, seconds=0.1)),
            True,
        ),
        (Control(host="control.test", port=80), False),
    ],
)
def test_only_a_control_that_answers_in_its_own_way_rules_a_portal_out(
    control: Control, is_ruled_out: bool
) -> None:
    page = Answer(status=200, headers=(("content-type", "text/html"),), body="<html>Pay for Wi-Fi</html>")
    sign = upgrade.ordinary_page(replace(answered(page), controls=(control,)))
    assert sign is not None
    assert ("tcp.captive-portal" in sign.excluded) is is_ruled_out


def test_a_limit_without_a_time_to_wait_may_be_one_of_connections() -> None:
    assert verdict(answered(Answer(status=429))).remaining.keys() == {"auth.connection-cap"}


def tries(*ago: float, status: int | None = None) -> Past:
    return Past(seconds=7200.0, tries=tuple(Try(ago_seconds=each, status=status) for each in ago))


@pytest.mark.parametrize(
    ("past", "is_known", "is_calm"),
    [
        (None, False, False),
        (tries(), False, False),
        (tries(*range(100, 109)), False, True),
        (tries(*range(100, 110)), True, False),
        (tries(*(each * 60.0 for each in range(20))), False, True),
        (tries(300.0, status=429), True, False),
        (tries(3700.0, status=429), False, True),
        # a race asks one host of several each time
        (Past(seconds=7200.0, tries=(Try(ago_seconds=100.0, purpose="race"),) * 12), False, True),
        # ten minutes say nothing about the hour
        (Past(seconds=600.0, tries=(Try(ago_seconds=60.0),)), False, False),
    ],
)
def test_only_a_burst_or_a_word_of_the_server_makes_a_ban_of_an_outage(
    past: Past | None, is_known: bool, is_calm: bool
) -> None:
    case = answered(Answer(status=503), past=past)
    assert (bool(hammering(case)), bool(calm(case))) == (is_known, is_calm)
    assert told_as(case) == ("http.ban-disguised" if is_known else "http.bad-gateway")


def test_a_burst_of_attempts_may_be_of_an_outage_and_a_429_before_is_not() -> None:
    burst, limited = (
        answered(Answer(status=503), past=each) for each in (tries(*range(100, 112)), tries(9.0, status=429))
    )
    assert "http.bad-gateway" in verdict(burst).remaining
    assert "http.bad-gateway" in verdict(limited).excluded


def test_a_ban_after_a_load_test_may_be_of_our_own_making() -> None:
    past = replace(tries(300.0, status=429), tries=(Try(ago_seconds=300.0, status=429, purpose="load"),))
    assert "load.self-inflicted-ban" in verdict(answered(Answer(status=503), past=past)).remaining


def test_an_end_without_a_byte_is_tls_where_the_port_speaks_it() -> None:
    tls = TlsFacts(
        version="TLSv1.3", cipher="", alpn=None, subject="", issuer="", names=(), not_before=None, not_after=None, fingerprint=""
    )  # fmt: skip
    shaken = replace(
        looked(Failure(kind="http.closed")), handshakes=(Handshake(how=USUAL, seconds=0.1, tls=tls),)
    )
    assert told_as(shaken) == "tls.tls-on-plain"
    assert told_as(looked(Failure(kind="http.closed"), WS.replace("ws:", "wss:"))) == "http.not-http"


def test_an_end_is_no_other_protocol_where_http_was_answered_before() -> None:
    failure = Failure(kind="http.closed")
    before, later = looked(failure, HTTP), looked(failure, HTTP, Phase.LIVE)
    assert later.facts is not None
    later.facts.add(PhaseFinished(at=0.5, phase=Phase.OPENING, began_at=0.0))
    assert (told_as(before), told_as(later)) == ("http.not-http", "http.open-timeout")


def test_time_that_ran_out_is_not_called_silence_of_the_server() -> None:
    said = verdict(looked(Failure(kind="local.timeout", detail="5 s were over")))
    assert (said.code, said.certainty) == ("session.disconnected", Certainty.POSSIBLE)
    assert "5 s were over" in said.says


def test_an_unfinished_page_with_a_status_that_says_why_is_only_worth_knowing() -> None:
    answer = Answer(status=401, headers=(("content-length", "99"),), is_whole=False)
    assert [each.code for each in diagnose(answered(answer), RULES).verdicts] == [
        "http.401",
        "http.error-seen-as-timeout",
    ]
    assert diagnose(answered(answer), RULES).verdicts[1].state.value == "healthy"


def test_a_join_that_is_answered_with_a_goodbye_may_be_a_refused_login() -> None:
    said = verdict(looked(Failure(kind="sio.connect-error", detail="41"), phase=Phase.JOINING))
    assert said.remaining.keys() == {"auth.rejected-41"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind.startswith(("http.", "eio.", "sio."))])
def test_a_failure_of_which_no_answer_was_kept_is_named_too(kind: str) -> None:
    case = looked(Failure(kind=kind, detail="what was seen"))
    assert verdict(case).code == (told_as(case) if kind != "eio.ping-timeout" else "eio.ping-direction")
