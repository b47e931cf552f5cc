"""Reads a host's whole Cohere v2 answer: parts, finish, usage in disjoint buckets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from providers import ir
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import MISSING, Usage
from providers.wires.cohere.errors import failed, message_of
from providers.wires.tolerant import call_id, count, mapping, text_at

NAME = "cohere"
FINISHES: Mapping[str, ir.FinishReason] = {
    "COMPLETE": "end",
    "STOP_SEQUENCE": "stop_sequence",
    "MAX_TOKENS": "length",
    "TOOL_CALL": "tool",
}
FAILURES = frozenset({"ERROR", "TIMEOUT"})

_decode = msgspec.json.Decoder().decode


def read(raw: bytes, _dialect: Dialect, _issuer: str) -> ir.Answer:
    """Return a whole answer. Raises ``UpstreamError``: an error in a 200, or no answer."""
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    said = mapping(body)
    native = text_at(said, "finish_reason")
    if native in FAILURES:
        raise failed(native, text_at(said, "error") or message_of(said))
    message = said.get("message")
    if not isinstance(message, dict):
        raise UpstreamError(
            ErrorKind.MALFORMED, message_of(said) or "the answer has no message", status=200
        )
    parts = _parts(message)
    return ir.Answer(
        choices=(
            ir.Choice(
                parts=parts,
                finish=finish_of(native, calls=any(isinstance(p, ir.ToolCall) for p in parts)),
                logprobs=logprobs_of(said.get("logprobs")),
            ),
        ),
        usage=usage_of(said.get("usage")),
        id=text_at(said, "id"),
        native_finish=native,
    )


def finish_of(native: str, *, calls: bool) -> ir.FinishReason:
    """Return why the answer ended; ``calls``: tools were called in it."""
    finish = FINISHES.get(native, "end")
    if finish in ("end", "tool"):
        return "tool" if calls else "end"
    return finish


def _parts(message: dict[str, Any]) -> tuple[ir.Part, ...]:
    parts: list[ir.Part] = []
    said = message.get("content")
    if isinstance(said, str):
        said = [{"type": "text", "text": said}]
    content: list[Any] = said if isinstance(said, list) else []
    citations = citations_of(message.get("citations"))
    for place, item in enumerate(content):
        block = mapping(item)
        if text_at(block, "thinking"):
            parts.append(ir.Reasoning(block["thinking"]))
        elif text_at(block, "text"):
            parts.append(ir.Text(block["text"], citations=_of_place(citations, place, content)))
    plan = text_at(message, "tool_plan")
    if plan:
        parts.append(ir.Reasoning(plan))
    calls = message.get("tool_calls")
    taken: set[str] = set()
    for index, call in enumerate(calls if isinstance(calls, list) else []):
        parts.append(_call(mapping(call), index, taken))
    return tuple(parts)


def _of_place(
    citations: list[tuple[int | None, ir.Citation]], place: int, content: list[Any]
) -> tuple[ir.Citation, ...]:
    """Return the citations of the content at ``place``; one that names none is of the only text."""
    texts = [at for at, item in enumerate(content) if text_at(mapping(item), "text")]
    return tuple([one for at, one in citations if (at if at in texts else texts[-1]) == place])


def _call(said: dict[str, Any], index: int, taken: set[str]) -> ir.ToolCall:
    function = mapping(said.get("function"))
    name = text_at(function, "name")
    if not name:
        raise UpstreamError(ErrorKind.MALFORMED, "a tool call without a name", status=200)
    arguments = text_at(function, "arguments")
    return ir.ToolCall(
        call_id(said.get("id"), index, taken), name, arguments if arguments.strip() else "{}"
    )


def citations_of(said: Any) -> list[tuple[int | None, ir.Citation]]:
    """Return each source of each citation with the content that it stands in, None unsaid.

    Places count characters of that content.
    """
    listed = said if isinstance(said, list) else [said] if isinstance(said, dict) else []
    found: list[tuple[int | None, ir.Citation]] = []
    for item in listed:
        one = mapping(item)
        sources = one.get("sources")
        place = one.get("content_index")
        if one.get("type") == "PLAN":
            # It is about the plan of tools, of whose words nothing else is known.
            continue
        at = place if isinstance(place, int) else None
        listed_here = sources if isinstance(sources, list) else []
        found.extend((at, _source(mapping(source), one)) for source in listed_here)
    return found


def _source(source: dict[str, Any], said: dict[str, Any]) -> ir.Citation:
    document = mapping(source.get("document"))
    start, end = count(said.get("start")), count(said.get("end"))
    return ir.Citation(
        url=text_at(document, "url"),
        title=text_at(document, "title") or text_at(source, "id"),
        quote=text_at(document, "snippet") or text_at(document, "text"),
        start=-1 if start is None else start,
        end=-1 if end is None else end,
    )


def logprobs_of(said: Any) -> list[Any] | None:
    """Return log probabilities in the chat wire's form; None where there are none.

    One item is a piece of text; where it is several tokens, their probabilities are multiplied.
    """
    if isinstance(said, dict):
        said = [said]
    if not isinstance(said, list):
        return None
    found = []
    for item in said:
        one = mapping(item)
        figures = one.get("logprobs")
        figures = figures if isinstance(figures, list) else []
        numbers = [n for n in figures if isinstance(n, int | float) and n is not True]
        text = text_at(one, "text")
        if text and numbers:
            found.append(
                {
                    "token": text,
                    "logprob": sum(numbers),
                    "bytes": list(text.encode("utf-8", "replace")),
                    "top_logprobs": [],
                }
            )
    return found or None


def usage_of(said: Any) -> Usage:
    """Return what is billed, in disjoint buckets; MISSING where nothing was counted.

    The host counts twice: ``tokens`` is all that the model read and wrote, with a prompt of the
    host's own; ``billed_units`` is what the customer pays. The buckets are the latter, since money
    is reckoned from them. ``cached_tokens`` counts among ``tokens`` and has no price of its own, so
    that it has no place in them. Where nothing is said to be billed, the tokens stand there
    unreconciled.
    """
    usage = mapping(said)
    billed, tokens = mapping(usage.get("billed_units")), mapping(usage.get("tokens"))
    paid_in, paid_out = count(billed.get("input_tokens")), count(billed.get("output_tokens"))
    thought = count(tokens.get("reasoning_tokens")) or 0
    if paid_in is None or paid_out is None:
        return _unbilled(usage, tokens, thought)
    # More thought than is billed: thinking costs nothing here.
    reasoning = thought if thought <= paid_out else 0
    return Usage(
        input=paid_in,
        output=paid_out - reasoning,
        reasoning=reasoning,
        searches=count(billed.get("search_units")) or 0,
        # They are paid by the piece, which no bucket holds.
        reconciled=not billed.get("classifications"),
    )


def _unbilled(usage: Mapping[str, Any], tokens: Mapping[str, Any], thought: int) -> Usage:
    read_, wrote = count(tokens.get("input_tokens")), count(tokens.get("output_tokens"))
    if read_ is None or wrote is None:
        return MISSING
    cached = min(count(usage.get("cached_tokens")) or 0, read_)
    thought = min(thought, wrote)
    return Usage(
        input=read_ - cached,
        cache_read=cached,
        output=wrote - thought,
        reasoning=thought,
        reconciled=False,
    )
