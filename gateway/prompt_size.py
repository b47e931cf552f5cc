"""How long the text of a prompt is: in bytes, and in tokens that it certainly has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from providers import ir

# No vocabulary makes one token of two words. Scripts without blanks between words are counted by
# their signs, of which no usual token has more than these.
_WORD = re.compile(r"\w+")
_SIGNS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{8}")


def words(request: ir.Request) -> int:
    """Return a number of tokens that the messages have at the very least."""
    return sum(
        sum(1 for _ in _WORD.finditer(text)) + sum(1 for _ in _SIGNS.finditer(text))
        for text in _texts(request)
    )


def text_bytes(request: ir.Request) -> int:
    """Return the size of what is said in the messages."""
    return sum(len(text.encode("utf-8", "surrogatepass")) for text in _texts(request))


def text(request: ir.Request) -> str:
    """Return everything that is said in the messages."""
    return "\n".join(_texts(request))


def _texts(request: ir.Request) -> Iterator[str]:
    # Tools, thoughts and calls are left out: not every template writes them into the prompt.
    for message in request.messages:
        for part in message.parts:
            if isinstance(part, ir.Text):
                yield part.text
            elif isinstance(part, ir.ToolResult):
                yield from (one.text for one in part.parts if isinstance(one, ir.Text))
