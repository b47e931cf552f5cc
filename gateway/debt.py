"""Money that can be neither written nor counted for now, and how much of it is let in.

While the disk takes no entry, or what a budget has spent cannot be read, a call is refused, or let
in on debt: as long as what all such calls cost, and may cost, stays within what the config allows.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from billing.money import usd_text


class DebtError(Exception):
    """A call is not let in on debt; the text says why."""


Reason = Literal["written", "counted"]


class Owing:
    """What one call let in on debt may cost. Settle it once; a second settlement does nothing."""

    __slots__ = ("_debt", "_key", "_most", "_uncounted")

    def __init__(self, debt: Debt | None, key: str, most: int, *, uncounted: bool) -> None:
        self._debt = debt
        self._key = key
        self._most = most
        self._uncounted = uncounted

    def settle(self, cost: int | None) -> None:
        """Put the true cost, 1e-12 dollars, in the place of the most; None: the most it is.

        Where only the writing was in the way, an entry that could not be written is owed by itself.
        """
        if self._debt is not None:
            self._debt.release(self._key, self._most)
            if self._uncounted:
                self._debt.owe(self._key, self._most if cost is None else cost, "counted")
            self._debt = None


NOT_OWING = Owing(None, "", 0, uncounted=False)


class Debt:
    """Who owes what. ``configure`` says how much may be: of all, and of single keys within that."""

    def __init__(self) -> None:
        self._most = 0
        self._of_keys: Mapping[str, int] = {}
        self._held: dict[str, int] = {}
        self._owed: dict[Reason, dict[str, int]] = {"written": {}, "counted": {}}
        self._unbounded = False

    def configure(self, most_pico: int, of_keys: Mapping[str, int]) -> None:
        """Take what the config allows, in 1e-12 dollars; 0 lets nobody in."""
        self._most = most_pico
        self._of_keys = dict(of_keys)

    @property
    def is_allowed(self) -> bool:
        """Whether any call may be let in on debt."""
        return self._most > 0

    @property
    def owed_pico(self) -> int:
        """What is owed now, calls under way at the most that they may cost."""
        return sum(sum(of_keys.values()) for of_keys in (self._held, *self._owed.values()))

    def take(self, key: str, most: int | None, *, uncounted: bool) -> Owing:
        """Let a call of ``key`` in that can cost up to ``most``, 1e-12 dollars.

        ``uncounted``: what it costs stays owed until it can be counted. Raises ``DebtError`` where
        the config allows no debt, or not as much.
        """
        of_key = self._of_keys.get(key, self._most)
        if not self._most or not of_key:
            raise DebtError("no debt is allowed; `debt_usd` in the config would allow one")
        if most is None or self._unbounded:
            raise DebtError("a debt is allowed, but what this would cost is not known")
        of_all = self.owed_pico
        its_own = self._held.get(key, 0) + sum(owed.get(key, 0) for owed in self._owed.values())
        if of_all + most > self._most:
            raise DebtError(
                f"the debt allowed is {usd_text(self._most)} USD, {usd_text(of_all)} are owed, "
                f"and this call can cost up to {usd_text(most)} USD"
            )
        if its_own + most > of_key:
            raise DebtError(
                f"the debt allowed to key {key!r} is {usd_text(of_key)} USD, {usd_text(its_own)} "
                f"are owed, and this call can cost up to {usd_text(most)} USD"
            )
        self._held[key] = self._held.get(key, 0) + most
        return Owing(self, key, most, uncounted=uncounted)

    def release(self, key: str, most: int) -> None:
        """Give back what ``take`` held."""
        # Of several calls that can cost nothing the first to end has taken the key away.
        left = self._held.pop(key, 0) - most
        if left:
            self._held[key] = left

    def owe(self, key: str, pico: int | None, reason: Reason) -> None:
        """Add what was spent and could not be written, or counted; None: nobody knows how much."""
        if pico is None:
            self._unbounded = True
        elif pico:
            owed = self._owed[reason]
            owed[key] = owed.get(key, 0) + pico

    def clear(self, reason: Reason) -> None:
        """Forget what was owed for this reason: all is written, or counted, again."""
        self._owed[reason].clear()
        if reason == "written":
            self._unbounded = False
