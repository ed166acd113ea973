"""What may be done to whom. Every rule that protects an account or somebody else's server stands here."""

import ipaddress

from probe.model.endpoint import Endpoint
from probe.model.errors import UnsafeTarget


def is_loopback(host: str) -> bool:
    """Whether a host is this machine, by name or by address."""
    if host in ("localhost", "sim.test") or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host.split("%", 1)[0]).is_loopback
    except ValueError:
        return False


def withholding_reason(endpoint: Endpoint) -> str | None:
    """Why this endpoint may not receive a credential; None: it may."""
    address = endpoint.address
    if not address.secure and not is_loopback(address.host):
        return f"{address.host} would receive it unencrypted (ws://)"
    if not endpoint.sureness.trusted_with_credentials and not endpoint.named_by_user:
        return f"only one source names {address.host} (grade {endpoint.sureness.value})"
    return None


def refuse_wrong_cluster(endpoint: Endpoint, account: str) -> None:
    if endpoint.account.value not in (account, "none"):
        raise UnsafeTarget(
            f"logging in to {endpoint.region} was",
            f"it is for {endpoint.account.value} accounts and the credential says {account}",
            "Use a region of the right kind, or name the URL with --endpoint.",
        )
