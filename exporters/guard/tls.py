"""TLS as the web configuration wants it, where each connection gets the newest."""

import ipaddress
import ssl
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

from exporters.guard.web_config import CIPHERS, Tls
from probe.model.credentials import Secret
from probe.model.errors import ConfigError

_VERSIONS = {"TLS12": ssl.TLSVersion.TLSv1_2, "TLS13": ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    "NoClientCert": ssl.CERT_NONE,
    "VerifyClientCertIfGiven": ssl.CERT_OPTIONAL,
    "RequireAndVerifyClientCert": ssl.CERT_REQUIRED,
}
NO_TLS_SPOKEN = (
    b"HTTP/1.0 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: 69\r\n\r\nThis port speaks TLS: the address must begin with https://, not http\n"
)


def context_of(tls: Tls, where: Path) -> ssl.SSLContext:
    """
    Raises:
        ConfigError: a file cannot be read, or certificate and key are no pair.
    """

    def wrong(key: str, problem: str, next_step: str) -> ConfigError:
        return ConfigError(problem, where=f"{where}, tls_server_config.{key}", next_step=next_step)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.sslobject_class = _allowing(tls.allowed_sans)
    context.minimum_version, context.maximum_version = _VERSIONS[tls.minimum], _VERSIONS[tls.maximum]
    context.options |= ssl.OP_NO_RENEGOTIATION
    if not tls.prefer_own_ciphers:
        context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    if tls.curve:
        context.set_ecdh_curve(tls.curve)
    if ciphers := ":".join(filter(None, (CIPHERS[name] for name in tls.ciphers))):
        context.set_ciphers(ciphers)
    elif tls.ciphers:  # those of TLS 1.3 only
        if tls.maximum != "TLS13":
            raise wrong(
                "cipher_suites", "they are all of TLS 1.3, and max_version is below", "Add one of TLS 1.2."
            )
        context.minimum_version = ssl.TLSVersion.TLSv1_3
    # load_cert_chain reads files only; nobody else may open this folder.
    with tempfile.TemporaryDirectory() as folder:
        for key, file in (
            ("cert_file", tls.certificate),
            ("key_file", tls.key),
            ("client_ca_file", tls.client_ca),
        ):
            if problem := _unreadable(file):
                raise wrong(key, problem, "Check the path and its permissions.")
        try:
            context.load_cert_chain(
                _file(tls.certificate, folder, "certificate"),
                _file(tls.key, folder, "key"),
                password=lambda: "",  # or it would ask on the terminal
            )
        except (ssl.SSLError, ValueError):
            raise wrong(
                "cert_file",
                "the certificate cannot be used with this key",
                "Both are PEM files that belong together; the key has no password.",
            ) from None
        if tls.client_ca is not None:
            try:
                context.load_verify_locations(_file(tls.client_ca, folder, "authority"))
            except (ssl.SSLError, ValueError):
                raise wrong(
                    "client_ca_file", "no certificate stands in it", "It is a PEM file of authorities."
                ) from None
    context.verify_mode = _VERIFY[tls.client_auth]
    return context


def _unreadable(file: Path | Secret | None) -> str | None:
    if isinstance(file, Path):
        try:
            if not file.is_file():
                return f"there is no file {str(file)!r}"
            file.open("rb").close()
        except OSError as problem:
            return f"{str(file)!r} cannot be read ({problem.strerror})"
    return None


def _file(given: Path | Secret, folder: str, name: str) -> Path:
    if isinstance(given, Path):
        return given
    file = Path(folder, name)
    file.write_text(given.reveal())
    return file


class _Handshake(ssl.SSLObject):
    """Sends its last words when it fails, which asyncio would drop: TLS's own alert, or plain words for plain HTTP."""

    allowed_sans: frozenset[str] | None = None
    _outgoing: ssl.MemoryBIO
    _has_failed = False

    def do_handshake(self) -> None:
        if self._has_failed:
            raise ssl.SSLError("the handshake had failed already")
        try:
            super().do_handshake()
            if self.allowed_sans is not None and not self.allowed_sans & _names(self.getpeercert()):
                raise ssl.SSLCertVerificationError("no name of the client's certificate is allowed")
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            raise
        except ssl.SSLError as problem:
            if getattr(problem, "reason", None) == "HTTP_REQUEST":  # one of ours has none
                self._outgoing.write(NO_TLS_SPOKEN)
            if not self._outgoing.pending:
                raise
            # Not the problem itself: its traceback would keep all of the connection in memory.
            self._has_failed = True
            # What is pending is written now. The client hangs up, or the time for handshakes ends.
            raise ssl.SSLWantReadError from None


def _allowing(sans: frozenset[str] | None) -> type[_Handshake]:
    normal = None if sans is None else frozenset(map(_normal, sans))
    return type("_Handshake", (_Handshake,), {"allowed_sans": normal})


def _names(certificate: Any) -> frozenset[str]:
    return frozenset(_normal(value) for _, value in (certificate or {}).get("subjectAltName", ()))


def _normal(name: str) -> str:
    """OpenSSL writes IPv6 addresses in full."""
    try:
        return str(ipaddress.ip_address(name.strip()))
    except ValueError:
        return name


class Newest(ssl.SSLContext):
    """What asyncio is given: each connection is made with the context that holds at that moment."""

    _newest: Callable[[], ssl.SSLContext]

    @classmethod
    def of(cls, newest: Callable[[], ssl.SSLContext]) -> Self:
        self = cls(ssl.PROTOCOL_TLS_SERVER)
        self._newest = newest
        return self

    def wrap_bio(
        self, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, *args: Any, **kwargs: Any
    ) -> ssl.SSLObject:
        made = self._newest().wrap_bio(incoming, outgoing, *args, **kwargs)
        made._outgoing = outgoing  # type: ignore[attr-defined]  # noqa: SLF001 - ours: `context_of` makes no other
        return made
