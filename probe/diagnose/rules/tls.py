"""The TLS handshake."""

from datetime import UTC, datetime

from probe.diagnose.case import (
    OFFERING_H2,
    OTHER_NAME,
    SMALL,
    TLS_1_2,
    TLS_1_3,
    USUAL,
    Case,
)
from probe.diagnose.handshaking import (
    certificate_in,
    failure_in,
    has_two_clocks,
    kind_of,
    named,
    neutral_passed,
    no_portal,
    not_intercepted,
    passing_version,
    right_address,
    same_issuer,
    seen_in,
    speaks_plainly,
    valid_by_others,
    valid_here,
)
from probe.diagnose.rule import RuleBook
from probe.diagnose.rules.ways import small_packets_pass
from probe.model.failures import Failure
from probe.model.findings import Certainty, Sign, State

book = RuleBook()

DAY = 86_400.0
SHOWN = 60  # signs of a name that is the server's own word


def _named(case: Case) -> str | None:
    """What depends on the size of packets is no matter of TLS."""
    return None if small_packets_pass(case) else named(case)


# -- whose certificate it is -------------------------------------------------------------------------------------------


@book.of("tls.unknown-ca")
def unknown_ca(case: Case) -> Sign | None:
    if _named(case) != "tls.unknown-ca":
        return None
    shown = certificate_in(case)
    evidence = ["verification fails: no trusted authority vouches for the certificate"]
    if shown is not None and shown.issuer == shown.subject:
        evidence.append(f"it vouches for itself: {_short(shown.subject)}")
    elif shown is not None:
        evidence.append(f"its issuer is {_short(shown.issuer)}")
    failing = [each for each in case.controls if kind_of(each.handshake) == "tls.unknown-ca"]
    if failing:
        evidence.append(f"the same at {', '.join(each.host for each in failing)}: the bundle may be missing")
    judged_first = "the authority itself is not trusted, which is judged before name and dates"
    return Sign(
        evidence=tuple(evidence),
        excluded={
            "tls.hostname": judged_first,
            "tls.clock-skew": judged_first,
            **not_intercepted(case, shown),
            **no_portal(case),
        },
        at_most=Certainty.LIKELY if failing else Certainty.CERTAIN,
    )


@book.of("tls.interception")
def interception(case: Case) -> Sign | None:
    if _named(case) != "tls.interception":
        return None
    shown, hosts = certificate_in(case), same_issuer(case)
    issuer = _short(shown.issuer) if shown else ""
    return Sign(
        evidence=(
            f"the certificate is issued by {issuer}, which is no public authority that is trusted here",
            f"unrelated hosts show the same issuer: {', '.join(hosts)}",
        ),
        excluded={
            "tls.unknown-ca": f"not one host only: {hosts[0]} shows this issuer too",
            "tls.not-verified": "this handshake was verified, and failed",
            **no_portal(case),
            **right_address(case),
        },
    )


@book.of("tls.clock-skew")
def clock_skew(case: Case) -> Sign | None:
    if _named(case) != "tls.clock-skew":
        return None
    failure, valid = failure_in(case), valid_by_others(case)
    is_early = failure is not None and failure.kind == "tls.not-yet-valid"
    judged = "the certificate is not valid yet" if is_early else "the certificate has expired"
    excluded = {**not_intercepted(case, certificate_in(case))}
    if valid:
        excluded["tls.server-cert-expired"] = "at the time of other clocks the certificate is valid"
    elif is_early:
        excluded["tls.server-cert-expired"] = "the certificate is too young, not too old"
    return Sign(
        evidence=(f"by this machine's clock {judged}", *_dates(case), *_clocks(case)),
        excluded=excluded,
        at_most=Certainty.CERTAIN if valid and has_two_clocks(case) else Certainty.LIKELY,
    )


@book.of("tls.server-cert-expired")
def server_cert_expired(case: Case) -> Sign | None:
    if _named(case) != "tls.server-cert-expired":
        return None
    excluded = {**not_intercepted(case, certificate_in(case)), **right_address(case)}
    above = valid_here(case)
    if valid_by_others(case) is False and not above:
        excluded["tls.clock-skew"] = "by other clocks it has expired as well"
    which = "one of the certificates above the server's own" if above else "the certificate"
    return Sign(
        evidence=(f"verification fails: {which} has expired", *_dates(case), *_clocks(case)),
        excluded=excluded,
        says=f"{which} has expired" if above else "",
        advice=_ABOVE if above else (),
        at_most=Certainty.CERTAIN if has_two_clocks(case) and not above else Certainty.LIKELY,
    )


