"""What may be done to whom. Every rule that protects an account or somebody else's server stands here."""

import ipaddress

from probe.model.endpoint import Endpoint
from probe.model.findings import Withheld

_ENCRYPTED = {
    "ws": "Use a wss:// URL; ws:// is for this machine only.",
    "http": "Use an https:// URL; http:// is for this machine only.",
}
_TUNNEL = "Reach it through a tunnel (such as ssh -L) that ends on this machine."


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by name or by address."""
    if host in ("localhost", "sim.test") or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.split("%", 1)[0]).is_loopback
    except ValueError:
        return False


def withheld_from(endpoint: Endpoint) -> Withheld | None:
    """None: it may receive one."""
    if endpoint.scheme == "terminal":  # a process here; there is no way on which anybody could read it
        return None
    address = endpoint.address
    if not address.secure and not is_loopback(address.host):
        return Withheld(
            reason=f"{address.host} would receive it unencrypted",
            next_step=_ENCRYPTED.get(endpoint.scheme, _TUNNEL),
        )
    if not endpoint.sureness.trusted_with_credentials and not endpoint.named_by_user:
        return Withheld(
            reason=f"{address.host} is not known well enough (grade {endpoint.sureness.value})",
            next_step=f"If you trust it, name it yourself: --endpoint '{endpoint.url}'.",
        )
    return None
