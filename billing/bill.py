"""What a provider's bill says, and what the ledger booked for the same time, as plain values."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import date
from decimal import Decimal
from typing import Literal

QUARTER_S = 15 * 60
# The share by which two figures may differ and still be one: bills are rounded.
TOLERANCE = Decimal("0.001")

State = Literal["matched", "different", "missing", "unbilled"]
# missing: the bill has it and the ledger has not; unbilled: the other way round.
Kind = Literal[
    "past the gateway", "price drift", "missing usage", "time zone", "currency", "no known price",
    "not billed", "unknown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class BillLine:
    """One line of a bill: a day, a model, a key; None and "" are what the bill does not say.

    ``day`` None is the whole time of the bill. ``cost`` is in ``currency`` (USD, CNY, …).
    """

    day: date | None
    model: str = ""
    key: str = ""
    requests: int | None = None
    tokens_in: int | None = None
    tokens_out: int | None = None
    cost: Decimal | None = None
    currency: str = "USD"


@dataclass(slots=True)
class Booked:
    """Sums over entries of the ledger. Money: 1e-12 of a dollar, or of the currency of the prices.

    ``guessed`` entries have estimated or missing usage; the bounds ``*_least`` and ``*_most`` are
    of all entries, the exact ones counted as they are. ``cost`` and ``native`` leave out the
    ``unknown`` entries without a cost, and the bounds those of which none is known.
    """

    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    in_least: int = 0
    in_most: int = 0
    out_least: int = 0
    out_most: int = 0
    cost: int = 0
    cost_least: int = 0
    cost_most: int = 0
    native: int = 0
    unknown: int = 0
    guessed: int = 0

    @property
    def tokens(self) -> int:
        """Tokens in and out together."""
        return self.tokens_in + self.tokens_out

    def add(self, other: Booked) -> None:
        """Add another's numbers to this one's."""
        for field in fields(self):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))


@dataclass(frozen=True, slots=True)
class Billed:
    """What the bill says of one day, model and key; None where it says nothing of that kind."""

    requests: int | None
    tokens_in: int | None
    tokens_out: int | None
    cost: Decimal | None

    @property
    def tokens(self) -> int | None:
        """Tokens in and out together."""
        if self.tokens_in is None and self.tokens_out is None:
            return None
        return (self.tokens_in or 0) + (self.tokens_out or 0)


@dataclass(frozen=True, slots=True)
class Cause:
    """A likely cause of a difference, in words; ``cost`` is its part in the bill's currency."""

    kind: Kind
    text: str
    cost: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Cell:
    """One day (None: the whole time), model and key, as billed and as booked.

    ``cost`` is the booked cost in the bill's currency, None where it is not known in that.
    """

    day: date | None
    model: str
    key: str
    state: State
    billed: Billed | None
    booked: Booked
    cost: Decimal | None
    causes: tuple[Cause, ...] = ()

    @property
    def gap(self) -> Decimal:
        """How much more was billed than booked."""
        billed = self.billed.cost if self.billed is not None else None
        return (billed or Decimal(0)) - (self.cost or Decimal(0))


@dataclass(frozen=True, slots=True)
class Quarter:
    """What was booked in one quarter of an hour (quarters since 1970) of one model and key.

    ``currency`` is that of its unit prices.
    """

    quarter: int
    model: str
    key: str
    currency: str
    booked: Booked


def summed(every: Iterable[Booked]) -> Booked:
    """Return the sums of all."""
    total = Booked()
    for one in every:
        total.add(one)
    return total
