"""A configured provider: one host's address with its credential and its time limits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Protocol
from urllib.parse import quote

from providers.auth import static
from providers.client import Target, target
from providers.home_server import Server
from providers.host import WirePath
from providers.served_by import ServedBy

TARGETS_MAX = 4096


@dataclass(frozen=True, slots=True)
class Timeouts:
    """The time limit of each phase of one call, in seconds; ``total_s`` bounds all attempts.

    ``first_byte_s`` is until a stream's first content, ``answer_s`` until an answer that is not
    streamed begins to come.
    """

    first_byte_s: float
    answer_s: float
    between_s: float
    total_s: float


class Signer(Protocol):
    """A credential that is made anew: a token that expires, or a signature over one call."""

    async def sign(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes
    ) -> Mapping[str, str]:
        """Return the headers that carry it. Raises ``UpstreamError`` of kind auth."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the calls of one configured provider go.

    ``base_url`` is "" for a launched server, whose port is known only once it runs. ``wires`` leads
    from a wire to its place, ``headers`` from a wire to the fixed headers of a call on it, and
    ``forward`` to the client's headers that are passed on. ``own_forward`` are passed on whatever
    the wire. ``signer`` is None where the credential stands in the headers. ``server`` is what a
    server at home tells of itself, ``served_by`` where an aggregator's answer names who gave it.
    ``quota`` names whatever shares this key's rate limits; it tells nothing of the key.
    """

    provider: str
    host: str
    endpoint: str
    base_url: str
    wires: Mapping[str, WirePath]
    timeouts: Timeouts
    headers: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    forward: Mapping[str, tuple[bytes, ...]] = field(default_factory=dict)
    own_forward: tuple[bytes, ...] = ()
    signer: Signer | None = None
    server: Server | None = None
    served_by: ServedBy | None = None
    quota: str = ""
    _targets: dict[tuple[str, str, str, bool, bool], Target] = field(
        default_factory=dict, repr=False, compare=False
    )

    def __repr__(self) -> str:
        """Name the address only: the headers may hold a credential."""
        return f"Endpoint({self.provider} at {self.base_url or 'a launched server'})"

    def client_headers(
        self, wire: str, given: Mapping[bytes, bytes], *, relayed: bool
    ) -> dict[str, str]:
        """Return those of the client's headers ``given`` that go on with a call on ``wire``.

        A wire's own are passed on in the relay lane only: a translated call is ours, and says of
        its wire what we mean by it.
        """
        names = self.own_forward + self.forward[wire] if relayed else self.own_forward
        return {
            name.decode("latin-1"): given[name].decode("latin-1") for name in names if name in given
        }

    def address(
        self,
        wire: str,
        model: str,
        *,
        stream: bool = False,
        count: bool = False,
        base_url: str = "",
    ) -> str:
        """Return the URL at which ``model`` is asked on ``wire``, or asked to count.

        The model stands in it as one segment, so that no name can lead out of its place.
        """
        at = self.wires[wire]
        path = (at.count_path or "") if count else at.stream_path if stream else at.path
        base = (at.base_url or base_url or self.base_url).rstrip("/")
        if path.startswith("/v1/") and base.endswith("/v1"):
            # Written with it out of habit, where this host's own address has none.
            path = path.removeprefix("/v1")
        return base + path.replace("{model}", quote(model, safe=""))

    def target(
        self,
        wire: str,
        model: str,
        *,
        stream: bool = False,
        count: bool = False,
        base_url: str = "",
    ) -> Target:
        """Return where a call goes; ``base_url`` is that of a launched server."""
        # Only where the model stands in the path is there more than one target of a kind.
        named = model if "{model}" in self.wires[wire].path else ""
        known = (wire, named, base_url, stream, count)
        found = self._targets.get(known)
        if found is None:
            if len(self._targets) >= TARGETS_MAX:
                self._targets.clear()
            url = self.address(wire, model, stream=stream, count=count, base_url=base_url)
            found = self._targets[known] = target(url, self.headers[wire])
        return found


def endpoint(
    *,
    provider: str,
    host: str,
    endpoint_id: str,
    base_url: str,
    wires: Mapping[str, WirePath],
    auth_kind: str,
    auth_header: str,
    secret: str | None,
    extra_headers: tuple[tuple[str, str], ...],
    forward: frozenset[bytes],
    timeouts: Timeouts,
    signer: Signer | None = None,
    server: Server | None = None,
    served_by: ServedBy | None = None,
    quota: str = "",
) -> Endpoint:
    """Bind address and credential of a configured provider; ``base_url`` "" means launched."""
    headers = {}
    for wire, at in wires.items():
        kind, name = at.auth or (auth_kind, auth_header)
        credential = static.headers(kind, name, secret) if signer is None else {}
        headers[wire] = MappingProxyType({**at.headers, **dict(extra_headers), **credential})
    return Endpoint(
        provider=provider,
        host=host,
        endpoint=endpoint_id,
        base_url=base_url,
        wires=wires,
        timeouts=timeouts,
        headers=MappingProxyType(headers),
        forward=MappingProxyType(
            {
                wire: tuple(name.encode() for name in sorted(at.forward))
                for wire, at in wires.items()
            }
        ),
        own_forward=tuple(sorted(forward)),
        signer=signer,
        server=server,
        served_by=served_by,
        quota=quota,
    )
