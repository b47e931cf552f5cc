"""A route against its shadow, on the same requests: what they cost, how long they took, who failed.

Attempt for attempt: the first attempt at a request stands against the shadow's. What a fallback
did after it is in neither. Money is exact; only the intervals of verdicts are floats.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import msgspec

from billing.money import half_even

ENOUGH = 30  # pairs, below which nothing is said of what a switch would save
MONTH_US = 30 * 86_400 * 1_000_000
VERDICTS = ("better", "same", "worse")
Z_95 = 1.959964


class Tried(msgspec.Struct, frozen=True):
    """What a comparison reads of one entry of the ledger; its fields mean what ``Entry``'s do."""

    request_id: str
    attempt: int
    purpose: str
    model_asked: str
    provider: str
    model: str
    outcome: str
    error: str
    finish: str
    usage_state: str
    tokens_out: int
    cost_pico: int | None
    total_ms: int
    verdict: str

    @property
    def route(self) -> str:
        """The route that was asked, as provider/model."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Spent:
    """All first and other attempts at one route in a time: known cost, and how many have none.

    ``lasted_us`` is how long the time was, from the first of them on where nothing was before.
    """

    cost_pico: int
    unknown: int
    lasted_us: int


@dataclass(frozen=True, slots=True)
class Side:
    """One route's half of the pairs. ``failed`` counts over all of them.

    The others are of the pairs that both sides answered; ``cost_pico`` of those of them whose two
    costs are both known. Times are milliseconds of the whole answer, None where there is none.
    """

    route: str
    failed: int
    cost_pico: int
    tokens_out: int
    median_ms: int | None
    p95_ms: int | None
    finishes: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What a judge said of the shadow's answers: of ``n``, each with its 95 % Wilson interval.

    ``as_good`` bounds the share that were the same or better, ``ahead`` the share of better ones
    where the two differed: where it holds 0.5, no difference is shown. ``none``: the judge was
    asked and gave no verdict.
    """

    better: int
    same: int
    worse: int
    none: int

    @property
    def n(self) -> int:
        """How many verdicts there are."""
        return self.better + self.same + self.worse

    @property
    def as_good(self) -> tuple[float, float]:
        """Bounds of the share of answers that were as good, at least."""
        return wilson(self.better + self.same, self.n)

    @property
    def ahead(self) -> tuple[float, float]:
        """Bounds of the share of better answers among the unlike ones."""
        return wilson(self.better, self.better + self.worse)


