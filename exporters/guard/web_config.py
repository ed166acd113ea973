"""Reads the file that says who may ask and over what: Prometheus' own web configuration, as all its exporters take it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exporters.guard.reading import Reading, parsed
from probe.model.credentials import Secret
from probe.model.errors import near_miss

MOST_COST = 18  # of a bcrypt hash: checking one takes 15 s; each more doubles it
AUTH_TYPES = ("NoClientCert", "VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
UNVERIFIED = ("RequestClientCert", "RequireAnyClientCert", "RequireClientCert")
VERSIONS = ("TLS12", "TLS13")
BROKEN_VERSIONS = ("TLS10", "TLS11")
CIPHERS = {  # IANA's names, as Go spells them, to OpenSSL's; those of TLS 1.3 are always on, in both
    "TLS_AES_128_GCM_SHA256": "",
    "TLS_AES_256_GCM_SHA384": "",
    "TLS_CHACHA20_POLY1305_SHA256": "",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA": "ECDHE-RSA-AES128-SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA": "ECDHE-RSA-AES256-SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
CURVES = {"CurveP256": "prime256v1", "CurveP384": "secp384r1", "CurveP521": "secp521r1", "X25519": ""}
HEADERS: dict[str, tuple[str, ...]] = {  # and the values they may have; none: any
    "Strict-Transport-Security": (),
    "X-Content-Type-Options": ("nosniff",),
    "X-Frame-Options": ("deny", "sameorigin"),
    "X-XSS-Protection": (),
    "Content-Security-Policy": (),
}
_HASH = re.compile(r"\$2[abxy]?\$(\d\d)\$[./A-Za-z0-9]{53}\Z")
_DURATION = re.compile(r"(?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|μs|ms|s|m|h)")
_SECONDS = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    certificate: Path | Secret  # a file, or the PEM text itself
    key: Path | Secret
    client_ca: Path | Secret | None = None
    client_auth: str = "NoClientCert"
    allowed_sans: frozenset[str] | None = None
    minimum: str = "TLS12"
    maximum: str = "TLS13"
    ciphers: tuple[str, ...] = ()  # IANA's names; none: those that OpenSSL thinks good
    curve: str | None = None
    prefer_own_ciphers: bool = True

    @property
    def files(self) -> tuple[Path, ...]:
        return tuple(each for each in (self.certificate, self.key, self.client_ca) if isinstance(each, Path))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebConfig:
    tls: Tls | None = None
    headers: Mapping[str, str] = field(default_factory=dict)  # a blank one is not sent
    users: Mapping[str, Secret] = field(default_factory=dict)  # name to bcrypt hash
    every: float = 0.0  # seconds between two requests of everybody together; 0: not limited
    burst: int = 1


def read_web_config(path: Path) -> WebConfig:
    """What stands in the file; the certificates it names are not read yet.

    Raises:
        ConfigError: it cannot be read, or says what cannot be done. No word of it shows a hash or a key.
    """
    reading = Reading(path)
    top = reading.mapping(parsed(path), "")
    reading.only(top, "", ("tls_server_config", "http_server_config", "basic_auth_users", "rate_limit"))
    http = reading.mapping(top.get("http_server_config"), "http_server_config")
    reading.only(http, "http_server_config", ("http2", "headers"))
    reading.truth(
        http, "http_server_config.http2", default=True
    )  # no client needs it: all speak HTTP/1.1 too
    every, burst = _rate(reading, top.get("rate_limit"))
    return WebConfig(
        tls=_tls(reading, top.get("tls_server_config")),
        headers=_headers(reading, http.get("headers")),
        users=_users(reading, top.get("basic_auth_users")),
        every=every,
        burst=burst,
    )


def _tls(reading: Reading, value: object) -> Tls | None:
    at = "tls_server_config"
    found = reading.mapping(value, at)
    reading.only(found, at, _TLS_KEYS)
    certificate = reading.source(found, "cert", "cert_file")
    key = reading.source(found, "key", "key_file")
    client_ca = reading.source(found, "client_ca", "client_ca_file")
    auth = reading.text(found, f"{at}.client_auth_type")
    minimum, maximum = (_version(reading, found, f"{at}.{name}") for name in ("min_version", "max_version"))
    ciphers = reading.texts(found, f"{at}.cipher_suites") or ()
    for cipher in ciphers:
        reading.one_of(cipher, f"{at}.cipher_suites", tuple(CIPHERS))
    curve = _curve(reading, reading.texts(found, f"{at}.curve_preferences") or (), f"{at}.curve_preferences")
    prefer = reading.truth(found, f"{at}.prefer_server_cipher_suites", default=True)
    sans = reading.texts(found, f"{at}.client_allowed_sans")
    if auth in UNVERIFIED:
        raise reading.wrong(
            f"{at}.client_auth_type",
            f"{auth} asks for a certificate and does not verify it, which Python's TLS cannot do",
            "Write RequireAndVerifyClientCert (or VerifyClientCertIfGiven) and give client_ca_file.",
        )
    reading.one_of(auth or "NoClientCert", f"{at}.client_auth_type", AUTH_TYPES)
    if certificate is None and key is None and client_ca is None and not auth:
        if sans is not None:
            raise reading.wrong(
                f"{at}.client_allowed_sans",
                "there is no TLS to show a certificate in",
                "Give cert_file and key_file.",
            )
        return None
    if certificate is None or key is None:
        missing = "cert_file" if certificate is None else "key_file"
        raise reading.wrong(f"{at}.{missing}", "it is missing", "TLS needs both cert_file and key_file.")
    verifies = auth in ("VerifyClientCertIfGiven", "RequireAndVerifyClientCert")
    if client_ca is not None and not verifies:
        raise reading.wrong(
            f"{at}.client_auth_type",
            "clients' certificates would not be asked for, though client_ca_file says who vouches for them",
            "Write RequireAndVerifyClientCert.",
        )
    if verifies and client_ca is None:
        raise reading.wrong(
            f"{at}.client_ca_file",
            "it is missing: any public authority would vouch for clients",
            "Name the file of your own authority.",
        )
    if sans is not None and auth != "RequireAndVerifyClientCert":
        raise reading.wrong(
            f"{at}.client_allowed_sans",
            "a client without a certificate would pass",
            "Write client_auth_type: RequireAndVerifyClientCert.",
        )
    minimum, maximum = minimum or "TLS12", maximum or "TLS13"
    if minimum > maximum:
        raise reading.wrong(
            f"{at}.min_version", "it is above max_version: nobody could connect", "Leave max_version out."
        )
    return Tls(
        certificate=certificate,
        key=key,
        client_ca=client_ca,
        client_auth=auth or "NoClientCert",
        allowed_sans=None if sans is None else frozenset(sans),
        minimum=minimum,
        maximum=maximum,
        ciphers=ciphers,
        curve=curve,
        prefer_own_ciphers=prefer,
    )


_TLS_KEYS = (
    "cert",
    "key",
    "client_ca",
    "cert_file",
    "key_file",
    "client_auth_type",
    "client_ca_file",
    "client_allowed_sans",
    "min_version",
    "max_version",
    "cipher_suites",
    "curve_preferences",
    "prefer_server_cipher_suites",
)


def _version(reading: Reading, found: Mapping[str, Any], key: str) -> str:
    version = reading.text(found, key)
    if version in BROKEN_VERSIONS:
        raise reading.wrong(
            key, f"{version} is not secure, and this Python does not speak it", "Write TLS12."
        )
    return version if found.get(key.rpartition(".")[2]) is None else reading.one_of(version, key, VERSIONS)


def _curve(reading: Reading, curves: tuple[str, ...], key: str) -> str | None:
    for curve in curves:
        reading.one_of(curve, key, tuple(CURVES))
    if not curves:
        return None
    if len(curves) > 1 or not CURVES[curves[0]]:
        raise reading.wrong(
            key,
            "Python's TLS can be told one curve only, and not X25519",
            "Leave it out (X25519 comes first then, and the others follow), or name one of CurveP256, CurveP384, CurveP521.",
        )
    return CURVES[curves[0]]


def _headers(reading: Reading, value: object) -> dict[str, str]:
    at = "http_server_config.headers"
    found = reading.mapping(value, at)
    headers = {}
    for name in found:
        if name not in HEADERS:
            raise reading.wrong(
                at,
                "one of these headers cannot be set here",
                f"Those that can are: {', '.join(HEADERS)}.",
                near_miss(name, HEADERS),
            )
        text = reading.text(found, f"{at}.{name}")
        if not text.isprintable() or not text.isascii():
            raise reading.wrong(
                f"{at}.{name}", "this cannot stand in a header", "It is one line of plain ASCII."
            )
        if HEADERS[name]:
            reading.one_of(text, f"{at}.{name}", HEADERS[name])
        headers[name] = text
    return headers


def _users(reading: Reading, value: object) -> dict[str, Secret]:
    at = "basic_auth_users"
    users = {}
    for number, (name, text) in enumerate(reading.mapping(value, at).items(), 1):
        key = f"{at}, user {number}"  # not the name: it may be the password, if both were mixed up
        match = _HASH.match(text) if isinstance(text, str) else None
        if match is None:
            raise reading.wrong(
                key,
                "the password is not a bcrypt hash",
                "`htpasswd -nBC 10 NAME` prints the line; it begins with $2y$.",
            )
        if not 4 <= int(match[1]) <= MOST_COST:
            raise reading.wrong(
                key,
                f"the cost of the hash is {int(match[1])}, which nobody can wait for",
                f"10 to 12 are usual, 4 to {MOST_COST} are taken.",
            )
        if ":" in name:
            raise reading.wrong(key, "no client can send a name with a colon", "Choose another name.")
        users[name] = Secret(text)
    return users


def _rate(reading: Reading, value: object) -> tuple[float, int]:
    found = reading.mapping(value, "rate_limit")
    reading.only(found, "rate_limit", ("interval", "burst"))
    every = _seconds(reading, found.get("interval"))
    burst = found.get("burst") or 0
    if not isinstance(burst, int) or isinstance(burst, bool) or (every and burst < 1):
        raise reading.wrong(
            "rate_limit.burst",
            "so many requests may come at once: a whole number from 1",
            "For example: burst: 20.",
        )
    return every, burst


def _seconds(reading: Reading, value: object) -> float:
    """As Go writes durations: 1.5s, 200ms, 1m30s; a bare number is nanoseconds."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value * 1e-9
    text = value if isinstance(value, str) else ""
    parts = _DURATION.findall(text)
    if value is not None and text != "0" and (not parts or "".join(parts) != text):
        raise reading.wrong("rate_limit.interval", "this is no duration", "For example: interval: 200ms.")
    return math.fsum(float(part.rstrip("nsuµμmh")) * _SECONDS[part.lstrip("0123456789.")] for part in parts)
