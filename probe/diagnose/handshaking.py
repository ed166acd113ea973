"""Which failure of TLS it is, one for one failure, and what handshakes, clocks and controls say of it."""

import ipaddress
from collections.abc import Mapping

from probe.diagnose.case import (
    NO_APPLICATION_PROTOCOL,
    OTHER_NAME,
    TLS_1_2,
    TLS_1_3,
    UNRECOGNIZED_NAME,
    USUAL,
    Case,
    Handshake,
)
from probe.model.events import TlsFacts
from probe.model.failures import NOTHING_SEEN, Failure, Seen

_TLS = ("\x15\x03", "\x16\x03")
# Where a bundle is missing, unrelated hosts may well share one of these.
_PUBLIC = (
    "Amazon",
    "Certainly",
    "Cloudflare",
    "DigiCert",
    "Entrust",
    "GlobalSign",
    "GoDaddy",
    "Google Trust",
    "IdenTrust",
    "Let's Encrypt",
    "Microsoft",
    "SSL Corp",
    "Sectigo",
    "Starfield",
    "ZeroSSL",
)


# -- which of them it is: one, for one failure -------------------------------------------------------------------------


def named(case: Case) -> str | None:
    failure = failure_in(case)
    if failure is None:
        return None
    if failure.slug in ("tls.tls-on-plain", "tls.alpn-h2"):
        return failure.slug
    match failure.kind:
        case "tls.unknown-ca":
            return "tls.interception" if same_issuer(case) else "tls.unknown-ca"
        case "tls.not-yet-valid":
            is_theirs = valid_here(case) or valid_by_others(case) is False
            return "tls.not-verified" if is_theirs else "tls.clock-skew"
        case "tls.server-cert-expired":
            is_ours = valid_by_others(case) and not valid_here(case)
            return "tls.clock-skew" if is_ours else "tls.server-cert-expired"
        case (
            "tls.hostname"
            | "tls.version"
            | "tls.plain-on-tls"
            | "tls.client-cert-required"
            | "tls.not-verified"
        ):
            return failure.kind
        case "tls.alert":
            return _named_by_alert(case, failure.seen.error)
        case "tls.eof-in-handshake" | "tls.timeout" | "tcp.reset-in-path":
            return _named_by_tries(case, failure.kind)
        case "http.closed" if speaks_plainly(case) and certificate_in(case) is not None:
            return "tls.tls-on-plain"
        case _:
            return None


def _named_by_alert(case: Case, error: str) -> str:
    """Where no handshake of our own failed, there is only OpenSSL's name of the alert."""
    usual, other, alert = case.handshake(USUAL), case.handshake(OTHER_NAME), alert_in(case)
    if usual is not None and usual.asks_certificate:
        return "tls.client-cert-required"
    if alert == NO_APPLICATION_PROTOCOL:
        return "tls.alpn-h2"
    if alert == UNRECOGNIZED_NAME or error == "TLSV1_UNRECOGNIZED_NAME":
        return "tls.hostname" if usual is not None and usual.server_name else "tls.sni-missing"
    if other is not None and other.failure is None and not passing_version(case):
        return "tls.sni-missing"
    return "tls.version"


def _named_by_tries(case: Case, kind: str) -> str | None:
    usual = case.handshake(USUAL)
    if usual is not None and usual.asks_certificate:
        return "tls.client-cert-required"
    if neutral_passed(case) and not _recovered(case):
        return "tls.sni-blocked"
    if passing_version(case) and not _recovered(case):
        return "tls.version"
    return None if kind == "tcp.reset-in-path" else "tls.eof-in-handshake"


def failure_in(case: Case) -> Failure | None:
    usual = case.handshake(USUAL)
    if usual is None or usual.failure is None or speaks_plainly(case):
        return case.failure
    return usual.failure


def seen_in(case: Case) -> Seen:
    failure = failure_in(case)
    return failure.seen if failure is not None else NOTHING_SEEN


def kind_of(made: Handshake | None) -> str:
    return made.failure.kind if made is not None and made.failure is not None else ""


def alert_in(case: Case) -> int | None:
    usual = case.handshake(USUAL)
    return usual.alert if usual is not None else None


def speaks_plainly(case: Case) -> bool:
    return case.looks is not None and not case.looks.first.endpoint.address.secure


