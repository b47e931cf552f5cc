"""A host's whole answer: tapped as it passes, or read into the neutral form."""

from __future__ import annotations

from typing import Any

import msgspec

from providers import ir
from providers.assemble import Collector
from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.wires.messages.errors import error_of
from providers.wires.messages.events import Blocks
from providers.wires.messages.usage import usage_of
from providers.wires.wire import Json, Tap

_decode = msgspec.json.Decoder().decode


def tap(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole answer says. Raises ``UpstreamError``: an error in a 200, or no answer.

    An answer counts as one when it has a list of ``content``.
    """
    body, content = _answer(raw, dialect)
    usage = usage_of(body.get("usage"), dialect)
    blocks = [block for block in content if isinstance(block, dict)]
    states = [
        block.get("data" if block["type"] == "redacted_thinking" else "signature")
        for block in blocks
        if block.get("type") in ("thinking", "redacted_thinking")
    ]
    calls = [block.get("id") for block in blocks if block.get("type") == "tool_use"]
    return Tap(
        usage=usage,
        finish=_text(body.get("stop_reason")),
        model=_text(body.get("model")),
        text_bytes=0 if usage.state == "reported" else _text_bytes(blocks),
        states=tuple([state for state in states if isinstance(state, str) and state]),
        calls=tuple([call for call in calls if isinstance(call, str)]),
    )


def read(raw: bytes, dialect: Dialect, issuer: str) -> ir.Answer:
    """Return a whole answer in the neutral form. Raises ``UpstreamError`` as ``tap`` does."""
    body, content = _answer(raw, dialect)
    blocks = Blocks(issuer)
    blocks.id = _text(body.get("id"))
    collector = Collector()
    events: list[ir.Event] = []
    for index, block in enumerate(content):
        events += blocks.start(index, block)
        events += blocks.stop()
    reason = _text(body.get("stop_reason"))
    events += blocks.finish(reason, body.get("stop_sequence"), body.get("stop_details"))
    if blocks.fault is not None:
        raise blocks.fault
    for event in events:
        collector.add(event)
    usage = body.get("usage")
    tier = usage.get("service_tier") if isinstance(usage, dict) else None
    return ir.Answer(
        choices=collector.choices(),
        usage=usage_of(usage, dialect),
        id=blocks.id,
        model=_text(body.get("model")),
        native_finish=reason,
        service_tier=_text(tier),
    )


def _answer(raw: bytes, dialect: Dialect) -> tuple[Json, list[Any]]:
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    if isinstance(body, dict) and (body.get("error") or body.get("type") == "error"):
        raise error_of(body.get("error"), 200, dialect)
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, list):
        raise UpstreamError(ErrorKind.MALFORMED, "the answer has no content", status=200)
    return body, content


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _text_bytes(blocks: list[Json]) -> int:
    values = [
        value for block in blocks for name, value in block.items() if name != "type" and value
    ]
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in values)