@dataclass(frozen=True, slots=True)
class Comparison:
    """One client's route and one shadow's over ``n`` pairs.

    ``both`` of them were answered by both, ``priced`` of those have two known costs, of which
    ``estimated`` rest on an estimated usage. ``judged_pico`` is what the judge cost, as far as it
    is known; the shadow's whole cost, failed calls and all, is ``shadowed_pico``.
    """

    client: Side
    shadow: Side
    n: int
    both: int
    priced: int
    estimated: int
    verdicts: Verdicts
    shadowed_pico: int
    judged_pico: int

    @property
    def ratio(self) -> Fraction | None:
        """The shadow's cost for each dollar of the client's route; None where that is nothing."""
        cost = self.client.cost_pico
        return Fraction(self.shadow.cost_pico, cost) if cost else None

    def saves(self, spent: Spent) -> int | None:
        """Return what the switch would save in 30 days, 1e-12 dollars; below 0 it would cost.

        ``spent`` is what the client's route cost in the time. None where the pairs are too few, or
        the time is too short, to say it.
        """
        ratio = self.ratio
        if ratio is None or self.priced < ENOUGH or spent.lasted_us < MONTH_US // 30:
            return None
        saved = spent.cost_pico * (1 - ratio) * Fraction(MONTH_US, spent.lasted_us)
        return half_even(saved.numerator, saved.denominator)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of a share; nothing seen is anything from 0 to 1."""
    if not n:
        return 0.0, 1.0
    share, square = hits / n, Z_95**2
    middle = share + square / (2 * n)
    spread = Z_95 * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    scale = 1 + square / n
    # Rounding must not put the bounds beyond what was seen, or what there is.
    low, high = (middle - spread) / scale, (middle + spread) / scale
    return max(0.0, min(share, low)), min(1.0, max(share, high))


def percentile(sorted_ms: Sequence[int], percent: int) -> int | None:
    """Return the nearest-rank percentile of rising values; None of none."""
    if not sorted_ms:
        return None
    return sorted_ms[max(0, -(-len(sorted_ms) * percent // 100) - 1)]


@dataclass(frozen=True, slots=True)
class _Pair:
    client: Tried
    shadow: Tried
    judge: Tried | None


def compared(tried: Iterable[Tried], names: Collection[str]) -> list[Comparison]:
    """Return every pair of routes that answered the same requests for ``names``, most pairs first.

    ``tried`` is every attempt at the requests that were shadowed. A request whose client left, or
    whose first attempt was given up for a faster one, is in no pair.
    """
    grouped: dict[tuple[str, str], list[_Pair]] = defaultdict(list)
    for pair in _pairs(tried, names):
        grouped[pair.client.route, pair.shadow.route].append(pair)
    found = [_comparison(pairs) for pairs in grouped.values()]
    return sorted(found, key=lambda made: (-made.n, made.client.route, made.shadow.route))


def _pairs(tried: Iterable[Tried], names: Collection[str]) -> Iterable[_Pair]:
    calls: dict[str, list[Tried]] = defaultdict(list)
    shadows: dict[str, list[Tried]] = defaultdict(list)
    judges: dict[str, Tried] = {}
    for each in tried:
        if each.purpose in ("call", "hedge"):
            calls[each.request_id].append(each)
        elif each.purpose == "shadow" and each.model_asked in names:
            shadows[each.request_id].append(each)
        elif each.purpose == "judge":
            judges[each.request_id] = each
    for request_id, copies in shadows.items():
        client, shadow = _first(calls.get(request_id, [])), _first(copies)
        # One that the gateway ended itself says nothing of its route.
        if client is None or shadow is None or "cancelled" in (client.outcome, shadow.outcome):
            continue
        yield _Pair(client, shadow, judges.get(request_id))


def _first(tried: list[Tried]) -> Tried | None:
    """Return the first attempt; not one on a dead connection that was made again at once."""
    tried.sort(key=lambda each: each.attempt)
    for each, following in pairwise(tried):
        if each.error != "connect" or following.route != each.route:
            return each
    return tried[-1] if tried else None


def _comparison(pairs: Sequence[_Pair]) -> Comparison:
    both = [p for p in pairs if p.client.outcome == p.shadow.outcome == "completed"]
    priced = [p for p in both if p.client.cost_pico is not None and p.shadow.cost_pico is not None]
    guessed = [p for p in priced if {p.client.usage_state, p.shadow.usage_state} != {"reported"}]
    judges = [p.judge for p in pairs if p.judge is not None]
    said = Counter(judge.verdict for judge in judges)
    return Comparison(
        client=_side(
            [p.client for p in pairs], [p.client for p in both], [p.client for p in priced]
        ),
        shadow=_side(
            [p.shadow for p in pairs], [p.shadow for p in both], [p.shadow for p in priced]
        ),
        n=len(pairs),
        both=len(both),
        priced=len(priced),
        estimated=len(guessed),
        verdicts=Verdicts(*(said[word] for word in (*VERDICTS, ""))),
        shadowed_pico=sum(p.shadow.cost_pico or 0 for p in pairs),
        judged_pico=sum(judge.cost_pico or 0 for judge in judges),
    )


def _side(every: Sequence[Tried], both: Sequence[Tried], priced: Sequence[Tried]) -> Side:
    times = sorted(each.total_ms for each in both)
    return Side(
        route=every[0].route,
        failed=sum(each.outcome != "completed" for each in every),
        cost_pico=sum(each.cost_pico or 0 for each in priced),
        tokens_out=sum(each.tokens_out for each in both),
        median_ms=percentile(times, 50),
        p95_ms=percentile(times, 95),
        finishes=dict(Counter(each.finish or "none" for each in both).most_common()),
    )