# -- what the tries say ------------------------------------------------------------------------------------------------


def certificate_in(case: Case) -> TlsFacts | None:
    return next((each.tls for each in case.handshakes if each.tls is not None), None)


def passing_version(case: Case) -> str:
    """The only one that passes; empty: both do, none does, or nobody tried both."""
    tries = [made for how in (TLS_1_2, TLS_1_3) if (made := case.handshake(how)) is not None]
    passing = [made.how.removesuffix(" only") for made in tries if made.failure is None]
    return passing[0] if len(tries) == 2 and len(passing) == 1 else ""


def neutral_passed(case: Case) -> int:
    """How often a neutral name was answered where the real one was cut off; 0: not each time."""
    answered = [each.first_bytes.startswith(_TLS) for each in case.handshakes if each.how == OTHER_NAME]
    return len(answered) if all(answered) else 0


def _recovered(case: Case) -> bool:
    return any(each.how == USUAL and each.failure is None for each in case.handshakes)


def same_issuer(case: Case) -> tuple[str, ...]:
    """Unrelated hosts that show the target's issuer, which is no public one, nor trusted."""
    shown = certificate_in(case)
    if shown is None or not shown.issuer or any(name in shown.issuer for name in _PUBLIC):
        return ()
    return tuple(
        each.host
        for each in case.controls
        if each.handshake is not None
        and each.handshake.tls is not None
        and each.handshake.tls.issuer == shown.issuer
        and kind_of(each.handshake) == "tls.unknown-ca"
    )


# -- clocks ------------------------------------------------------------------------------------------------------------


def valid_here(case: Case) -> bool:
    """By this machine's clock the server's own certificate is valid: then it is one above it that is not."""
    usual, shown = case.handshake(USUAL), certificate_in(case)
    if usual is None or usual.at_utc is None or shown is None:
        return False
    if shown.not_before is None or shown.not_after is None:
        return False
    return shown.not_before <= usual.at_utc <= shown.not_after


def valid_by_others(case: Case) -> bool | None:
    """Whether the certificate is valid at the time that other clocks show; None: they do not say, or not all the same."""
    usual, shown = case.handshake(USUAL), certificate_in(case)
    if usual is None or usual.at_utc is None or shown is None:
        return None
    if shown.not_before is None or shown.not_after is None:
        return None
    answers: set[bool | None] = set()
    for clock in case.clocks:
        at, around = usual.at_utc - clock.offset_seconds, clock.uncertainty_seconds
        is_valid = shown.not_before <= at - around and at + around <= shown.not_after
        is_not = at + around < shown.not_before or shown.not_after < at - around
        answers.add(is_valid if is_valid or is_not else None)
    return answers.pop() if len(answers) == 1 else None


def has_two_clocks(case: Case) -> bool:
    return len({clock.source for clock in case.clocks}) > 1


# -- what rules look-alikes out ----------------------------------------------------------------------------------------


def not_intercepted(case: Case, shown: TlsFacts | None) -> Mapping[str, str]:
    if here := _here(case):
        return {"tls.interception": here}
    for each in case.controls:
        if each.handshake is None or each.handshake.tls is None or shown is None:
            continue
        if each.handshake.tls.issuer != shown.issuer:
            return {"tls.interception": f"{each.host} shows another issuer"}
    return {}


def no_portal(case: Case) -> Mapping[str, str]:
    if here := _here(case):
        return {"tcp.captive-portal": here}
    honest = next((each for each in case.controls if each.status is not None and not each.redirects_to), None)
    return {"tcp.captive-portal": f"{honest.host} answers by itself"} if honest is not None else {}


def right_address(case: Case) -> Mapping[str, str]:
    names = case.names
    if names is None:
        return {}
    if _is_address(names.host):
        return {"dns.blocked": "no name was looked up"}
    for asking in names.asked:
        if not asking.is_systems and set(asking.addresses) & set(names.addresses):
            return {"dns.blocked": f"the resolver {asking.resolver} names the same address"}
    return {}


def _here(case: Case) -> str:
    """Said where nothing can lie in between, because the address is this machine's own, and no resolver named it."""
    if case.names is None or not _is_address(case.names.host):
        return ""
    address = ipaddress.ip_address(case.names.host)
    return f"{address} is this machine itself, and nothing lies between" if address.is_loopback else ""


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
