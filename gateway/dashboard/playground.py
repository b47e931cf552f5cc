"""``GET /dashboard/playground``: try models side by side, through the gateway as any client does.

The page's script makes the calls; here is what it chooses from, and what the ledger says after.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from fastapi import APIRouter
from fastapi.responses import JSONResponse, Response

from billing import past
from billing.ledger import ANSWERING, Entry
from billing.sums import SpendRow
from gateway import ids
from gateway.admin import wrong
from gateway.dashboard.figures import places, spent
from gateway.dashboard.page import HEADERS, View, shown
from gateway.dashboard.request import ID_MAX_CHARS, WITHIN, sums
from gateway.dashboard.welcome import first_call
from gateway.setup import Setup

PANES = 3
LONGEST, LONGEST_MOST = 512, 1_000_000
PROMPT_MAX_CHARS = 200_000
HEADER_MAX_CHARS = 1_200
# What clients ask models of on the wire that the page speaks, and cannot ask these of.
NOT_ASKED = frozenset({"embeddings", "rerank"})

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Group:
    """The models of one provider by which they can be asked for; ``name`` "" are the config's."""

    name: str
    models: tuple[str, ...]


@router.get("/dashboard/playground")
@shown("playground")
async def playground(view: View) -> Response:
    """Show the form; calls are made by the page itself, as a client of the gateway."""
    setup = view.house.setup
    return view.render(
        groups=groups(setup, view.now.date()),
        panes=PANES,
        labels=setup.policy.labels,
        needs_key=setup.local is None,
        longest=LONGEST,
        longest_most=LONGEST_MOST,
        prompt_max=PROMPT_MAX_CHARS,
        header_max=HEADER_MAX_CHARS,
        first_call=first_call(view.house, view.request),
    )


@router.get("/dashboard/playground/outcome")
@shown("playground", "id")
async def outcome(view: View) -> Response:
    """Return what the ledger has of a request: JSON for ``playground.js``.

    ``found`` is false until an entry is there, which is a moment after the answer.
    """
    name = view.given.get("id", "")[:ID_MAX_CHARS]
    around = ids.around(name, WITHIN)
    if around is None:
        raise wrong("id", "is no id of a request")
    since, until = around
    entries = await view.house.books.read(
        partial(past.attempts, request_id=name, since=since, until=until)
    )
    told = _told(view, name, entries) if entries else {"found": False}
    return JSONResponse(told, headers=HEADERS)


def groups(setup: Setup, today: date) -> list[Group]:
    """Return what can be asked for: the config's models, then each available provider's."""
    routes: dict[str, dict[str, None]] = {}
    for name in setup.config.models:
        found = setup.candidates(name)
        for route in found.routes if found is not None else ():
            routes.setdefault(route.provider, {})[route.name] = None
    made = [Group("", setup.model_names)]
    for name, owner in setup.providers.items():
        if owner.available:
            continue
        models = routes.get(name, {})
        for model in owner.host.models.values():
            is_asked = model.wires is None or not NOT_ASKED.issuperset(model.wires)
            if "*" not in model.id and is_asked and not model.ended(today):
                models[f"{name}/{model.id}"] = None
        made.append(Group(name, tuple(models)))
    return [group for group in made if group.models]


def _told(view: View, name: str, entries: Sequence[Entry]) -> dict[str, object]:
    t, whole = view.t, SpendRow()
    for entry in entries:
        whole.add(sums(entry))
    asked = [entry for entry in entries if entry.purpose in ANSWERING]
    last = next((one for one in reversed(asked) if one.outcome == "completed"), entries[-1])
    money = spent(whole, places([whole.most_pico]))
    cost = money.text if money.exact else t("money.unknown")
    if money.exact and money.unknown:
        cost = f"{cost} {t('money.and_unknown', n=money.unknown)}"
    return {
        "found": True,
        "attempts": len(asked),
        "cost": cost,
        "exact": money.exact,
        "tokens_in": whole.tokens_in,
        "tokens_out": whole.tokens_out,
        "usage": "" if last.usage_state == "reported" else t.known("usage", last.usage_state),
        "route": f"{last.provider}/{last.model}",
        "operator": last.operator,
        "place": last.place,
        "served": last.served_model,
        "outcome": t.known("outcome", last.outcome),
        "link": view.link(f"requests/{name}"),
    }
