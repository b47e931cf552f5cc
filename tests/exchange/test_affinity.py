"""A conversation stays where its prompt is cached, over real sockets, and a move is counted."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.conftest import House
from tests.fakes import answers
from tests.fakes.answers import Behaviour

LONG = "You are a coding agent. " * 400
FIRST = [{"role": "system", "content": LONG}, {"role": "user", "content": "Fix the bug"}]
OTHER = [{"role": "system", "content": LONG}, {"role": "user", "content": "Write a test"}]


def cached(prompt: int, read: int) -> Behaviour:
    """Answer as a host that read so many tokens of the prompt from its cache."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": 7,
        "total_tokens": prompt + 7,
        "prompt_tokens_details": {"cached_tokens": read},
    }
    return answers.chat(usage=usage)


def route(house: House, messages: list[dict[str, Any]], **headers: str) -> str:
    """Ask once, and return which route answered."""
    answer = house.gateway.chat(headers, messages=messages)
    assert answer.status_code == 200, answer.text
    return answer.headers["x-entrepot-route"]


def moved(house: House) -> House:
    """Bring a conversation to the second host, whose usage shows that it has the prompt cached."""
    house.first.script(answers.error(503, "busy"))
    house.second.script(cached(2400, 1024))
    assert route(house, FIRST) == "two/m"
    return house


def test_a_conversation_stays_where_a_fault_has_brought_it(house: House) -> None:
    moved(house)
    turn = [
        *FIRST,
        {"role": "assistant", "content": "Hello there."},
        {"role": "user", "content": "Go on"},
    ]
    house.second.script(cached(2420, 2400))
    assert route(house, turn) == "two/m"
    house.first.script(cached(2400, 0))
    assert route(house, OTHER) == "one/m", "another conversation goes as listed"


def test_a_label_or_a_session_of_its_own_is_another_conversation(house: House) -> None:
    moved(house)
    house.first.script(cached(2400, 0), cached(2400, 0))
    assert route(house, FIRST, **{"x-entrepot-session": "mine"}) == "one/m"
    assert route(house, FIRST, **{"x-entrepot-label": "secret"}) == "one/m"


def test_what_a_move_lost_is_in_the_ledger(house: House) -> None:
    moved(house)
    house.second.script(answers.error(503, "busy"))
    house.first.script(cached(2500, 100))
    assert route(house, FIRST) == "one/m"
    last = house.gateway.entries(4)[-1]
    assert (last["provider"], last["moved_from"]) == ("one", "two/m")
    # 2,400 tokens and the answer's 7 were warm there, 100 were read here; 0.9 USD a million dearer.
    assert last["cache_lost_tokens"] == 2307
    assert last["cache_lost_pico"] == 2307 * 900_000


@pytest.mark.parametrize("prefer", ["cheapest", "fastest", "weighted"])
def test_it_stays_whatever_the_order(build: Callable[..., House], prefer: str) -> None:
    house = build(models={"assistant": {"routes": ["one/m", "two/m"], "prefer": prefer}})
    hosts = {"one/m": house.first, "two/m": house.second}
    for host in hosts.values():
        host.always("/v1/chat/completions", cached(2400, 2000))
    answered = [route(house, FIRST) for _ in range(12)]
    assert len(set(answered)) == 1


KEEPER = """\
id: keeper
name: Servers that take a name of the conversation
kind: home
auth: {kind: none}
wires: {chat: /chat/completions}
operator:
  company: {is: {name: us, countries: [home]}, source: [own]}
  parent: {is: none, source: [own]}
place:
  processed_in: {is: [home], source: [own]}
  trains_on_data: {is: never, source: [own]}
  retention_days: {is: 0, source: [own]}
  zdr: {is: default, source: [own]}
cache:
  by_itself: {is: true, source: [own]}
  hints: {is: {chat: {HINT}}, source: [own]}
default_endpoint: default
endpoints: {default: {}}
sources:
  own: {url: this test, date: '2026-11-26'}
"""


def keepers(folder: Path, build: Callable[..., House], hint: str) -> House:
    """Two servers at home of a kind that takes the name of a conversation as ``hint`` says."""
    own = folder / "own"
    own.mkdir()
    (own / "keeper.yaml").write_text(KEEPER.replace("HINT", hint), encoding="utf-8")
    return build(
        catalog=[str(own)],
        providers=lambda one, two: {
            "one": {"catalog": "keeper", "base_url": one.base_url},
            "two": {"catalog": "keeper", "base_url": two.base_url},
        },
    )


def test_a_host_gets_the_name_of_the_conversation_in_the_body(
    build: Callable[..., House], tmp_path: Path
) -> None:
    house = keepers(tmp_path, build, "field: prompt_cache_key")
    house.first.script(
        cached(2400, 0), cached(2400, 0), cached(2400, 0), answers.error(503, "busy")
    )
    house.second.script(cached(2400, 0))
    for messages in (FIRST, FIRST, OTHER, OTHER):
        route(house, messages)
    sent = [request.json()["prompt_cache_key"] for request in house.first.requests]
    assert sent[0] == sent[1] != sent[2] == sent[3]
    assert house.second.requests[0].json()["prompt_cache_key"] not in sent, "another's name for it"
    house.first.script(cached(2400, 0))
    house.gateway.chat(messages=FIRST, prompt_cache_key="the client's own")
    assert house.first.requests[-1].json()["prompt_cache_key"] == "the client's own"


def test_a_host_gets_the_name_of_the_conversation_in_a_header(
    build: Callable[..., House], tmp_path: Path
) -> None:
    house = keepers(tmp_path, build, "header: x-session-affinity")
    house.first.script(cached(2400, 0))
    route(house, FIRST, **{"x-session-affinity": "ses_of_the_client"})
    sent = house.first.requests[0].headers["x-session-affinity"]
    assert len(sent) == 32, "and not the client's own name, which is for the gateway"
