"""Comparisons of bills with the ledger as lines of tables: amounts in the bill's currency. Pure."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo
from decimal import Decimal

from billing.bill import Cell
from billing.money import PICO_PER_USD
from billing.reconcile import Reconciled
from gateway.dashboard.figures import Money, places, usd
from gateway.dashboard.words import Words
from gateway.kept_bills import Kept, MonthSums

# Rows of one table; the command shows all of them. Of what differs so many are seen at once.
SHOWN_MOST, FIRST_MOST = 200, 25
CENT = Decimal("0.01")
# How a state is coloured.
STATES = {"matched": "good", "different": "bad", "missing": "bad", "unbilled": "odd"}


@dataclass(frozen=True, slots=True)
class Sums:
    """What was billed, what booked, and how they differ; in tokens where no money is billed.

    ``billed`` is None where the bill says nothing of that kind, and ``gap`` too where not all that
    was booked is known in its currency.
    """

    billed: Money | None
    booked: Money | None
    gap: Money | None
    share: str


@dataclass(frozen=True, slots=True)
class MonthLine:
    """One comparison's part of one month. ``name`` leads to the whole of it."""

    name: str
    title: str
    providers: tuple[str, ...]
    days: str
    sums: Sums
    agrees: bool
    causes: list[str]
    compared: datetime


@dataclass(frozen=True, slots=True)
class CauseLine:
    """One kind of cause: its name, what it means, its part of the money, and in how many rows.

    ``texts`` are in the comparison's own words.
    """

    name: str
    means: str
    money: Money | None
    count: int
    texts: list[str]


@dataclass(frozen=True, slots=True)
class CellLine:
    """One day, model and key. Tokens are None where the bill says nothing of them."""

    cell: Cell
    words: str
    state: str
    billed: Money | None
    booked: Money
    gap: Money | None
    causes: list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Result:
    """One comparison: ``sums`` of money, ``tokens`` of tokens where the bill has some.

    ``gross`` is the share of all differences without their signs. ``cells`` differ, and ``further``
    too; ``more`` and ``more_matched`` are rows that are not shown. ``has`` are the columns that say
    something.
    """

    kept: Kept
    days: str
    compared: datetime
    sums: Sums | None
    tokens: Sums | None
    gross: str
    causes: list[CauseLine]
    cells: list[CellLine]
    further: list[CellLine]
    more: int
    matched: list[CellLine]
    more_matched: int
    has: frozenset[str]


def by_month(kept: Mapping[str, Kept], zone: tzinfo, t: Words) -> list[tuple[str, list[MonthLine]]]:
    """Return what is kept, month by month, the newest first."""
    found: dict[str, list[MonthLine]] = defaultdict(list)
    every = [sums for one in kept.values() for sums in one.months]
    decimals = places(map(_pico, _amounts(every)))
    for name, one in kept.items():
        for sums in one.months:
            month = sums.month or one.first.strftime("%Y-%m")
            found[month].append(
                MonthLine(
                    name=name,
                    title=one.title,
                    providers=one.providers,
                    days=_days(one),
                    sums=_of_month(sums, one.currency, decimals, t),
                    agrees=sums.agrees,
                    causes=[_cause(kind, t) for kind in sums.causes],
                    compared=one.compared.astimezone(zone),
                )
            )
    for lines in found.values():
        lines.sort(key=lambda line: (line.providers, line.title, line.days))
    return sorted(found.items(), reverse=True)


def result(kept: Kept, found: Reconciled, zone: tzinfo, t: Words) -> Result:
    """Return one comparison as it is shown; ``found`` has its rows as ``kept_bills.ranked``."""
    off = [cell for cell in found.cells if cell.state != "matched"]
    same = [cell for cell in found.cells if cell.state == "matched"]
    amounts = [amount for cell in found.cells for amount in _of_cell(cell) if amount is not None]
    decimals = places(map(_pico, amounts))
    billed = [one.billed for one in kept.months if one.billed is not None]
    tokens = [one.tokens_billed for one in kept.months if one.tokens_billed is not None]
    is_known = all(one.is_known for one in kept.months)
    whole = places(map(_pico, (found.billed, found.booked)))
    # What is said of all of it is not said of each row again.
    known = {cause.text for cause in found.causes}
    lines = [_cell(cell, found.currency, decimals, known, t) for cell in off[:SHOWN_MOST]]
    return Result(
        kept=kept,
        days=_days(kept),
        compared=kept.compared.astimezone(zone),
        sums=_money_sums(found.billed, found.booked, is_known, found.currency, whole)
        if billed
        else None,
        tokens=_counts(sum(tokens), sum(one.tokens_booked for one in kept.months))
        if tokens
        else None,
        gross="" if found.gross_percent is None else _percent(found.gross_percent),
        causes=_causes(found, decimals, t),
        cells=lines[:FIRST_MOST],
        further=lines[FIRST_MOST:],
        more=kept.cells - kept.matched - len(off[:SHOWN_MOST]),
        matched=[_cell(cell, found.currency, decimals, known, t) for cell in same[:SHOWN_MOST]],
        more_matched=kept.matched - len(same[:SHOWN_MOST]),
        has=_columns(found.cells),
    )


def _columns(cells: Sequence[Cell]) -> frozenset[str]:
    """Return which of the columns say anything."""
    billed = [cell.billed for cell in cells if cell.billed is not None]
    said = {
        "day": any(cell.day is not None for cell in cells),
        "model": any(cell.model for cell in cells),
        "key": any(cell.key for cell in cells),
        "money": any(one.cost is not None for one in billed),
        "tokens": any(one.tokens is not None for one in billed),
        "requests": any(one.requests is not None for one in billed),
    }
    return frozenset(name for name, is_said in said.items() if is_said)


