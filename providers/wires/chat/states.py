"""Opaque states in chat bodies: which there are, and a body without those of other hosts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from providers.wires.chat.reasoning import FORMAT, is_seal, signature_of, state_of
from providers.wires.wire import Json

# A body without any of these holds no state; the second ends two names (it costs time to look).
MARKS = (b'"reasoning_details"', b'signature"')

Keep = Callable[[str], bool]


def states_in(message: Json) -> list[str]:
    """Return the states in a message or a delta."""
    found = []
    for name in ("reasoning_details", "content"):
        items = message.get(name)
        if isinstance(items, list):
            found += [state for item in items if (state := state_of(item))]
    if "extra_content" in message and (state := signature_of(message)):
        found.append(state)
    calls = message.get("tool_calls")
    if isinstance(calls, list):
        found += [state for call in calls if (state := signature_of(call))]
    return found


def without_state(body: Json, keep: Keep) -> tuple[Json, int]:
    """Return ``body`` without the states that ``keep`` is False of, and how many they were.

    A seal of ours holds the state of another wire, so it never stays. ``body`` is left as it was.
    """
    out, gone = [], 0
    for message in body["messages"]:
        if message["role"] == "assistant":
            message, count = _cleared(message, keep)
            gone += count
        out.append(message)
    return ({**body, "messages": out} if gone else body), gone


def _cleared(message: Json, keep: Keep) -> tuple[Json, int]:
    new = dict(message)
    gone = 0
    for name in ("reasoning_details", "content"):
        items = message.get(name)
        if not isinstance(items, list):
            continue
        kept = [item for item in items if not _goes(item, keep)]
        if len(kept) < len(items):
            gone += len(items) - len(kept)
            new[name] = kept
            if not kept:
                new.pop(name)
                if name == "content":
                    new[name] = None if message.get("tool_calls") else ""
    if _signature_goes(message, keep):
        new["extra_content"] = _without_signature(message["extra_content"])
        gone += 1
    calls = message.get("tool_calls")
    if isinstance(calls, list) and any(_signature_goes(call, keep) for call in calls):
        new["tool_calls"] = [
            {**call, "extra_content": _without_signature(call["extra_content"])}
            if _signature_goes(call, keep)
            else call
            for call in calls
        ]
        gone += sum(_signature_goes(call, keep) for call in calls)
    return new, gone


def _goes(item: Any, keep: Keep) -> bool:
    state = state_of(item)
    if not state:
        return isinstance(item, dict) and item.get("format") == FORMAT
    if is_seal(state) or not keep(state):
        # A part of a content list that is no thought has its state by chance.
        return isinstance(item, dict) and item.get("type") not in ("text", "image_url", "file")
    return False


def _signature_goes(holder: Any, keep: Keep) -> bool:
    state = signature_of(holder)
    return bool(state) and (is_seal(state) or not keep(state))


def _without_signature(extra: Json) -> Json:
    inner = {name: v for name, v in extra["google"].items() if name != "thought_signature"}
    return {**extra, "google": inner}
