"""Which conversation a request belongs to, and the name of it that a host is given.

The key of a conversation keeps apart who asks, under which label, and for which model, so that
nothing that one of them left behind is used for another. It goes to no host and is written nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from secrets import token_bytes

from providers.host import Cache
from providers.wires.wire import Json
from routing.route import Route

# What coding agents name a conversation by of their own accord, the narrowest name first: a thread
# of a session, then the session.
SESSION_HEADERS = (
    b"thread-id",
    b"session-id",
    b"x-session-affinity",
    b"x-session-id",
    b"x-claude-code-session-id",
    b"x-grok-conv-id",
)
NAME_MAX = 512  # bytes of a client's own name that count
# Of a text its first and last characters count: many begin alike, and a whole one may be long.
HEAD, TAIL = 1024, 256
LOOKED_AT = 16  # messages, from the first on
_INSTRUCTIONS = ("system", "developer")
_MARKS = (b'"cache_control"', b'"prompt_cache_breakpoint"', b'"prompt_cache_options"')
_LONG = (b'"1h"', b'"12h"')
# Without it a host that knows how a conversation begins could try who asks, and under which label.
_SECRET = token_bytes(16)


def matters(routes: Sequence[Route]) -> bool:
    """Whether it matters which conversation it is: there is a choice, or a host that takes a name.

    Of a host that no cache is known of its usage may show one, so any two routes are a choice.
    """
    if len(routes) > 1:
        return True
    return any(
        route.cache is not None and (route.cache.hint_fields or route.cache.hint_headers)
        for route in routes
    )


def cache_marks(raw: bytes) -> tuple[bool, bool]:
    """Tell whether a body marks parts of its prompt to be kept, and whether for the longer time.

    Looked for in the bytes: a guess that costs nothing, and moves nothing but an expected cost.
    """
    marks = any(mark in raw for mark in _MARKS)
    return marks, marks and any(time in raw for time in _LONG)


def conversation(
    session: str,
    headers: Mapping[bytes, bytes],
    body: Json,
    who: str,
    label: str,
    model: str,
) -> bytes | None:
    """Return the key of a request's conversation, None where nothing tells it.

    ``session`` is what the client told the gateway, "" where it did not; then its own names count
    (of a session in a header or in the body), and else the beginning of the conversation: the
    instructions and the first message of the user.
    """
    name = session.encode() or _own_name(headers, body)
    if not name:
        # A group of prompts may hold many conversations: it only parts those that begin alike.
        group, beginning = body.get("prompt_cache_key"), _beginning(body)
        if not beginning and not group:
            return None
        name = f"{str(group)[:NAME_MAX]}\0{beginning}".encode("utf-8", "surrogatepass")
    digest = blake2b(f"{who}\0{label}\0{model}\0".encode("utf-8", "replace"), digest_size=16)
    digest.update(name)
    return digest.digest()


def _own_name(headers: Mapping[bytes, bytes], body: Json) -> bytes:
    for header in SESSION_HEADERS:
        if name := headers.get(header):
            return name[:NAME_MAX]
    said = body.get("conversation") or body.get("session_id") or _in_metadata(body.get("metadata"))
    if isinstance(said, dict):
        said = said.get("id")
    return said[:NAME_MAX].encode("utf-8", "surrogatepass") if isinstance(said, str) else b""


def _in_metadata(metadata: object) -> object:
    if not isinstance(metadata, dict):
        return None
    if said := metadata.get("session_id"):
        return said
    # One agent writes its session into the id of the user; another's names nothing but the user.
    user = metadata.get("user_id")
    return user if isinstance(user, str) and "session" in user else None


def _beginning(body: Json) -> str:
    """Return the bounded beginning of a conversation in whichever wire's body, "" for none."""
    if body.get("previous_response_id"):
        return ""  # the beginning is kept elsewhere
    instructions = body.get("system") or body.get("instructions") or _system_instruction(body)
    turns = body.get("messages") or body.get("input") or body.get("contents") or body.get("prompt")
    if isinstance(turns, str):
        return f"{_text(instructions)}\0{_bounded(turns)}"
    if not isinstance(turns, list):
        return ""
    said = [_text(instructions)]
    for turn in turns[:LOOKED_AT]:
        if not isinstance(turn, dict):
            continue
        role = turn.get("role", "user")
        if role in _INSTRUCTIONS or role == "user":
            said.append(_text(turn.get("content") or turn.get("parts")))
        if role == "user":
            break
    return "\0".join(said) if any(said) else ""


def _system_instruction(body: Json) -> object:
    said = body.get("systemInstruction") or body.get("system_instruction")
    return said.get("parts") if isinstance(said, dict) else said


def _text(content: object) -> str:
    """Return the bounded text of a content: of its parts the last, for lines before it may vary."""
    if isinstance(content, str):
        return _bounded(content)
    if isinstance(content, list):
        for part in reversed(content[-LOOKED_AT:]):
            if isinstance(part, str):
                return _bounded(part)
            if isinstance(part, dict) and isinstance(text := part.get("text"), str):
                return _bounded(text)
    return ""


def _bounded(text: str) -> str:
    if len(text) <= HEAD + TAIL:
        return text
    return f"{text[:HEAD]}{len(text)}{text[-TAIL:]}"


def hint(key: bytes, provider: str) -> str:
    """Return the name under which ``provider`` may know a conversation: 32 hexadecimal digits.

    It says nothing of who asks, and another provider, another conversation or another start of the
    gateway, which knows of no warm cache either, has another one.
    """
    return blake2b(key + provider.encode(), digest_size=16, key=_SECRET).hexdigest()


def with_hint(body: Json, cache: Cache | None, wire: str, name: str) -> Json:
    """Return a host's body with the name of the conversation in it, where the host takes one.

    Only the top level is copied; a hint of the client's own is left alone.
    """
    field = cache.hint_fields.get(wire) if cache is not None else None
    if field is None or body.get(field) is not None:
        return body
    return {**body, field: name}


def hint_header(cache: Cache | None, wire: str) -> str | None:
    """Return the header in which a host takes the name of the conversation on ``wire``."""
    return cache.hint_headers.get(wire) if cache is not None else None
