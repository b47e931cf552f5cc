"""Reads the content blocks of a client's messages into parts."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from providers.ir import (
    Citation,
    File,
    Image,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    Trace,
)
from providers.wires.messages.fields import (
    a_flag,
    a_list,
    a_text,
    a_text_or_none,
    an_object,
    wrong,
)
from providers.wires.messages.ids import unwrapped
from providers.wires.messages.state import REDACTED, SIGNATURE, states_of
from providers.wires.wire import BadRequestError, Json

Words = Text | Image | File
WIRE = "messages"
# What a user's message may hold that a host's own tools need; it says nothing to another host.
USER_TRACES = frozenset({"container_upload"})
LIFETIMES = ("5m", "1h")

_encode = msgspec.json.Encoder().encode


def blocks_at(content: Any, path: str) -> list[Json]:
    """Return a message's content as blocks; a string is one block of text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    if not isinstance(content, list):
        raise wrong(path, "a string or a list of content blocks", content)
    return [an_object(block, f"{path}[{place}]") for place, block in enumerate(content)]


def cache_of(block: Json, path: str) -> str:
    """Return the lifetime that a block's ``cache_control`` asks for; "" where it asks for none."""
    mark = block.get("cache_control")
    if mark is None:
        return ""
    place = f"{path}.cache_control".removeprefix(".")
    lifetime = an_object(mark, place).get("ttl")
    if lifetime is None:
        return LIFETIMES[0]
    if lifetime not in LIFETIMES:
        raise BadRequestError(f"`{place}.ttl` must be 5m or 1h", f"{place}.ttl")
    return str(lifetime)


def words_of(block: Json, path: str, asked: Json) -> list[Words]:
    """Return a block of text, picture or document as parts; [] where it is something else.

    What such a block asks for that no part can hold goes into ``asked``.
    """
    kind = block.get("type")
    if kind == "text":
        text = a_text(block, "text", path)
        mark = cache_of(block, path)
        return [Text(text, mark, citations_of(block.get("citations")))] if text else []
    if kind == "image":
        return [_image(block, path)]
    if kind == "document":
        return _document(block, path, asked)
    if kind == "search_result":
        return [_search_result(block, path, asked)]
    return []


def citations_of(said: Any) -> tuple[Citation, ...]:
    """Return the sources that a text names, as far as they can be read."""
    if not isinstance(said, list):
        return ()
    return tuple([citation_of(one) for one in said if isinstance(one, dict)])


def citation_of(said: Json) -> Citation:
    """Return one source; places count characters of the source and are left out."""
    url = said.get("url") or said.get("source")
    title = said.get("title") or said.get("document_title")
    quote = said.get("cited_text")
    return Citation(
        url=url if isinstance(url, str) else "",
        title=title if isinstance(title, str) else "",
        quote=quote if isinstance(quote, str) else "",
    )


def _image(block: Json, path: str) -> Image:
    path = f"{path}.source"
    source, cache = an_object(block.get("source"), path), cache_of(block, path)
    kind = source.get("type")
    if kind == "base64":
        return Image(a_text(source, "media_type", path), a_text(source, "data", path), cache=cache)
    if kind == "url":
        return Image(url=a_text(source, "url", path), cache=cache)
    if kind == "file":
        return Image(file_id=a_text(source, "file_id", path), cache=cache)
    raise BadRequestError(f"`{path}.type` must be base64, url or file", f"{path}.type")


def _document(block: Json, path: str, asked: Json) -> list[Words]:
    cache = cache_of(block, path)
    name = a_text_or_none(block, "title", path)
    context = a_text_or_none(block, "context", path)
    _note_citations(block, asked)
    parts: list[Words] = [Text(context)] if context else []
    path = f"{path}.source"
    source = an_object(block.get("source"), path)
    kind = source.get("type")
    if kind == "base64":
        media_type, data = a_text(source, "media_type", path), a_text(source, "data", path)
        return [*parts, File(media_type, data, name=name, cache=cache)]
    if kind == "text":
        text = a_text(source, "data", path)
        return [*parts, File("text/plain", text=text, name=name, cache=cache)]
    if kind == "url":
        return [*parts, File(url=a_text(source, "url", path), name=name, cache=cache)]
    if kind == "file":
        return [*parts, File(file_id=a_text(source, "file_id", path), name=name, cache=cache)]
    if kind == "content":
        path = f"{path}.content"
        for place, inner in enumerate(blocks_at(source.get("content"), path)):
            where = f"{path}[{place}]"
            if inner.get("type") == "text":
                text = a_text(inner, "text", where)
                parts.append(File("text/plain", text=text, name=name))
            elif inner.get("type") == "image":
                parts.append(_image(inner, where))
            else:
                raise _unknown(inner, where)
        return [*parts[:-1], replace(parts[-1], cache=cache or parts[-1].cache)] if parts else []
    raise BadRequestError(
        f"`{path}.type` must be base64, text, content, url or file", f"{path}.type"
    )


