"""Every host wire's readers on streams and answers that are not what the wire promises.

Whatever comes: no exception but the contract's, nothing after a fault, a stream that is clean as
far as it goes, figures that are never negative, and the same events however the bytes were cut.
"""

from __future__ import annotations

import contextlib
import json
from collections import defaultdict
from collections.abc import Sequence
from functools import cache
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from providers import ir
from providers.dialect import Dialect
from providers.errors import UpstreamError
from providers.usage import BUCKETS, Usage
from providers.wires.registry import WIRES
from providers.wires.wire import Reader
from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Call, Said
from tests.fuzz import mutations as m
from tests.unit.providers.clean import judge

SAIDS = (
    Said("Grüße, 世界 🙂", thought="Let me see.", state=spoken.opaque("x")),
    Said(
        "Adding.",
        (Call("call_1", "add", '{"a": 1, "b": "ü"}'), Call("call_2", "sub", "{}")),
        "Two calls.",
        spoken.opaque("y"),
    ),
    Said("Once upon", finish="length"),
)
DIALECTS: dict[str, tuple[Dialect, ...]] = {
    "chat": (
        Dialect(),
        Dialect(think_tags=True, repair_tool_calls=True, replay_reasoning="reasoning_content"),
        Dialect(reasoning="beside", cost_path=("cost",)),
    ),
}
PLAIN = (Dialect(),)
# The everyday run, and ``make slow``.
EXAMPLES = [10, pytest.param(1500, marks=pytest.mark.slow)]
QUICK_MS = 3000

each_host = pytest.mark.parametrize("host", HOST_WIRES)
examples = pytest.mark.parametrize("examples", EXAMPLES)


@cache
def streams(host: str) -> tuple[tuple[m.Piece, ...], ...]:
    """Return good streams of a wire, event by event."""
    return tuple(tuple(m.pieces(spoken.answer(host, said, stream=True).pieces)) for said in SAIDS)


def reader(host: str, dialect: Dialect, *, strip: bool = False) -> Reader:
    return WIRES[host].host.reader(dialect, "route/m", strip)


def events_of(host: str, dialect: Dialect, data: Sequence[bytes]) -> tuple[list[ir.Event], Reader]:
    """Read a whole stream, and see that a fault ends it."""
    reading = reader(host, dialect)
    events: list[ir.Event] = []
    for piece in data:
        had_fault = reading.fault is not None
        more = reading.events(piece)
        assert not (had_fault and more), "events after a fault"
        events += more
    had_fault = reading.fault is not None
    more = reading.close()
    assert not (had_fault and more), "events after a fault"
    return events + more, reading


def clean(events: list[ir.Event], *, whole: bool) -> None:
    """Judge every choice of a stream by itself."""
    assert sum(isinstance(event, ir.Started) for event in events) == bool(events)
    ids = [event.id for event in events if isinstance(event, ir.ToolStart)]
    assert len(ids) == len(set(ids))
    by_choice: dict[int, list[ir.Event]] = defaultdict(list)
    for event in events[1:]:
        by_choice[getattr(event, "choice", 0)].append(event)
    if not whole and not events:
        return
    for found in by_choice.values():
        judge([ir.Started(), *found], whole=False)
    if whole:
        judge([ir.Started(), *by_choice[0]], whole=bool(by_choice[0]))
        assert any(isinstance(event, ir.Finished) for event in events)


def sane(usage: Usage) -> None:
    """No bucket may be negative, nor anything but a whole number that a ledger can hold."""
    for name in BUCKETS:
        count = getattr(usage, name)
        assert type(count) is int
        assert 0 <= count < 2**63, (name, count)
    assert usage.stated_usd is None or usage.stated_usd >= 0


def regrouped(data: bytes, sizes: Sequence[int]) -> list[bytes]:
    """Cut bytes into pieces of the sizes that come round again."""
    found, at, turn = [], 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        found.append(data[at : at + size])
        at, turn = at + size, turn + 1
    return found


