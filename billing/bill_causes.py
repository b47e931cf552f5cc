"""Why a bill and the ledger differ: the likely cause of each difference, in words."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from decimal import Decimal

from billing.bill import TOLERANCE, Billed, Booked, Cause, Cell
from billing.money import PICO_PER_USD

ROUGHEST = Decimal("0.01")  # of the currency: what one line of a bill may be rounded to


def of_cell(billed: Billed, booked: Booked, cost: Decimal | None) -> tuple[Cause, ...]:
    """Return why a day differs, as far as its own figures show; its price is judged afterwards."""
    found: list[Cause] = []
    gap = None if billed.cost is None or cost is None else billed.cost - cost
    if billed.tokens is not None:
        if not _same_tokens(billed, booked):
            found.append(_other_tokens(billed, booked, gap))
    elif billed.requests is not None and billed.requests > booked.requests:
        more = billed.requests - booked.requests
        words = f"{more} more requests than came through the gateway"
        found.append(Cause("past the gateway", words, gap))
    elif booked.guessed and not same_cost(billed.cost, cost) and _bounded(billed.cost, booked):
        found.append(Cause("missing usage", _words_guessed(booked), gap))
    if booked.unknown and billed.cost and not same_cost(billed.cost, cost):
        words = f"{booked.unknown} entries have no known price"
        found.append(Cause("no known price", words, None if found else gap))
    return tuple(found)


def _other_tokens(billed: Billed, booked: Booked, gap: Decimal | None) -> Cause:
    tokens = billed.tokens or 0
    low, high = booked.in_least + booked.out_least, booked.in_most + booked.out_most
    if booked.guessed and low <= tokens <= high:
        return Cause("missing usage", _words_guessed(booked), gap)
    if tokens > high:
        words = f"{tokens - booked.tokens} tokens more than came through the gateway"
        if billed.requests is not None and billed.requests > booked.requests:
            words += f", in {billed.requests - booked.requests} requests"
        return Cause("past the gateway", words, gap)
    if tokens < low:
        words = f"{booked.tokens - tokens} tokens fewer are billed than came through the gateway"
        return Cause("not billed", words, gap)
    return Cause("unknown", "as many tokens, but otherwise shared between prompt and answer", gap)


def of_money(
    series: str, cells: Sequence[Cell], priced_in: Collection[str], currency: str
) -> Cause | None:
    """Return why days whose tokens agree cost otherwise: another rate, or another price.

    ``series`` names what the ``cells`` are of, ``priced_in`` has the currencies of its prices here.
    """
    alike = [
        cell
        for cell in cells
        if cell.billed is not None and cell.billed.cost is not None and not cell.causes
    ]
    off = [cell for cell in alike if cell.billed and not same_cost(cell.billed.cost, cell.cost)]
    if not off:
        return None
    billed = sum((cell.billed.cost or Decimal(0) for cell in off if cell.billed), Decimal(0))
    ours = "/".join(sorted(priced_in)) or "no currency"
    if any(cell.cost is None for cell in off):
        usd = sum((Decimal(cell.booked.cost) / PICO_PER_USD for cell in off), Decimal(0))
        rate = f"; it comes to {usd / billed:.6f} USD for one {currency}" if billed else ""
        words = f"{series}: the bill is in {currency}, the prices known here are in {ours}{rate}"
        return Cause("currency", words)
    gap = sum((cell.gap for cell in off), Decimal(0))
    if currency == "USD" and priced_in and "USD" not in priced_in:
        native = sum((Decimal(cell.booked.native) / PICO_PER_USD for cell in off), Decimal(0))
        rate = f"{billed / native:.6f}" if native else "an unknown number of"
        words = (
            f"{series}: the prices are in {ours}, and the bill comes to {rate} USD for one: "
            "another rate than the config's"
        )
        return Cause("currency", words, gap)
    booked = sum((cell.cost or Decimal(0) for cell in off), Decimal(0))
    share = f"{abs(100 * gap / booked):.2f} %" if booked else "something"
    days = [cell.day for cell in off if cell.day is not None]
    since = f" from {min(days)} on" if days and len(off) < len(alike) else ""
    words = (
        f"{series}: the same tokens are billed {share} {'higher' if gap > 0 else 'lower'} than "
        f"they are priced here{since}"
    )
    return Cause("price drift", words, gap)


def with_money(cell: Cell, money: Cause) -> Cell:
    """Return a cell with the cause of its other cost, where it has one and no other cause."""
    billed = cell.billed.cost if cell.billed is not None else None
    if cell.causes or billed is None or same_cost(billed, cell.cost):
        return cell
    cause = replace(money, cost=cell.gap if cell.cost is not None else None)
    return replace(cell, state="different", causes=(cause,))


def same_cost(theirs: Decimal | None, ours: Decimal | None) -> bool:
    """Whether a bill's figure is the ledger's, but for its rounding; what it does not say is."""
    if theirs is None:
        return True
    if ours is None:
        return False
    exponent = theirs.as_tuple().exponent
    # "1.5" may be 1.50: a figure with few places was rounded to hundredths at the roughest.
    last = Decimal(1).scaleb(exponent) if isinstance(exponent, int) else ROUGHEST
    return abs(theirs - ours) <= max(min(last, ROUGHEST) / 2, abs(theirs) * TOLERANCE)


def _same_tokens(billed: Billed, booked: Booked) -> bool:
    pairs = ((billed.tokens_in, booked.tokens_in), (billed.tokens_out, booked.tokens_out))
    return all(theirs is None or abs(theirs - ours) <= theirs * TOLERANCE for theirs, ours in pairs)


def _bounded(cost: Decimal | None, booked: Booked) -> bool:
    if cost is None:
        return False
    return booked.cost_least <= int(cost * PICO_PER_USD) <= booked.cost_most


def _words_guessed(booked: Booked) -> str:
    return (
        f"{booked.guessed} entries came without usage; with them it was between "
        f"{booked.in_least + booked.out_least} and {booked.in_most + booked.out_most} tokens, and "
        "the bill lies between"
    )
