"""Reads the lines of a bill out of a provider's export, as its form says."""

from __future__ import annotations

import csv
import io
import json
from collections import ChainMap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from billing.bill import BillLine
from gateway.bill_forms import BillForm, DayForm, MoneyForm

Row = Mapping[str, Any]
MOST_BYTES = 256 * 1024 * 1024
MOST_FIGURE = Decimal(10) ** 15
MOST_PLACES = 30
# A day outside of these is a blank in disguise (0001-01-01), or in another unit.
YEARS = range(2000, 2200)


class WrongBillError(Exception):
    """A file is no bill of its form; the text says which line and what was looked for."""


def read_bill(form: BillForm, files: Sequence[tuple[str, bytes]]) -> list[BillLine]:
    """Return the lines of a bill; ``files`` are names and contents, of a balance two.

    Raises ``WrongBillError``.
    """
    if form.balance:
        return [_spent_between(form, files)]
    found: list[BillLine] = []
    for name, content in files:
        for number, row in enumerate(_rows(form, name, content), 1):
            found += _line(form, row, f"{name}, line {number}")
    return found


def _spent_between(form: BillForm, files: Sequence[tuple[str, bytes]]) -> BillLine:
    if len(files) != 2:
        raise WrongBillError("a balance needs two files, the earlier one first")
    if form.cost is None:
        raise WrongBillError("the form does not say where the balance stands")
    sums, currencies = [], set()
    for name, content in files:
        rows = list(_rows(form, name, content))
        if len(rows) != 1:
            raise WrongBillError(f"{name}: {len(rows)} balances, where one is expected")
        amount, currency = _money(form, form.cost, rows[0], name)
        sums.append(amount)
        currencies.add(currency)
    if len(currencies) != 1:
        raise WrongBillError(f"the balances are in {' and '.join(sorted(currencies))}")
    earlier, later = sums
    spent = later - earlier if form.rises else earlier - later
    if spent < 0:
        raise WrongBillError(
            "by these balances less than nothing was spent: was one topped up between, or are the "
            "files the wrong way round?"
        )
    return BillLine(None, cost=spent, currency=currencies.pop())


def _rows(form: BillForm, name: str, content: bytes) -> Iterator[Row]:
    if len(content) > MOST_BYTES:
        raise WrongBillError(f"{name} is larger than {MOST_BYTES // 1024 // 1024} MB")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise WrongBillError(f"{name} is no text in UTF-8") from fault
    if form.file == "csv":
        try:
            yield from csv.DictReader(io.StringIO(text), delimiter=form.separator)
        except csv.Error as fault:
            raise WrongBillError(f"{name} is no CSV: {fault}") from fault
        return
    try:
        # Exact: a float would have lost what the provider wrote.
        data = json.loads(text, parse_float=Decimal)
    except (ValueError, RecursionError) as fault:
        raise WrongBillError(f"{name} is no JSON: {fault}") from fault
    yield from _walk(data, form.rows, name, ())


def _walk(data: object, steps: Sequence[str], name: str, around: tuple[Row, ...]) -> Iterator[Row]:
    """Give what the steps lead to, each with what stands around it."""
    if isinstance(data, list):
        for each in data:
            yield from _walk(each, steps, name, around)
    elif not isinstance(data, dict):
        raise WrongBillError(f"{name}: there is no list of lines where the form looks for it")
    elif not steps:
        yield ChainMap(*({**row} for row in (data, *reversed(around))))
    elif steps[0] in data:
        yield from _walk(data[steps[0]], steps[1:], name, (*around, data))
    else:
        raise WrongBillError(f"{name}: {steps[0]!r} is not there; is it another kind of file?")


