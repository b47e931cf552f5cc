"""Where a conversation's prompt is cached, and whether it should therefore stay there.

A host that has answered a conversation has its prompt in a cache for a while and reads it from
there for a fraction of the price; any other host reads the whole of it anew. So a conversation
stays while that is cheaper, and what a move lost is counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from billing.money import usd_text
from providers.usage import Usage
from routing.expected import COLD, View, Warm, lost
from routing.route import Route

if TYPE_CHECKING:
    from providers.host import Cache

# Of a host that is known to keep prompts, or whose usage shows it, and nobody established for how
# long: the shortest that is known of any.
ASSUMED_LIFETIME_S = 300.0
ROUTES_MOST = 8  # that one conversation is remembered at
_HOME = frozenset({"home"})


@dataclass(frozen=True, slots=True)
class Loss:
    """What a move lost: the route that was left, the tokens that were warm there, 1e-12 dollars.

    ``pico`` None: a price there is unknown.
    """

    moved_from: str
    tokens: int
    pico: int | None


class Affinity:
    """Remembers for each conversation which routes have how much of its prompt cached.

    A conversation is an opaque key that its caller made of everything that must keep two apart: who
    asks, under which label, for which model. At most ``most`` are kept, those that were used last.
    """

    def __init__(self, most: int = 20_000) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, dict[str, Warm]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def warm(self, conversation: bytes | None, now: datetime) -> Mapping[str, Warm]:
        """Return by the name of each route what it has in its cache at ``now``."""
        if conversation is None:
            return COLD
        kept = self._kept.get(conversation)
        if kept is None:
            return COLD
        self._kept.move_to_end(conversation)
        return {name: left for name, warm in kept.items() if (left := _left(warm, now)) is not None}

    def answered(
        self, conversation: bytes | None, route: Route, usage: Usage, now: datetime
    ) -> None:
        """Learn from a good answer. ``now`` is when the call began: hosts count from there."""
        if conversation is None:
            return
        kept = self._kept.get(conversation)
        before = kept.get(route.name) if kept is not None else None
        warm = _warmed(route, usage, now, before and _left(before, now))
        if warm is None:
            return
        if kept is None:
            self._kept[conversation] = {route.name: warm}
            self._trim(now)
            return
        kept[route.name] = warm
        if len(kept) > ROUTES_MOST:
            del kept[min(kept, key=lambda name: kept[name].until)]
        self._kept.move_to_end(conversation)

    def _trim(self, now: datetime) -> None:
        """Forget the conversation that was used least lately where it is over, or one too many."""
        oldest = next(iter(self._kept))
        alive = any(_left(warm, now) is not None for warm in self._kept[oldest].values())
        if not alive or len(self._kept) > self._most:
            del self._kept[oldest]


def _left(warm: Warm, now: datetime) -> Warm | None:
    """Return what is still in the cache at ``now``."""
    if warm.until > now:
        return warm
    longer = warm.longer
    return longer if longer is not None and longer.until > now else None


def _warmed(route: Route, usage: Usage, now: datetime, before: Warm | None) -> Warm | None:
    """Return what ``route`` has in its cache after an answer; None where that is not known."""
    if usage.state not in ("reported", "estimated"):
        return None
    cache = route.cache
    written = usage.cache_write + usage.cache_write_long
    if written or (usage.cache_read and cache is not None and not cache.by_itself):
        tokens = usage.cache_read + written  # the host says itself what it keeps
    elif usage.cache_read or (cache is not None and cache.by_itself):
        # An answer is part of the next prompt, unless thoughts came before it that are left out.
        tokens = usage.prompt_tokens + (0 if usage.reasoning else usage.output)
    else:
        return None
    if cache is not None and tokens < (cache.least_tokens or 0):
        return None
    longer = _longer(cache, usage, now, before) if cache is not None else None
    if longer is not None and longer.tokens >= tokens:
        return longer
    if cache is None or cache.lifetime_s is None:
        lifetime_s, assumed = ASSUMED_LIFETIME_S, True
    else:
        lifetime_s, assumed = cache.lifetime_s, False
    return Warm(tokens, now + timedelta(seconds=lifetime_s), assumed, longer)


def _longer(cache: Cache, usage: Usage, now: datetime, before: Warm | None) -> Warm | None:
    """Return the part for which the longer lifetime was bought, now or earlier and read since."""
    if cache.long_lifetime_s is None:
        return None
    bought = before.longer.tokens if before is not None and before.longer is not None else 0
    tokens = min(bought, usage.cache_read) + usage.cache_write_long
    if not tokens:
        return None
    part = Warm(tokens, now + timedelta(seconds=cache.long_lifetime_s))
    return replace(part, longer=part)


def stay(
    routes: Sequence[Route], reasons: Sequence[str], view: View, *, indifferent: bool = False
) -> tuple[tuple[Route, ...], tuple[str, ...]]:
    """Put the route that has the conversation's prompt cached first, while a move costs more.

    Compared are what the request will probably cost there, and at the route that the order put
    first, which reads the prompt anew. Where either cost is unknown the warm route stays. A free
    route is never displaced by one that costs, nor one at home without a price by one elsewhere;
    ``indifferent``: between free ones the order has no preference, so the warm one stays.
    """
    first = routes[0]
    warm = [route for route in routes if route.name in view.warm]
    # Most calls of a conversation are where it is warm already, and nowhere else.
    if not warm or (len(warm) == 1 and warm[0] is first):
        return tuple(routes), tuple(reasons)
    kept, warm_spent = _cheapest(warm, view)
    if kept is first:
        return tuple(routes), tuple(reasons)
    spent = view.cost(first)
    if spent is not None and warm_spent is not None:
        free = spent == 0 and warm_spent == 0 and indifferent
        stays = warm_spent < spent or free
    else:
        at_home = first.facts.processed_in == _HOME and kept.facts.processed_in != _HOME
        stays = spent != 0 and not at_home
    if not stays:
        return tuple(routes), tuple(reasons)
    more = None if spent is None or warm_spent is None else spent - warm_spent
    why = _words(view.warm[kept.name], more)
    rest = [
        (route, reason) for route, reason in zip(routes, reasons, strict=True) if route is not kept
    ]
    return (kept, *(route for route, _ in rest)), (why, *(reason for _, reason in rest))


def _cheapest(routes: Sequence[Route], view: View) -> tuple[Route, int | None]:
    """Return the route that costs least with what it costs, an unknown cost last."""
    spent = [(view.cost(route), route) for route in routes]
    cost, route = min(spent, key=lambda pair: (pair[0] is None, pair[0] or 0))
    return route, cost


def _words(warm: Warm, more: int | None) -> str:
    until = f"{warm.until.astimezone(UTC):%H:%M} UTC"
    sure = ", as is assumed" if warm.assumed else ""
    if more is None:
        what = "what a move costs is unknown"
    elif more == 0:
        what = "a move saves nothing"
    else:
        what = f"a move costs {_rounded(more)} USD more"
    return f"stays: {warm.tokens:,} tokens are cached here until {until}{sure}, {what}"


def _rounded(pico: int) -> str:
    """Return an amount for people, with four figures that count."""
    figures = Decimal(usd_text(pico))
    return f"{figures.quantize(Decimal(1).scaleb(max(-12, figures.adjusted() - 3))).normalize():f}"


def loss(
    route: Route,
    usage: Usage,
    warm: Mapping[str, Warm],
    candidates: Iterable[Route],
    now: datetime,
) -> Loss | None:
    """Return what was lost by ``route`` having answered; None where the conversation did not move.

    ``warm`` is what was cached when the call began, ``candidates`` are the routes that it might
    have gone to, for the price of the one that was left. Lost are the tokens of this prompt that
    were warm there and that were not read from a cache here.
    """
    if not warm or usage.state not in ("reported", "estimated"):
        return None
    left = max(warm, key=lambda name: (warm[name].tokens, name == route.name))
    if left == route.name:
        return None
    prompt = usage.prompt_tokens
    tokens = max(0, min(warm[left].tokens, prompt) - usage.cache_read)
    if not tokens:
        return Loss(left, 0, 0)
    owner = next((one for one in candidates if one.name == left), None)
    return Loss(left, tokens, None if owner is None else lost(owner, now, prompt, tokens))
