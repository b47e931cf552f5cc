"""``GET /dashboard/flows``: whose data, by which maker's model, under whose law, to which place."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from billing import reports
from billing.reports import Asked
from billing.store import Store
from billing.sums import SpendRow
from gateway.dashboard import charts
from gateway.dashboard.figures import Money, places, short, spent
from gateway.dashboard.page import View, shown
from gateway.dashboard.regions import region
from gateway.setup import Setup

# Where flows may begin.
STARTS = ("team", "label", "key")
NUMBERS = (*charts.NUMBERS, "unsent")
# So many of each column are drawn; the table has more of them, and the files have all.
NODES_MAX, ROWS_MAX = 12, 300
UNKNOWN = "unknown"
NAME_MAX_CHARS = 40

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Flow:
    """What one team, label or key sent to one maker's models under one law in one place.

    ``row`` are its sums, ``transfers`` the attempts that sent something; ``region`` is that of the
    operator.
    """

    start: str
    maker: str
    operator: str
    place: str
    region: str
    row: SpendRow
    transfers: int
    money: Money


@router.get("/dashboard/flows")
@shown("flows", "start", filtered=True)
async def flows(view: View) -> Response:
    """Show flows of a time; ``?start=`` is where they begin: team, label or key."""
    start = view.choice("start", STARTS)
    read, fault = await view.read(partial(_read, view, start))
    rows, labels = read or ([], [])
    found = flows_of(rows, view.house.setup)
    drawn = sankey(found, view) if found else None
    return view.render(
        503 if fault else 200,
        fault=fault,
        start=start,
        starts=STARTS,
        labels=_labels(view, labels),
        chosen=view.where.get("label", []),
        flows=found[:ROWS_MAX],
        more=max(0, len(found) - ROWS_MAX),
        chart=drawn,
    )


def _read(view: View, start: str, store: Store) -> tuple[list[SpendRow], list[str]]:
    """Read the flows, and which labels there are at all. In a thread. Raises ``StoreError``."""
    span = view.span
    by = (start, "provider", "model", "operator", "place")
    asked = Asked(by, span.since, span.until, span.zone, view.where)
    rows, _ = reports.grouped(store, asked, NUMBERS)
    known, _ = reports.grouped(
        store, Asked(("label",), span.since, span.until, span.zone), ("attempts",)
    )
    return rows, [row.names[0] for row in known]


def _labels(view: View, found: Iterable[str]) -> list[str]:
    """Return the policy's labels in their order, then others that the ledger has."""
    own = view.house.setup.policy.labels
    return [*own, *sorted(name for name in found if name not in own)]


def flows_of(rows: Iterable[SpendRow], setup: Setup) -> list[Flow]:
    """Return flows from sums by start, provider, model, operator and place: most tokens first.

    An attempt that found no connection sent nothing, and is left out.
    """
    made: dict[tuple[str, str, str, str], SpendRow] = {}
    for row in rows:
        start, provider, model, operator, place = row.names
        names = (start, maker_of(setup, provider, model), operator or UNKNOWN, place or UNKNOWN)
        made.setdefault(names, SpendRow(names)).add(row)
    sent = [row for row in made.values() if row.attempts > row.unsent]
    decimals = places(row.most_pico for row in sent)
    found = []
    for row in sorted(sent, key=lambda row: (-row.tokens, row.names)):
        start, maker, operator, place = row.names
        transfers = row.attempts - row.unsent
        money = spent(row, decimals)
        found.append(Flow(start, maker, operator, place, region(operator), row, transfers, money))
    return found


def maker_of(setup: Setup, provider: str, model: str) -> str:
    """Return who trained a model's weights and where, as the catalogue has it; else "unknown"."""
    owner = setup.providers.get(provider)
    if owner is None:
        return UNKNOWN
    found = owner.host.model(model)
    countries = ", ".join(sorted(found.maker)) if found.maker else ""
    if not found.maker_name:
        return countries or UNKNOWN
    return f"{found.maker_name} ({countries})" if countries else found.maker_name


def sankey(found: Sequence[Flow], view: View) -> str:
    """Return what a Sankey is drawn from: four columns, and in each its largest by tokens."""
    t = view.t
    columns = [
        [flow.start for flow in found],
        [flow.maker for flow in found],
        [flow.operator for flow in found],
        [flow.place for flow in found],
    ]
    kept = [_largest(names, found) for names in columns]
    nodes: dict[str, dict[str, object]] = {}
    links: dict[tuple[str, str], list[int]] = {}
    for number, flow in enumerate(found):
        before = ""
        for layer, column in enumerate(columns):
            name = column[number] if column[number] in kept[layer] else "\0"
            node = f"{layer}:{name}"
            nodes.setdefault(
                node,
                {
                    "name": node,
                    "text": _node_text(name, layer, view),
                    "layer": layer,
                    "tone": region(name) if layer > 1 and name != "\0" else "",
                },
            )
            if before:
                sums = links.setdefault((before, node), [0, 0])
                sums[0] += flow.row.tokens
                sums[1] += flow.transfers
            before = node
    return charts.spec(
        {
            "unit": "count",
            "nodes": list(nodes.values()),
            "links": [
                {
                    "source": source,
                    "target": target,
                    # What sent no token is drawn as the thinnest line, for it was sent.
                    "value": max(1, tokens),
                    "text": t("flows.link", tokens=tokens, n=transfers),
                }
                for (source, target), (tokens, transfers) in links.items()
            ],
        }
    )


def _node_text(name: str, layer: int, view: View) -> str:
    if name == "\0":
        return view.t("chart.others")
    if not name:
        return view.t("chart.nobody")
    if name == UNKNOWN:
        return view.t("region.unknown")
    told = view.t("region.home") if name == "home" and layer > 1 else name.replace(",", ", ")
    return short(told, NAME_MAX_CHARS)


def _largest(names: Sequence[str], found: Sequence[Flow]) -> set[str]:
    sums: dict[str, int] = {}
    for name, flow in zip(names, found, strict=True):
        sums[name] = sums.get(name, 0) + flow.row.tokens
    return set(sorted(sums, key=lambda name: (-sums[name], name))[:NODES_MAX])
