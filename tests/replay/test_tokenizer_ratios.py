"""The table of what tokenizers differ by is what the recorded prompts give."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

import pytest

from billing.tokenizer_ratios import MEASURED, RATIOS
from gateway import prompt_size
from providers import ir
from providers.tokens import estimate
from providers.vocabularies import load
from providers.wires.registry import WIRES
from providers.wires.wire import BadRequestError
from tests.replay import corpus

LEAST_BYTES = 200


def prompts() -> Iterator[str]:
    """Every recorded prompt once, that is not too short to tell anything."""
    seen: set[str] = set()
    for case in corpus.cases():
        wire = WIRES[case.wire]
        if case.request is None or wire.client is None:
            continue
        try:
            request = wire.front.read(case.request)
        except BadRequestError:
            continue
        text = "\n".join(filter(None, _parts(request)))
        if len(text.encode("utf-8", "surrogatepass")) >= LEAST_BYTES and text not in seen:
            seen.add(text)
            yield text


def _parts(request: ir.Request) -> Iterator[str]:
    yield prompt_size.text(request)
    yield "\n".join(map(prompt_size.tool_text, request.tools))
    parts = [part for message in request.messages for part in message.parts]
    yield "\n".join(f"{p.name} {p.arguments}" for p in parts if isinstance(p, ir.ToolCall))


@pytest.mark.slow
def test_the_table_is_what_the_prompts_give() -> None:
    known, other = load("o200k_base"), load("cl100k_base")
    found: dict[str, list[float]] = {"cl100k_base": [], "bytes/4": []}
    for text in prompts():
        number = known.count(text)
        found["cl100k_base"].append(other.count(text) / number)
        found["bytes/4"].append(estimate(len(text.encode("utf-8", "surrogatepass"))) / number)
    for ratio in RATIOS:
        values = sorted(found[ratio.of])
        assert MEASURED.startswith(f"{len(values)} ")
        marks = (values[len(values) * 5 // 100], values[len(values) * 95 // 100])
        got = (marks[0], statistics.median(values), marks[1], values[0], values[-1])
        said = (ratio.low, ratio.median, ratio.high, ratio.least, ratio.most)
        assert [round(one, 3) for one in got] == [float(one) for one in said]
