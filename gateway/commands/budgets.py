"""``entrepot budgets``: what is spent and left of each budget, and when it will be used up."""

from __future__ import annotations

import time
from typing import Any

from billing.store import Store
from gateway import budget_told
from gateway.commands import books
from gateway.commands.reading import ConfigOption
from gateway.commands.screen import JsonOption, print_json, say, show
from gateway.config_budgets import all_of
from gateway.counters import LedgerSums

COLUMNS = ("budget", "of", "per", "USD", "spent", "left", "%", "used up", "at recent pace")


def run(config: ConfigOption = None, as_json: JsonOption = False) -> None:
    """Show what is spent of each budget by the ledger, and when it will be used up.

    What running calls hold now is known to the gateway alone: GET /api/budgets tells it.
    """
    said = books.config_of(config)
    zone, now_s = said.server.zone, time.time()

    def standing(store: Store) -> list[dict[str, Any]]:
        sums = LedgerSums(store, said)
        forms = all_of(((key.name, key.budget) for key in said.keys), said.budgets)
        rules = tuple(form.rule() for form in forms)
        found = budget_told.from_ledger(rules, sums, now_s, zone)
        late = budget_told.recent(sums, found, now_s)
        return [
            budget_told.told(one, of_late, now_s, zone)
            for one, of_late in zip(found, late, strict=True)
        ]

    nothing: list[dict[str, Any]] = []
    found, waiting = books.read(said, standing, nothing)
    if as_json:
        print_json({"time_zone": str(zone), "budgets": found, "waiting": waiting.entries})
        return
    if not found:
        say("no budget is in the config, or no call was made yet")
    else:
        show(COLUMNS, [_cells(one) for one in found], right=("USD", "spent", "left", "%"))
        if any(one["soft"] for one in found):
            say("", "A soft budget refuses nothing; it is only told.")
    notes = books.notes(waiting)
    if notes:
        say("", *notes)


def _cells(one: dict[str, Any]) -> list[str]:
    whose = ", ".join(f"{name} {value}" for name, value in one["of"].items()) or "all"
    paces = one["used_up"]
    return [
        one["name"] + (" (soft)" if one["soft"] else ""),
        f"{whose}: {one['account']}" if one["account"] else whose,
        one["per"],
        one["usd"],
        one["spent_usd"],
        one["left_usd"],
        str(one["spent_percent"]),
        _when(paces["at_pace_of_period"]),
        _when(paces["at_recent_pace"]),
    ]


def _when(pace: dict[str, Any] | None) -> str:
    return "–" if pace is None or pace["at"] is None else pace["at"][:16].replace("T", " ")
