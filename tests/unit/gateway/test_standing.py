"""What stands between requests: looked up, it is what it would be made out to be anew."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.auth import Principal
from gateway.config_file import read
from gateway.errors import Refusal
from gateway.setup import Setup, compile_setup
from gateway.standing import is_proven, prove, standing
from providers.home_server import Learnt
from routing.plan import plan
from routing.route import Size
from tests.running import config

ASKER = Principal("ci", "platform", "public")
FACTS = {"operator": ["FR"], "processed_in": ["FR"]}
DEAR = {"input": "40", "output": "90", "source": "t"}
CHEAP = {"input": "1", "output": "2", "source": "t"}


def made(folder: Path, rules: list[dict[str, Any]], **more: Any) -> Setup:
    given = {"catalog": "vllm", "facts": FACTS, "base_url": "http://127.0.0.1:9/v1"}
    providers = {
        "cheap": {**given, "prices": {"m": CHEAP}},
        "dear": {**given, "prices": {"m": DEAR}},
        "free": {**given, "prices": {"m": {**CHEAP, "input": "0", "output": "0"}}},
    }
    policy = {"labels": ["public", "personal"], "rules": rules}
    models = {"m": ["cheap/m", "dear/m", "free/m"]}
    return compile_setup(
        read(config(folder, providers=providers, models=models, policy=policy, **more), {})
    )


def anew(setup: Setup, size: Size) -> tuple[Any, ...]:
    found = standing(setup, ASKER, {}, "m")
    routes = found.candidates.routes
    wish = found.prefer or found.candidates.wish
    planned = plan(routes, wish, setup.policy, found.facts, datetime.now(UTC), size)
    return planned.routes, planned.reasons, [(drop.route, drop.reason) for drop in planned.dropped]


def test_alike_requests_have_one_standing(tmp_path: Path) -> None:
    setup = made(tmp_path, [{"name": "no", "forbid": {"operator": ["RU"]}}])
    first = standing(setup, ASKER, {b"user-agent": b"x"}, "m")
    assert standing(setup, ASKER, {b"user-agent": b"x"}, "m") is first
    assert first.plan is not None
    others: list[dict[bytes, bytes]] = [
        {b"x-entrepot-label": b"personal"},
        {b"x-entrepot-tags": b"t"},
        {b"x-entrepot-prefer": b"cheapest"},
        {b"user-agent": b"y"},
    ]
    for headers in others:
        assert standing(setup, ASKER, headers, "m") is not first
    assert standing(setup, Principal("other", "t", "personal"), {}, "m") is not first


def test_what_is_wrong_is_said_each_time(tmp_path: Path) -> None:
    setup = made(tmp_path, [])
    for _ in range(2):
        with pytest.raises(Refusal, match="no model"):
            standing(setup, ASKER, {}, "none")
        with pytest.raises(Refusal, match="label"):
            standing(setup, ASKER, {b"x-entrepot-label": b"none"}, "m")


def test_news_of_a_server_at_home_end_it(tmp_path: Path) -> None:
    setup = made(tmp_path, [])
    found = standing(setup, ASKER, {}, "m")
    setup.learn("cheap/m", Learnt(context=1000))
    assert found.plan is None
    after = standing(setup, ASKER, {}, "m")
    assert after is not found
    assert after.window == 1000


def test_an_order_of_the_moment_never_stands(tmp_path: Path) -> None:
    setup = made(tmp_path, [{"name": "cheap", "prefer": "cheapest"}])
    assert not standing(setup, ASKER, {}, "m").lasts


def test_long_headers_are_not_kept(tmp_path: Path) -> None:
    setup = made(tmp_path, [])
    headers = {b"user-agent": b"x" * 2000}
    assert standing(setup, ASKER, headers, "m") is not standing(setup, ASKER, headers, "m")


SIZES = st.builds(
    Size,
    prompt_tokens=st.integers(0, 200_000),
    output_tokens=st.none() | st.integers(0, 50_000),
    answers=st.sampled_from([1, 1, 1, 3]),
    is_open=st.sampled_from([False, False, True]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sizes=st.lists(SIZES, min_size=1, max_size=12), most=st.sampled_from(["0.5", "3", "30"]))
def test_what_is_proven_is_what_the_rules_say(tmp_path: Path, sizes: list[Size], most: str) -> None:
    rules = [{"name": "ceiling", "require": {"request_usd": {"at_most": float(most)}}}]
    setup = made(tmp_path, rules)
    found = standing(setup, ASKER, {}, "m")
    assert found.limited
    for size in sizes:
        now = anew(setup, size)
        if is_proven(found, size):
            assert found.plan is not None
            assert found.plan.routes == now[0]
            assert now[2] == []
        wish = found.candidates.wish
        made_now = plan(
            found.candidates.routes, wish, setup.policy, found.facts, datetime.now(UTC), size
        )
        prove(found, size, made_now)
