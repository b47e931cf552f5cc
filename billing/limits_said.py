"""What is said to the server of the shared limits, and read from it: amounts, accounts, holds."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple

from billing.budgets import BudgetRule, Frame
from billing.limits import Hold, Line, Standing

# An amount is said as two numbers, since the server counts in doubles: high * PART + low.
PART = 10**9
KEPT_S = 86_400


class Part(NamedTuple):
    """One account that a hold is set aside in, and the frame that it fell into."""

    line: Line
    account: str
    key: str
    at: Frame


class SharedHold(Hold):
    """A hold at the server, known there by ``ident``; without parts it counts a rate alone.

    ``rate`` is where its requests and tokens are counted, at ``second``, "" where they are not.
    """

    __slots__ = ("_settle", "amount", "ident", "parts", "rate", "second", "tokens")

    def __init__(self, settle: Settle, parts: Sequence[Part], amount: int) -> None:
        self._settle = settle
        self.ident = secrets.token_hex(8)
        self.parts = parts
        self.amount = amount
        self.rate = ""
        self.second = ""
        self.tokens = 0

    def settle(self, cost: int | None, tokens: int) -> int:
        """Settle, as ``Hold`` says; the server is told right after."""
        return self._settle(self, cost, tokens)


Settle = Callable[[SharedHold, int | None, int], int]


def two(amount: int) -> tuple[int, int]:
    """Return an amount as it is said."""
    return divmod(amount, PART)


def one(told: str) -> int:
    """Return an amount that was told."""
    high, low = told.split()
    return int(high) * PART + int(low)


def both(told: str) -> tuple[int, int]:
    """Return what was told of an account or a step: spent and held."""
    numbers = list(map(int, told.split()))
    return numbers[0] * PART + numbers[1], numbers[2] * PART + numbers[3]


def kept_s(at: Frame) -> int:
    """Return for how many seconds an account is kept that nobody comes to."""
    return at.end - at.oldest + KEPT_S


def standing(rule: BudgetRule, account: str, at: Frame, fields: dict[str, str]) -> Standing:
    """Return how an account stands, by its hash at the server."""
    steps = [
        both(told)
        for start, told in fields.items()
        if start.isdecimal() and int(start) >= at.oldest
    ]
    return Standing(
        rule,
        account,
        at,
        sum(spent for spent, _ in steps),
        sum(held for _, held in steps),
        one(fields.get("over", "0 0")),
        int(fields.get("unpriced", 0)),
    )
