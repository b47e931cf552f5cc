"""Prompts on either side of a price cliff: the whole prompt is priced by the side it stands on.

The figures are the vendors' own: over 272,000 tokens one charges twice for input and half more for
output, others change at 200,000 and 100,000.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from tests.fakes import spoken
from tests.fakes.spoken import Said
from tests.fakes.upstream import Upstream
from tests.running import Running, config, running

FACTS = {"operator": ["US"], "processed_in": ["US"]}
# Provider, model, the wire on which it is asked for a chat client, tokens in, and the USD per
# million tokens in and out that must be charged.
CASES = [
    ("openai", "gpt-5.4", "chat", 271_000, "2.5", "15"),
    ("openai", "gpt-5.4", "chat", 273_000, "5", "22.5"),
    ("xai", "grok-4.3", "chat", 199_000, "1.25", "2.5"),
    ("xai", "grok-4.3", "chat", 201_000, "2.5", "5"),
    ("google-ai-studio", "gemini-2.5-pro", "chat", 199_000, "1.25", "10"),
    ("google-ai-studio", "gemini-2.5-pro", "chat", 201_000, "2.5", "15"),
    ("anthropic", "claude-haiku-5-5", "messages", 99_000, "0.1", "0.5"),
    ("anthropic", "claude-haiku-5-5", "messages", 101_000, "0.5", "2.5"),
]
OUT = 1000


@pytest.fixture(scope="module")
def priced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Upstream]]:
    names = dict.fromkeys(case[0] for case in CASES)
    with Upstream() as upstream:
        path = config(
            tmp_path_factory.mktemp("cliffs"),
            providers={
                name: {"base_url": upstream.base_url, "api_key": "x", "facts": FACTS}
                for name in names
            },
        )
        with running(path) as gateway:
            yield gateway, upstream


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[1]}-{case[3]}")
def test_the_whole_prompt_is_priced_by_its_side(
    priced: tuple[Running, Upstream], case: tuple[Any, ...]
) -> None:
    gateway, upstream = priced
    provider, model, wire, prompt, usd_in, usd_out = case
    said = Said("x", tokens_in=prompt, tokens_out=OUT)
    upstream.script(spoken.answer(wire, said, stream=False))
    body = {
        "model": f"{provider}/{model}",
        "messages": [{"role": "user", "content": "Hi"}],
        "max_completion_tokens": OUT,
    }
    answer = gateway.client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200, answer.text
    expected = (prompt * Decimal(usd_in) + OUT * Decimal(usd_out)) / 10**6
    assert Decimal(answer.headers["x-entrepot-cost-usd"]) == expected
