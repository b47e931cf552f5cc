"""Does the ledger agree with the bill? By day, model and key; each difference with its causes.

Pure. A bill's days are days of its own zone, its money is in its own currency, and of what was
asked past the gateway the ledger cannot know: so each series (one model at one key) is first put on
the bill's clock, and what then still differs is explained day by day.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from billing.bill import QUARTER_S, Billed, BillLine, Booked, Cause, Cell, Quarter
from billing.bill_causes import of_cell, of_money, same_cost, with_money
from billing.bill_clock import beginning, folded
from billing.money import PICO_PER_USD


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The comparison as a whole; ``billed`` and ``booked`` are in ``currency``.

    ``causes`` are those that hold for more than one day. ``error_percent`` is how far the ledger's
    sum is from the bill's, in percent of the bill; ``gross_percent`` adds up the differences of all
    cells without their signs. None: nothing was billed, or what was booked is not known in that
    currency.
    """

    cells: tuple[Cell, ...]
    causes: tuple[Cause, ...]
    currency: str
    billed: Decimal
    booked: Decimal
    error_percent: Decimal | None
    gross_percent: Decimal | None

    @property
    def agrees(self) -> bool:
        """Whether every cell matches, on the clock that the bill is said to have."""
        return not self.causes and all(cell.state == "matched" for cell in self.cells)


def reconcile(bill: Sequence[BillLine], booked: Iterable[Quarter], offset_s: int = 0) -> Reconciled:
    """Compare a bill with what was booked.

    ``booked`` reaches a day beyond the bill's days on both sides, so that they can be shifted; what
    lies outside of them is left out. ``offset_s`` is how many seconds before UTC's midnight the
    bill says that its days begin. Raises ``ValueError`` for a bill without lines, in several
    currencies, or with and without days.
    """
    currencies = sorted({line.currency for line in bill})
    if len(currencies) != 1:
        told = " and ".join(currencies) or "no lines at all"
        raise ValueError(f"a bill is in one currency, and this one has {told}")
    lines, days = _by_series(bill), _days(bill)
    tells_models = any(line.model for line in bill)
    tells_keys = any(line.key for line in bill)
    quarters: dict[tuple[str, str], list[Quarter]] = defaultdict(list)
    for quarter in booked:
        model, key = quarter.model if tells_models else "", quarter.key if tells_keys else ""
        quarters[model, key].append(quarter)
    cells: list[Cell] = []
    causes: list[Cause] = []
    for series in sorted(lines.keys() | quarters.keys()):
        found, of_all = _series(
            series,
            lines.get(series, {}),
            quarters.get(series, []),
            days,
            currencies[0],
            offset_s // QUARTER_S,
        )
        cells += found
        causes += of_all
    return _result(cells, causes, currencies[0])


def by_month(found: Reconciled) -> dict[str, Reconciled]:
    """Return what a comparison says of each month ("2026-11"), "" where the bill has no days.

    Of the causes that hold for more than one day those that lie in no cell, another clock, are said
    of every month.
    """
    cells: dict[str, list[Cell]] = defaultdict(list)
    for cell in found.cells:
        cells[cell.day.strftime("%Y-%m") if cell.day is not None else ""].append(cell)
    clocks = [cause for cause in found.causes if cause.kind == "time zone"]
    return {name: _result(cells[name], clocks, found.currency) for name in sorted(cells)}


def _result(cells: Sequence[Cell], causes: Sequence[Cause], currency: str) -> Reconciled:
    nothing = Decimal(0)
    billed = sum((c.billed.cost or nothing for c in cells if c.billed is not None), nothing)
    booked = sum((c.cost or nothing for c in cells), nothing)
    gross = sum((abs(c.gap) for c in cells), nothing)
    comparable = bool(billed) and all(c.cost is not None for c in cells)
    return Reconciled(
        cells=tuple(cells),
        causes=tuple(causes),
        currency=currency,
        billed=billed,
        booked=booked,
        error_percent=100 * (booked - billed) / billed if comparable else None,
        gross_percent=100 * gross / billed if comparable else None,
    )


