"""Which HTTP client the gateway has in tests: ``HTTP_CLIENT=aiohttp make test`` tries the other."""

from __future__ import annotations

import os

from providers.client import Client


def chosen() -> None:
    """Give every gateway and every test the client that the environment names, if it names one."""
    kind = os.environ.get("HTTP_CLIENT")
    if kind:
        made = Client.__init__

        def init(
            self: Client, *, connect_s: float, connections_per_host: int, **_kind: str
        ) -> None:
            made(self, connect_s=connect_s, connections_per_host=connections_per_host, kind=kind)

        Client.__init__ = init
