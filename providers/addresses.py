"""What an IP address is: this machine, the network around it, or where clouds hand out credentials.

Judged from the address alone, without a lookup.
"""

from __future__ import annotations

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

# Where clouds hand credentials to whoever asks from inside: never a model server.
_METADATA_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "169.254.0.0/16",
        "fe80::/10",
        "fd00:ec2::/32",
        "fd20:ce::254/128",
        "100.100.100.200/32",
        "168.63.129.16/32",
        "192.0.0.192/32",
    )
)
_PRIVATE_NETWORKS = tuple(
    ipaddress.ip_network(text)
    for text in (
        "127.0.0.0/8",
        "::1/128",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "fc00::/7",
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def read(host: str) -> Address | None:
    """Read ``host`` as an IP address, an IPv4 one written as IPv6 as itself; None: a name."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return address if mapped is None else mapped


def is_private(address: Address) -> bool:
    """Whether it is this machine's or one of the network around it."""
    return any(address in network for network in _PRIVATE_NETWORKS)


def is_metadata(address: Address) -> bool:
    """Whether clouds hand out credentials there, or it stands for a whole network."""
    behind = _behind(address)
    return behind.is_multicast or any(behind in network for network in _METADATA_NETWORKS)


def _behind(address: Address) -> Address:
    """Return the IPv4 address that a translator on the way would make of ``address``."""
    # Never at home by that: what is sent there leaves for the translator.
    if isinstance(address, ipaddress.IPv6Address):
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
        if address.sixtofour is not None:
            return address.sixtofour
    return address
