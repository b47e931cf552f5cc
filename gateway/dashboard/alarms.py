"""What an operator has to know at once, on every page: headings, each with its lines."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.dashboard.figures import places, usd
from gateway.dashboard.lasting import lasting
from gateway.dashboard.words import Words
from gateway.house import House

Alarm = tuple[str, list[str]]


def alarms(house: House, t: Words) -> list[Alarm]:
    """Return what is not well with the config, the journal, the ledger and what is owed."""
    return list(_alarms(house, t))


def _alarms(house: House, t: Words) -> Iterator[Alarm]:
    if house.reload_problem:
        yield t("alarm.reload"), house.reload_problem.splitlines()
    if house.unsaved:
        rest = t("alarm.on_debt" if house.debt.is_allowed else "alarm.none_let_in")
        yield t("alarm.journal", rest=rest), [house.trouble]
    if house.books.trouble:
        waiting = t("alarm.waiting", n=house.books.waiting)
        if house.books.waiting:
            waiting += t("alarm.oldest", age=lasting(house.journal.oldest_s, t))
        yield t("alarm.database"), [waiting, house.books.trouble]
    if house.debt.owed_pico:
        owed = usd(house.debt.owed_pico, places([house.debt.owed_pico]))
        yield t("alarm.debt", owed=owed), [t("alarm.debt_bound")]
    if house.limits.some_uncounted:
        yield t("alarm.uncounted"), [t("alarm.uncounted_means")]