def _search_result(block: Json, path: str, asked: Json) -> Text:
    _note_citations(block, asked)
    source, title = a_text(block, "source", path), a_text(block, "title", path)
    path_of = f"{path}.content"
    inner = a_list(block.get("content"), path_of)
    texts = [
        a_text(an_object(one, f"{path_of}[{place}]"), "text", f"{path_of}[{place}]")
        for place, one in enumerate(inner)
    ]
    body = "\n".join(texts)
    text = f"<search_result>\n{title}\n{source}\n\n{body}\n</search_result>"
    return Text(text, cache_of(block, path))


def _note_citations(block: Json, asked: Json) -> None:
    wanted = block.get("citations")
    if isinstance(wanted, dict) and wanted.get("enabled"):
        asked["document.citations"] = True


def assistant_parts(content: Any, path: str, asked: Json) -> list[Part]:
    """Return the parts of an assistant's message; what hosts did themselves is kept as traces."""
    parts: list[Part] = []
    for place, block in enumerate(blocks_at(content, path)):
        where = f"{path}[{place}]"
        kind = a_text(block, "type", where)
        if kind == "thinking":
            text = a_text_or_none(block, "thinking", where)
            states = states_of(a_text_or_none(block, "signature", where), SIGNATURE)
            parts += _reasoning(text, states)
        elif kind == "redacted_thinking":
            parts += _reasoning("", states_of(a_text(block, "data", where), REDACTED))
        elif kind == "tool_use":
            parts.append(_call(block, where))
        elif kind in ("text", "image", "document", "search_result"):
            parts += words_of(block, where, asked)
        elif kind == "tool_result":
            raise BadRequestError(
                f"`{where}`: a tool_result must stand in a message of the user", where
            )
        else:
            parts.append(Trace(WIRE, block))
    return parts


def _reasoning(text: str, states: tuple[Opaque, ...]) -> list[Part]:
    return [Reasoning(text, opaque=states)] if text or states else []


def _call(block: Json, path: str) -> ToolCall:
    given = block.get("input")
    return ToolCall(
        id=unwrapped(a_text(block, "id", path)),
        name=a_text(block, "name", path),
        # The client has parsed what the model wrote: this is it again, as closely as can be.
        arguments=_encode({} if given is None else given).decode(),
        cache=cache_of(block, path),
    )


def user_parts(content: Any, path: str, asked: Json) -> tuple[list[ToolResult], list[Part]]:
    """Return the tool results of a user's message, and the rest of it."""
    results: list[ToolResult] = []
    parts: list[Part] = []
    for place, block in enumerate(blocks_at(content, path)):
        where = f"{path}[{place}]"
        kind = a_text(block, "type", where)
        if kind == "tool_result":
            results.append(_result(block, where, asked))
        elif kind in ("text", "image", "document", "search_result"):
            parts += words_of(block, where, asked)
        elif kind in USER_TRACES:
            parts.append(Trace(WIRE, block))
        else:
            raise _unknown(block, where)
    return results, parts


def _result(block: Json, path: str, asked: Json) -> ToolResult:
    content = block.get("content")
    inner: list[Words] = []
    if content is not None:
        for place, one in enumerate(blocks_at(content, f"{path}.content")):
            where = f"{path}.content[{place}]"
            kind = a_text(one, "type", where)
            if kind == "tool_reference":
                inner.append(Text(f"Found the tool {a_text(one, 'tool_name', where)}"))
            elif kind in ("text", "image", "document", "search_result"):
                inner += words_of(one, where, asked)
            else:
                raise _unknown(one, where)
    return ToolResult(
        call_id=unwrapped(a_text(block, "tool_use_id", path)),
        parts=tuple(inner),
        is_error=bool(a_flag(block, "is_error", path)),
        cache=cache_of(block, path),
    )


def _unknown(block: Json, path: str) -> BadRequestError:
    kind = str(block.get("type"))[:64]
    return BadRequestError(f"`{path}.type` {kind!r} is not known here", f"{path}.type")