_ABOVE = (
    "Update this machine's list of authorities (the package ca-certificates or certifi): an old one may hold the expired certificate.",
    "Tell the server's owner if it is up to date: the chain that the server sends is at fault.",
)


@book.of("tls.hostname")
def hostname(case: Case) -> Sign | None:
    if _named(case) != "tls.hostname":
        return None
    usual, shown = case.handshake(USUAL), certificate_in(case)
    sent = usual.server_name if usual else ""
    excluded = {**no_portal(case), **right_address(case)}
    if kind_of(usual) == "tls.alert":
        return Sign(
            evidence=(f"the server does not know the name {sent}: alert 112 (unrecognized name)",),
            excluded={**excluded, "tls.sni-missing": f"the server name {sent} was sent"},
            says="the server at this address does not know that name",
            at_most=Certainty.LIKELY,
        )
    evidence = ["the certificate is issued by a trusted authority, and for another name"]
    if shown is not None:
        evidence.append(f"it is for {_short(', '.join(shown.names) or shown.subject)}")
    excluded["tls.interception"] = "its issuer is trusted, and only the name is wrong"
    if sent:
        excluded["tls.sni-missing"] = f"the server name {sent} was sent"
    return Sign(evidence=tuple(evidence), excluded=excluded)


# -- which name, which version -----------------------------------------------------------------------------------------


@book.of("tls.sni-missing")
def sni_missing(case: Case) -> Sign | None:
    if _named(case) != "tls.sni-missing":
        return None
    usual, other = case.handshake(USUAL), case.handshake(OTHER_NAME)
    evidence = ["no server name was sent, as none is for an address", _words(failure_in(case))]
    excluded = {"http.host-vs-sni": "no name was sent that Host could differ from"}
    if usual is not None:
        excluded["tls.hostname"] = "no name was sent, and no certificate came"
        excluded["tls.sni-blocked"] = "there was no name to cut it off for"
    passes = other is not None and other.failure is None
    if passes:
        evidence.append("with a server name the same address completes a handshake")
    return Sign(
        evidence=tuple(evidence),
        excluded=excluded,
        at_most=Certainty.CERTAIN if passes else Certainty.LIKELY,
    )


@book.of("tls.sni-blocked")
def sni_blocked(case: Case) -> Sign | None:
    if _named(case) != "tls.sni-blocked":
        return None
    neutral = (
        f"with a neutral name of the same size the same address answers, {neutral_passed(case)} times in turn"
    )
    usual = case.handshake(USUAL)
    return Sign(
        evidence=(
            f"the first message with the name {usual.server_name if usual else ''} is cut off",
            neutral,
        ),
        excluded=dict.fromkeys(
            ("tcp.mtu-blackhole", "tls.eof-in-handshake", "tcp.reset-in-path"), "it is the name that decides"
        )
        | {"tls.sni-missing": "the name was sent"},
        at_most=Certainty.LIKELY if neutral_passed(case) > 1 else Certainty.POSSIBLE,
    )


@book.of("tls.version")
def version(case: Case) -> Sign | None:
    if _named(case) != "tls.version":
        return None
    failure, passing = failure_in(case), passing_version(case)
    kind = failure.kind if failure is not None else ""
    evidence, excluded = [_words(failure)], dict[str, str]()
    if passing:
        by_version = f"a handshake with {passing} passes"
        evidence.append(f"{by_version}, and no other")
        excluded = dict.fromkeys((*_NO_ANSWER, "tls.client-cert-required"), by_version)
    elif case.handshake(TLS_1_2) is not None:
        evidence.append("neither TLS 1.2 alone nor TLS 1.3 alone passes")
    if kind in ("tls.version", "tls.alert"):
        excluded |= dict.fromkeys(_NO_ANSWER, "TLS itself said no")
    if kind == "tls.version":
        excluded["tls.client-cert-required"] = "it is the version that was refused"
    said_so = kind in ("tls.version", "tls.alert")
    return Sign(
        evidence=tuple(evidence),
        excluded=excluded,
        says=f"only {passing} gets through, and a client that offers another version is cut off"
        if passing and not said_so
        else "",
        # Whoever hangs up without a word may mind something else of the newer version's.
        at_most=Certainty.CERTAIN if passing and said_so else Certainty.LIKELY,
    )


