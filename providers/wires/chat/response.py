"""Reads a host's chat answer: usage in disjoint buckets, finish reason, errors inside a 200."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import msgspec

from providers.dialect import Dialect
from providers.errors import ErrorKind, UpstreamError
from providers.usage import MISSING, Usage
from providers.wires.chat.errors import error_of

_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True, slots=True)
class Reading:
    """What the gateway reads out of one whole answer.

    ``text_bytes`` is the size of what the model wrote, counted only where no usage came.
    """

    usage: Usage
    finish: str
    model: str
    text_bytes: int


def read(raw: bytes, dialect: Dialect) -> Reading:
    """Return what a whole answer says. Raises ``UpstreamError``: an error in a 200, or no answer.

    An answer counts as one when it has ``choices``.
    """
    try:
        body = _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        raise UpstreamError(
            ErrorKind.MALFORMED, "the answer is not JSON", status=200, body=raw[:2048]
        ) from None
    if isinstance(body, dict) and body.get("error"):
        raise error_of(body["error"], 200)
    choices = body.get("choices") if isinstance(body, dict) else None
    if not isinstance(choices, list) or not choices:
        raise UpstreamError(ErrorKind.MALFORMED, "the answer has no choices", status=200)
    first = choices[0] if isinstance(choices[0], dict) else {}
    usage = usage_of(body.get("usage"), dialect)
    return Reading(
        usage=usage,
        finish=str(first.get("finish_reason") or ""),
        model=str(body.get("model") or ""),
        text_bytes=0 if usage.state == "reported" else _text_bytes(choices),
    )


def _text_bytes(choices: list[Any]) -> int:
    messages = [choice.get("message") for choice in choices if isinstance(choice, dict)]
    values = [
        value
        for message in messages
        if isinstance(message, dict)
        for name, value in message.items()
        if name != "role" and value
    ]
    return sum(len(value) if isinstance(value, str) else len(str(value)) for value in values)


def usage_of(said: Any, dialect: Dialect) -> Usage:
    """Return ``usage`` as the host said it, in disjoint buckets; MISSING where it said nothing.

    Where the figures contradict each other or the dialect's convention, ``reconciled`` is False
    and the buckets still add up to the host's prompt and completion counts.
    """
    if not isinstance(said, dict):
        return MISSING
    prompt, completion = _count(said.get("prompt_tokens")), _count(said.get("completion_tokens"))
    if prompt is None or completion is None:
        return MISSING
    read_ = _first(said, dialect.cached_read_paths)
    write = _first(said, dialect.cached_write_paths)
    audio_in = _at(said, ("prompt_tokens_details", "audio_tokens"))
    audio_out = _at(said, ("completion_tokens_details", "audio_tokens"))
    reasoning = _first(said, dialect.reasoning_paths)
    total = _count(said.get("total_tokens"))
    beside = reasoning if dialect.reasoning == "beside" else 0
    inside = reasoning - beside
    reconciled = (
        read_ + write + audio_in <= prompt
        and inside + audio_out <= completion
        and (total is None or total == prompt + completion + beside)
    )
    if not reconciled:
        read_, write = min(read_, prompt), min(write, max(0, prompt - read_))
        audio_in = min(audio_in, max(0, prompt - read_ - write))
        inside = min(inside, completion)
        audio_out = min(audio_out, completion - inside)
    return Usage(
        input=prompt - read_ - write - audio_in,
        cache_read=read_,
        cache_write=write,
        audio_input=audio_in,
        output=completion - inside - audio_out,
        reasoning=inside + beside,
        audio_output=audio_out,
        reconciled=reconciled,
        stated_usd=_money(said, dialect.cost_path) if dialect.cost_path else None,
    )


def _count(value: Any) -> int | None:
    # Some hosts send counts as floats.
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value if isinstance(value, int) and value >= 0 and value is not True else None


def _first(said: dict[str, Any], paths: tuple[tuple[str, ...], ...]) -> int:
    for path in paths:
        found = _at(said, path)
        if found:
            return found
    return 0


def _at(said: dict[str, Any], path: tuple[str, ...]) -> int:
    return _count(_walk(said, path)) or 0


def _money(said: dict[str, Any], path: tuple[str, ...]) -> Decimal | None:
    value = _walk(said, path)
    if not isinstance(value, int | float | str) or isinstance(value, bool):
        return None
    try:
        # str() of a float is its shortest exact spelling: the figure that the host wrote.
        money = Decimal(str(value))
    except InvalidOperation:
        return None
    return money if money.is_finite() and money >= 0 else None


def _walk(said: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        if not isinstance(said, dict):
            return None
        said = said.get(name)
    return said
