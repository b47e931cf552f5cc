"""``GET /dashboard/whatif``: what a slice of the past would have cost at other routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from billing.past_use import Past
from billing.reports import Asked
from billing.sums import DIMENSIONS
from billing.tokenizer_ratios import MEASURED
from billing.whatif import IN_WORDS
from gateway import elsewhere
from gateway.dashboard.figures import Money, lengths, places, share_of, short, usd
from gateway.dashboard.page import View, filtered, sent_to, shown
from gateway.dashboard.words import Words
from gateway.elsewhere import Answer, NoRouteError, Reckoned, Target
from gateway.setup import Setup

# Each has to be reckoned quarter by quarter; more would keep a reader waiting.
ROUTES_MAX = 30
MESSAGE_MAX_CHARS = 300
# What had to be assumed -> the name of its text.
ASSUMED: Mapping[str, str] = {words: name for name, words in reversed(IN_WORDS.items())}

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Line:
    """What one route would have cost; ``state`` is good where that is less, bad where it is more.

    ``difference`` is None where not all calls have a price there.
    """

    route: str
    money: Money
    difference: Money | None
    percent: str
    state: str
    bar: int
    unpriced: int
    notes: list[str]


@dataclass(frozen=True, slots=True)
class Compared:
    """What calls cost, and what they would have; ``bar`` is the true cost's, as ``Line.bar``.

    ``is_exact``: every single entry was looked at, and not only their sums.
    """

    past: Past
    calls: int
    money: Money
    bar: int
    lines: list[Line]
    is_exact: bool
    is_measured: bool


@dataclass(frozen=True, slots=True)
class Chosen:
    """The routes to compare with: the ``names`` that the address has, else those of the config.

    ``fault`` is what is wrong with those that it has, ``details`` as the gateway says it, ``more``
    how many of the config's are left out.
    """

    names: list[str]
    targets: dict[str, Target]
    more: int = 0
    fault: str = ""
    details: str = ""


@router.get("/dashboard/whatif")
@shown("whatif", "at", "add", "field", "value", filtered=True)
async def whatif(view: View) -> Response:
    """Show the comparison; ``?at=`` are routes with commas between, ``add`` is one more of them.

    ``field`` and ``value`` add a filter. For these the browser is sent to the address that has it.
    """
    if view.given.get("field") or view.given.get("value"):
        return filtered(view)
    chosen = _chosen(view)
    if view.given.get("add") and not chosen.fault:
        return sent_to(view.link(at=",".join(chosen.names), add=None))
    asked = Asked((), view.span.since, view.span.until, view.span.zone, view.where)
    reckon = partial(elsewhere.reckoned, asked=asked, found=chosen.targets)
    reckoned, fault = await view.read(reckon)
    found = _compared(view, chosen.targets, reckoned) if reckoned is not None else None
    return view.render(
        503 if fault else 400 if chosen.fault else 200,
        fault=fault,
        chosen=chosen,
        found=found,
        known=known_routes(view.house.setup),
        dimensions=tuple(DIMENSIONS),
        measured=MEASURED,
        waiting=view.house.books.waiting,
        command=view.command(
            "whatif", more=[part for name in chosen.names for part in ("--to", name)]
        ),
    )


def _chosen(view: View) -> Chosen:
    setup = view.house.setup
    asked = [name.strip() for name in view.given.get("at", "").split(",")]
    asked = list(dict.fromkeys([*filter(None, asked), *filter(None, [_added(view)])]))
    names: list[str] = []
    targets: dict[str, Target] = {}
    fault = details = ""
    for name in asked[:ROUTES_MAX]:
        try:
            targets |= elsewhere.targets(setup, [name])
        except NoRouteError as why:
            fault, details = view.t("whatif.no_route"), short(str(why), MESSAGE_MAX_CHARS)
        else:
            names.append(name)
    if len(asked) > ROUTES_MAX:
        fault, details = view.t("whatif.too_many", most=ROUTES_MAX), ""
    if names:
        return Chosen(names, targets, 0, fault, details)
    every = elsewhere.targets(setup, [])
    first = dict(list(every.items())[:ROUTES_MAX])
    return Chosen([], first, len(every) - len(first), fault, details)


def _added(view: View) -> str:
    return view.given.get("add", "").strip()


def _compared(view: View, targets: Mapping[str, Target], found: Reckoned) -> Compared:
    counted = elsewhere.counted_by(view.house.setup, found.past)
    answers = elsewhere.answers(found.past, targets, counted, found.there)
    return compared(found.past, answers, view.t, is_exact=found.is_exact)


def compared(
    found: Past, answers: Sequence[Answer], t: Words, *, is_exact: bool = True
) -> Compared:
    """Return what was found as it is shown, in the order of ``answers``."""
    costs = [one.found.pico if one.is_priced else 0 for one in answers]
    decimals = places([found.pico, *costs])
    bar, *bars = lengths([found.pico, *costs])
    calls = sum(one.requests for one in found.used)
    return Compared(
        past=found,
        calls=calls,
        money=Money(usd(found.pico, decimals), Money.exactly(found.pico), found.unknown),
        bar=bar,
        lines=[
            _line(one, found.pico, length, decimals, t)
            for one, length in zip(answers, bars, strict=True)
        ],
        is_exact=is_exact,
        is_measured=any(one.ratio is not None and one.ratio.of != one.ratio.to for one in answers),
    )


def _line(one: Answer, spent: int, bar: int, decimals: int, t: Words) -> Line:
    money, difference = Money("", ""), None
    if one.is_priced:
        money = Money(usd(one.found.pico, decimals), Money.exactly(one.found.pico))
    if one.is_whole:
        sign = "+" if one.difference > 0 else ""
        shown = f"{sign}{usd(one.difference, decimals)}"
        difference = Money(shown, f"{sign}{Money.exactly(one.difference)}")
    less = one.difference < 0
    return Line(
        route=one.route,
        money=money,
        difference=difference,
        percent=share_of(one.difference, spent) if one.is_whole else "",
        state="" if not one.is_whole or not one.difference else "good" if less else "bad",
        bar=bar,
        unpriced=one.found.unknown,
        notes=_notes(one, t),
    )


def _notes(one: Answer, t: Words) -> list[str]:
    if one.lacks:
        return [t(f"whatif.lacks_{one.lacks}")]
    notes = [t(f"assumed.{ASSUMED[words]}") for words in one.found.assumed]
    if one.ratio is not None and one.ratio.of == one.ratio.to:
        notes.append(t("whatif.counts_alike"))
    elif one.ratio is not None:
        notes.append(t("whatif.counts", low=str(one.ratio.low), high=str(one.ratio.high)))
    return notes


def known_routes(setup: Setup) -> list[str]:
    """Return the names that can be asked about: of the config's providers, then of the catalogue.

    Patterns among them stand for models that only their host can name.
    """
    own = [route for form in setup.config.models for route in _routes(setup, form)]
    own += [f"{name}/{one}" for name, found in setup.providers.items() for one in found.host.models]
    others = [f"{name}/{one}" for name, host in setup.catalog.hosts.items() for one in host.models]
    return [name for name in dict.fromkeys([*own, *others]) if "*" not in name]


def _routes(setup: Setup, model: str) -> list[str]:
    found = setup.candidates(model)
    return [route.name for route in found.routes] if found is not None else []
