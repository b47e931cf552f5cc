"""How long the text of a prompt is: in bytes, and in tokens that it certainly has."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from providers import ir
from providers.wires.wire import Json

# No vocabulary makes one token of two words. Scripts without blanks between words are counted by
# their signs, of which no usual token has more than these.
_WORD = re.compile(r"\w+")
_SIGNS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]{8}")

# Fields by which a prompt is longer at its host than here: kept turns, templates, searches.
OPEN_FIELDS = frozenset({
    "previous_response_id", "conversation", "web_search_options", "search_parameters",
    "plugins", "context_management", "cachedContent", "cached_content", "mcp_servers", "container",
})  # fmt: skip
# Tools of the client's own, by the words that wires have for their type.
OWN_TOOLS = frozenset({None, "function", "custom"})
OWN_DECLARATIONS = frozenset({"functionDeclarations", "function_declarations"})


def is_open(body: Json, wire: str) -> bool:
    """Whether a host may read more than what a body has: turns, templates, what it searches for."""
    if not OPEN_FIELDS.isdisjoint(body) and any(body.get(name) for name in OPEN_FIELDS):
        return True
    if isinstance(body.get("prompt"), dict):
        return True  # a template that the host keeps
    listed = body.get("tools")
    if listed is None:
        return False
    for tool in listed if isinstance(listed, list) else (listed,):
        if not isinstance(tool, dict):
            continue
        if wire == "gemini":
            # One entry may hold several tools, and a single one may stand without its list.
            if tool.keys() - OWN_DECLARATIONS:
                return True
            continue
        kind = tool.get("type")
        if isinstance(kind, str) and kind not in OWN_TOOLS:
            return True
    return False


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


def tool_text(tool: ir.Tool) -> str:
    """Return what a tool's declaration says."""
    said = [tool.name, tool.description]
    said += [json_text(part) for part in (tool.parameters, tool.format) if part is not None]
    return " ".join(said)


def json_text(value: Json) -> str:
    """Return ``value`` as JSON."""
    return msgspec.json.encode(value).decode()
