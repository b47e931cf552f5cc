"""How providers are now: breakers, cooling keys, plans' windows and queues, told and drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.condition import conditions
from gateway.dashboard.troubles import trouble
from gateway.dashboard.words import words
from gateway.plan_windows import bought
from providers.errors import ErrorKind, UpstreamError
from routing.window_count import Amounts
from tests.fakes.house import CONFIG, FakeHouse, house

FAR, NEAR, PLAN = "mistral/mistral-small-2603", "desk/small", "coding/qwen3-coder-plus"
KEYS = ("sk-first-canary", "sk-second-canary")
ENGLISH = words("en")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[FakeHouse]:
    """A gateway with a queue at home, two keys at one host, and a plan whose windows are counted."""
    given = CONFIG["providers"]
    providers = {
        **given,
        "desk": {**given["desk"], "max_wait_s": 2, "slots": 1},
        "openai": {"api_keys": list(KEYS)},
        "coding": {"catalog": "alibaba-coding", "api_key": "sk-sp-canary", "tier": "pro"},
    }
    wanted = {**CONFIG["models"], "fast": ["openai/gpt-5", "openai/gpt-5-mini", PLAN]}
    with house(tmp_path, providers=providers, models=wanted) as made:
        made.windows.hold(bought(made.setup.providers))
        yield made


async def asked(made: FakeHouse) -> dict[str, Any]:
    """Return what ``/api/providers`` says of each provider now."""
    transport = httpx.ASGITransport(made.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        answer = await client.get("/api/providers")
    assert answer.status_code == 200
    assert "canary" not in answer.text
    return {provider["name"]: provider["now"] for provider in answer.json()["providers"]}


def fails(made: FakeHouse, name: str, times: int = 1, key: int = 0, **fault: Any) -> None:
    """Have attempts at a route fail, as a server's own fault where nothing else is said."""
    route = made.setup.route(name)
    kind = fault.pop("kind", ErrorKind.SERVER)
    for _ in range(times):
        made.health.bad(route, route.endpoints[key], UpstreamError(kind, "no", **fault))


async def test_of_what_was_never_asked_nothing_is_wrong(home: FakeHouse) -> None:
    now = await asked(home)
    assert now["mistral"] == {
        "routes": [
            {"route": FAR, "breaker": "closed", "attempts": 0, "failure_rate": None,
             "blocked": None},
        ],
        "cooling": [],
        "windows": [],
        "limits": [],
        "queue": None,
    }  # fmt: skip
    assert now["desk"]["queue"] == {"running": 0, "waiting": 0, "wait_s": 0}
    assert all(trouble(found, ENGLISH) is None for found in conditions(home).values())


async def test_an_open_breaker_is_told_with_what_failed(home: FakeHouse) -> None:
    good = home.setup.route(FAR)
    home.health.good(good, good.endpoint, None, None)
    fails(home, FAR, 5)
    (route,) = (await asked(home))["mistral"]["routes"]
    assert (route["breaker"], route["attempts"], route["failure_rate"]) == ("open", 6, "0.8333")
    assert route["blocked"]["why"] == "health"
    assert "breaker is open" in route["blocked"]["reason"]
    assert 1 <= route["blocked"]["frees_in_s"] <= 13
    found = trouble(conditions(home)["mistral"], ENGLISH)
    assert found is not None
    assert (found.state, found.words) == ("bad", "gets no call now")
    assert found.lines == [f"mistral-small-2603: {route['blocked']['reason']}"]


async def test_a_route_that_only_clients_name_is_told_once_it_fails(home: FakeHouse) -> None:
    fails(home, "mistral/codestral", 5)
    routes = (await asked(home))["mistral"]["routes"]
    assert [route["route"] for route in routes] == [FAR, "mistral/codestral"]
    found = trouble(conditions(home)["mistral"], ENGLISH)
    assert found is not None
    assert (found.state, found.words) == ("odd", "gets only some calls now")


async def test_a_cooling_key_is_told_and_the_others_go_on(home: FakeHouse) -> None:
    name = "openai/gpt-5"
    fails(home, name, kind=ErrorKind.RATE_LIMITED, retry_after_s=300)
    now = (await asked(home))["openai"]
    (cooling,) = now["cooling"]
    route = home.setup.route(name)
    assert cooling["group"] == route.quota(route.endpoints[0])
    assert 299 <= cooling["frees_in_s"] <= 300
    assert now["routes"][0]["blocked"] is None
    found = trouble(conditions(home)["openai"], ENGLISH)
    assert found is not None
    assert (found.state, len(found.lines)) == ("odd", 1)
    assert "the other keys go on" in found.lines[0]
    fails(home, name, key=1, kind=ErrorKind.RATE_LIMITED, retry_after_s=300)
    now = (await asked(home))["openai"]
    assert len(now["cooling"]) == 2
    assert "cools for another" in now["routes"][0]["blocked"]["reason"]


async def test_windows_of_a_plan_are_told_as_they_fill(home: FakeHouse) -> None:
    fresh = (await asked(home))["coding"]["windows"]
    assert {(w["per"], w["unit"], w["used"]) for w in fresh} == {
        ("5h", "requests", 0), ("7d", "requests", 0), ("1month", "requests", 0)
    }  # fmt: skip
    most = min(w["most"] for w in fresh)
    home.windows.used("coding", Amounts(most - 1))
    first = (await asked(home))["coding"]["windows"][0]
    assert (first["used"], first["most"], first["frees_in_s"]) == (most - 1, most, 0)
    assert trouble(conditions(home)["coding"], ENGLISH) is None
    home.windows.used("coding", Amounts())
    now = (await asked(home))["coding"]
    assert 0 < now["windows"][0]["frees_in_s"] <= 5 * 3600
    assert now["routes"][0]["blocked"]["why"] == "window"
    found = trouble(conditions(home)["coding"], ENGLISH)
    assert found is not None
    assert f"{most} of {most} requests" in found.lines[0]


async def test_the_queue_at_home_is_told(home: FakeHouse) -> None:
    route = home.setup.route(NEAR)
    home.home_load.began(route, "quick")
    home.home_load.ended(route, "quick", good=True)
    for call in range(3):
        home.home_load.began(route, call)
    now = (await asked(home))["desk"]
    assert (now["queue"]["running"], now["queue"]["waiting"]) == (1, 2)
