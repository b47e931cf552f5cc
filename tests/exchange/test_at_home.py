"""Servers at home tell of themselves: what a gateway learns of them, and what it does with it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import anthropic
import pytest

from tests.exchange.conftest import House
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.upstream import Request, Upstream

WORDS = "one two three four five six seven eight nine ten "
LOCAL = {"operator": ["home"], "processed_in": ["home"]}
HOME_ONLY = {"rules": [{"name": "at home", "require": {"processed_in": ["home"]}}]}
TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}

Build = Callable[..., House]


def server(kind: str, **more: Any) -> Callable[[Upstream, Upstream], dict[str, Any]]:
    """Return providers: the first fake is a server of ``kind`` at home, the second a far host."""

    def made(first: Upstream, second: Upstream) -> dict[str, Any]:
        return {
            "home": {"catalog": kind, "base_url": first.base_url, **more},
            "far": {
                "catalog": "openai",
                "base_url": second.base_url,
                "api_key": "sk-x",
                "facts": {"operator": ["US"], "processed_in": ["US"]},
            },
        }

    return made


def run(build: Build, providers: Any, **parts: Any) -> House:
    return build(providers=providers, models={"assistant": ["home/m", "far/m"]}, **parts)


def loaded(window: int, name: str = "m:latest") -> Behaviour:
    return answers.json_body({"models": [{"name": name, "model": name, "context_length": window}]})


def shown(**said: Any) -> Behaviour:
    return answers.json_body({"capabilities": ["completion", "tools"], **said})


def ollama(house: House, window: int | None = None, **said: Any) -> None:
    listed = answers.json_body({"models": []}) if window is None else loaded(window)
    house.first.always("/api/ps", listed)
    house.first.always("/api/show", shown(**said))


def asked(host: Upstream, path: str = "/v1/chat/completions") -> list[Request]:
    return [request for request in host.requests if request.path == path]


def says(text: str) -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


def code(answer: Any) -> str:
    return str(answer.json()["error"]["code"])


def test_a_prompt_that_would_be_cut_in_silence_is_refused(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100)
    answer = house.gateway.chat(model="home/m", messages=says(WORDS * 20))
    assert (answer.status_code, code(answer)) == (400, "context_too_long")
    assert "100" in answer.json()["error"]["message"]
    assert not asked(house.first)
    (row,) = house.gateway.entries(1)
    assert (row["outcome"], row["error"], row["usage_state"]) == (
        "failed",
        "context_too_long",
        "none",
    )
    assert house.gateway.chat(model="home/m", messages=says(WORDS)).status_code == 200


def test_the_refusal_is_in_the_askers_own_wire(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100)
    sdk = anthropic.Anthropic(base_url=house.gateway.url, api_key="any", max_retries=0)
    with pytest.raises(anthropic.BadRequestError) as refused:
        sdk.messages.create(
            model="home/m", max_tokens=5, messages=[{"role": "user", "content": WORDS * 20}]
        )
    assert "window of home/m is 100" in str(refused.value)


def test_another_route_answers_what_does_not_fit_at_home(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100)
    answer = house.gateway.chat(messages=says(WORDS * 20))
    assert answer.headers["x-entrepot-route"] == "far/m"
    assert not asked(house.first)


def test_a_window_of_the_models_own_file_counts_before_it_is_loaded(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, parameters='stop "<|x|>"\nnum_ctx                        64\n')
    assert code(house.gateway.chat(model="home/m", messages=says(WORDS * 20))) == "context_too_long"


def test_a_model_that_is_not_loaded_is_asked_about_again_once_it_answered(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house)
    assert house.gateway.chat(model="home/m", messages=says(WORDS * 20)).status_code == 200
    house.first.always("/api/ps", loaded(100))
    assert code(house.gateway.chat(model="home/m", messages=says(WORDS * 20))) == "context_too_long"


def test_a_usual_window_that_was_filled_is_told_in_the_ledger(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house)
    usage = {"prompt_tokens": 4000, "completion_tokens": 3, "total_tokens": 4003}
    house.first.always("/v1/chat/completions", answers.chat("so", usage=usage))
    assert house.gateway.chat(model="home/m", messages=says(WORDS * 2000)).status_code == 200
    assert house.gateway.chat(model="home/m", messages=says(WORDS)).status_code == 200
    cut, whole = house.gateway.entries(2)
    assert "probably cut" in cut["notes"]
    assert "its window is 4096" in cut["notes"]
    assert "cut" not in whole["notes"]


def test_a_second_call_asks_nothing_again(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100_000)
    for _ in range(3):
        assert house.gateway.chat(model="home/m").status_code == 200
    assert len(asked(house.first, "/api/ps")) == len(asked(house.first, "/api/show")) == 1
    assert asked(house.first, "/api/show")[0].json() == {"model": "m"}


@pytest.mark.parametrize("name", ["m", "gpt-oss:120b-cloud"])
def test_a_model_that_is_passed_on_is_not_at_home(build: Build, name: str) -> None:
    house = run(build, server("ollama"), policy=HOME_ONLY)
    ollama(house, remote_host="https://ollama.com", remote_model="gpt-oss:120b")
    answer = house.gateway.chat(model=f"home/{name}")
    assert (answer.status_code, code(answer)) == (403, "policy_denied")
    assert not asked(house.first)


def test_facts_of_the_config_do_not_bring_a_passed_on_model_home(build: Build) -> None:
    house = run(build, server("ollama", facts=LOCAL), policy=HOME_ONLY)
    ollama(house, remote_host="https://ollama.com")
    assert house.gateway.chat(model="home/m").status_code == 403
    house = run(build, server("ollama", facts=LOCAL))
    ollama(house, remote_host="https://ollama.com")
    answer = house.gateway.chat(model="home/m")
    assert answer.headers["x-entrepot-operator"] == "unknown"
    assert answer.headers["x-entrepot-cost-usd"] == "unknown"


def test_a_server_too_slow_to_say_is_not_trusted_to_keep_a_model(build: Build) -> None:
    house = run(build, server("ollama"), policy=HOME_ONLY)
    house.first.always("/api/ps", loaded(100))
    house.first.always("/api/show", answers.stall())
    began = time.monotonic()
    first = house.gateway.chat(model="home/m")
    assert time.monotonic() - began < 2
    assert (first.status_code, code(first)) == (403, "policy_denied")
    assert "did not say in time" in house.gateway.setup.route("home/m").facts.evidence["operator"]
    assert not asked(house.first)
    house.first.always("/api/show", shown())
    house.gateway.until(lambda: house.gateway.chat(model="home/m").status_code == 200)


def test_a_server_that_is_down_is_a_fault_of_its_own(build: Build) -> None:
    house = run(build, server("ollama"), policy=HOME_ONLY)
    house.first.refuse()
    answer = house.gateway.chat(model="home/m")
    assert (answer.status_code, code(answer)) == (502, "upstream_error")


@pytest.mark.parametrize(
    "behaviour",
    [answers.error(404), answers.html(), answers.stall(), answers.json_body([1]), answers.reset()],
)
def test_what_a_server_cannot_say_is_unknown_and_stops_nothing(
    build: Build, behaviour: Behaviour
) -> None:
    house = run(build, server("llama-cpp"))
    house.first.always("/props", behaviour)
    began = time.monotonic()
    assert house.gateway.chat(model="home/m", tools=[TOOL]).status_code == 200
    assert time.monotonic() - began < 2


def test_tools_that_would_go_unused_need_another_route(build: Build) -> None:
    house = run(build, server("llama-cpp"))
    house.first.always(
        "/props", answers.json_body({"chat_template_caps": {"supports_tools": False}})
    )
    answer = house.gateway.chat(tools=[TOOL])
    assert answer.headers["x-entrepot-route"] == "far/m"
    refused = house.gateway.chat(model="home/m", tools=[TOOL])
    assert (refused.status_code, code(refused)) == (400, "unsupported_parameter")
    assert refused.json()["error"]["param"] == "tools"
    assert house.gateway.chat(model="home/m").status_code == 200
    assert asked(house.first, "/props")[0].target == "/props?model=m&autoload=false"


@pytest.mark.parametrize(("tokens", "status"), [(300, 400), (90, 200)])
def test_a_server_that_may_cut_counts_what_is_near_its_window(
    build: Build, tokens: int, status: int
) -> None:
    house = run(build, server("sglang"))
    card = {"id": "m", "max_model_len": 100}
    house.first.always("/v1/models", answers.json_body({"object": "list", "data": [card]}))
    house.first.always("/tokenize", answers.json_body({"tokens": [], "count": tokens}))
    long_words = "incomprehensibilities " * 20
    assert house.gateway.chat(model="home/m", messages=says(long_words)).status_code == status
    assert asked(house.first, "/tokenize")[0].json() == {"model": "m", "prompt": long_words}
    assert house.gateway.chat(model="home/m", messages=says("short")).status_code == 200
    assert len(asked(house.first, "/tokenize")) == 1


def test_a_server_that_refuses_by_itself_is_not_asked_to_count(build: Build) -> None:
    house = run(build, server("vllm"))
    card = {"id": "m", "max_model_len": 100}
    house.first.always("/v1/models", answers.json_body({"object": "list", "data": [card]}))
    assert house.gateway.chat(model="home/m", messages=says(WORDS * 20)).status_code == 200
    assert not asked(house.first, "/tokenize")


def test_the_credential_goes_with_the_question(build: Build) -> None:
    house = run(build, server("vllm", api_key="local-key"))
    house.gateway.chat(model="home/m")
    assert asked(house.first, "/v1/models")[0].headers["authorization"] == "Bearer local-key"


def test_what_was_learnt_outlives_an_edit_of_the_config(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100)
    assert house.gateway.chat(model="home/m").status_code == 200
    path = house.gateway.path
    path.write_text(path.read_text().replace("assistant:", "renamed:"))
    house.gateway.until(lambda: house.gateway.house.setup.model_names == ("renamed",))
    assert code(house.gateway.chat(model="home/m", messages=says(WORDS * 20))) == "context_too_long"
    assert len(asked(house.first, "/api/ps")) == 1


def test_another_server_is_asked_for_itself(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100)
    assert house.gateway.chat(model="home/m").status_code == 200
    house.second.always("/api/ps", loaded(100_000))
    house.second.always("/api/show", shown())
    path, setup = house.gateway.path, house.gateway.house.setup
    path.write_text(path.read_text().replace(house.first.url, house.second.url))
    house.gateway.until(lambda: house.gateway.house.setup is not setup)
    assert house.gateway.chat(model="home/m", messages=says(WORDS * 20)).status_code == 200
    assert len(asked(house.second, "/api/ps")) == 1


def test_a_server_that_never_loads_is_not_asked_at_every_call(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house)
    for _ in range(4):
        assert house.gateway.chat(model="home/m").status_code == 200
    assert len(asked(house.first, "/api/ps")) == 2


def test_a_stream_is_refused_as_well(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100)
    answer = house.gateway.chat(model="home/m", messages=says(WORDS * 20), stream=True)
    assert (answer.status_code, code(answer)) == (400, "context_too_long")


async def test_many_first_calls_ask_once(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=100_000)
    calls = (asyncio.to_thread(house.gateway.chat, model="home/m") for _ in range(8))
    assert {answer.status_code for answer in await asyncio.gather(*calls)} == {200}
    assert len(asked(house.first, "/api/show")) == 1


def test_pictures_are_no_text(build: Build) -> None:
    house = run(build, server("ollama"))
    ollama(house, window=1000)
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "iVBOR" * 9000}}
    message = {"role": "user", "content": [{"type": "text", "text": "What is it?"}, picture]}
    assert house.gateway.chat(model="home/m", messages=[message]).status_code == 200
    assert json.loads(asked(house.first)[0].body)["messages"] == [message]
