from dataclasses import replace

import pytest

from probe.catalogue import entries
from probe.diagnose.case import (
    OTHER_NAME,
    TLS_1_2,
    TLS_1_3,
    UNVERIFIED,
    USUAL,
    Case,
    Clock,
    Control,
    Handshake,
    Look,
    Looks,
)
from probe.diagnose.diagnose import Verdict, diagnose
from probe.diagnose.facts import Facts
from probe.diagnose.rules.tls import SHOWN, book
from probe.diagnose.verdict import Asked
from probe.model.endpoint import Account, Endpoint
from probe.model.events import Ended, Phase, TlsFacts, Traffic
from probe.model.failures import KINDS, Failure, Seen
from probe.model.findings import Certainty

CERTAIN, LIKELY, POSSIBLE = Certainty.CERTAIN, Certainty.LIKELY, Certainty.POSSIBLE
DAY = 86_400.0
NOW = 1_800_000_000.0
SERVER_HELLO, HANDSHAKE_FAILURE, INTERNAL_ERROR = (
    "\x16\x03\x03",
    *(f"\x15\x03\x03\0\x02\x02{chr(number)}" for number in (40, 80)),
)
ELSEWHERE = Endpoint(broker="one", region="there", url="wss://there.example/", account=Account.DEMO)


def certificate(
    issuer: str = "CN=Inspection, O=Corp", begins: float = NOW - DAY, ends: float = NOW + DAY
) -> TlsFacts:
    return TlsFacts(
        version="TLSv1.3",
        cipher="",
        alpn=None,
        subject="CN=there.example",
        issuer=issuer,
        names=("there.example",),
        not_before=begins,
        not_after=ends,
        fingerprint="",
    )


def made(
    how: str, kind: str = "", *, error: str = "", first: str = "", tls: TlsFacts | None = None
) -> Handshake:
    return Handshake(
        how=how,
        seconds=0.1,
        tls=tls,
        failure=Failure(kind=kind, seen=Seen(error=error)) if kind else None,
        first_bytes=first,
        at_utc=NOW,
        server_name="there.example",
    )


def tried(kind: str, *others: Handshake, first: str = "", error: str = "") -> Case:
    return Case(handshakes=(made(USUAL, kind, first=first, error=error), *others))


def shown(kind: str, tls: TlsFacts, *offsets: float) -> Case:
    clocks = tuple(
        Clock(source=f"clock {number}", offset_seconds=offset, uncertainty_seconds=1.0)
        for number, offset in enumerate(offsets)
    )
    return replace(tried(kind, made(UNVERIFIED, tls=tls)), clocks=clocks)


def control(issuer: str, kind: str = "") -> Control:
    handshake = made(USUAL, kind, tls=certificate(issuer))
    return Control(host="control.example", port=443, handshake=handshake, status=200)


def ended(failure: Failure) -> Case:
    """As through a proxy, where only the session itself shakes hands."""
    end = Ended(at=1.0, phase=Phase.SECURING, failure=failure, traffic=Traffic())
    look = Look(endpoint=ELSEWHERE, facts=Facts(ended=end), asked=Asked(login=False, symbol=None))
    return Case(looks=Looks(first=look))


def verdicts(case: Case) -> list[Verdict]:
    return list(diagnose(case, book).verdicts)


EXPIRED, EARLY = (
    certificate(begins=NOW - 3 * DAY, ends=NOW - 2 * DAY),
    certificate(begins=NOW + 2 * DAY, ends=NOW + 3 * DAY),
)
CUT, RESET, PASSES = "tls.eof-in-handshake", "tcp.reset-in-path", ""