@each_host
@examples
def test_mutated_streams(host: str, examples: int) -> None:
    @settings(max_examples=examples, deadline=QUICK_MS)
    @given(
        which=st.integers(0, len(SAIDS) - 1),
        spoken_as=st.integers(0, len(DIALECTS.get(host, PLAIN)) - 1),
        mutations=m.MUTATIONS,
        sizes=st.lists(st.integers(1, 70), min_size=1, max_size=4),
    )
    def holds(which: int, spoken_as: int, mutations: list[m.Mutation], sizes: list[int]) -> None:
        dialect = DIALECTS.get(host, PLAIN)[spoken_as]
        data = b"".join(m.mutated(streams(host)[which], mutations))
        events, reading = events_of(host, dialect, [data])
        clean(events, whole=reading.fault is None)
        sane(reading.usage)
        assert reading.text_bytes >= 0
        again, cut = events_of(host, dialect, regrouped(data, sizes))
        assert again == events
        assert (cut.fault is None) == (reading.fault is None)
        assert cut.usage == reading.usage
        if host in ("converse", "cohere"):
            return
        for strip in (False, True):
            passing = reader(host, dialect, strip=strip)
            out = b"".join([passing.feed(piece) for piece in regrouped(data, sizes)])
            out += passing.end()
            sane(passing.usage)
            if not strip and not dialect.repair_tool_calls:
                assert data.startswith(out) or passing.fault is not None

    holds()


@each_host
def test_every_cut_of_a_good_stream_is_the_same(host: str) -> None:
    for stream in streams(host):
        data = b"".join(piece.raw for piece in stream)
        whole, reading = events_of(host, PLAIN[0], [data])
        assert reading.fault is None
        assert events_of(host, PLAIN[0], regrouped(data, [1]))[0] == whole
        for at in range(0, len(data), 29):
            # An end that is none is told from one that is, where only the count may be missing.
            cut, half = events_of(host, PLAIN[0], [data[:at]])
            assert half.fault is not None or half.done or cut in (whole, whole[:-1])
            clean(cut, whole=False)


@each_host
@examples
def test_mutated_whole_answers(host: str, examples: int) -> None:
    wire = WIRES[host]
    bodies = [json.loads(spoken.answer(host, said, stream=False).pieces[0]) for said in SAIDS]

    @settings(max_examples=examples, deadline=QUICK_MS)
    @given(which=st.integers(0, len(SAIDS) - 1), mutations=m.MUTATIONS)
    def holds(which: int, mutations: list[m.Mutation]) -> None:
        value = bodies[which]
        for what, where, how in mutations:
            if what < 9:
                value = m.changed(value, what, where, how) if value is not None else value
        raw = m.text(value)
        for what, _, how in mutations:
            if what >= 9:
                raw = m.noisy(raw, what, how)
        for dialect in DIALECTS.get(host, PLAIN):
            with contextlib.suppress(UpstreamError):
                answer = wire.host.read(raw, dialect, "route/m")
                sane(answer.usage)
                for choice in answer.choices:
                    calls = [part for part in choice.parts if isinstance(part, ir.ToolCall)]
                    assert all(call.id and call.name for call in calls)
                    assert (choice.finish == "tool") <= bool(calls)
            with contextlib.suppress(UpstreamError):
                if wire.relay is not None:
                    sane(wire.relay.tap(raw, dialect).usage)
        for status in (400, 429, 500):
            fault = wire.host.read_error(
                status, {"retry-after": raw[:40].decode("latin-1")}, raw, PLAIN[0]
            )
            assert fault.retry_after_s is None or 0 <= fault.retry_after_s < 1e9

    holds()


# --- figures that contradict each other ---

COUNT = st.none() | st.integers(0, 12) | st.sampled_from([-1, 2.0, 2.5, "3", True, 2**70, 1e300])


def number(value: Any) -> int | None:
    """A count as far as it is one that every wire takes."""
    return value if isinstance(value, int) and value is not True and 0 <= value < 2**50 else None


