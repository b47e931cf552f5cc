"""What the calls of a time would have cost at other routes: ``entrepot whatif``, and its page.

The command reads every entry of that time once, and reckons from it what each route would have
charged. The page has no time for that where there are very many: it takes rollups then, which
know no tiers of long prompts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from billing import reports
from billing.past_use import OWN, Past, past, past_summed_for
from billing.price_list import PriceList
from billing.reports import Asked
from billing.store import Store
from billing.sums import SpendRow, Where
from billing.tokenizer_ratios import Ratio, between
from billing.whatif import Elsewhere, Used, elsewhere, thresholds
from gateway import offers
from gateway.offers import Offer
from gateway.setup import Setup
from routing.policy_form import nearest

CAVEAT = (
    "Other models count other tokens for the same text, and write answers of another length: what "
    "is compared is the price of these tokens."
)
# Why a route has no price of tokens, in words.
WHY_NOT: Mapping[str, str] = {
    "hour": "paid by the hour: `entrepot home` says what its tokens cost",
    "plan": "paid by a plan: `entrepot plans` says what its tokens cost",
    "unknown": "no price is known",
}
Lack = Literal["", "hour", "plan", "unknown"]


# Entries that a page waits for; of more it takes the sums.
ENTRIES_MAX = 100_000


class NoRouteError(ValueError):
    """A name that is no route; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Target:
    """A route that is asked about: its prices, else in ``lacks`` why there are none (``WHY_NOT``).

    ``tokenizer`` is what its tokens are counted with, "" where nobody knows.
    """

    prices: PriceList | None
    lacks: Lack
    tokenizer: str


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What calls used and cost, and what each route would have charged for it, by its name.

    ``is_exact``: from every single entry. Else all prompts count as short, and calls are about as
    many as there are.
    """

    past: Past
    there: Mapping[str, Elsewhere]
    is_exact: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """What one route would have cost, and how much more or less than it did (1e-12 dollars).

    ``ratio`` is how many tokens it counts for one that was counted; None: nobody measured that.
    """

    route: str
    found: Elsewhere
    difference: int
    lacks: Lack = ""
    ratio: Ratio | None = None

    @property
    def is_priced(self) -> bool:
        """Whether any of the calls has a price there."""
        return not self.lacks and self.found.requests > 0

    @property
    def is_whole(self) -> bool:
        """Whether all of the calls have a price there, so that the difference is one."""
        return self.is_priced and not self.found.unknown


def targets(setup: Setup, names: Iterable[str]) -> dict[str, Target]:
    """Return each route that is asked about; without names all that models of the config lead to.

    A name is a route of the config, or ``HOST/MODEL`` of the catalogue. Raises ``NoRouteError``.
    """
    found = {name: _target(_offer(setup, name)) for name in names}
    return found or {one.name: _target(one) for one in offers.configured(setup)}


def read(
    store: Store,
    since: datetime | None,
    until: datetime | None,
    where: Where,
    asked: Mapping[str, Target],
) -> Past:
    """Return what calls used in a time, as the prices of ``asked`` tell it apart.

    Reads every entry of that time. Raises ``StoreError``.
    """
    starts = thresholds(one.prices for one in asked.values() if one.prices is not None)
    return past(store, since, until, where, starts)


def reckoned(store: Store, asked: Asked, found: Mapping[str, Target]) -> Reckoned:
    """Return what the calls of a time cost, and would have: exactly, or of very many from sums.

    Raises ``StoreError``, and ``ValueError`` for more than a report can hold.
    """
    by = ("provider", "model", "purpose")
    rows, total = reports.grouped(store, replace(asked, by=by))
    if total.attempts <= ENTRIES_MAX:
        used = read(store, asked.since, asked.until, asked.where, found)
        there = {name: elsewhere(used.used, one.prices) for name, one in found.items()}
        return Reckoned(used, there, True)
    own = [row for row in rows if row.names[2] in OWN]
    whole = SpendRow()
    for row in own:
        whole.add(row)
    calls = max(0, whole.attempts - whole.failed - whole.missing)
    used = Past(
        [Used(0, 0, calls, whole.searches, ())],
        frozenset((row.names[0], row.names[1]) for row in own),
        whole.cost_pico,
        whole.unknown,
        whole.estimated,
        whole.missing,
    )
    priced = {name: one.prices for name, one in found.items() if one.prices is not None}
    sums = past_summed_for(store, asked, list(priced.values()))
    there = dict.fromkeys(found, Elsewhere(0, 0, 0, ()))
    for (name, prices), of in zip(priced.items(), sums, strict=True):
        there[name] = elsewhere(of, prices)
    return Reckoned(used, there, False)


def counted_by(setup: Setup, found: Past) -> frozenset[str]:
    """Return what the tokens were counted with, "" among it where nobody knows."""
    return frozenset(_tokenizer(setup, *route) for route in found.routes)


def answers(
    found: Past,
    asked: Mapping[str, Target],
    counted: Collection[str],
    reckoned: Mapping[str, Elsewhere] | None = None,
) -> list[Answer]:
    """Return what each of ``asked`` would have cost, the cheapest first; unpriced ones stand last.

    ``found`` is what was read for them, ``counted`` what its tokens were counted with;
    ``reckoned`` is what each would have cost, where that is known already. Pure.
    """
    made = []
    for name, target in asked.items():
        there = reckoned[name] if reckoned is not None else elsewhere(found.used, target.prices)
        ratio = between(target.tokenizer, *counted) if len(counted) == 1 else None
        made.append(Answer(name, there, there.pico - found.pico, target.lacks, ratio))
    return sorted(made, key=lambda one: (one.found.unknown > 0, one.found.pico, one.route))


def _offer(setup: Setup, name: str) -> Offer:
    owner, _, model = name.partition("/")
    if owner in setup.providers and model:
        return offers.of_route(setup, name)
    if owner in setup.catalog.hosts and model:
        there = offers.of_host(setup.catalog, owner)
        here = [one for one in there if one.model.id == model]
        if not here:
            known = [one.model.id for one in there]
            raise NoRouteError(f"{owner} has no model {model!r} here; {nearest(model, known, '')}")
        return here[0]
    known = [*setup.providers, *setup.catalog.hosts]
    right = nearest(owner, known, "PROVIDER/MODEL of the config, or HOST/MODEL")
    raise NoRouteError(f"{name!r} is no route; {right}")


def _target(one: Offer) -> Target:
    lacks: Lack = ""
    if one.billing in ("hour", "plan"):
        lacks = "hour" if one.billing == "hour" else "plan"
    elif one.prices is None:
        lacks = "unknown"
    return Target(one.prices, lacks, one.model.tokenizer)


def _tokenizer(setup: Setup, provider: str, model: str) -> str:
    if provider not in setup.providers:
        return ""
    return setup.route(f"{provider}/{model}").tokenizer
