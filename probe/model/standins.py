"""Addresses, of those reserved for documentation, that stand in shared texts for others: what was true of the other is true of
its stand-in."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

Address = IPv4Address | IPv6Address

FOR_PRIVATE = {4: ip_network("192.0.2.0/24"), 6: ip_network("2001:db8:1::/64")}
FOR_PUBLIC = {4: ip_network("198.51.100.0/24"), 6: ip_network("2001:db8:2::/64")}


def stand_in(address: Address, number: int) -> str:
    """
    Args:
        number: Another one for each address, from 0 on.
    """
    of = (FOR_PRIVATE if is_private(address) else FOR_PUBLIC)[address.version]
    return str(of[1 + number % 254])


def is_stand_in(address: Address) -> bool:
    return address in FOR_PRIVATE[address.version] or address in FOR_PUBLIC[address.version]


def is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_private(address: Address) -> bool:
    """Nobody on the internet can be there."""
    return (address.is_private or address.is_link_local) and address not in FOR_PUBLIC[address.version]


def is_public(address: Address) -> bool:
    return address.is_global or address in FOR_PUBLIC[address.version]
