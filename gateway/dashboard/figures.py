"""Numbers and names as people read them: money with the decimals that matter, bars. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from billing.ledger import Entry
from billing.money import PICO_PER_USD, half_even, usd_text
from billing.sums import SpendRow

# At least this much of a bar's length is drawn for what is not nothing, in hundredths.
BAR_LEAST = 2
NAME_MAX_CHARS = 60


@dataclass(frozen=True, slots=True)
class Money:
    """An amount as it is shown, and exactly; ``unknown`` counts the costs that are not in it."""

    text: str
    exact: str
    unknown: int = 0

    @staticmethod
    def exactly(pico: int) -> str:
        """Return 1e-12 dollars with all their digits, as ``exact`` has them."""
        return f"{usd_text(pico)} USD"


def short(text: str, most: int = NAME_MAX_CHARS) -> str:
    """Return a name that a client or host may have made absurdly long, cut where it is."""
    return text if len(text) <= most else text[: most - 1] + "…"


def places(amounts: Iterable[int]) -> int:
    """Return how many decimals a column of amounts (1e-12 dollars) is shown with."""
    most = max(map(abs, amounts), default=0)
    if not most or most >= 100 * PICO_PER_USD:
        return 2
    return 4 if most >= PICO_PER_USD else 6


def usd(pico: int, decimals: int) -> str:
    """Return 1e-12 dollars as "$1,234.56", rounded; what is not nothing never reads as nothing."""
    if not pico:
        return "$0"
    shown = half_even(abs(pico), 10 ** (12 - decimals))
    if not shown:
        return f"< $0.{'1':0>{decimals}}"
    whole, rest = divmod(shown, 10**decimals)
    return f"{'−' if pico < 0 else ''}${whole:,}.{rest:0{decimals}d}"


def amount(entry: Entry, decimals: int) -> Money:
    """Return one entry's cost, or what it lies between; unknown where neither is known."""
    least, most = entry.cost_least_pico, entry.cost_most_pico
    if least is not None and most is not None and least != most:
        shown = f"{usd(least, decimals)} – {usd(most, decimals)}"
        return Money(shown, f"{usd_text(least)} – {usd_text(most)} USD")
    if entry.cost_pico is None:
        return Money("unknown", "", 1)
    return Money(usd(entry.cost_pico, decimals), f"{usd_text(entry.cost_pico)} USD")


def spent(row: SpendRow, decimals: int) -> Money:
    """Return a group's cost, or what it lies between; where nothing of it is known, that alone."""
    if row.unbounded and row.unbounded == row.attempts:
        return Money("unknown", "", row.unbounded)
    return band(row.least_pico, row.most_pico, decimals, row.unbounded)


def band(least_pico: int, most_pico: int, decimals: int, unknown: int = 0) -> Money:
    """Return what lies between two amounts; one figure where they are the same, or look it."""
    least, most = usd(least_pico, decimals), usd(most_pico, decimals)
    exact = usd_text(least_pico)
    if least_pico != most_pico:
        exact = f"{exact} – {usd_text(most_pico)}"
    return Money(least if least == most else f"{least} – {most}", f"{exact} USD", unknown)


def percent(part: int, whole: int) -> str:
    """Return a share; all and nothing are said only of all and nothing. "–" of nothing at all."""
    if whole <= 0:
        return "–"
    if 0 < part < whole:
        share = half_even(100 * part, whole)
        return "< 1 %" if share < 1 else "> 99 %" if share > 99 else f"{share} %"
    return "100 %" if part >= whole else "0 %"


def share_of(part: int, whole: int) -> str:
    """Return a share that may be more than all, or less than nothing: "+12.3 %", "−4.0 %"."""
    if whole <= 0:
        return "–"
    share = half_even(1000 * abs(part), whole)
    sign = "−" if part < 0 else "+" if part > 0 else ""
    return f"{sign}{share // 10:,}.{share % 10} %"


def lengths(values: Sequence[int]) -> list[int]:
    """Return values as bars' lengths in hundredths of the longest."""
    most = max(values, default=0)
    return [max(BAR_LEAST, 100 * value // most) if value > 0 else 0 for value in values]
