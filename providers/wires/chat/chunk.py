"""One event of a chat stream as the tap sees it: what it has to know, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import msgspec


# Both live for one event only, so the collector of circles need not know them.
class Choice(msgspec.Struct, gc=False):
    """What the tap looks at of a choice."""

    delta: dict[str, Any] | None = None
    finish_reason: str | None = None
    usage: dict[str, Any] | None = None
    # Only of completions without messages (``providers/wires/plain``).
    text: str | None = None


class Chunk(msgspec.Struct, gc=False):
    """What the tap looks at of an event."""

    choices: list[Choice] | None = None
    usage: dict[str, Any] | None = None
    error: Any = None
    model: str | None = None
    service_tier: Any = None


NO_DELTA: Mapping[str, Any] = MappingProxyType({})
# Both raise ``msgspec.MsgspecError`` or ``UnicodeDecodeError``.
decode = msgspec.json.Decoder(Chunk).decode
decode_many = msgspec.json.Decoder(list[Chunk]).decode


def texts_of(chunks: list[Chunk]) -> list[tuple[str, str]] | None:
    """Return the texts in chunks of one choice each; None where one has anything else to say."""
    texts = []
    for chunk in chunks:
        choices = chunk.choices
        if choices is None or len(choices) != 1 or chunk.error or chunk.usage is not None:
            return None
        choice = choices[0]
        if choice.finish_reason is not None or choice.usage is not None or choice.text is not None:
            return None
        for name, value in (choice.delta or NO_DELTA).items():
            if not isinstance(value, str):
                if value:
                    return None
            elif value and name != "role":
                texts.append((name, value))
    return texts
