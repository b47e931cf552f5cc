"""No byte goes where the policy forbids it: any policy, any request, any faults, any kind of send.

The same at length is `make leaks`, whose figures stand in docs/accuracy.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.call import Call
from gateway.config_file import Loaded
from gateway.judging import _Judging
from routing import plan as planning
from routing.policy import no_policy
from tests import accuracy_page
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.in_memory import aim, answer_of
from tests.fakes.upstream import Request, Upstream
from tests.property.generated import Maker, World
from tests.property.in_memory_gateway import SPOKEN, Asker, catalogue, setup_of, widened
from tests.property.leaks import section
from tests.property.watching_leaks import Found, Reading, played
from tests.running import Running, config, running

EVERYDAY = range(40)
QUICK = {"retries": 1, "timeouts": {"connect_s": 2, "first_byte_s": 5, "answer_s": 5, "total_s": 9}}


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    return catalogue(tmp_path_factory.mktemp("hosts"))


def found_in(loaded: Loaded, requests: int = 60) -> Found:
    found = Found()
    for seed in EVERYDAY:
        found.add(played(loaded, seed, requests))
    return found


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 2**40))
def test_nothing_is_sent_where_the_policy_forbids_it(loaded: Loaded, seed: int) -> None:
    found = played(loaded, seed, 20)
    assert found.leaks == []
    assert found.wrong == []


def test_every_kind_of_send_is_among_those_that_are_looked_at(loaded: Loaded) -> None:
    found = found_in(loaded, 100)
    assert (found.leaks, found.wrong) == ([], [])
    assert found.denied > 100
    assert found.faulty > 500
    assert set(found.sends) == {
        "first attempt",
        "first attempt (embeddings, rerank, completions)",
        "retry of a route",
        "fallback",
        "hedge",
        "continuation of a stream",
        "shadow",
        "judge",
        "token count",
    }


def leaked_kinds(loaded: Loaded, requests: int, enough: set[str]) -> set[str]:
    """Return the kinds of send that leaked, looked for until there are ``enough``."""
    kinds: set[str] = set()
    for seed in EVERYDAY:
        found = played(loaded, seed, requests)
        kinds |= {leak.partition(":")[0] for leak in found.leaks}
        if kinds >= enough:
            break
    return kinds


PLANTED: dict[str, tuple[str, ...]] = {
    # where policy is not looked at -> the kinds of send that then leak, among others
    "gateway.choosing.plan": ("first attempt", "retry of a route", "token count", "fallback"),
    "gateway.side_call.plan": ("shadow",),
}


@pytest.mark.slow
@pytest.mark.parametrize("room", PLANTED)
def test_a_planted_leak_is_seen(loaded: Loaded, monkeypatch: pytest.MonkeyPatch, room: str) -> None:
    def blind(candidates: Any, wish: Any, _policy: Any, *rest: Any) -> Any:
        return planning.plan(candidates, wish, no_policy(), *rest)

    # Without the last line before the send there is nothing that would still stop it.
    monkeypatch.setattr(Call, "may", lambda _call, _route: True)
    monkeypatch.setattr(_Judging, "may", lambda _call, _route: True)
    monkeypatch.setattr(room, blind)
    assert leaked_kinds(loaded, 60, set(PLANTED[room])) >= set(PLANTED[room])


@pytest.mark.parametrize("room", PLANTED)
def test_the_last_line_before_the_send_stops_what_was_planned_wrongly(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch, room: str
) -> None:
    def blind(candidates: Any, wish: Any, _policy: Any, *rest: Any) -> Any:
        return planning.plan(candidates, wish, no_policy(), *rest)

    monkeypatch.setattr(room, blind)
    assert found_in(loaded, 30).leaks == []


def judged_by_what_they_forbid(made: Maker, world: World) -> World:
    """Return a world whose models have a shadow, and a judge at a provider that they forbid."""
    world = widened(made, world)
    at = {name: route.provider for name, route in world.routes.items()}
    models = {}
    for name, entry in world.config["models"].items():
        if isinstance(entry, dict):
            answers = entry["routes"][0]
            entry = {"routes": [answers]}
            for shadow, judge in product(at, at):
                if shadow != answers and at[judge] not in (at[answers], at[shadow]):
                    forbid = {"provider": [at[judge]]}
                    entry |= {"shadow": shadow, "judge": judge, "forbid": forbid}
            models[name] = entry  # without an alias, which may lead a judge's name elsewhere
    keys = [{"name": key["name"]} for key in world.config["keys"]]
    config = {**world.config, "models": models, "keys": keys}
    return replace(world, policy={**world.policy, "rules": []}, config=config)


def test_a_judge_that_only_its_own_facts_allow_is_seen(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found() -> Found:
        whole = Found()
        for seed in range(5):
            whole.add(played(loaded, seed, 60, judged_by_what_they_forbid))
        return whole

    right = found()
    assert right.leaks == []
    assert right.sends["shadow"] > 20
    monkeypatch.setattr(_Judging, "may", Call.may)
    assert {leak.partition(":")[0] for leak in found().leaks} == {"judge"}


def test_a_send_that_the_ledger_has_not_is_seen(
    loaded: Loaded, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = found_of_one(loaded)
    assert found.wrong == []
    keep: Callable[..., Any] = lambda _house, _entry: None  # noqa: E731
    monkeypatch.setattr("gateway.house.House.keep", keep)
    assert any("the ledger has []" in what for what in found_of_one(loaded).wrong)


def found_of_one(loaded: Loaded) -> Found:
    found = Found()
    for seed in range(5):
        found.add(played(loaded, seed, 20))
    return found


SOCKETS = 300


def test_nothing_reaches_a_socket_that_the_policy_forbids(loaded: Loaded, tmp_path: Path) -> None:
    made = Maker(Random(6))
    with ExitStack() as stack:
        hosts = {name: stack.enter_context(Upstream()) for name in SPOKEN}
        for host in hosts.values():
            host.default = faulty(made.random)
        at = {name: host.url for name, host in hosts.items()}
        catalog = [str(folder) for folder in loaded.config.catalog]
        gateway = stack.enter_context(running(config(tmp_path, catalog=catalog)))
        denied = 0
        for _ in range(10):
            world = widened(made, made.world(0))
            gateway.recover()
            gateway.house.setup = setup_of(loaded, made, world, at, server=QUICK)
            denied += sockets_of(gateway, hosts, Asker(made, world), SOCKETS // 10)
        assert 0 < denied < SOCKETS
        assert not any(host.faults for host in hosts.values())


def faulty(random: Random) -> Callable[[Request], Behaviour]:
    """Return what a host does with a request: it fails, in any way that takes no time."""

    def respond(request: Request) -> Behaviour:
        does, wire, _ = aim(request.path, request.body)
        streams = "streamGenerateContent" in request.path or b'"stream":true' in request.body
        media, pieces = answer_of(wire, does, stream=streams)
        good = Behaviour(headers=(("content-type", media),), pieces=pieces, framing="chunked")
        bad = (
            *(answers.error(500), answers.error(503), answers.error(401), answers.reset()),
            *(answers.hang_up(), answers.html(), answers.redirect("http://elsewhere.test/")),
            answers.cut(good, after=max(1, len(pieces) - 2), how="reset"),
        )
        # Those rarely, since they are waited for.
        limited = answers.rate_limited(None)
        return limited if random.random() < 0.02 else random.choice([*bad, *[good] * 5])

    return respond


def sockets_of(gateway: Running, hosts: Mapping[str, Upstream], asker: Asker, requests: int) -> int:
    """Make requests to one gateway and hold what its hosts got; return how many were denied."""
    reading, asked, denied = Reading(asker.world), {}, 0
    for _ in range(requests):
        asking = asker.asking()
        asked[asking.mark] = asking
        headers = {name.decode(): said.decode() for name, said in asking.headers}
        answer = gateway.client.post(asking.path, content=asking.body, headers=headers)
        assert answer.headers["x-entrepot-request-id"], answer.text
        denied += answer.status_code == 403
    gateway.until(lambda: not gateway.house.shadows._running)
    for provider, host in hosts.items():
        for request in host.requests:
            (mark,) = set(re.findall(rb"mark-\d+-", request.body))
            does, _, model = aim(request.path, request.body)
            assert reading.may_have(asked[mark], does, f"{provider}/{model}"), asked[mark]
        host.requests.clear()
    return denied


def test_a_section_of_the_page_outlives_the_page_and_the_other_way_round(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(accuracy_page, "PAGE", tmp_path / "accuracy.md")
    accuracy_page.write_page("# Accuracy\n\n| a |\n")
    accuracy_page.write_section("Leaks", "\nnone\n")
    accuracy_page.write_section("Other", "\nwell\n")
    accuracy_page.write_page("# Accuracy\n\n| b |\n")
    accuracy_page.write_section("Leaks", section(Found(), 1, 6, 2, 90.0))
    whole = accuracy_page.PAGE.read_text(encoding="utf-8")
    assert accuracy_page.page() == "# Accuracy\n\n| b |\n"
    assert whole.index("## Leaks") < whole.index("**Leaks: 0**") < whole.index("## Other")
    assert "none" not in whole
