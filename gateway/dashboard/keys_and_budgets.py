"""``GET /dashboard/budgets``: keys and who spends, budgets, plans, machines at home, the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from fastapi import APIRouter
from fastapi.responses import Response

from billing import reports
from billing.limits import Standing
from billing.reports import Asked
from billing.store import Store
from billing.sums import SpendRow
from gateway import admin_budgets
from gateway.dashboard import accounts, budgets, key_lines
from gateway.dashboard.accounts import HomeLine, PlanLine
from gateway.dashboard.charts import NUMBERS
from gateway.dashboard.group_lines import group_lines
from gateway.dashboard.page import View, shown
from gateway.errors import Refusal

WAYS = ("key", "team")
# Teams and users that are shown of all.
GROUPS = 20
# What an operator does about keys, each with a text that says what it is for.
COMMANDS = (
    ("entrepot keys create NAME --team TEAM --label LABEL", "key.creates"),
    ("entrepot keys hash", "key.hashes"),
    ("entrepot budgets", "key.tells_budgets"),
    ("entrepot check", "key.checks"),
)

router = APIRouter()


@dataclass(frozen=True, slots=True)
class Read:
    """What the ledger says of a time: sums by key and by team, plans and machines at home.

    ``is_ahead``: it has not begun, and so no plan and no machine has cost anything.
    """

    keys: list[SpendRow]
    teams: list[SpendRow]
    total: SpendRow
    plans: list[PlanLine]
    at_home: list[HomeLine]
    is_ahead: bool


@router.get("/dashboard/budgets")
@shown("budgets")
async def keys_and_budgets(view: View) -> Response:
    """Show the page; without the ledger what does not need it, without the limits' server too."""
    setup, zone, now_s = view.house.setup, view.span.zone, view.now.timestamp()
    standings, away = await _standings(view)
    standings.sort(key=budgets.fullness, reverse=True)
    late = await admin_budgets.paces(view.house, standings, now_s)
    read, fault = None, ""
    users: list[SpendRow] = []
    why_no_users = ""
    try:
        read = await view.house.books.read(partial(_read, view))
        users, why_no_users = await _users(view)
    except Refusal as refusal:
        if refusal.code == "invalid_request":
            raise
        fault = refusal.message
    total = read.total if read is not None else SpendRow()
    keys = key_lines.key_lines(
        setup,
        read.keys if read is not None else (),
        None if away else standings,
        now_s,
        zone,
        view.t,
    )
    return view.render(
        503 if fault else 200,
        fault=fault,
        away=away,
        read=read,
        budgets=budgets.lines(standings, late, now_s, zone, view.t),
        more_budgets=max(0, len(standings) - budgets.LINES_MOST),
        places=key_lines.places_of_budgets(setup),
        keys=keys[: key_lines.KEYS_MOST],
        more_keys=max(0, len(keys) - key_lines.KEYS_MOST),
        is_open=setup.local is not None,
        teams=group_lines(read.teams if read is not None else [], total, GROUPS),
        users=group_lines(users, total, GROUPS),
        why_no_users=why_no_users,
        groups_shown=GROUPS,
        commands=COMMANDS,
        ledger=accounts.ledger(view.house, view.t),
    )


def _read(view: View, store: Store) -> Read:
    """Read everything of the ledger but users. In a thread. Raises ``StoreError``."""
    since, until, zone = view.span.since, view.span.until, view.house.books.zone
    rows, total = reports.grouped(store, Asked(WAYS, since, until, zone), NUMBERS)
    plans: list[PlanLine] = []
    at_home: list[HomeLine] = []
    if since < view.now:
        span = since, min(until, view.now)
        plans, at_home = accounts.read(view.house, store, span, view.t)
    keys, teams = reports.folded(rows, 0), reports.folded(rows, 1)
    return Read(keys, teams, total, plans, at_home, since >= view.now)


async def _users(view: View) -> tuple[list[SpendRow], str]:
    """Return sums by user, or why there are none: clients may name more than a report holds."""
    asked = Asked(("user",), view.span.since, view.span.until, view.house.books.zone)
    try:
        rows, _ = await view.house.books.read(lambda store: reports.grouped(store, asked, NUMBERS))
    except Refusal as refusal:
        if refusal.code != "invalid_request":
            raise
        return [], refusal.message
    return rows, ""


async def _standings(view: View) -> tuple[list[Standing], str]:
    """Return how budgets stand, or why that is not known."""
    try:
        return await admin_budgets.standings(view.house), ""
    except Refusal as refusal:
        return [], refusal.message
