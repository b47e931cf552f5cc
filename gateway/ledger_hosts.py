"""Which hosts a ledger's address leads to, read as the database's driver reads it."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qs, unquote, urlsplit

from gateway import urls
from providers.guard import SCHEME_PORTS, Place, plain

POSTGRES = "postgresql://"
SERVICE = "service="


def away(ledger: str, environment: Mapping[str, str]) -> list[str]:
    """Return the hosts of a ledger's database that are not at home."""
    hosts = [host for host, _ in places(ledger, environment)]
    # Where a service leads, nobody knows here.
    return [host for host in hosts if host.startswith(SERVICE) or not urls.is_home(host)]


def places(ledger: str, environment: Mapping[str, str]) -> list[Place]:
    """Return the hosts of a ledger's address with their ports; none for a file or a socket.

    A host that begins with ``SERVICE`` stands in a file of services, which is not read.
    """
    if not ledger.startswith(POSTGRES):
        return []
    parts = urlsplit(ledger)
    said = {name: ",".join(values) for name, values in parse_qs(parts.query).items()}
    hosts = said.get("hostaddr") or said.get("host")
    ports = said.get("port", "")
    if not hosts:
        authority = parts.netloc.rpartition("@")[2]
        hosts = authority or environment.get("PGHOSTADDR") or environment.get("PGHOST") or ""
        ports = ports or environment.get("PGPORT", "")
    if service := said.get("service") or environment.get("PGSERVICE"):
        hosts = f"{hosts},{SERVICE}{service}"
    names = [name for name in map(unquote, hosts.split(",")) if name and not name.startswith("/")]
    each = ports.split(",")
    return [
        _with_port(name, each[number if len(each) > number else 0])
        for number, name in enumerate(names)
    ]


def _with_port(name: str, port: str) -> Place:
    own = name.rpartition(":") if name.count(":") == 1 or "]:" in name else ("", "", "")
    number = own[2] or port
    usual = SCHEME_PORTS["postgresql"]
    return plain(own[0] or name), int(number) if number.isdigit() else usual
