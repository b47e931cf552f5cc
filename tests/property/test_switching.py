"""A conversation keeps its prompt cache, whatever the order, and what a move lost is counted."""

from __future__ import annotations

from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from routing.wish import LISTED, Wish
from tests.property.simulated_agent import START, Agents, Kind, Played, host, lasting

EQUAL = ("3", "0.3", "3.75", "15")
NAMES = ("one/coder", "two/coder", "three/coder")
WISHES = {
    "listed": LISTED,
    "cheapest": Wish("cheapest"),
    "fastest": Wish("fastest"),
    "weighted": Wish("weighted"),
    "blend": Wish(
        "blend",
        blend=MappingProxyType({"cheapest": Decimal("0.3"), "fastest": Decimal("0.7")}),
    ),
}
KINDS: tuple[Kind, ...] = get_args(Kind)


def play(
    wish: Wish,
    kind: Kind,
    seed: int,
    *,
    agents: int,
    faults: float = 0.04,
    prices: tuple[tuple[str, str, str, str], ...] = (EQUAL,) * 3,
    sticky: bool = True,
) -> Played:
    random = Random(seed)
    hosts = [host(name, kind, usd) for name, usd in zip(NAMES, prices, strict=True)]
    lasting(hosts, random, faults, agents * 20 * 90)
    run, now = Agents(hosts, wish, random, sticky), START
    for number in range(agents):
        now = run.play(b"conversation %d" % number, now)
    return run.played


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wish", WISHES)
@pytest.mark.parametrize("seed", range(5))
def test_at_least_95_percent_of_the_hits_that_one_provider_would_have_given(
    wish: str, kind: Kind, seed: int
) -> None:
    played = play(WISHES[wish], kind, seed, agents=40)
    assert played.hits >= 0.95 * played.hits_of_one
    assert played.moves, "without a fault this shows nothing"


@pytest.mark.parametrize("wish", ["fastest", "weighted", "blend"])
def test_without_affinity_the_same_agents_lose_most_of_their_hits(wish: str) -> None:
    played = play(WISHES[wish], "silent", 1, agents=10, sticky=False)
    assert played.hits < 0.7 * played.hits_of_one


def usd() -> st.SearchStrategy[tuple[str, str, str, str]]:
    cents = st.integers(0, 2000)
    return st.tuples(cents, st.integers(0, 100), cents, cents).map(
        lambda drawn: (
            f"{Decimal(drawn[0]) / 100}",
            f"{Decimal(drawn[0]) / 100 * drawn[1] / 100}",
            f"{Decimal(drawn[2]) / 100}",
            f"{Decimal(drawn[3]) / 100}",
        )
    )


@settings(max_examples=80, deadline=None)
@given(
    wish=st.sampled_from(list(WISHES)),
    kind=st.sampled_from(KINDS),
    seed=st.integers(0, 2**32),
    faults=st.sampled_from((0.0, 0.02, 0.2)),
    prices=st.tuples(usd(), usd(), usd()),
    sticky=st.booleans(),
)
def test_the_dollars_lost_are_those_that_the_hosts_know_of(
    wish: str,
    kind: Kind,
    seed: int,
    faults: float,
    prices: tuple[tuple[str, str, str, str], ...],
    sticky: bool,
) -> None:
    played = play(WISHES[wish], kind, seed, agents=2, faults=faults, prices=prices, sticky=sticky)
    assert played.counted_pico == played.lost_pico


@settings(max_examples=40, deadline=None)
@given(wish=st.sampled_from(list(WISHES)), kind=st.sampled_from(KINDS), seed=st.integers(0, 2**32))
def test_without_faults_an_agent_among_equals_never_moves(wish: str, kind: Kind, seed: int) -> None:
    played = play(WISHES[wish], kind, seed, agents=2, faults=0.0)
    assert played.moves == 0
    assert played.hits == played.hits_of_one
