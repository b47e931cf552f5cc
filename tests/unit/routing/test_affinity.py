"""Where a conversation is warm, when it stays there, and what a move lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from billing.bands import ALWAYS
from billing.price import Price
from billing.price_list import PriceList
from providers.host import Cache
from providers.usage import MISSING, Usage
from routing.affinity import ROUTES_MOST, Affinity, Loss, loss
from routing.expected import Expected, View, Warm
from routing.route import Route
from routing.strategies import order
from routing.wish import LISTED, Wish

Make = Callable[..., Route]
BY_ITSELF = Cache(300.0, 1024, by_itself=True)
MARKED = Cache(300.0, 1024, long_lifetime_s=3600.0)
TALK = b"a conversation"
ASKED = Expected(42_000, 500)


@pytest.fixture
def priced(route: Make) -> Callable[..., Route]:
    """A route with a cached price of a tenth: ``priced("a/m", usd=3)``."""

    def make(name: str, usd: int | str = 3, cache: Cache | None = BY_ITSELF) -> Route:
        fresh = Decimal(usd)
        price = Price(fresh, 5 * fresh, fresh / 10)
        return replace(route(name), prices=PriceList(((ALWAYS, price),)), cache=cache)

    return make


def minutes(count: float) -> timedelta:
    return timedelta(minutes=count)


def until(affinity: Affinity, route: Route, now: datetime) -> tuple[int, datetime] | None:
    warm = affinity.warm(TALK, now).get(route.name)
    return None if warm is None else (warm.tokens, warm.until)


def test_an_answer_warms_its_route_for_the_lifetime(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(), priced("a/m")
    affinity.answered(TALK, one, Usage(input=40_000, output=1200), now)
    assert until(affinity, one, now) == (41_200, now + minutes(5))
    assert until(affinity, one, now + minutes(5)) is None
    assert affinity.warm(b"another", now) == {}
    assert affinity.warm(None, now) == {}
    affinity.answered(None, one, Usage(input=40_000), now)
    assert len(affinity) == 1


def test_thoughts_stand_before_the_answer_and_are_left_out(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(), priced("a/m")
    affinity.answered(TALK, one, Usage(input=40_000, output=200, reasoning=900), now)
    assert until(affinity, one, now) == (40_000, now + minutes(5))


def test_short_prompts_and_unknown_usage_warm_nothing(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(), priced("a/m")
    affinity.answered(TALK, one, Usage(input=900, output=100), now)
    affinity.answered(TALK, one, MISSING, now)
    affinity.answered(TALK, priced("b/m", cache=MARKED), Usage(input=40_000), now)
    affinity.answered(TALK, priced("c/m", cache=None), Usage(input=40_000), now)
    assert affinity.warm(TALK, now) == {}


def test_where_the_host_says_what_it_wrote_that_counts(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(), priced("a/m", cache=MARKED)
    affinity.answered(TALK, one, Usage(input=50, cache_read=30_000, cache_write=2000), now)
    assert until(affinity, one, now) == (32_000, now + minutes(5))


def test_usage_teaches_a_cache_that_nobody_knew(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(), priced("a/m", cache=None)
    affinity.answered(TALK, one, Usage(input=100, cache_read=30_000, output=10), now)
    warm = affinity.warm(TALK, now)["a/m"]
    assert (warm.tokens, warm.until, warm.assumed) == (30_110, now + minutes(5), True)
    known = priced("b/m", cache=Cache(by_itself=True))
    affinity.answered(TALK, known, Usage(input=30_000, output=10), now)
    assert affinity.warm(TALK, now)["b/m"].assumed, "it keeps prompts, nobody knows how long"


def test_the_longer_lifetime_that_was_bought_holds(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(), priced("a/m", cache=MARKED)
    affinity.answered(TALK, one, Usage(cache_write_long=30_000), now)
    assert until(affinity, one, now) == (30_000, now + minutes(60))
    # Read again, with a tail that was written for the short lifetime.
    later = now + minutes(20)
    affinity.answered(TALK, one, Usage(cache_read=30_000, cache_write=4000), later)
    assert until(affinity, one, later) == (34_000, later + minutes(5))
    assert until(affinity, one, later + minutes(6)) == (30_000, later + minutes(60))
    assert until(affinity, one, later + minutes(60)) is None
    # The tail has gone, the part that was bought longer is read and lasts anew.
    again = later + minutes(30)
    affinity.answered(TALK, one, Usage(cache_read=30_000, cache_write=5000), again)
    assert until(affinity, one, again + minutes(59)) == (30_000, again + minutes(60))


def test_what_is_remembered_is_bounded(priced: Make, now: datetime) -> None:
    affinity, one = Affinity(most=3), priced("a/m")
    for number in range(10):
        affinity.answered(b"%d" % number, one, Usage(input=2000), now)
    assert len(affinity) == 3
    assert affinity.warm(b"7", now)
    affinity.answered(b"new", one, Usage(input=2000), now)
    assert affinity.warm(b"7", now), "the one that was used least lately goes"
    assert not affinity.warm(b"8", now)
    affinity.answered(b"late", one, Usage(input=2000), now + minutes(30))
    for number in range(20):
        affinity.answered(b"late", priced(f"r{number}/m"), Usage(input=2000), now + minutes(30))
    assert len(affinity.warm(b"late", now + minutes(30))) == ROUTES_MOST


def test_one_conversation_at_a_time_is_kept_where_that_is_the_bound(
    priced: Make, now: datetime
) -> None:
    affinity, one = Affinity(most=1), priced("a/m")
    affinity.answered(b"1", one, Usage(input=2000), now)
    affinity.answered(b"2", one, Usage(input=2000), now)
    assert len(affinity) == 1
    assert affinity.warm(b"2", now)


def view(now: datetime, *warm: tuple[Route, int], asked: Expected = ASKED) -> View:
    lasting = now + minutes(3)
    return View(now, asked, warm={route.name: Warm(tokens, lasting) for route, tokens in warm})


def test_it_stays_while_a_move_costs_more(priced: Make, now: datetime) -> None:
    first, second = priced("a/m", usd=3), priced("b/m", usd=3)
    found, reasons = order([first, second], LISTED, view(now, (second, 41_200)))
    assert found == (second, first)
    assert reasons == (
        "stays: 41,200 tokens are cached here until 12:03 UTC, a move costs 0.1112 USD more",
        "listed at place 1",
    )


def test_it_moves_where_that_is_cheaper_even_cold(priced: Make, now: datetime) -> None:
    first, second = priced("a/m", usd="0.1"), priced("b/m", usd=3)
    for wish in (LISTED, Wish("cheapest")):
        found, reasons = order([first, second], wish, view(now, (second, 41_200)))
        assert found == (first, second)
        assert not reasons[0].startswith("stays")


def test_of_two_warm_routes_the_one_that_costs_less(priced: Make, now: datetime) -> None:
    one, two, three = priced("a/m"), priced("b/m"), priced("c/m")
    known = view(now, (one, 20_000), (three, 41_000))
    assert order([one, two, three], LISTED, known)[0] == (three, one, two)
    equal = view(now, (one, 41_000), (three, 41_000))
    assert order([one, two, three], LISTED, equal)[0] == (one, two, three)


def test_without_a_price_on_either_side_the_warm_one_stays(
    priced: Make, route: Make, now: datetime
) -> None:
    known, unknown = priced("a/m"), route("x/m")
    found, reasons = order([known, unknown], LISTED, view(now, (unknown, 5000)))
    assert found == (unknown, known)
    assert reasons[0].endswith("until 12:03 UTC, what a move costs is unknown")
    assert order([unknown, known], LISTED, view(now, (known, 5000)))[0] == (known, unknown)


def test_nothing_displaces_a_free_route_at_home(
    priced: Make, route: Make, now: datetime, home: dict[str, object]
) -> None:
    paid, free = priced("a/m"), route("home/m", price=(0, 0), **home)
    assert order([free, paid], LISTED, view(now, (paid, 41_000)))[0] == (free, paid)
    unpriced = route("home/m", **home)
    assert order([unpriced, paid], LISTED, view(now, (paid, 41_000)))[0] == (unpriced, paid)


def test_between_free_routes_the_listed_one_counts_and_a_draw_does_not(
    route: Make, now: datetime
) -> None:
    one, two = route("a/m", price=(0, 0)), route("b/m", price=(0, 0))
    known = view(now, (two, 5000))
    assert order([one, two], LISTED, known)[0] == (one, two)
    drawn, reasons = order([one, two], Wish("weighted"), replace(known, draw=0.1))
    assert drawn == (two, one)
    assert reasons[0].endswith("a move saves nothing")


def test_a_warm_route_that_is_no_candidate_any_more_changes_nothing(
    priced: Make, now: datetime
) -> None:
    one, two, gone = priced("a/m"), priced("b/m"), priced("gone/m")
    assert order([one, two], LISTED, view(now, (gone, 41_000)))[0] == (one, two)


def test_a_move_loses_what_was_warm_and_was_not_read_here(priced: Make, now: datetime) -> None:
    left, new = priced("a/m", usd=3), priced("b/m", usd=9)
    warm = view(now, (left, 41_200)).warm
    cold = Usage(input=42_000, output=10)
    dearer = 2_700_000  # 1e-12 dollars a token, at the route that was left
    assert loss(new, cold, warm, [left, new], now) == Loss("a/m", 41_200, 41_200 * dearer)
    partly = Usage(input=2_000, cache_read=40_000)
    assert loss(new, partly, warm, [left, new], now) == Loss("a/m", 1_200, 1_200 * dearer)
    shorter = Usage(input=30_000)
    assert loss(new, shorter, warm, [left, new], now) == Loss("a/m", 30_000, 30_000 * dearer)
    warmer = Usage(cache_read=42_000)
    assert loss(new, warmer, warm, [left, new], now) == Loss("a/m", 0, 0)
    assert loss(left, cold, warm, [left, new], now) is None
    assert loss(new, cold, {}, [left, new], now) is None
    assert loss(new, MISSING, warm, [left, new], now) is None
    assert loss(new, cold, warm, [new], now) == Loss("a/m", 41_200, None)
    dearer_here = replace(left, surcharge=Decimal("1.1"))
    assert loss(new, cold, warm, [dearer_here], now) == Loss("a/m", 41_200, 41_200 * 2_970_000)


def test_who_answers_while_as_much_is_warm_there_lost_nothing(priced: Make, now: datetime) -> None:
    one, two = priced("a/m"), priced("b/m")
    warm = view(now, (one, 41_200), (two, 41_200)).warm
    assert loss(two, Usage(input=800, cache_read=41_200), warm, [one, two], now) is None