_NO_ANSWER = ("tls.eof-in-handshake", "tls.plain-on-tls", "tcp.reset-in-path")


# -- no TLS, or not the one that was meant -----------------------------------------------------------------------------


@book.of("tls.plain-on-tls")
def plain_on_tls(case: Case) -> Sign | None:
    if _named(case) != "tls.plain-on-tls":
        return None
    usual = case.handshake(USUAL)
    first = usual.first_bytes if usual else ""
    if not first.startswith("HTTP/"):
        return Sign(
            evidence=("what answered the first TLS message is no TLS", *_bytes(first)),
            says="the port does not speak TLS",
            excluded={"tls.version": "the answer is no TLS, so no alert either"},
            at_most=Certainty.LIKELY,
        )
    return Sign(
        evidence=("the answer to the first TLS message begins with HTTP/", *_bytes(first)),
        excluded={
            "tls.version": "the answer is HTTP and no TLS alert",
            "http.not-http": "the answer is HTTP",
            **no_portal(case),
        },
    )


@book.of("tls.tls-on-plain")
def tls_on_plain(case: Case) -> Sign | None:
    if _named(case) != "tls.tls-on-plain":
        return None
    seen = seen_in(case)
    if seen.first_bytes:
        what = "the answer to plain HTTP is a TLS alert"
    elif certificate_in(case) is not None:
        what = "the same port completes a TLS handshake"
    else:
        what = "what answers says itself that it wants TLS"
    if not speaks_plainly(case):
        return Sign(
            evidence=(
                what,
                *_bytes(seen.first_bytes),
                "this side spoke TLS, and its certificate was verified",
            ),
            excluded={"http.not-http": what},
            says="something between the server's edge and the server sends plain HTTP to a port of TLS",
            advice=(
                "Try another region.",
                "Tell the server's owner, or mend it if it is a proxy of your own: nothing on this side helps.",
            ),
            at_most=Certainty.LIKELY,
        )
    plain = "the URL begins with ws:// or http://, so this side spoke no TLS"
    return Sign(
        evidence=(what, *_bytes(seen.first_bytes), plain),
        excluded={
            "http.not-http": what,
            "tls.plain-on-tls": plain,
            "tls.client-cert-required": plain,
        },
    )


@book.of("tls.alpn-h2")
def alpn_h2(case: Case) -> Sign | None:
    if _named(case) != "tls.alpn-h2":
        return None
    first, offering = seen_in(case).first_bytes, case.handshake(OFFERING_H2)
    if first:
        what = "the answer to an HTTP/1.1 request is an HTTP/2 settings frame"
        excluded = dict.fromkeys(("http.no-upgrade", "http.not-http", "http.handshake-invalid"), what)
        return Sign(evidence=(what, *_bytes(first)), excluded=excluded)
    evidence = ["the server refuses HTTP/1.1 within TLS: alert 120 (no application protocol)"]
    before = "it failed before any HTTP"
    agreed = offering is not None and offering.tls is not None and offering.tls.alpn == "h2"
    if agreed:
        evidence.append("offered HTTP/2 as well, it agrees on h2")
    return Sign(
        evidence=tuple(evidence),
        excluded=dict.fromkeys(("http.no-upgrade", "http.not-http", "http.handshake-invalid"), before),
        at_most=Certainty.CERTAIN if agreed else Certainty.LIKELY,
    )


