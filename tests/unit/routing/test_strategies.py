"""The orders: what ranks a route, and with which words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from types import MappingProxyType

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing.bands import ALWAYS, Applies
from billing.price import Price
from billing.price_list import PriceList
from providers.host import Cache
from routing.expected import Answers, Expected, View, Warm, cost
from routing.outlook import Speed
from routing.route import Route
from routing.strategies import order
from routing.wish import LISTED, Wish

Make = Callable[..., Route]
ASKED = Expected(10_000, 500)


def names(ranked: tuple[tuple[Route, ...], tuple[str, ...]]) -> list[str]:
    return [route.provider for route in ranked[0]]


def speeds(**known: tuple[float, float | None]) -> Callable[[Route], Speed | None]:
    return lambda route: Speed(*known[route.provider], 9) if route.provider in known else None


def blend(**shares: str) -> Wish:
    parts = MappingProxyType({name: Decimal(share) for name, share in shares.items()})
    return Wish("blend", blend=parts)


def test_listed_keeps_the_order(route: Make, now: datetime) -> None:
    routes = [route("b/m"), route("a/m")]
    ranked = order(routes, LISTED, View(now))
    assert names(ranked) == ["b", "a"]
    assert ranked[1] == ("listed at place 1", "listed at place 2")
    many = [route(f"p{number}/m") for number in range(40)]
    assert order(many, LISTED, View(now))[1][-1] == "listed at place 40"


def test_cheapest_counts_the_tokens_of_this_request(route: Make, now: datetime) -> None:
    cheap_in, cheap_out = route("in/m", price=(1, 50)), route("out/m", price=(5, 5))
    unknown, wish = route("x/m"), Wish("cheapest")
    routes = [unknown, cheap_out, cheap_in]
    long_prompt = order(routes, wish, View(now, Expected(100_000, 100)))
    assert names(long_prompt) == ["in", "out", "x"]
    assert long_prompt[1][0] == "0.105 USD expected for 100000 tokens in, 100 out"
    assert long_prompt[1][-1] == "price unknown, so last"
    assert names(order(routes, wish, View(now, Expected(1000, 5000)))) == ["out", "in", "x"]


def test_equally_cheap_routes_stay_as_listed(route: Make, now: datetime) -> None:
    routes = [route("b/m", price=(1, 1)), route("a/m", price=(1, 1))]
    assert names(order(routes, Wish("cheapest"), View(now, ASKED))) == ["b", "a"]


def test_cost_takes_the_tier_the_hour_and_the_surcharge(route: Make, now: datetime) -> None:
    long = Price(Decimal(4), Decimal(8))
    dear = Price(Decimal(2), Decimal(4), above_prompt_tokens=((200_000, long),))
    night = Applies(start=(now - timedelta(hours=1)).time(), end=(now + timedelta(hours=1)).time())
    listed = PriceList(((ALWAYS, dear), (night, Price(Decimal(1), Decimal(2)))))
    one = replace(route("a/m"), prices=listed, surcharge=Decimal("1.1"))
    assert cost(one, now, Expected(1000, 100)) == 1_320 * 10**6  # in 1e-12 dollars
    later = now + timedelta(hours=3)
    assert cost(one, later, Expected(1000, 100)) == 2_640 * 10**6
    assert cost(one, later, Expected(300_000, 100)) == 1_320_880 * 10**6


def test_cost_reads_what_is_warm_and_writes_the_rest(route: Make, now: datetime) -> None:
    price = Price(
        Decimal(4), Decimal(8), Decimal("0.4"), cache_write=Decimal(5), cache_write_long=Decimal(8)
    )
    prices = PriceList(((ALWAYS, price),))
    free = replace(route("a/m"), prices=prices, cache=Cache(300.0, 1024, by_itself=True))
    charged = replace(free, cache=Cache(300.0, 1024, by_itself=True, charges_writes=True))
    warm = Warm(8000, now)
    assert cost(free, now, Expected(10_000, 0)) == 40_000 * 10**6
    assert cost(free, now, Expected(10_000, 0), warm) == (3_200 + 8_000) * 10**6
    assert cost(charged, now, Expected(10_000, 0), warm) == (3_200 + 10_000) * 10**6
    assert cost(charged, now, Expected(1000, 0)) == 4_000 * 10**6, "too short to be kept"
    assert cost(free, now, Expected(10_000, 0, marks=True)) == 50_000 * 10**6
    assert cost(free, now, Expected(10_000, 0, marks=True, marks_long=True)) == 80_000 * 10**6
    assert cost(free, now, Expected(5000, 0), warm) == 2_000 * 10**6, "no more than is asked"
    half_known = replace(free, prices=PriceList(((ALWAYS, Price(Decimal(4), None)),)))
    assert cost(half_known, now, Expected(10, 10)) is None


def test_a_machine_by_the_hour_costs_its_usual_time(route: Make, now: datetime) -> None:
    home = replace(route("home/m"), usd_per_hour=Decimal("0.36"))
    cloud = route("cloud/m", price=(0, "0.5"))  # 0.00025 USD
    speed = speeds(home=(1.0, 100.0))  # 6 seconds are 0.0006 USD
    ranked = order([home, cloud], Wish("cheapest"), View(now, ASKED, speed))
    assert names(ranked) == ["cloud", "home"]
    assert ranked[1][1] == "0.0006 USD expected, at 0.36 USD per hour"
    untimed = order([cloud, home], Wish("cheapest"), View(now, ASKED))
    assert names(untimed) == ["home", "cloud"], "it runs anyway, until an answer was timed"
    assert untimed[1][0] == "0.36 USD per hour, not timed yet"


def test_fastest_counts_the_whole_answer(route: Make, now: datetime) -> None:
    routes = [route("quick/m"), route("steady/m"), route("new/m"), route("first/m")]
    speed = speeds(quick=(0.2, 20.0), steady=(1.0, 200.0), first=(0.5, None))
    ranked = order(routes, Wish("fastest"), View(now, ASKED, speed))
    assert names(ranked) == ["first", "steady", "quick", "new"]
    assert ranked[1][1] == "3.50 s expected for 500 tokens"
    short = order(routes, Wish("fastest"), View(now, Expected(10_000, 5), speed))
    assert names(short)[:2] == ["quick", "first"]
    unknown = order(routes, Wish("fastest"), View(now, ASKED))
    assert names(unknown) == ["quick", "steady", "new", "first"]
    assert unknown[1][0] == "listed at place 1, no speed known"


def test_one_request_in_twenty_tries_a_route_of_unknown_speed(route: Make, now: datetime) -> None:
    routes = [route("known/m"), route("new/m"), route("newer/m")]
    view = View(now, ASKED, speeds(known=(0.2, 20.0)))
    first = Counter(
        names(order(routes, Wish("fastest"), replace(view, draw=draw / 1000)))[0]
        for draw in range(1000)
    )
    assert first == {"known": 950, "new": 25, "newer": 25}
    mixed = blend(fastest="0.7", cheapest="0.3")
    assert names(order(routes, mixed, replace(view, draw=0.0)))[0] == "new"


def test_weights_are_kept_to_and_nothing_is_lost(route: Make, now: datetime) -> None:
    routes = [route("never/m"), route("one/m"), route("three/m"), route("usual/m")]
    weights = MappingProxyType({"never/m": 0, "three/m": 3})
    wish = Wish("weighted", weights=weights)
    drawn = [
        names(order(routes, wish, View(now, draw=(draw + 0.5) / 10_000))) for draw in range(10_000)
    ]
    firsts, seconds = Counter(one[0] for one in drawn), Counter(tuple(one[:2]) for one in drawn)
    assert firsts == {"one": 2000, "three": 6000, "usual": 2000}
    assert seconds["three", "one"] == seconds["three", "usual"] == 3000
    assert all(one[-1] == "never" for one in drawn)
    reasons = order(routes, wish, View(now))[1]
    assert reasons == (
        "drawn by weight 3 of 5",
        "drawn by weight 1 of 5",
        "drawn by weight 1 of 5",
        "weight 0, so last",
    )


def test_a_blend_weighs_the_wishes(route: Make, now: datetime) -> None:
    cheap, quick = route("cheap/m", price=(1, 1)), route("quick/m", price=(2, 2))
    view = View(now, ASKED, speeds(cheap=(2.0, 100.0), quick=(0.5, 500.0)))
    money = order([quick, cheap], blend(cheapest="0.8", fastest="0.2"), view)
    assert names(money) == ["cheap", "quick"]
    assert money[1][0] == "0.600 by 0.8 cheapest + 0.2 fastest, less is better"
    haste = order([cheap, quick], blend(cheapest="0.2", fastest="0.8"), view)
    assert names(haste) == ["quick", "cheap"]
    unknown = route("unknown/m")
    three = order([unknown, cheap], blend(cheapest="0.9", listed="0.1"), view)
    assert names(three) == ["cheap", "unknown"], "unknown counts as worse than the worst"


WISHES = st.sampled_from(
    [
        LISTED,
        Wish("cheapest"),
        Wish("fastest"),
        Wish("weighted", weights=MappingProxyType({"b/m": 0, "c/m": 7})),
        blend(cheapest="0.5", fastest="0.25", listed="0.25"),
    ]
)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    wish=WISHES,
    draw=st.floats(0, 1, exclude_max=True),
    warm=st.dictionaries(st.sampled_from(["a/m", "b/m", "z/m"]), st.integers(1, 10**6)),
    prices=st.lists(st.none() | st.integers(0, 9), max_size=4),
    known=st.sets(st.sampled_from("abcd")),
)
def test_every_order_keeps_every_route_once(
    route: Make,
    now: datetime,
    wish: Wish,
    draw: float,
    warm: Mapping[str, int],
    prices: list[int | None],
    known: set[str],
) -> None:
    routes = [
        route(f"{name}/m", price=None if price is None else (price, price))
        for name, price in zip("abcd", prices, strict=False)
    ]
    held = {name: Warm(tokens, now + timedelta(minutes=5)) for name, tokens in warm.items()}
    speed = speeds(**dict.fromkeys(known, (1.0, 9.0)))
    found, reasons = order(routes, wish, View(now, ASKED, speed, held, draw))
    assert sorted(names((found, reasons))) == sorted(names((tuple(routes), ())))
    assert len(reasons) == len(found)
    assert all(reasons)


def test_expected_answers_follow_what_was_seen() -> None:
    answers = Answers(most=2)
    assert answers.expect("ci", "coder") == 500
    assert answers.expect("ci", "coder", answers=2, most=600) == 600
    for _ in range(60):
        answers.seen("ci", "coder", 40)
    assert answers.expect("ci", "coder") == 40
    answers.seen("ci", "coder", 440)
    assert answers.expect("ci", "coder") == 90
    answers.seen("b", "coder", 10)
    answers.seen("c", "coder", 10)
    assert answers.expect("ci", "coder") == 500, "only the last two are kept"