def _line(form: BillForm, row: Row, where: str) -> Iterable[BillLine]:
    requests, tokens_in, tokens_out = _figures(form, row, where)
    cost, currency = _money(form, form.cost, row, where) if form.cost is not None else (None, "USD")
    told = (requests, tokens_in, tokens_out, cost)
    if not any(figure is not None for figure in told):
        return ()
    return (
        BillLine(
            day=_day(form.day, row, where) if form.day is not None else None,
            model=_text(row, form.model),
            key=_text(row, form.key),
            requests=requests,
            tokens_in=tokens_in,
            tokens_out=tokens_out,
            cost=cost,
            currency=currency,
        ),
    )


def _figures(form: BillForm, row: Row, where: str) -> tuple[int | None, int | None, int | None]:
    """Return requests, tokens in and tokens out of a line; None for what it does not say."""
    long = form.long
    if long is not None:
        kind, amount = str(_at(row, long.kind)), _number(form, row, long.at, where)
        kinds = (long.requests, long.tokens_in, long.tokens_out)
        requests, tokens_in, tokens_out = (
            _whole(amount, where) if kind in known else None for known in kinds
        )
        return requests, tokens_in, tokens_out
    sums = [
        _whole(sum((_number(form, row, at, where) for at in places), Decimal(0)), where)
        if places
        else None
        for places in ((form.requests,) if form.requests else (), form.tokens_in, form.tokens_out)
    ]
    return sums[0], sums[1], sums[2]


def _money(form: BillForm, said: MoneyForm, row: Row, where: str) -> tuple[Decimal, str]:
    amount = _number(form, row, said.at, where) * said.times
    currency = said.currency or _text(row, said.currency_at) or "USD"
    return amount, currency.upper()


def _day(said: DayForm, row: Row, where: str) -> date:
    text = str(_at(row, said.at))
    try:
        if said.written == "unix":
            day = datetime.fromtimestamp(int(text), UTC).date()
        elif said.format is not None:
            day = datetime.strptime(text, said.format).replace(tzinfo=UTC).date()
        else:
            day = date.fromisoformat(text[:10])
    except (ValueError, OverflowError, OSError):
        day = date.min
    if day.year not in YEARS:
        raise WrongBillError(f"{where}: {text[:40]!r} at {said.at!r} is no day of a bill")
    return day


def _number(form: BillForm, row: Row, at: str, where: str) -> Decimal:
    """Return the figure at a place, 0 where there is none."""
    value = _at(row, at)
    if value in (None, ""):
        return Decimal(0)
    text = str(value).strip().lstrip("$€¥£").replace(" ", "")
    thousands, point = (".", ",") if form.decimal_comma else (",", ".")
    try:
        number = Decimal(text.replace(thousands, "").replace(point, "."))
    except InvalidOperation:
        number = Decimal("NaN")
    exponent = number.as_tuple().exponent
    fits = isinstance(exponent, int) and exponent >= -MOST_PLACES and abs(number) <= MOST_FIGURE
    if isinstance(value, bool) or not fits or not _grouped(text, thousands, point):
        raise WrongBillError(f"{where}: {str(value)[:40]!r} at {at!r} is no figure")
    return number


def _grouped(text: str, thousands: str, point: str) -> bool:
    """Whether signs for thousands stand where such are: "1,50" of another country is no 150."""
    whole, _, rest = text.partition(point)
    first, *groups = whole.lstrip("+-").split(thousands)
    if thousands in rest:
        return False
    # India groups by two, but for the last three digits.
    sizes = [len(group) for group in groups]
    return not groups or (first != "" and sizes[-1] == 3 and set(sizes) <= {2, 3})


def _whole(number: Decimal, where: str) -> int:
    if number != number.to_integral_value():
        raise WrongBillError(f"{where}: {number} is no whole number of tokens or requests")
    return int(number)


def _text(row: Row, at: str | None) -> str:
    value = _at(row, at) if at is not None else None
    return "" if value is None else str(value)


def _at(row: Row, place: str) -> Any:
    """Return what stands at a place such as ``amount.value``; None where nothing does."""
    if place in row:
        return row[place]
    here: Any = row
    for part in place.split("."):
        if not isinstance(here, Mapping) or part not in here:
            return None
        here = here[part]
    return here
