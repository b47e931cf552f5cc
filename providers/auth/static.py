"""Credentials that are one fixed string: a bearer token or a named header."""

from __future__ import annotations

from collections.abc import Mapping


def headers(kind: str, header: str, secret: str | None) -> Mapping[str, str]:
    """Return the headers that carry ``secret``.

    ``kind`` is ``bearer`` (``Authorization: Bearer …``), ``header`` (the value alone under
    ``header``) or ``none``. A ``none`` host given a secret still gets it as a bearer token: servers
    at home are often started with a key.
    """
    if not secret:
        return {}
    if kind == "header":
        return {header: secret}
    return {"Authorization": f"Bearer {secret}"}
