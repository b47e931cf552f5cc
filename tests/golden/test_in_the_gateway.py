"""Golden costs through the running gateway: the host reports the usage, the ledger has the cost.

Only prices that hold at any time from now on can be taken: the gateway's own clock says when.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.exchange.conftest import FACTS_AT_HOME
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.golden.answers import answer
from tests.golden.cases import Golden, cases, provider_of, rates
from tests.running import HELLO, Running, config, running

# Hosts whose prices move with the clock or the calendar; and those that are asked another way.
MOVING = frozenset({"deepseek", "tencent", "google-vertex"})
OTHERWISE = frozenset({"amazon-bedrock", "cohere", "perplexity", "azure-foundry", "oracle-oci"})
WIRES = {"anthropic": "messages", "google-ai-studio": "gemini"}
# Reasoning is counted beside the output there.
BESIDE = frozenset({"xai"})
RISING = ("gemini-4-argon", "gemini-3.8-flash")
NOW = "2026-11-26T12:00:00Z"
HEADERS = {"messages": {"anthropic-version": "2023-06-01"}}


def wire_of(case: Golden) -> str:
    """Return the wire on which the host of a case is asked."""
    host = case.said["host"]
    apart = case.usage.cache_write_long or case.usage.searches
    return WIRES.get(host, "responses" if host in ("openai", "xai") and apart else "chat")


def chosen() -> list[Golden]:
    """Return the cases that can be asked now, and whose usage its wire can say."""
    return [
        case
        for case in cases()
        if case.said["at"] == NOW
        and "provider" not in case.said
        and case.said["host"] not in MOVING | OTHERWISE
        and case.model not in RISING
        and case.usage.stated_usd is None
        and _sayable(case)
    ]


def _sayable(case: Golden) -> bool:
    usage, wire = case.usage, wire_of(case)
    if wire == "chat" and (usage.cache_write_long or usage.searches or usage.image_input):
        return False
    if wire == "gemini" and (usage.searches or (usage.audio_input and usage.cache_read)):
        return False
    return not (wire != "chat" and usage.audio_output)


CASES = chosen()


@dataclass
class House:
    """A gateway with every provider of the cases, and the host that stands behind them all."""

    gateway: Running
    upstream: Upstream

    def ask(self, case: Golden) -> dict[str, Any]:
        """Make the call of a case; return its entry in the ledger."""
        wire = wire_of(case)
        beside = case.said["host"] in BESIDE
        self.upstream.script(answers.json_body(answer(wire, case.usage, beside=beside)))
        path, body = self._request(wire, case.id)
        said = self.gateway.client.post(path, json=body, headers=HEADERS.get(wire, {}))
        assert said.status_code == 200, said.text
        (entry,) = (row for row in self.gateway.entries() if row["model_asked"] == case.id)
        return entry

    def _request(self, wire: str, model: str) -> tuple[str, dict[str, Any]]:
        if wire == "gemini":
            words = [{"role": "user", "parts": [{"text": "Hello"}]}]
            return f"/v1beta/models/{model}:generateContent", {"contents": words}
        if wire == "responses":
            return "/v1/responses", {"model": model, "input": "Hello"}
        if wire == "messages":
            return "/v1/messages", {"model": model, "max_tokens": 100, "messages": HELLO}
        return "/v1/chat/completions", {"model": model, "messages": HELLO}


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with Upstream() as upstream:
        providers = {
            case.provider: {
                **provider_of(case.said),
                "base_url": upstream.base_url,
                "facts": FACTS_AT_HOME,
            }
            for case in CASES
        }
        path = config(
            tmp_path_factory.mktemp("golden"),
            providers=providers,
            models={case.id: [f"{case.provider}/{case.model}"] for case in CASES},
            exchange=rates(),
        )
        with running(path) as gateway:
            yield House(gateway, upstream)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_the_ledger_has_the_cost_that_was_worked_out_by_hand(house: House, case: Golden) -> None:
    entry = house.ask(case)
    assert entry["cost_pico"] == case.pico
    assert entry["cost_state"] == ("unknown" if case.pico is None else "priced")
    if case.pico is not None:
        assert (entry["native_pico"], entry["currency"]) == (case.native_pico, case.currency)


def test_a_third_of_the_cases_goes_this_way() -> None:
    assert 3 * len(CASES) >= len(cases())
