"""What is known of each route's health: who cools, whose breaker is open, how fast each one was.

Two things are kept apart. A **quota group** (the keys and models that share one rate limit) that
was told to wait gets nothing until its time is over: for as long as the host named, else for 1 s
(60 s where its credit or plan is used up), twice as long with each refusal that follows. A
**breaker** for each route opens where too many of its attempts failed.

Everything is keyed by names, so that it outlives a reload of the config. All tables are bounded,
since clients can name models: of groups and routes that are in trouble none is forgotten early
while there are fewer than ``KEPT_MOST`` of them.
"""

from __future__ import annotations

import random
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from math import ceil
from statistics import median
from typing import TYPE_CHECKING

from providers.errors import ErrorKind, UpstreamError
from providers.retry_after import RETRY_AFTER_MAX_S, spent_for
from routing.breaker import JITTER, Breaker, State
from routing.outlook import Blocked, Speed
from routing.route import Route

if TYPE_CHECKING:  # a type only: that room brings the HTTP client with it
    from providers.endpoint import Endpoint

KEPT_MOST = 4096
SAMPLES = 64  # the answers by which speed is judged
SPEED_LEAST, PERCENTILE_LEAST = 3, 10  # fewer answers say nothing
# How long a group cools where its host named no time: at first, and at most.
COOLS_S: Mapping[ErrorKind, tuple[float, float]] = {
    ErrorKind.RATE_LIMITED: (1.0, 60.0),
    ErrorKind.QUOTA: (60.0, 3600.0),
    ErrorKind.AUTH: (60.0, 3600.0),  # one key of several
}
HEDGES_MOST = 10.0  # second attempts that may be saved up
# What counts against a route. The others are the request's own, or the account's.
FAILURES = frozenset(
    {
        ErrorKind.CONNECT,
        ErrorKind.TIMEOUT,
        ErrorKind.SERVER,
        ErrorKind.OVERLOADED,
        ErrorKind.MALFORMED,
        ErrorKind.CUT,
        ErrorKind.AUTH,
    }
)


@dataclass(slots=True)
class _Cooling:
    """A quota group that was told to wait; ``refusals`` in a row of one kind, ``why`` in words."""

    until: float
    kind: ErrorKind
    refusals: int
    why: str


@dataclass(slots=True)
class _Known:
    """What is kept of one route; ``rests_until`` is how long its host asked to be left alone.

    ``last`` is how the last attempt failed that counted against it, ``hedges`` how many second
    attempts may be begun beside it now.
    """

    breaker: Breaker = field(default_factory=Breaker)
    samples: deque[tuple[float, float | None]] = field(
        default_factory=lambda: deque(maxlen=SAMPLES)
    )
    speed: Speed | None = None
    rests_until: float = 0.0
    last: ErrorKind | None = None
    hedges: float = 1.0