def contradicts(host: str, said: dict[str, Any]) -> bool:
    """Whether figures of a wire cannot all be true, by the wire's documentation."""
    given = {name: number(value) or 0 for name, value in said.items()}
    total = number(said["total"])
    if host == "messages":
        return given["thought"] > given["out"]
    if host == "converse":
        summed = given["in"] + given["out"] + given["read"] + given["write"]
        return total is not None and total != summed
    if host == "gemini":
        summed = given["in"] + given["out"] + given["thought"]
        return given["read"] > given["in"] or (total is not None and total != summed)
    inside = given["read"] + given["write"] > given["in"] or given["thought"] > given["out"]
    return inside or (total is not None and total != given["in"] + given["out"])


def usage_said(host: str, f: dict[str, Any]) -> dict[str, Any]:
    """Return figures in a wire's own words."""
    words: dict[str, dict[str, Any]] = {
        "chat": {
            "prompt_tokens": f["in"], "completion_tokens": f["out"], "total_tokens": f["total"],
            "prompt_tokens_details": {"cached_tokens": f["read"], "cache_write_tokens": f["write"]},
            "completion_tokens_details": {"reasoning_tokens": f["thought"]},
        },
        "responses": {
            "input_tokens": f["in"], "output_tokens": f["out"], "total_tokens": f["total"],
            "input_tokens_details": {"cached_tokens": f["read"], "cache_write_tokens": f["write"]},
            "output_tokens_details": {"reasoning_tokens": f["thought"]},
        },
        "messages": {
            "input_tokens": f["in"], "output_tokens": f["out"],
            "cache_read_input_tokens": f["read"], "cache_creation_input_tokens": f["write"],
            "output_tokens_details": {"thinking_tokens": f["thought"]},
        },
        "gemini": {
            "promptTokenCount": f["in"], "candidatesTokenCount": f["out"],
            "totalTokenCount": f["total"], "cachedContentTokenCount": f["read"],
            "thoughtsTokenCount": f["thought"],
        },
        "converse": {
            "inputTokens": f["in"], "outputTokens": f["out"], "totalTokens": f["total"],
            "cacheReadInputTokens": f["read"], "cacheWriteInputTokens": f["write"],
        },
        "cohere": {
            "billed_units": {"input_tokens": f["in"], "output_tokens": f["out"]},
            "tokens": {"reasoning_tokens": f["thought"]}, "cached_tokens": f["read"],
        },
    }  # fmt: skip
    return words[host]


PLACE = {"gemini": "usageMetadata"}


@each_host
@examples
def test_figures_add_up_or_are_called_unreconciled(host: str, examples: int) -> None:
    body = json.loads(spoken.answer(host, SAIDS[0], stream=False).pieces[0])

    @settings(max_examples=examples, deadline=QUICK_MS)
    @example(figures={"in": 5, "out": 3, "total": 8, "read": 9, "write": 0, "thought": 0})
    @example(figures={"in": 5, "out": 3, "total": 9, "read": 0, "write": 0, "thought": 0})
    @example(figures={"in": 5, "out": 3, "total": 8, "read": 0, "write": 0, "thought": 4})
    @example(figures={"in": 2**70, "out": 3, "total": None, "read": 0, "write": 0, "thought": 4})
    @example(figures={"in": 4, "out": 1e300, "total": None, "read": 0, "write": 0, "thought": 0})
    @given(
        figures=st.fixed_dictionaries(
            dict.fromkeys(("in", "out", "total", "read", "write", "thought"), COUNT)
        )
    )
    def holds(figures: dict[str, Any]) -> None:
        said = {**body, PLACE.get(host, "usage"): usage_said(host, figures)}
        usage = WIRES[host].host.read(m.text(said), PLAIN[0], "r/m").usage
        sane(usage)
        plain = all(value is None or number(value) is not None for value in figures.values())
        if usage.state != "reported" or not plain:
            return
        prompt, out = number(figures["in"]), number(figures["out"])
        assert prompt is not None or host == "gemini"
        # What was billed is in the buckets, whatever else was said.
        if prompt is not None and host not in ("messages", "converse"):
            assert usage.prompt_tokens == prompt
        if out is not None and host != "gemini":
            assert usage.completion_tokens == out
        if host != "cohere" and prompt is not None:
            assert usage.reconciled is not contradicts(host, figures)

    holds()
