"""A coding agent played against three hosts that keep prompts, fail now and then, and count.

The hosts keep their caches by their own rules and know nothing of ours. What a move lost is counted
here a second time, from what the hosts really held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import Literal

from billing.bands import ALWAYS
from billing.price import Price
from billing.price_list import PriceList
from providers.dialect import Dialect
from providers.endpoint import Endpoint, Timeouts
from providers.host import Cache
from providers.usage import Usage
from routing.affinity import Affinity, loss
from routing.expected import Answers, Expected, View, Warm
from routing.facts import RouteFacts
from routing.outlook import Speed
from routing.route import Route
from routing.strategies import order
from routing.wish import Wish

START = datetime(2026, 11, 25, 12, tzinfo=UTC)
TURNS = 20
# silent: keeps prompts by itself and says only what it read; charged: says what it wrote too;
# marked, marked_long: keeps what the request marks, for the short or the longer lifetime.
Kind = Literal["silent", "charged", "marked", "marked_long"]
CACHES = {
    "silent": Cache(300.0, 1024, by_itself=True),
    "charged": Cache(1800.0, 1024, by_itself=True, charges_writes=True),
    "marked": Cache(300.0, 1024, long_lifetime_s=3600.0),
    "marked_long": Cache(300.0, 1024, long_lifetime_s=3600.0),
}


@dataclass(slots=True)
class Host:
    """A host with its own cache by conversation: tokens, and until when."""

    route: Route
    kind: Kind
    down: list[tuple[datetime, datetime]] = field(default_factory=list)
    held: dict[bytes, tuple[int, datetime]] = field(default_factory=dict)

    def holds(self, conversation: bytes, now: datetime) -> int:
        """Return how many tokens of the conversation are in the cache."""
        tokens, until = self.held.get(conversation, (0, START))
        return tokens if until > now else 0

    def fails(self, now: datetime) -> bool:
        """Whether the host is down."""
        return any(begin <= now < end for begin, end in self.down)

    def answer(self, conversation: bytes, prompt: int, output: int, now: datetime) -> Usage:
        """Answer a prompt: read what is held of it, and hold it."""
        read = min(self.holds(conversation, now), prompt)
        written = prompt - read
        cache = CACHES[self.kind]
        long = self.kind == "marked_long"
        lifetime_s = cache.long_lifetime_s if long else cache.lifetime_s
        assert lifetime_s is not None
        kept = prompt + output if self.kind == "silent" else prompt
        self.held[conversation] = kept, now + timedelta(seconds=lifetime_s)
        if self.kind == "silent":
            return Usage(input=written, cache_read=read, output=output)
        if long:
            return Usage(cache_read=read, cache_write_long=written, output=output)
        return Usage(cache_read=read, cache_write=written, output=output)


def host(name: str, kind: Kind, usd: tuple[str, str, str, str]) -> Host:
    """Return a host with prices of input, cached read, cache write and output."""
    fresh, read, write, output = map(Decimal, usd)
    price = Price(
        fresh,
        output,
        cache_read=read,
        cache_write=write if kind != "silent" else None,
        cache_write_long=2 * fresh if kind == "marked_long" else None,
    )
    provider, _, model = name.partition("/")
    route = Route(
        name=name,
        provider=provider,
        model=model,
        endpoint=Endpoint(provider, "host", "default", "", {}, Timeouts(1, 1, 1, 1)),
        dialects={"chat": Dialect()},
        facts=RouteFacts(provider, model),
        prices=PriceList(((ALWAYS, price),)),
        cache=CACHES[kind],
    )
    return Host(route, kind)


def lasting(hosts: Sequence[Host], random: Random, share: float, whole_s: float) -> None:
    """Let each host be down for about ``share`` of the time, a minute or two at once."""
    for one in hosts if share else ():
        at = random.expovariate(share / 90)
        while at < whole_s:
            begin = START + timedelta(seconds=at)
            one.down.append((begin, begin + timedelta(seconds=random.uniform(30, 150))))
            at += random.expovariate(share / 90)


@dataclass(slots=True)
class Played:
    """What a run came to: tokens read from caches, here and at one host alone; dollars lost.

    ``counted_pico`` is what we counted as lost, ``lost_pico`` what the hosts know was.
    """

    hits: int = 0
    hits_of_one: int = 0
    moves: int = 0
    counted_pico: int = 0
    lost_pico: Fraction = Fraction(0)


@dataclass(slots=True)
class Agents:
    """Agents one after the other over the same hosts, each a conversation of its own.

    ``sticky`` False forgets where a conversation was warm, as a plain load balancer does.
    """

    hosts: Sequence[Host]
    wish: Wish
    random: Random
    sticky: bool = True
    affinity: Affinity = field(default_factory=Affinity)
    answers: Answers = field(default_factory=Answers)
    played: Played = field(default_factory=Played)

    def play(self, conversation: bytes, began: datetime) -> datetime:
        """Play one agent to its end, and return when that was."""
        random, now = self.random, began
        alone = Host(self.hosts[0].route, self.hosts[0].kind)
        prompt = random.randint(8_000, 20_000)
        for _ in range(TURNS):
            output = random.randint(50, 1500)
            self._turn(conversation, prompt, output, now)
            self.played.hits_of_one += alone.answer(conversation, prompt, output, now).cache_read
            prompt += output + random.randint(100, 4000)
            now += timedelta(seconds=random.choice((3, 10, 40, 100, 250)))
        return now

    def _turn(self, conversation: bytes, prompt: int, output: int, now: datetime) -> None:
        warm = self.affinity.warm(conversation, now)
        view = View(
            now=now,
            expected=self._expected(prompt),
            speed=self._speed,
            warm=warm if self.sticky else {},
            draw=self.random.random(),
        )
        routes = [one.route for one in self.hosts]
        for route in order(routes, self.wish, view)[0]:
            chosen = next(one for one in self.hosts if one.route is route)
            if not chosen.fails(now):
                self._answered(chosen, conversation, prompt, output, now, warm)
                return

    def _expected(self, prompt: int) -> Expected:
        # The gateway guesses tokens by bytes: here it is wrong by up to a fifth.
        guess = int(prompt * self.random.uniform(0.8, 1.2))
        marks = self.hosts[0].kind in ("marked", "marked_long")
        likely = self.answers.expect("agent", "coder")
        return Expected(guess, likely, marks, self.hosts[0].kind == "marked_long")

    def _speed(self, _route: Route) -> Speed | None:
        # No host is lastingly faster than the others, so that the fastest changes all the time.
        return Speed(self.random.uniform(0.2, 2.0), 80.0, 10)

    def _answered(
        self,
        chosen: Host,
        conversation: bytes,
        prompt: int,
        output: int,
        now: datetime,
        warm: Mapping[str, Warm],
    ) -> None:
        played = self.played
        held = {one.route.name: one.holds(conversation, now) for one in self.hosts}
        usage = chosen.answer(conversation, prompt, output, now)
        played.hits += usage.cache_read
        routes = [one.route for one in self.hosts]
        counted = loss(chosen.route, usage, warm, routes, now)
        if counted is not None:
            played.moves += 1
            assert counted.pico is not None
            played.counted_pico += counted.pico
        left = max(self.hosts, key=lambda one: (held[one.route.name], one is chosen))
        missed = max(0, min(held[left.route.name], prompt) - usage.cache_read)
        if left is not chosen:
            assert left.route.prices is not None
            price = left.route.prices.bands[0][1]
            assert price.input is not None
            assert price.cache_read is not None
            dearer = Fraction(price.input - price.cache_read) / 10**6
            played.lost_pico += missed * dearer * 10**12
        self.affinity.answered(conversation, chosen.route, usage, now)
        self.answers.seen("agent", "coder", output)
