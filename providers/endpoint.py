"""A configured provider: one host's address with its credential and its time limits."""

from __future__ import annotations

from dataclasses import dataclass

from providers.auth import static
from providers.client import Target, target


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


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the calls of one configured provider go.

    ``chat`` is None for a launched server, whose port is known only once it runs: then ``reach``
    makes the target. ``forward`` names the client's headers that are passed on.
    """

    provider: str
    host: str
    endpoint: str
    base_url: str
    chat_path: str
    chat: Target | None
    timeouts: Timeouts
    headers: tuple[tuple[str, str], ...]
    forward: frozenset[bytes] = frozenset()

    def __repr__(self) -> str:
        """Name the address only: the headers may hold a credential."""
        return f"Endpoint({self.provider} at {self.base_url or 'a launched server'})"

    def reach(self, base_url: str) -> Target:
        """Return the target of the chat wire under another base URL (a launched server's)."""
        return target(base_url.rstrip("/") + self.chat_path, dict(self.headers))


def endpoint(
    *,
    provider: str,
    host: str,
    endpoint_id: str,
    base_url: str,
    chat_path: str,
    auth_kind: str,
    auth_header: str,
    secret: str | None,
    extra_headers: tuple[tuple[str, str], ...],
    forward: frozenset[bytes],
    timeouts: Timeouts,
) -> Endpoint:
    """Bind address and credential of a configured provider; ``base_url`` "" means launched."""
    headers = (*extra_headers, *static.headers(auth_kind, auth_header, secret).items())
    return Endpoint(
        provider=provider,
        host=host,
        endpoint=endpoint_id,
        base_url=base_url,
        chat_path=chat_path,
        chat=target(base_url.rstrip("/") + chat_path, dict(headers)) if base_url else None,
        timeouts=timeouts,
        headers=headers,
        forward=forward,
    )
