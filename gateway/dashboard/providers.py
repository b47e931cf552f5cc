"""``GET /dashboard/providers``: how each provider is now, how it served, its facts and prices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from billing import pages, reports, waits
from billing.ledger import Entry
from billing.reports import Asked
from billing.store import Store
from gateway import offers, told
from gateway.dashboard import price_lines, provider_lines
from gateway.dashboard.page import View, shown
from gateway.dashboard.price_lines import Typical
from gateway.dashboard.provider_lines import Busy
from gateway.errors import Refusal
from gateway.offers import Offer

WAYS = ("provider", "model", "purpose")
# What is shown of the sums, and no more: fewer numbers are read faster.
NUMBERS = (
    "requests", "attempts", "failed", "tokens_in", "tokens_out", "tokens_cached", "cost_pico",
    "least_pico", "most_pico", "unbounded", "total_ms",
)  # fmt: skip
# Entries in which it is looked who answered: hosts' words stand in no sum.
LOOKED_AT = 400
ANSWERS_MOST = 60
# In headings, where a line must not break within it.
PERCENTILES = "\u00a0·\u00a0".join(f"p{percent}" for percent in provider_lines.SHOWN)

router = APIRouter()


@dataclass(frozen=True, slots=True)
class AnswerLine:
    """Who answered for one route: host, endpoint and the model that the answers name."""

    provider: str
    model: str
    host: str
    endpoint: str
    served: str
    count: int
    last: datetime


@dataclass(frozen=True, slots=True)
class Read:
    """What the ledger says of a time, and what routes cost. ``looked_at`` counts entries."""

    busy: Busy
    mean: Typical | None
    offers: list[Offer]
    answers: list[AnswerLine] = field(default_factory=list)
    more_answers: int = 0
    looked_at: int = 0


@router.get("/dashboard/providers")
@shown("providers")
async def providers(view: View) -> Response:
    """Show the page of providers and models; without the ledger all but what it says."""
    setup = view.house.setup
    routes, fault = offers.configured(setup), ""
    try:
        read = await view.house.books.read(partial(_read, view, routes))
    except Refusal as refusal:
        fault = refusal.message
        read = Read(Busy(), None, routes)
    return view.render(
        503 if fault else 200,
        fault=fault,
        read=read,
        providers=provider_lines.lines(view.house, read.busy, view.span.zone, view.t),
        percentiles=PERCENTILES,
        precision=_precision(read.busy),
        prices=price_lines.lines(read.offers, read.mean, view.now, view.t),
        warnings=[str(problem) for problem in setup.warnings],
    )


def _read(view: View, routes: list[Offer], store: Store) -> Read:
    """Read everything of the ledger. In a thread. Raises ``StoreError``."""
    since, until, zone = view.span.since, view.span.until, view.house.books.zone
    rows, _ = reports.grouped(store, Asked(WAYS, since, until, zone), NUMBERS)
    # By provider and model, and by provider alone.
    waited = waits.waited(store, Asked(WAYS[:2], since, until, zone), also=1)
    entries = pages.page(store, LOOKED_AT, None, since, until)
    answers = _answers(entries, zone)
    return Read(
        busy=Busy(
            provider_lines.added_up(rows),
            waited.rows if waited is not None else None,
            is_exact=waited is None or waited.exact,
        ),
        mean=price_lines.typical(rows, WAYS.index("purpose")),
        offers=offers.all_priced(view.house.setup, routes),
        answers=answers[:ANSWERS_MOST],
        more_answers=max(0, len(answers) - ANSWERS_MOST),
        looked_at=len(entries),
    )


def _answers(entries: Iterable[Entry], zone: tzinfo) -> list[AnswerLine]:
    """Return who answered, the most answers first; entries come the newest first."""
    counts: dict[tuple[str, str, str, str, str], int] = {}
    last: dict[tuple[str, str, str, str, str], Entry] = {}
    for one in entries:
        if one.outcome == "failed":
            continue
        names = (one.provider, one.model, one.host, one.endpoint, one.served_model)
        counts[names] = counts.get(names, 0) + 1
        last.setdefault(names, one)
    ranked = sorted(counts, key=lambda names: (-counts[names], names))
    return [AnswerLine(*names, counts[names], told.when(last[names], zone)) for names in ranked]


def _precision(busy: Busy) -> str:
    """Return how far from the truth percentiles may be, "" where they are exact."""
    return "" if busy.is_exact else waits.PRECISION
