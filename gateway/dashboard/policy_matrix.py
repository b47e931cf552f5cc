"""Which routes may answer whom, for every label and every model that the config names.

Each cell is the plan that such a request would get, by the functions that requests go through.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from gateway import choosing, explaining
from gateway.auth import Principal
from gateway.dashboard.decision_words import LeftOut, left_out
from gateway.dashboard.words import Words
from gateway.explaining import PROMPT_TOKENS
from gateway.setup import Setup
from routing.route import Size


@dataclass(frozen=True, slots=True)
class Cell:
    """What becomes of a request with one label; ``raised`` is the label that it gets instead."""

    label: str
    raised: str
    routes: list[str]
    left_out: list[LeftOut]


@dataclass(frozen=True, slots=True)
class Row:
    """One model of the config; ``alias`` is the name that it stands for, ``cells`` one a label.

    No cells: the key may not ask for it.
    """

    model: str
    alias: str
    cells: list[Cell]


async def matrix(setup: Setup, who: Principal, t: Words) -> list[Row]:
    """Return every model of the config as ``who`` may ask for it. Every route counts as well."""
    rows = []
    for model, form in setup.config.models.items():
        # Calls go on in between: a long config takes a while.
        await asyncio.sleep(0)
        alias = form if isinstance(form, str) else ""
        may = setup.may_ask(who, model)
        cells = [_cell(setup, who, model, one, t) for one in setup.policy.labels] if may else []
        rows.append(Row(model, alias, cells))
    return rows


def _cell(setup: Setup, who: Principal, model: str, label: str, t: Words) -> Cell:
    request, _ = explaining.asked(setup, who, model, label)
    planned = choosing.consider(setup, request, Size(PROMPT_TOKENS), None)
    return Cell(
        label=label,
        raised=request.label if request.label != label else "",
        routes=[route.name for route in planned.routes],
        left_out=[left_out(dropped, t) for dropped in planned.dropped],
    )
