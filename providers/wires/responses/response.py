"""Reads a host's whole answer: as it passes, or as the neutral form."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from providers.assemble import Collector
from providers.dialect import Dialect, Path
from providers.ir import Answer, Counted
from providers.usage import Usage
from providers.wires.chat.counts import beside_all, missing, searched
from providers.wires.responses.errors import decoded, malformed
from providers.wires.responses.events import EventReader
from providers.wires.responses.fields import tier_named
from providers.wires.tolerant import count
from providers.wires.wire import Json, Tap, money

CACHED_READ: tuple[Path, ...] = (("input_tokens_details", "cached_tokens"),)
CACHED_WRITE: tuple[Path, ...] = (("input_tokens_details", "cache_write_tokens"),)
# The part of what was written that is kept longer, and dearer.
CACHE_WRITE_LONG: tuple[Path, ...] = (
    ("input_tokens_details", "cache_write_tokens_details", "ttl_12h_tokens"),
)
IMAGE_IN: tuple[Path, ...] = (("input_tokens_details", "image_tokens"),)
IMAGE_OUT: tuple[Path, ...] = (("output_tokens_details", "image_tokens"),)
REASONING: tuple[Path, ...] = (("output_tokens_details", "reasoning_tokens"),)
UNFINISHED = frozenset({"queued", "in_progress"})


def tap(raw: bytes, dialect: Dialect) -> Tap:
    """Return what a whole answer says. Raises ``UpstreamError``: an error in a 200, or no answer.

    An answer that goes on in the background counts as one: its client asked for that.
    """
    body = decoded(raw, dialect)
    states: list[str] = []
    calls: list[str] = []
    for item in body["output"]:
        if isinstance(item, dict):
            note_item(item.get("encrypted_content"), states)
            note_item(item.get("call_id"), calls)
    usage = _usage_in(body, dialect)
    return Tap(
        usage=usage,
        finish=finish_word(body),
        model=word(body.get("model")),
        text_bytes=0 if usage.state == "reported" else _text_bytes(body["output"]),
        states=tuple(states),
        calls=tuple(calls),
    )


def read(raw: bytes, dialect: Dialect, issuer: str) -> Answer:
    """Return a whole answer in the neutral form; states in it are stamped with ``issuer``.

    Raises ``UpstreamError``: an error inside a 200, no answer of this wire, or none that is whole.
    """
    body = decoded(raw, dialect)
    if word(body.get("status")) in UNFINISHED:
        raise malformed("the answer is not finished")
    reader, collector = EventReader(issuer), Collector()
    for event in reader.ended(body):
        collector.add(event)
    if reader.fault is not None:
        raise reader.fault
    usage = _usage_in(body, dialect)
    collector.add(Counted(usage))
    return Answer(
        choices=collector.choices(),
        usage=usage,
        id=word(body.get("id")),
        model=word(body.get("model")),
        native_finish=finish_word(body),
        service_tier=word(body.get("service_tier")),
    )


def note_item(found: Any, where: list[str]) -> None:
    """Add a state or an id to those seen, once."""
    if isinstance(found, str) and found and found not in where:
        where.append(found)


def word(value: Any) -> str:
    """Return a string that a host said, "" where it said something else."""
    return value if isinstance(value, str) else ""


def finish_word(body: Json) -> str:
    """Return the host's own word for why an answer ended."""
    details = body.get("incomplete_details")
    reason = word(details.get("reason")) if isinstance(details, dict) else ""
    status = word(body.get("status")) or "completed"
    return reason if reason and status == "incomplete" else status


def _text_bytes(output: list[Any]) -> int:
    kept = ("content", "summary", "arguments", "input", "action", "result")
    return sum(
        len(str(value))
        for item in output
        if isinstance(item, dict)
        for name, value in item.items()
        if name in kept and value
    )


def _usage_in(body: Json, dialect: Dialect) -> Usage:
    return usage_of(
        body.get("usage"), dialect, body.get("service_tier"), searches_in(body["output"])
    )


def searches_in(output: list[Any]) -> int:
    """Return how many of the items of an answer are searches of the web."""
    found = [item for item in output if isinstance(item, dict)]
    return sum(is_search(item.get("type"), item.get("action")) for item in found)


def is_search(kind: Any, action: Any) -> bool:
    """Whether an item is a search that is charged: to open a page and look through it is not."""
    if kind != "web_search_call":
        return False
    did = action.get("type") if isinstance(action, dict) else None
    return did is None or did == "search"


def usage_of(said: Any, dialect: Dialect, tier: Any = None, searches: int = 0) -> Usage:
    """Return ``usage`` as the host said it, in disjoint buckets; MISSING where it said nothing.

    On this wire cached tokens stand inside the input and reasoning inside the output. Where the
    figures contradict that, ``reconciled`` is False and the buckets still add up to both counts.
    ``tier`` is the host's word for the tier of service, ``searches`` counts those that were seen in
    the answer.
    """
    if not isinstance(said, dict):
        return missing(tier)
    prompt, output = count(said.get("input_tokens")), count(said.get("output_tokens"))
    if prompt is None or output is None:
        return missing(tier)
    cached = _first(said, CACHED_READ + dialect.cached_read_paths)
    written = _first(said, CACHED_WRITE + dialect.cached_write_paths)
    reasoning = _first(said, REASONING + dialect.reasoning_paths)
    total = count(said.get("total_tokens"))
    fresh, again, drafts = beside_all(said, dialect)
    reconciled = (
        cached + written <= prompt
        and reasoning <= output
        and (total is None or total in (prompt + output, prompt + output + fresh + again + drafts))
    )
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    long = min(_first(said, CACHE_WRITE_LONG), written)
    reasoning = min(reasoning, output)
    image_in = min(_first(said, IMAGE_IN), prompt - cached - written)
    image_out = min(_first(said, IMAGE_OUT), output - reasoning)
    return Usage(
        input=prompt - cached - written - image_in + fresh,
        cache_read=cached + again,
        cache_write=written - long,
        cache_write_long=long,
        image_input=image_in,
        output=output - reasoning - image_out,
        reasoning=reasoning + drafts,
        image_output=image_out,
        searches=searched(said, dialect, searches),
        tier=tier_named(tier),
        reconciled=reconciled,
        stated_usd=_charge(said, dialect),
    )


def _charge(said: Json, dialect: Dialect) -> Decimal | None:
    if dialect.cost_path is None:
        return None
    stated, unit = money(_walk(said, dialect.cost_path)), money(dialect.cost_unit)
    return None if stated is None or unit is None else stated * unit


def _first(said: Json, paths: tuple[Path, ...]) -> int:
    for path in paths:
        found = count(_walk(said, path))
        if found:
            return found
    return 0


def _walk(said: Any, path: Path) -> Any:
    for name in path:
        if not isinstance(said, dict):
            return None
        said = said.get(name)
    return said