@pytest.mark.parametrize(
    ("case", "code", "certainty"),
    [
        pytest.param(shown("tls.server-cert-expired", EXPIRED), "tls.server-cert-expired", POSSIBLE, id="no clock"),
        pytest.param(
            shown("tls.server-cert-expired", EXPIRED, 0.1, -0.1), "tls.server-cert-expired", POSSIBLE, id="clocks agree"
        ),
        pytest.param(
            shown("tls.server-cert-expired", EXPIRED, 0.0, 2.5 * DAY),
            "tls.server-cert-expired", POSSIBLE, id="clocks contradict each other",
        ),
        pytest.param(
            shown("tls.server-cert-expired", EXPIRED, 2.5 * DAY, 2.5 * DAY), "tls.clock-skew", LIKELY, id="ours is ahead"
        ),
        pytest.param(
            replace(
                shown("tls.server-cert-expired", EXPIRED, 2.5 * DAY, 2.5 * DAY), controls=(control("CN=Other"),)
            ),
            "tls.clock-skew", CERTAIN, id="ours is ahead and nothing intercepts",
        ),
        pytest.param(
            replace(shown("tls.server-cert-expired", EXPIRED, 2.5 * DAY), controls=(control("CN=Other"),)),
            "tls.clock-skew", LIKELY, id="one clock says that ours is ahead",
        ),
        pytest.param(shown("tls.not-yet-valid", EARLY, -2.5 * DAY), "tls.clock-skew", LIKELY, id="ours is behind"),
        pytest.param(shown("tls.not-yet-valid", EARLY, 0.0), "tls.not-verified", LIKELY, id="ours is right"),
        pytest.param(
            replace(shown("tls.unknown-ca", certificate()), controls=(control("CN=Inspection, O=Corp", "tls.unknown-ca"),)),
            "tls.interception", LIKELY, id="one issuer everywhere",
        ),
        pytest.param(
            replace(
                shown("tls.unknown-ca", certificate("CN=R11, O=Let's Encrypt")),
                controls=(control("CN=R11, O=Let's Encrypt", "tls.unknown-ca"),),
            ),
            "tls.unknown-ca", LIKELY, id="one public issuer and no bundle",
        ),
        pytest.param(
            replace(shown("tls.unknown-ca", certificate()), controls=(control("CN=Public"),)),
            "tls.unknown-ca", CERTAIN, id="the control is fine",
        ),
        pytest.param(tried("tls.alert", first=HANDSHAKE_FAILURE), "tls.version", LIKELY, id="alert 40"),
        pytest.param(tried("tls.alert", first=INTERNAL_ERROR), "tls.version", LIKELY, id="alert 80"),
        pytest.param(
            tried(RESET, made(TLS_1_2, PASSES, first=SERVER_HELLO), made(TLS_1_3, RESET)),
            "tls.version", LIKELY, id="reset but for one version",
        ),
        pytest.param(
            shown("tls.server-cert-expired", certificate(), 0.1, 0.2),
            "tls.server-cert-expired", POSSIBLE, id="one above it has expired",
        ),
        pytest.param(
            shown("tls.not-yet-valid", certificate(), 0.1, 0.2),
            "tls.not-verified", LIKELY, id="one above it is not valid yet",
        ),
        pytest.param(
            tried(CUT, made(OTHER_NAME, PASSES, first=SERVER_HELLO)), "tls.sni-blocked", POSSIBLE, id="neutral name once"
        ),
        pytest.param(
            tried(CUT, made(TLS_1_2), made(TLS_1_3), made(USUAL)), CUT, POSSIBLE, id="the second time it passes"
        ),
    ],
)  # fmt: skip
def test_the_case_is_named(case: Case, code: str, certainty: Certainty) -> None:
    assert [(each.code, each.certainty) for each in verdicts(case)] == [(code, certainty)]


def test_a_reset_whatever_is_tried_is_not_for_this_layer_to_name() -> None:
    case = tried(RESET, made(OTHER_NAME, RESET), made(TLS_1_2, RESET), made(TLS_1_3, RESET))
    assert verdicts(case) == []


@pytest.mark.parametrize("kind", [kind for kind, facts in KINDS.items() if facts.code.startswith("tls.")])
def test_what_the_session_alone_saw_is_named_once_and_never_for_certain_without_reason(kind: str) -> None:
    said = verdicts(ended(Failure(kind=kind)))
    assert [each.code for each in said] == [KINDS[kind].code]
    assert said[0].certainty is not CERTAIN or kind == "tls.client-cert-required"


@pytest.mark.parametrize("code", ["tls.tls-on-plain", "tls.alpn-h2"])
def test_what_the_first_bytes_gave_away_is_named(code: str) -> None:
    case = ended(Failure(kind="http.not-http", slug=code, seen=Seen(first_bytes="\x15\x03")))
    assert [each.code for each in verdicts(case)] == [code]


@pytest.mark.parametrize(("scheme", "certainty"), [("ws", CERTAIN), ("wss", POSSIBLE)])
def test_plain_http_at_a_port_of_tls_is_ours_only_where_we_speak_it(
    scheme: str, certainty: Certainty
) -> None:
    case = ended(Failure(kind="http.bad-request", slug="tls.tls-on-plain"))
    assert case.looks is not None
    there = replace(ELSEWHERE, url=f"{scheme}://there.example/")
    case = replace(case, looks=Looks(first=replace(case.looks.first, endpoint=there)))
    said = verdicts(case)[0]
    assert (said.code, said.certainty) == ("tls.tls-on-plain", certainty)
    assert ("wss://" in said.advice[0]) is (scheme == "ws")


def test_words_of_a_certificate_are_cut_and_printable() -> None:
    said = verdicts(shown("tls.unknown-ca", certificate("CN=\x1b[31m" + "x" * 500)))[0]
    told = next(each for each in said.evidence if "issuer is" in each)
    assert told == "its issuer is " + ("CN=?[31m" + "x" * 500)[:SHOWN]


def test_every_failure_of_the_layer_has_a_rule() -> None:
    assert set(book) == {code for code in entries() if code.startswith("tls.")}
