"""Reads a host's whole Converse answer: parts, finish, usage in disjoint buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import MISSING, Usage, tier_of
from providers.wires.converse.errors import kind_of, message_of
from providers.wires.tolerant import call_id, count, mapping, text_at

NAME = "converse"
SIGNATURE = "converse.signature"
REDACTED = "converse.redacted"

FINISHES: Mapping[str, ir.FinishReason] = {
    "end_turn": "end",
    "stop_sequence": "stop_sequence",
    "tool_use": "tool",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "guardrail_intervened": "filter",
    "content_filtered": "filter",
}
# The model wrote what the service could not read: there is no answer to give on.
MALFORMED = frozenset({"malformed_model_output", "malformed_tool_use"})
# A tool that the host runs itself says so in the type of its call.
SERVER_TOOL = "server_tool_use"

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def read(raw: bytes, dialect: Dialect, issuer: str) -> ir.Answer:
    """Return a whole answer. Raises ``UpstreamError``: an error in a 200, or no answer."""
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    message = mapping(mapping(body).get("output")).get("message")
    content = mapping(message).get("content")
    native = text_at(mapping(body), "stopReason")
    if not isinstance(content, list) or not (content or native):
        said = message_of(mapping(body))
        word = text_at(mapping(body), "__type").rpartition("#")[2]
        kind = kind_of(word, said, 200, dialect) if word else ErrorKind.MALFORMED
        raise UpstreamError(kind, said or "the answer has no message", status=200)
    parts = _parts(content, issuer)
    calls = any(isinstance(part, ir.ToolCall) for part in parts)
    return ir.Answer(
        choices=(
            ir.Choice(
                parts=parts,
                finish=finish_of(native, calls=calls),
                stop_sequence=stop_sequence(mapping(body)),
            ),
        ),
        usage=usage_of(
            mapping(body).get("usage"), mapping(mapping(body).get("serviceTier")).get("type")
        ),
        native_finish=native,
        service_tier=text_at(mapping(mapping(body).get("serviceTier")), "type"),
    )


def finish_of(native: str, *, calls: bool) -> ir.FinishReason:
    """Return why the answer ended. Raises ``UpstreamError`` where the host says it is no answer.

    ``calls``: the answer has calls of the client's tools; some models end those as they end a text.
    """
    if native in MALFORMED:
        raise UpstreamError(
            ErrorKind.MALFORMED,
            f"the model's output could not be read by its host ({native})",
            status=200,
            code=native,
        )
    finish = FINISHES.get(native, "end")
    if finish == "end" and calls:
        return "tool"
    # Only the host's own tools ran: there is nothing for the client to do.
    return "end" if finish == "tool" and not calls else finish


def stop_sequence(body: Mapping[str, Any]) -> str:
    """Return the sequence that ended the answer, which only some models tell."""
    fields = mapping(body.get("additionalModelResponseFields"))
    return text_at(fields, "stop_sequence") or text_at(
        mapping(fields.get("delta")), "stop_sequence"
    )


def citation(said: Any) -> ir.Citation | None:
    """Return what a text of the answer leans on. Places lead into the source, not into the text."""
    if not isinstance(said, dict):
        return None
    location = mapping(said.get("location"))
    quotes = said.get("sourceContent")
    quote = [text_at(mapping(item), "text") for item in quotes] if isinstance(quotes, list) else []
    return ir.Citation(
        url=text_at(mapping(location.get("web")), "url") or text_at(said, "source"),
        title=text_at(said, "title"),
        quote="".join(quote),
    )


def _parts(content: list[Any], issuer: str) -> tuple[ir.Part, ...]:
    parts: list[ir.Part] = []
    ids: set[str] = set()
    for block in content:
        said = mapping(block)
        if isinstance(said.get("text"), str):
            if said["text"]:
                parts.append(ir.Text(said["text"]))
        elif isinstance(said.get("citationsContent"), dict):
            _cited(said["citationsContent"], parts)
        elif isinstance(said.get("reasoningContent"), dict):
            parts.append(_reasoning(said["reasoningContent"], issuer))
        elif isinstance(said.get("toolUse"), dict) and said["toolUse"].get("type") != SERVER_TOOL:
            parts.append(_call(said["toolUse"], ids))
        elif said:
            parts.append(ir.Trace(NAME, said))
    return tuple(parts)


def _cited(said: dict[str, Any], parts: list[ir.Part]) -> None:
    content, listed = said.get("content"), said.get("citations")
    texts = (
        [text_at(mapping(item), "text") for item in content] if isinstance(content, list) else []
    )
    found = [citation(item) for item in listed] if isinstance(listed, list) else []
    citations = tuple([item for item in found if item is not None])
    text = "".join(texts)
    if text:
        parts.append(ir.Text(text, citations=citations))
    elif citations and parts and isinstance(parts[-1], ir.Text):
        # Sources without words of their own belong to the words before them.
        last = parts[-1]
        parts[-1] = msgspec.structs.replace(last, citations=(*last.citations, *citations))


def _reasoning(said: dict[str, Any], issuer: str) -> ir.Reasoning:
    readable = mapping(said.get("reasoningText"))
    signature, redacted = text_at(readable, "signature"), text_at(said, "redactedContent")
    states = []
    if signature:
        states.append(ir.Opaque(SIGNATURE, signature, issuer))
    if redacted:
        states.append(ir.Opaque(REDACTED, redacted, issuer))
    return ir.Reasoning(text_at(readable, "text"), opaque=tuple(states))


def _call(said: dict[str, Any], ids: set[str]) -> ir.ToolCall:
    name = text_at(said, "name")
    if not name:
        raise UpstreamError(ErrorKind.MALFORMED, "a tool call without a name", status=200)
    identity = call_id(said.get("toolUseId"), len(ids), ids)
    given = said.get("input")
    if given is not None and not isinstance(given, dict):
        text = f"the arguments for {name[:100]!r} are no JSON object"
        raise UpstreamError(ErrorKind.MALFORMED, text, status=200)
    # Written by the model as an object, which is all that this wire hands on of its words.
    try:
        arguments = _encode(given).decode() if given is not None else "{}"
    except RecursionError:
        raise UpstreamError(
            ErrorKind.MALFORMED, "the arguments of a tool call are nested too deeply", status=200
        ) from None
    return ir.ToolCall(identity, name, arguments)


def usage_of(said: Any, tier: Any = None) -> Usage:
    """Return ``usage`` in disjoint buckets; MISSING where a count of either side is missing.

    The host's own counts are disjoint: ``inputTokens`` has no cached ones, ``outputTokens`` has the
    reasoning, of which nothing says how much it was. ``totalTokens`` is the sum of all four.
    """
    if not isinstance(said, dict):
        return MISSING
    fresh, out = count(said.get("inputTokens")), count(said.get("outputTokens"))
    if fresh is None or out is None:
        return MISSING
    # Older answers have another name for each.
    read_ = count(said.get("cacheReadInputTokens")) or count(said.get("cacheReadInputTokenCount"))
    write = count(said.get("cacheWriteInputTokens")) or count(said.get("cacheWriteInputTokenCount"))
    read_, write = read_ or 0, write or 0
    long = _long(said.get("cacheDetails"))
    total = count(said.get("totalTokens"))
    reconciled = long <= write and (total is None or total == fresh + out + read_ + write)
    long = min(long, write)
    return Usage(
        input=fresh,
        cache_read=read_,
        cache_write=write - long,
        cache_write_long=long,
        output=out,
        tier=tier_of(tier),
        reconciled=reconciled,
    )


def _long(details: Any) -> int:
    rows = details if isinstance(details, list) else []
    return sum(
        count(row.get("inputTokens")) or 0
        for row in rows
        if isinstance(row, dict) and row.get("ttl") == "1h"
    )
