"""Puts the reasoning of earlier turns back, for hosts that refuse a tool turn without it.

Such a host gives its reasoning in a field that the usual SDKs do not know and so drop. The gateway
remembers it under the ids of the calls that the turn made.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.wires.wire import Json


def with_reasoning(body: Json, field: str, find: Callable[[str], str | None]) -> tuple[Json, int]:
    """Return ``body`` with ``field`` on each turn that called tools and lacks it, and their number.

    ``find(call_id)`` gives the text, "" where the model had not thought, None where nobody knows.
    ``body`` is left as it was.
    """
    messages = body.get("messages")
    if not isinstance(messages, list):
        return body, 0
    put_back = 0
    new: list[Any] = []
    for message in messages:
        text = _lacking(message, field, find)
        if text is None:
            new.append(message)
        else:
            new.append({**message, field: text})
            put_back += 1
    return ({**body, "messages": new}, put_back) if put_back else (body, 0)


def _lacking(message: Any, field: str, find: Callable[[str], str | None]) -> str | None:
    """The text that a message should have under ``field``; None where it needs none."""
    if not isinstance(message, dict) or message.get("role") != "assistant":
        return None
    calls = message.get("tool_calls")
    if not calls or not isinstance(calls, list) or message.get(field) is not None:
        return None
    for call in calls:
        name = call.get("id") if isinstance(call, dict) else None
        found = find(name) if isinstance(name, str) else None
        if found is not None:
            return found
    return None