def _causes(found: Reconciled, decimals: int, t: Words) -> list[CauseLine]:
    counts: Counter[str] = Counter()
    money: dict[str, Decimal] = {}
    texts: dict[str, list[str]] = defaultdict(list)
    for cause in found.causes:
        texts[cause.kind].append(cause.text)
    of_cells = [cause for cell in found.cells for cause in cell.causes]
    for cause in of_cells:
        counts[cause.kind] += 1
        if cause.cost is not None:
            money[cause.kind] = money.get(cause.kind, Decimal(0)) + cause.cost
    kinds = sorted({*texts, *counts}, key=lambda kind: -abs(money.get(kind, Decimal(0))))
    return [
        CauseLine(
            name=_cause(kind, t),
            means=t(f"bill_cause.{kind.replace(' ', '_')}_means"),
            money=_signed(money[kind], found.currency, decimals) if kind in money else None,
            count=counts[kind],
            texts=texts[kind][:SHOWN_MOST],
        )
        for kind in kinds
    ]


def _cell(cell: Cell, currency: str, decimals: int, known: Collection[str], t: Words) -> CellLine:
    billed, booked, gap = _of_cell(cell)
    return CellLine(
        cell=cell,
        words=t(f"bill_state.{cell.state}"),
        state=STATES[cell.state],
        billed=None if billed is None else amount(billed, currency, decimals),
        booked=Money("", "", 1) if booked is None else amount(booked, currency, decimals),
        gap=None if gap is None else _signed(gap, currency, decimals),
        causes=[
            (_cause(cause.kind, t), "" if cause.text in known else cause.text)
            for cause in cell.causes
        ],
    )


def _of_cell(cell: Cell) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """Return what is billed, what booked, and how much more is billed."""
    billed = cell.billed.cost if cell.billed is not None else None
    is_said = billed is not None or cell.billed is None
    return billed, cell.cost, cell.gap if is_said and cell.cost is not None else None


def _of_month(sums: MonthSums, currency: str, decimals: int, t: Words) -> Sums:
    if sums.billed is not None:
        return _money_sums(sums.billed, sums.booked, sums.is_known, currency, decimals)
    if sums.tokens_billed is not None:
        return _with_unit(_counts(sums.tokens_billed, sums.tokens_booked), t)
    return _with_unit(replace(_counts(0, sums.tokens_booked), billed=None, gap=None), t)


def _money_sums(
    billed: Decimal, booked: Decimal, is_known: bool, currency: str, decimals: int
) -> Sums:
    said = amount(billed, currency, decimals)
    if not is_known:
        return Sums(said, Money("", "", 1), None, "–")
    gap = billed - booked
    whole = amount(booked, currency, decimals)
    return Sums(said, whole, _signed(gap, currency, decimals), _share(gap, billed))


def _counts(billed: int, booked: int) -> Sums:
    """Return sums of tokens, as numbers alone."""
    gap = billed - booked
    sign = "+" if gap > 0 else "−" if gap < 0 else ""
    differs = Money(f"{sign}{abs(gap):,}", f"{gap:+d}" if gap else "0")
    share = _share(Decimal(gap), Decimal(billed))
    return Sums(
        Money(f"{billed:,}", str(billed)), Money(f"{booked:,}", str(booked)), differs, share
    )


def _with_unit(counts: Sums, t: Words) -> Sums:
    """Return sums of tokens for a column that has money too."""

    def told(one: Money | None) -> Money | None:
        return None if one is None else Money(t("bills.count", count=one.text), one.exact)

    return Sums(told(counts.billed), told(counts.booked), told(counts.gap), counts.share)


def amount(value: Decimal, currency: str, decimals: int) -> Money:
    """Return an amount in a bill's currency: dollars with their sign, others with their code."""
    text = usd(_pico(value), decimals)
    text = text if currency == "USD" else f"{text.replace('$', '')} {currency}"
    return Money(text, f"{value:f} {currency}")


def _signed(value: Decimal, currency: str, decimals: int) -> Money:
    plain = amount(value, currency, decimals)
    # What is too little for its sign to be seen has it in the exact amount.
    sign = "+" if value > 0 and not plain.text.startswith("<") else ""
    return Money(f"{sign}{plain.text}", f"{value:+f} {currency}" if value else plain.exact)


def _share(gap: Decimal, billed: Decimal) -> str:
    if not billed:
        return "–" if gap else "0 %"
    share = 100 * gap / billed
    sign = "+" if share > 0 else "−" if share < 0 else ""
    return _percent(abs(share), sign)


def _percent(share: Decimal, sign: str = "") -> str:
    if 0 < share < CENT:
        return "< 0.01 %"
    return f"{sign}{share.quantize(CENT):,f} %" if share else "0 %"


def _amounts(every: Iterable[MonthSums]) -> list[Decimal]:
    return [one for sums in every if sums.billed is not None for one in (sums.billed, sums.booked)]


def _pico(value: Decimal) -> int:
    return int((value * PICO_PER_USD).to_integral_value())


def _days(kept: Kept) -> str:
    if kept.first == kept.last:
        return kept.first.isoformat()
    return f"{kept.first.isoformat()} – {kept.last.isoformat()}"


def _cause(kind: str, t: Words) -> str:
    return t(f"bill_cause.{kind.replace(' ', '_')}")
