"""Faults of a listening port: what happens before there is a session, or to all connections of a client together."""

from collections.abc import Mapping
from enum import Enum

from probe.faults.grammar import FaultKind, FaultSpec, Parameter, ParameterType


class BadCertificate(Enum):
    """What may be wrong with a server's certificate."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    WRONG_HOST = "wrong-host"
    SELF_SIGNED = "self-signed"
    UNTRUSTED_CA = "untrusted-ca"


class TlsVersion(Enum):
    """The only one that a server speaks."""

    TLS_1_2 = "1.2"
    TLS_1_3 = "1.3"


CONNECTION_CAP = FaultSpec(
    name="connection-cap",
    kind=FaultKind.LISTENER,
    summary="a client address may have only so many connections; further ones are refused",
    parameters=(
        Parameter(
            name="cap", type=ParameterType.COUNT, default=2, help="connections an address may have", minimum=1
        ),
        Parameter(
            name="code", type=ParameterType.COUNT, default=403, help="the HTTP status for others", minimum=200
        ),
    ),
    finding="auth.connection-cap",
)
REFUSE = FaultSpec(
    name="refuse",
    kind=FaultKind.LISTENER,
    summary="nobody listens: connections are refused; its time counts from when it is switched on",
    finding="tcp.refused",
)
TLS_CERTIFICATE = FaultSpec(
    name="tls-certificate",
    kind=FaultKind.LISTENER,
    summary="the server shows a certificate that must not be accepted; its time counts from when it is switched on",
    parameters=(
        Parameter(
            name="kind", type=BadCertificate, default=BadCertificate.EXPIRED, help="what is wrong with it"
        ),
    ),
    finding="tls.server-cert-expired",
)
TLS_VERSION = FaultSpec(
    name="tls-version",
    kind=FaultKind.LISTENER,
    summary="the server speaks one version of TLS only; its time counts from when it is switched on",
    parameters=(Parameter(name="only", type=TlsVersion, default=TlsVersion.TLS_1_2, help="which one"),),
    finding="tls.version",
)

LISTENER_FAULTS: Mapping[str, FaultSpec] = {
    spec.name: spec for spec in (CONNECTION_CAP, REFUSE, TLS_CERTIFICATE, TLS_VERSION)
}