def _days(bill: Sequence[BillLine]) -> Collection[date | None]:
    """Return every day from the bill's first to its last: one that it leaves out was free."""
    said = {line.day for line in bill if line.day is not None}
    if not said:
        return {None}
    if any(line.day is None for line in bill):
        raise ValueError("some lines of the bill have a day, and some have none")
    first, last = min(said), max(said)
    return {first + timedelta(days=n) for n in range((last - first).days + 1)}


def _by_series(bill: Sequence[BillLine]) -> dict[tuple[str, str], dict[date | None, Billed]]:
    grouped: dict[tuple[str, str], dict[date | None, list[BillLine]]] = defaultdict(dict)
    for line in bill:
        grouped[line.model, line.key].setdefault(line.day, []).append(line)
    return {
        series: {day: _billed(of_day) for day, of_day in days.items()}
        for series, days in grouped.items()
    }


def _billed(lines: Sequence[BillLine]) -> Billed:
    def total(values: Iterable[int | None]) -> int | None:
        said = [value for value in values if value is not None]
        return sum(said) if said else None

    costs = [line.cost for line in lines if line.cost is not None]
    return Billed(
        requests=total(line.requests for line in lines),
        tokens_in=total(line.tokens_in for line in lines),
        tokens_out=total(line.tokens_out for line in lines),
        cost=sum(costs, Decimal(0)) if costs else None,
    )


def _series(
    series: tuple[str, str],
    billed: Mapping[date | None, Billed],
    quarters: Sequence[Quarter],
    days: Collection[date | None],
    currency: str,
    said: int,
) -> tuple[list[Cell], list[Cause]]:
    """Return the cells of one model and key, and the causes that hold for all of them."""
    name = " at ".join(filter(None, series)) or "all of it"
    priced_in = {quarter.currency for quarter in quarters}
    native = currency != "USD" and priced_in == {currency}
    causes: list[Cause] = []
    begins = beginning(billed, quarters, days, said, native=native)
    if begins != said:
        words = f"the bill's days begin at UTC{_hours(begins)}, not at UTC{_hours(said)}"
        causes.append(Cause("time zone", f"{name}: {words}"))
    booked = folded(quarters, days, begins)
    cells = []
    for day in sorted(billed.keys() | booked.keys(), key=lambda day: day or date.min):
        found = booked.get(day, Booked())
        pico = found.native if native else found.cost
        known = native or currency == "USD"
        cost = Decimal(pico) / PICO_PER_USD if known else None
        cells.append(_cell(day, series, billed.get(day), found, cost))
    money = of_money(name, cells, priced_in, currency)
    if money is not None:
        causes.append(money)
        cells = [with_money(cell, money) for cell in cells]
    return cells, causes


def _cell(
    day: date | None,
    series: tuple[str, str],
    billed: Billed | None,
    booked: Booked,
    cost: Decimal | None,
) -> Cell:
    if billed is None:
        words = f"{booked.requests} requests with {booked.tokens} tokens are in no line of the bill"
        cause = Cause("not billed", words, None if cost is None else -cost)
        return Cell(day, *series, "unbilled", None, booked, cost, (cause,))
    if not booked.requests and not booked.tokens:
        if not billed.requests and not billed.tokens and not billed.cost:
            return Cell(day, *series, "matched", billed, booked, cost)
        words = "nothing of it came through the gateway"
        cause = Cause("past the gateway", words, billed.cost)
        return Cell(day, *series, "missing", billed, booked, cost, (cause,))
    causes = of_cell(billed, booked, cost)
    agrees = not causes and same_cost(billed.cost, cost)
    return Cell(day, *series, "matched" if agrees else "different", billed, booked, cost, causes)


def _hours(quarters: int) -> str:
    hours, rest = divmod(abs(quarters), 4)
    return f"{'-' if quarters < 0 else '+'}{hours}:{rest * 15:02d}"
