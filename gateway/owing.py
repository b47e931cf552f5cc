"""Whether a call is let in while the journal cannot be written, or a budget cannot be counted."""

from __future__ import annotations

from datetime import UTC, datetime

from billing.budgets import Holder
from gateway.config_models import ModelForm
from gateway.debt import NOT_OWING, DebtError, Owing
from gateway.errors import Refusal
from gateway.house import UNSAVED_MAX, House
from routing.plan import Plan
from routing.route import Size, ceiling

RETRY_S = 5.0


def owed(house: House, who: Holder, planned: Plan, size: Size, form: ModelForm | None) -> Owing:
    """Return what a call owes that is let in now: nothing, nearly always.

    Raises ``Refusal`` (``ledger_unavailable``) where it could not be accounted for, and the config
    allows no debt, or not as much.
    """
    writes = not house.unsaved or house.ledger_works()
    counts = not house.limits.uncounted(who)
    if writes and counts:
        return NOT_OWING
    why = "the ledger cannot be read, so nobody knows what is left of its budget"
    if not writes:
        why = f"the gateway cannot write its journal ({house.trouble})"
        # Each call under way may leave some more of them: half of the room is theirs.
        if len(house.unsaved) + house.in_flight > UNSAVED_MAX // 2:
            raise _refusal(why, "no more entries can be kept in memory")
    now = datetime.now(UTC)
    times = 2 if form is not None and (form.hedge is not None or form.continue_streams) else 1
    most = [ceiling(route, now, size) for route in planned.routes]
    known = [usd * times for usd in most if usd is not None]
    dearest = max(known) if known and len(known) == len(most) else None
    try:
        return house.debt.take(who.key, dearest, uncounted=not counts)
    except DebtError as fault:
        raise _refusal(why, str(fault)) from None


def _refusal(why: str, no_debt: str) -> Refusal:
    text = f"{why}, and a call that cannot be accounted for is not let in: {no_debt}"
    return Refusal("ledger_unavailable", text, retry_after_s=RETRY_S)
