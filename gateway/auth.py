"""Who is calling: headers to a principal. Nothing here looks at the Host header or at a path."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from gateway.errors import Refusal

KEY_MAX_BYTES = 1024
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose call it is. ``models`` None is every model; ``label`` is the least that a call has.

    ``trust_user``: its calls say for which user they are made, and that is believed.
    """

    name: str
    team: str
    label: str
    models: frozenset[str] | None = None
    trust_user: bool = False


def key_hash(key: str) -> str:
    """Return how a key stands in the config: ``sha256:`` and 64 hex digits.

    A plain digest is enough because keys are random; ``entrepot keys create`` makes them so.
    """
    return "sha256:" + hashlib.sha256(key.encode()).hexdigest()


def presented_key(headers: Mapping[bytes, bytes]) -> str | None:
    """Return the key that a call brought: bearer token, ``x-api-key`` or ``x-goog-api-key``."""
    value = headers.get(b"authorization")
    if value is not None and value[:7].lower() == b"bearer ":
        key = value[7:].strip()
    else:
        key = headers.get(b"x-api-key") or headers.get(b"x-goog-api-key") or b""
    return key.decode("latin-1") if key and len(key) <= KEY_MAX_BYTES else None


def principal(
    headers: Mapping[bytes, bytes], keys: Mapping[str, Principal], local: Principal | None
) -> Principal:
    """Return whose call it is. Raises ``Refusal`` where nobody's.

    ``local`` is who calls a gateway without keys on loopback: any key is welcome there, since SDKs
    insist on sending one, but a page of some website is not (its browser says so in Origin).
    """
    if local is not None:
        refuse_foreign_origin(headers)
        return local
    key = presented_key(headers)
    if key is None:
        raise Refusal(
            "invalid_key",
            "no API key: send it as `Authorization: Bearer …` or `x-api-key: …`",
        )
    found = keys.get(key_hash(key))
    if found is None:
        raise Refusal("invalid_key", "this API key is not known here")
    return found


def refuse_foreign_origin(headers: Mapping[bytes, bytes]) -> None:
    """Raise ``Refusal`` for a call that a browser makes for a website other than this machine's."""
    origin = headers.get(b"origin")
    if origin is None:
        return
    try:
        name = urlsplit(origin.decode("latin-1")).hostname
    except ValueError:
        name = None
    if name not in LOOPBACK_NAMES:
        raise Refusal(
            "forbidden_origin",
            "a gateway without keys answers no website; configure keys to allow it",
        )


def admin_allowed(headers: Mapping[bytes, bytes], admin_key: str | None) -> bool:
    """Whether a call may see the dashboard and /api.

    With an admin key: by that key, as bearer, x-api-key, or the password of HTTP basic (any user),
    so that a browser can ask for it. Without one the gateway listens on loopback only (the config
    refuses otherwise), and only websites are kept out.
    """
    if admin_key is None:
        try:
            refuse_foreign_origin(headers)
        except Refusal:
            return False
        return True
    given = presented_key(headers) or _basic_password(headers.get(b"authorization", b""))
    return given is not None and hmac.compare_digest(given.encode(), admin_key.encode())


def _basic_password(value: bytes) -> str | None:
    if value[:6].lower() != b"basic ":
        return None
    try:
        decoded = base64.b64decode(value[6:], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return decoded.partition(":")[2]
