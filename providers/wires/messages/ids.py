"""Ids of tool calls within the letters that this wire allows, such that they can be read back.

Hosts of this wire take ``[a-zA-Z0-9_-]`` alone. An id of another host that has other letters
travels in a wrapping of base64; the same id always gets the same one, so that a call and its result
stay together, and no two ids share one.
"""

from __future__ import annotations

import base64
import binascii
import re

BEGINNING = "ep1_"
_ALLOWED = re.compile(r"[a-zA-Z0-9_-]+")


def wrapped(call_id: str) -> str:
    """Return ``call_id`` as this wire can say it."""
    if _ALLOWED.fullmatch(call_id) and not call_id.startswith(BEGINNING):
        return call_id
    return BEGINNING + base64.urlsafe_b64encode(call_id.encode()).decode().rstrip("=")


def unwrapped(call_id: str) -> str:
    """Return the id that ``wrapped`` was given; any other text as it is."""
    if not call_id.startswith(BEGINNING):
        return call_id
    kept = call_id[len(BEGINNING) :]
    try:
        found = base64.urlsafe_b64decode(kept + "=" * (-len(kept) % 4)).decode()
    except (binascii.Error, ValueError):
        return call_id
    return found if wrapped(found) == call_id else call_id