@book.of("tls.eof-in-handshake")
def eof_in_handshake(case: Case) -> Sign | None:
    if _named(case) != "tls.eof-in-handshake":
        return None
    failure = failure_in(case)
    hangs = failure is not None and failure.kind == "tls.timeout"
    again = [each for each in case.handshakes if each.how == USUAL][1:]
    evidence = [
        "no answer came to the first TLS message in time"
        if hangs
        else "the connection ended without a TLS alert"
    ]
    evidence += [f"a second attempt {'passed' if each.failure is None else 'went alike'}" for each in again]
    excluded = {}
    if not hangs and failure is not None:
        excluded["tcp.mtu-blackhole"] = "it ended, and did not hang"
    elif kind_of(case.handshake(SMALL)):
        excluded["tcp.mtu-blackhole"] = "it hangs in small packets too"
    if kind_of(case.handshake(TLS_1_2)) and kind_of(case.handshake(TLS_1_3)):
        excluded["tls.version"] = "neither TLS 1.2 nor TLS 1.3 alone passes"
    if kind_of(case.handshake(OTHER_NAME)):
        excluded["tls.sni-blocked"] = "a neutral name is ended alike"
    if case.handshake(USUAL) is not None:
        excluded["http.cf-52x"] = "TLS itself does not come about"
    return Sign(
        evidence=tuple(evidence),
        excluded=excluded,
        says="the connection takes the first TLS message and never answers it" if hangs else "",
        at_most=Certainty.POSSIBLE,
    )


@book.of("tls.client-cert-required")
def client_cert_required(case: Case) -> Sign | None:
    if _named(case) != "tls.client-cert-required":
        return None
    usual, failure = case.handshake(USUAL), failure_in(case)
    if failure is not None and failure.kind == "tls.client-cert-required":
        refusal = "the server ended it with alert 116 (certificate required)"
        return Sign(
            evidence=(refusal,),
            excluded=dict.fromkeys(("tls.eof-in-handshake", "http.not-http", "http.401"), refusal),
        )
    asked = "the server asked for a certificate in the handshake, which then failed"
    return Sign(
        evidence=(asked, _words(failure)),
        excluded=dict.fromkeys(("tls.eof-in-handshake", "http.not-http", "http.401"), asked) if usual else {},
        at_most=Certainty.LIKELY,
    )


@book.of("tls.not-verified")
def not_verified(case: Case) -> Sign | None:
    withheld = case.looks.first.asked.withheld if case.looks else None
    if withheld is not None and case.looks is not None:
        dialled = case.looks.first.facts.dialled
        unjudged = "no certificate failed: the credential was withheld by a rule of this program"
        return Sign(
            evidence=(f"the credential was not sent: {withheld.reason}",),
            excluded=dict.fromkeys(("tls.interception", "tls.unknown-ca", "tls.hostname"), unjudged)
            if dialled is not None
            else {},
            says=f"the credential was not sent: {withheld.reason}",
            advice=(withheld.next_step,),
            state=State.UNKNOWN,
        )
    if _named(case) != "tls.not-verified":
        return None
    failure, shown = failure_in(case), certificate_in(case)
    if failure is not None and failure.kind == "tls.not-yet-valid" and not valid_here(case):
        words = "the certificate is not valid yet, and this machine's clock is right"
        evidence = (words, *_dates(case), *_clocks(case))
    else:
        words, evidence = "", (_words(failure),)
    other = "verification failed for another reason"
    return Sign(
        evidence=evidence,
        excluded={"tls.unknown-ca": other, "tls.hostname": other, **not_intercepted(case, shown)},
        says=words or "the server's certificate cannot be verified",
        at_most=Certainty.LIKELY,
    )


# -- words -------------------------------------------------------------------------------------------------------------


def _dates(case: Case) -> tuple[str, ...]:
    shown = certificate_in(case)
    if shown is None or shown.not_before is None or shown.not_after is None:
        return ()
    return (f"it is valid from {_day(shown.not_before)} to {_day(shown.not_after)}",)


def _clocks(case: Case) -> tuple[str, ...]:
    return tuple(
        f"this machine's clock differs from that of {clock.source} by {_span(clock.offset_seconds)}"
        for clock in case.clocks
    )


def _day(utc: float) -> str:
    return f"{datetime.fromtimestamp(utc, UTC):%Y-%m-%d %H:%M} UTC"


def _span(seconds: float) -> str:
    return f"{seconds / DAY:+.1f} days" if abs(seconds) >= DAY / 2 else f"{seconds:+.1f} s"


def _words(failure: Failure | None) -> str:
    if failure is None:
        return ""
    name = failure.seen.error
    return f"{failure.facts.says} ({name})" if name else failure.facts.says


def _bytes(first: str) -> tuple[str, ...]:
    return (f"its first bytes are {first[:16].encode('latin-1', 'replace').hex(' ')}",) if first else ()


def _short(text: str) -> str:
    return "".join(sign if sign.isprintable() else "?" for sign in text[:SHOWN])
