"""Heads of the ledger's chains as a file: written, read, signed with Ed25519, and checked.

The signature is that of the file's bytes, 64 bytes in a file of its own beside it, so that openssl
alone can check it (docs/audit.md).
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from billing.chain import Head

SIGNATURE = ".sig"
_ABSENT = "signatures need cryptography: pip install 'entrepot[sign]'"
_MADE = "`openssl genpkey -algorithm ed25519 -out key.pem` makes one"


class HeadsError(Exception):
    """A file of heads, or a key, cannot be used; the text says why and what would help."""


class _File(msgspec.Struct):
    heads: list[Head]


def write(path: Path, heads: Iterable[Head]) -> int:
    """Write ``heads``, ordered by day and writer; return how many. Raises ``OSError``."""
    rows = [msgspec.structs.asdict(head) for head in sorted(heads, key=lambda h: (h.day, h.writer))]
    made = datetime.now(UTC).isoformat(timespec="seconds")
    lines = ",\n    ".join(json.dumps(row) for row in rows)
    text = f'{{\n  "made": "{made}",\n  "heads": [\n    {lines}\n  ]\n}}\n'
    path.write_text(text if rows else f'{{"made": "{made}", "heads": []}}\n', encoding="utf-8")
    return len(rows)


def read(path: Path) -> list[Head]:
    """Return the heads of a file. Raises ``HeadsError``."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=_File).heads
    except OSError as fault:
        raise HeadsError(f"{path} cannot be read: {fault.strerror or fault}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as fault:
        raise HeadsError(f"{path} is no file that `entrepot ledger heads` wrote: {fault}") from None


def sign(path: Path, key: Path) -> Path:
    """Sign a file with a private key in PEM; return where the signature is.

    Raises ``HeadsError`` or ``OSError``.
    """
    try:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key
    except ImportError:
        raise HeadsError(_ABSENT) from None
    try:
        private = load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError) as fault:
        raise HeadsError(f"{key} holds no private key that can be read: {fault}") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise HeadsError(f"{key} is no key of Ed25519; {_MADE}")
    signature = path.with_name(path.name + SIGNATURE)
    signature.write_bytes(private.sign(path.read_bytes()))
    return signature


def is_signed(path: Path, key: Path) -> bool:
    """Tell whether the signature beside a file is that of its bytes, by a public key in PEM.

    Raises ``HeadsError`` or ``OSError``.
    """
    try:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key
    except ImportError:
        raise HeadsError(_ABSENT) from None
    try:
        public = load_pem_public_key(key.read_bytes())
    except (ValueError, TypeError) as fault:
        raise HeadsError(f"{key} holds no public key that can be read: {fault}") from None
    if not isinstance(public, Ed25519PublicKey):
        raise HeadsError(f"{key} is no key of Ed25519")
    try:
        public.verify(path.with_name(path.name + SIGNATURE).read_bytes(), path.read_bytes())
    except InvalidSignature:
        return False
    return True
