"""A plan's windows count what its host answered: who sends what is refused uses up nobody's plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.exchange.conftest import FACTS_AT_HOME, House
from tests.fakes import answers
from tests.fakes.upstream import Upstream

Build = Callable[..., House]


def coding(first: Upstream, _second: Upstream) -> dict[str, Any]:
    provider = {
        "catalog": "alibaba-coding",
        "base_url": first.base_url,
        "api_key": "sk-sp-canary",
        "tier": "pro",
        "terms": "a test",
        "facts": FACTS_AT_HOME,
    }
    return {"one": provider}


def test_what_was_refused_uses_up_no_window(build: Build) -> None:
    model = "one/qwen3-coder-plus"
    house = build(providers=coding, models={"assistant": [model]})
    house.first.script(answers.error(400, "bad"), answers.error(400, "bad"), answers.chat("well"))
    said = [house.gateway.chat(headers={"user-agent": "opencode/1"}).status_code for _ in range(3)]
    assert said == [400, 400, 200]
    (found,) = house.gateway.client.get("/api/providers").json()["providers"]
    used = {window["used"] for window in found["now"]["windows"] if window["unit"] == "requests"}
    assert used == {1}