@dataclass(frozen=True, slots=True)
class RouteHealth:
    """A route for the eyes of people: its breaker, and how much of the last half minute failed."""

    state: State
    attempts: int
    failure_rate: float


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that is known at one moment; ``cooling`` leads from a quota group to seconds left.

    ``told`` leads from a quota group to how many seconds ago its host last told of limits, and the
    headers in which it did.
    """

    routes: Mapping[str, RouteHealth]
    cooling: Mapping[str, float]
    told: Mapping[str, tuple[float, Mapping[str, str]]] = field(default_factory=dict)


class Health:
    """Learns from the end of every attempt, and says which routes and keys may be asked now.

    ``changed`` is called with a route's name and its breaker's states before and after.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
        changed: Callable[[str, State, State], None] | None = None,
    ) -> None:
        self._clock = clock
        self._draw = draw
        self._changed = changed
        self._routes: OrderedDict[str, _Known] = OrderedDict()
        # Those of them whose breaker is not closed or whose host asked for rest: mostly none.
        self._down: dict[str, _Known] = {}
        self._groups: dict[str, _Cooling] = {}
        self._told: dict[str, tuple[float, Mapping[str, str]]] = {}
        self._used: dict[tuple[str, int], int] = {}
        self._uses = 0

    # What the plan asks.

    @property
    def is_clear(self) -> bool:
        """Whether no group cools and no route is in trouble."""
        return not self._groups and not self._down

    def blocked(self, route: Route) -> Blocked | None:
        """Return why ``route`` must not be asked now; None where any of its keys may be."""
        if not self._groups and not self._down:
            return None
        now = self._clock()
        rest = self._rest_s(route.name, now) if route.name in self._down else 0.0
        cools = self._cools_s(route, now) if self._groups else 0.0
        if rest <= 0 and cools <= 0:
            return None
        frees = max(rest, cools)
        return Blocked("health", self._why(route, now, rest, cools), frees)

    def speed(self, route: Route) -> Speed | None:
        """Return the medians of the route's last answers; None where there are too few."""
        known = self._routes.get(route.name)
        if known is None or len(known.samples) < SPEED_LEAST:
            return None
        if known.speed is None:
            rates = [rate for _, rate in known.samples if rate is not None]
            firsts = [first for first, _ in known.samples]
            known.speed = Speed(median(firsts), median(rates) if rates else None, len(firsts))
        return known.speed

    def first_content_s(self, route: Route, percentile: int) -> float | None:
        """Return the time to the first content that so many of a hundred answers kept to.

        None below ten answers.
        """
        known = self._routes.get(route.name)
        if known is None or len(known.samples) < PERCENTILE_LEAST:
            return None
        firsts = sorted(first for first, _ in known.samples)
        return firsts[max(0, ceil(len(firsts) * percentile / 100) - 1)]

    def hedge_after_s(self, route: Route, percentile: int) -> float | None:
        """Return after what time without content another route may be asked beside ``route``.

        None where too little is known, or where that was done for more than twice the share of
        calls that it is meant for: then the times are not those of the present calls.
        """
        known = self._routes.get(route.name)
        if known is None:
            return None
        known.hedges = min(HEDGES_MOST, known.hedges + 2 * (100 - percentile) / 100)
        return self.first_content_s(route, percentile) if known.hedges >= 1 else None

    def hedged(self, route: Route) -> None:
        """Note that another route was asked beside ``route``."""
        self._known(route.name).hedges -= 1

    # What the executor asks and tells.

    def choose(self, route: Route, stay: str) -> Endpoint | None:
        """Return the key of ``route`` to use now; None where none may be asked.

        Conversations with one ``stay`` keep to one key as long as it does not cool; without it the
        key that was not used for longest is taken. Where the breaker is half open, this takes the
        probe's place: tell the end of the attempt, or ``gone`` where there was none.
        """
        keys = route.endpoints or (route.endpoint,)
        if self._groups or self._down:
            # In trouble: mostly neither this route nor its keys.
            now = self._clock()
            if route.name in self._down and self._rest_s(route.name, now) > 0:
                return None
            keys = tuple(key for key in keys if self._key_s(route, key, now) <= 0)
            if not keys:
                return None
            known = self._down.get(route.name)
            if known is not None:
                self._watched(route.name, known, lambda breaker: breaker.take(now))
        return keys[0] if len(keys) == 1 else self._one_of(route, keys, stay)

    def began(self, route: Route, endpoint: Endpoint) -> None:
        """Note that an attempt is sent, so that the next one takes another key."""
        keys = route.endpoints
        if len(keys) < 2:
            return
        if len(self._used) >= KEPT_MOST:
            self._used.clear()
        self._uses += 1
        for place, key in enumerate(keys):
            if key is endpoint:
                self._used[route.provider, place] = self._uses

    def good(
        self, route: Route, endpoint: Endpoint, first_s: float | None, tokens_per_s: float | None
    ) -> None:
        """Note an attempt that was answered: how soon its content began, and how fast it came."""
        now = self._clock()
        known = self._known(route.name)
        if first_s is not None:
            known.samples.append((first_s, tokens_per_s))
            known.speed = None
        if known.breaker.state == "closed":
            known.breaker.good(now)
        else:
            self._watched(route.name, known, lambda breaker: breaker.good(now))
        if self._groups:
            for group in {route.quota(endpoint), endpoint.quota}:
                cooling = self._groups.get(group)
                # An answer that was under way when the host said to wait ends no wait.
                if cooling is not None and cooling.until <= now:
                    del self._groups[group]

    def bad(self, route: Route, endpoint: Endpoint, fault: UpstreamError) -> None:
        """Note an attempt that failed, and what follows from how."""
        now = self._clock()
        group = route.quota(endpoint)
        if fault.kind in (ErrorKind.RATE_LIMITED, ErrorKind.QUOTA):
            # A rate may be limited for each model, credit or a plan is the account's.
            limited = endpoint.quota if fault.kind is ErrorKind.QUOTA else group
            self._cool(limited, fault.kind, fault.retry_after_s, now)
            self.gone(route)
        elif fault.kind is ErrorKind.AUTH and any(route.quota(e) != group for e in route.endpoints):
            # One bad key of several: the route goes on with the others.
            self._cool(group, fault.kind, None, now)
            self.gone(route)
        elif fault.kind is ErrorKind.OVERLOADED and fault.retry_after_s:
            known = self._known(route.name)
            known.rests_until = max(known.rests_until, now + _bounded(fault.retry_after_s))
            self._down[route.name] = known
            self.gone(route)
        elif fault.kind in FAILURES and not fault.of_model:
            known, draw = self._known(route.name), self._draw()
            known.last = fault.kind
            self._watched(route.name, known, lambda breaker: breaker.bad(now, draw))
        else:
            self.gone(route)

    def gone(self, route: Route) -> None:
        """Note an attempt that says nothing of the host: its client left, or it lost a race."""
        # One probe at a time is under way at a route, at whichever key.
        known = self._down.get(route.name)
        if known is not None:
            known.breaker.gone()

    def told(self, route: Route, endpoint: Endpoint, headers: Mapping[str, str]) -> None:
        """Look at the limits in the headers of a good answer: a used-up one cools its group.

        They are kept as they came, for whoever asks how much is left: the last ones of each group.
        """
        group, now = route.quota(endpoint), self._clock()
        if group not in self._told and len(self._told) >= KEPT_MOST:
            del self._told[next(iter(self._told))]
        self._told[group] = now, headers
        wait = spent_for(headers)
        if wait:
            self._cool(group, ErrorKind.RATE_LIMITED, wait, now)

    def snapshot(self) -> Snapshot:
        """Return what is known, for metrics and the dashboard."""
        now = self._clock()
        routes = {}
        for name, known in self._routes.items():
            good, bad = known.breaker.counts(now)
            rate = bad / (good + bad) if good + bad else 0.0
            routes[name] = RouteHealth(known.breaker.state, good + bad, rate)
        left = {name: found.until - now for name, found in self._groups.items()}
        told = {group: (now - at, headers) for group, (at, headers) in self._told.items()}
        return Snapshot(routes, {name: s for name, s in left.items() if s > 0}, told)

    # How long each thing lasts.

    def _rest_s(self, name: str, now: float) -> float:
        known = self._down.get(name)
        if known is None:
            return 0.0
        left = max(known.breaker.wait_s(now), known.rests_until - now)
        if left <= 0 and known.breaker.state == "closed":
            del self._down[name]
        return left

    def _group_s(self, group: str, now: float) -> float:
        cooling = self._groups.get(group)
        return cooling.until - now if cooling is not None else 0.0

    def _key_s(self, route: Route, key: Endpoint, now: float) -> float:
        """Return in how many seconds a key may be asked for the route's model."""
        cools = self._group_s(key.quota, now)
        return cools if route.shares_limits else max(cools, self._group_s(route.quota(key), now))

    def _cools_s(self, route: Route, now: float) -> float:
        """Return in how many seconds the first of the route's keys may be asked."""
        keys = route.endpoints
        if len(keys) < 2:
            return self._key_s(route, route.endpoint, now)
        return min(self._key_s(route, key, now) for key in keys)

    def _why(self, route: Route, now: float, rest: float, cools: float) -> str:
        if rest > cools:
            known = self._down[route.name]
            if known.rests_until - now >= rest:
                return f"its host has no room, and asked to wait for another {_told(rest)}"
            if now < known.breaker.until:
                failed = f"too many attempts failed, the last of them: {known.last}"
                return f"its breaker is open for another {_told(rest)}: {failed}"
            return "its breaker is half open, and the one attempt that probes it is under way"
        keys = route.endpoints or (route.endpoint,)
        first = min(keys, key=lambda key: self._key_s(route, key, now))
        group = max(route.quota(first), first.quota, key=lambda name: self._group_s(name, now))
        of_all = f", as those of all its {len(keys)} keys," if len(keys) > 1 else ""
        why = self._groups[group].why
        # A name of our own making says nothing to anybody.
        which = "" if group.startswith("quota:") else f" {group}"
        return f"its quota group{which}{of_all} cools for another {_told(cools)}: {why}"

    def _cool(self, group: str, kind: ErrorKind, named: float | None, now: float) -> None:
        found = self._groups.get(group)
        cools = found is not None and found.until > now
        if cools and not named:
            # Others that were under way at the same time: one refusal, and not one after another.
            return
        refusals = found.refusals if found is not None and found.kind is kind else 0
        least, most = COOLS_S[kind]
        if named:
            seconds, why = _bounded(named), f"{kind}, for as long as the host said"
        else:
            seconds = min(least * 2.0 ** min(refusals, 30), most)
            seconds *= 1 - JITTER + 2 * JITTER * self._draw()
            why = f"{kind}, and the host named no time"
        until = now + seconds
        if found is None:
            self._room_for_group(now)
        elif found.until > until:
            return
        self._groups[group] = _Cooling(until, kind, refusals + (not cools), why)

    def _one_of(self, route: Route, free: tuple[Endpoint, ...], stay: str) -> Endpoint:
        places = {id(key): place for place, key in enumerate(route.endpoints)}
        if stay:
            return max(free, key=lambda key: _weight(stay, places[id(key)]))
        return min(free, key=lambda key: self._used.get((route.provider, places[id(key)]), 0))

    # The tables.

    def _watched(self, name: str, known: _Known, move: Callable[[Breaker], None]) -> None:
        """Move a breaker; tell of the change, and keep apart what is not closed."""
        before = known.breaker.state
        move(known.breaker)
        after = known.breaker.state
        if after == before:
            return
        if after != "closed":
            self._down[name] = known
        elif known.rests_until <= self._clock():
            self._down.pop(name, None)
        if self._changed is not None:
            self._changed(name, before, after)

    def _known(self, name: str) -> _Known:
        known = self._routes.get(name)
        if known is not None:
            self._routes.move_to_end(name)
            return known
        if len(self._routes) >= KEPT_MOST:
            # The one not heard of for longest, of those in trouble only where there are no others.
            gone = next((n for n in self._routes if n not in self._down), next(iter(self._routes)))
            del self._routes[gone]
            self._down.pop(gone, None)
        known = self._routes[name] = _Known()
        return known

    def _room_for_group(self, now: float) -> None:
        if len(self._groups) < KEPT_MOST:
            return
        over = [name for name, found in self._groups.items() if found.until <= now]
        # Where all still cool, the one whose time is over first.
        soonest = min(self._groups, key=lambda name: self._groups[name].until)
        for name in over or [soonest]:
            del self._groups[name]


def _bounded(seconds: float) -> float:
    return min(seconds, RETRY_AFTER_MAX_S)


def _told(seconds: float) -> str:
    return f"{ceil(seconds)} s"


def _weight(stay: str, place: int) -> bytes:
    """Rendezvous hashing: where a key drops out, only its own conversations move."""
    return blake2b(f"{place} {stay}".encode("utf-8", "replace"), digest_size=8).digest()
