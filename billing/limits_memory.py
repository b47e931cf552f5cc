"""Limits and budgets counted in this process' memory: exact for one process, which is the usual."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, tzinfo
from itertools import islice

from billing.budgets import BudgetRule, Frame, Holder
from billing.limits import (
    ACCOUNTS_MAX,
    FREE,
    OTHERS,
    WINDOW_S,
    Hold,
    Limits,
    Line,
    RateRule,
    SpentSince,
    Standing,
    over_requests,
    over_tokens,
    passed,
)
from billing.store import StoreError

# How many idle accounts are looked at for one to drop, where there are as many as there may be.
LOOKED_AT_MAX = 64


class _Window:
    """A sum over the last 60 seconds, in one-second buckets."""

    __slots__ = ("_buckets", "total")

    def __init__(self) -> None:
        self._buckets: dict[int, int] = {}
        self.total = 0

    def expire(self, now: float) -> None:
        oldest = int(now) - WINDOW_S
        while self._buckets:
            second = next(iter(self._buckets))
            if second > oldest:
                break
            self.total -= self._buckets.pop(second)

    def add(self, now: float, amount: int) -> int:
        second = int(now)
        self._buckets[second] = self._buckets.get(second, 0) + amount
        self.total += amount
        return second

    def amend(self, second: int, change: int) -> None:
        if second in self._buckets:
            self._buckets[second] += change
            self.total += change

    def frees_in(self, now: float) -> float:
        first = next(iter(self._buckets), int(now))
        return max(1.0, first + WINDOW_S + 1 - now)


class _Account:
    """What one budget counts for one key, one user or all: spent and held, by step of its period.

    ``steps`` leads from the beginning of a step (seconds since 1970) to [spent, held]; ``began`` is
    when counting began, and while ``counted`` is False what was spent before is not in it.
    """

    __slots__ = ("began", "counted", "name", "overrun", "steps", "unpriced")

    def __init__(self, name: str, began: float) -> None:
        self.name = name
        self.began = began
        self.counted = True
        self.steps: dict[int, list[int]] = {}
        self.overrun = 0
        self.unpriced = 0

    def add(self, sums: dict[int, int]) -> None:
        for start, spent in sums.items():
            self.steps.setdefault(start, [0, 0])[0] += spent

    def spent(self, oldest: int) -> int:
        return sum(step[0] for start, step in self.steps.items() if start >= oldest)

    def held(self, oldest: int) -> int:
        return sum(step[1] for start, step in self.steps.items() if start >= oldest)

    def used(self, at: Frame) -> int:
        """Return what is spent and held, and forget the steps that count no more."""
        total = 0
        over = None
        for start, step in self.steps.items():
            if start >= at.oldest:
                total += step[0] + step[1]
            elif not step[1]:
                over = start
        if over is not None:
            del self.steps[over]
        return total

    def frees(self, at: Frame) -> int:
        """Return when something that counts now will count no more, in seconds since 1970."""
        counting = [start for start in self.steps if start >= at.oldest and any(self.steps[start])]
        return min(counting, default=at.current) + at.end - at.oldest

    @property
    def holds_nothing(self) -> bool:
        return not any(step[1] for step in self.steps.values())


class _Hold(Hold):
    """A hold in memory: which step of which account it is set aside in."""

    __slots__ = ("_amount", "_limits", "_open", "_parts", "_second", "_tokens", "_window")

    def __init__(
        self,
        limits: MemoryLimits,
        parts: list[tuple[Line, _Account, Frame]],
        amount: int,
        window: _Window | None,
        second: int,
        tokens: int,
    ) -> None:
        self._limits = limits
        self._parts = parts
        self._amount = amount
        self._window = window
        self._second = second
        self._tokens = tokens
        self._open = True

    def settle(self, cost: int | None, tokens: int) -> int:
        """Settle, as ``Hold`` says."""
        if not self._open:
            return 0
        self._open = False
        if self._window is not None:
            self._window.amend(self._second, tokens - self._tokens)
        amount = self._amount
        real = amount if cost is None else cost
        overrun = 0
        for line, account, at in self._parts:
            step = account.steps.setdefault(at.current, [0, 0])
            step[0] += real
            step[1] -= amount
            if cost is None:
                account.unpriced += 1
            if line.rule.alert_at:
                after = account.spent(at.oldest)
                for one in passed(line, account.name, after - real, after, at):
                    self._limits.crossed(one)
            if real > amount and not line.rule.soft:
                overrun = real - amount
                account.overrun += overrun
        return overrun


class MemoryLimits(Limits):
    """All limits and budgets, in memory.

    ``spent_since`` reads the ledger's sum for a rule since a moment, in a worker thread.
    """

    def __init__(
        self, *, zone: tzinfo, spent_since: SpentSince, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(zone=zone, spent_since=spent_since)
        self._clock = clock
        self._requests: dict[str, _Window] = {}
        self._tokens: dict[str, _Window] = {}
        self._accounts: dict[str, dict[str, _Account]] = {}
        self._opening: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._has_each = False

    async def configure(self, rates: Iterable[RateRule], budgets: Iterable[BudgetRule]) -> None:
        """Take new rules, as ``Limits`` says."""
        rules = tuple(budgets)
        for line in (Line(rule, self._zone) for rule in rules):
            if not line.rule.each and line.ident not in self._accounts:
                await self._open(line, "")
        idents = {line.ident for line in self._take(rates, rules)}
        self._accounts = {ident: self._accounts.get(ident, {}) for ident in idents}
        self._requests = {key: self._requests.get(key, _Window()) for key in self._rates}
        self._tokens = {key: self._tokens.get(key, _Window()) for key in self._rates}
        self._has_each = any(rule.each for rule in rules)
        self._look_for_uncounted()

    async def hold(
        self, who: Holder, tokens: int, ceiling: int | None, *, rated: bool = True
    ) -> Hold:
        """Set aside, as ``Limits`` says: without a wait, but for accounts that are new."""
        rate = self._rates.get(who.key) if rated else None
        if rate is None and not self._lines:
            return FREE
        if self._has_each:
            await self._open_all(self._lines, who)
        return self._held(self._lines, who, tokens, ceiling, rate)

    async def hold_route(self, who: Holder, provider: str, ceiling: int | None) -> Hold:
        """Set aside for one attempt, as ``Limits`` says."""
        lines = self._of_route(who, provider)
        if self._has_each:
            await self._open_all(lines, who)
        # Nothing waits from here on; a reload may have come before.
        return self._held(self._of_route(who, provider), who, 0, ceiling, None)

    def room(self, who: Holder, provider: str) -> int | None:
        """Return what is left, as ``Limits`` says: exactly, but for accounts that are new."""
        now = self._clock()
        found = []
        for line in self._of_route(who, provider):
            account = self._accounts[line.ident].get(line.rule.account_of(who))
            if account is not None and not line.rule.soft:
                found.append(max(0, line.limit - account.used(line.at(now))))
        return min(found, default=None)

    def uncounted(self, who: Holder) -> bool:
        """Whether a sum is not known, as ``Limits`` says."""
        if not self.some_uncounted:
            return False
        lines = [line for line in (*self._lines, *self._of_routes) if line.rule.covers(who)]
        found = (self._accounts[line.ident].get(line.rule.account_of(who)) for line in lines)
        return any(account is not None and not account.counted for account in found)

    async def recount(self) -> bool:
        """Read what is missing, as ``Limits`` says."""
        if not self.some_uncounted:
            return True
        for line in (*self._lines, *self._of_routes):
            for account in tuple(self._accounts[line.ident].values()):
                if account.counted:
                    continue
                until = datetime.fromtimestamp(account.began, UTC)
                at = line.at(self._clock())
                try:
                    sums = await asyncio.to_thread(self._sums, line, account.name, at, until)
                except StoreError:
                    return False
                account.add(sums)
                account.counted = True
        self._look_for_uncounted()
        return not self.some_uncounted

    async def standings(self) -> list[Standing]:
        """Return how all accounts stand."""
        now = self._clock()
        return [
            Standing(
                line.rule,
                account.name,
                at,
                account.spent(at.oldest),
                account.held(at.oldest),
                account.overrun,
                account.unpriced,
                account.counted,
            )
            for line in (*self._lines, *self._of_routes)
            for at in (line.at(now),)
            for account in self._accounts[line.ident].values()
        ]

    async def close(self) -> None:
        """End nothing: all is in memory."""

    def _held(
        self,
        lines: Iterable[Line],
        who: Holder,
        tokens: int,
        ceiling: int | None,
        rate: RateRule | None,
    ) -> Hold:
        """Check everything, and only then set aside; no other call can come between."""
        now = self._clock()
        amount = ceiling or 0
        parts = []
        for line in lines:
            rule = line.rule
            if not rule.covers(who):
                continue
            at, account = line.at(now), self._account(line, who)
            if not rule.soft:
                if ceiling is None:
                    raise line.unpriced()
                left = line.limit - account.used(at)
                if amount > left:
                    raise line.refusal(left, amount, now, account.frees(at))
            parts.append((line, account, at))
        window, second = self._count(rate, tokens, now) if rate is not None else (None, 0)
        for _, account, at in parts:
            step = account.steps.get(at.current)
            if step is None:
                account.steps[at.current] = [0, amount]
            else:
                step[1] += amount
        return _Hold(self, parts, amount, window, second, tokens)

    def _count(self, rate: RateRule, tokens: int, now: float) -> tuple[_Window, int]:
        requests, window = self._requests[rate.key], self._tokens[rate.key]
        requests.expire(now)
        window.expire(now)
        if rate.rpm is not None and requests.total >= rate.rpm:
            raise over_requests(rate, requests.frees_in(now))
        if rate.tpm is not None and window.total + tokens > rate.tpm:
            raise over_tokens(rate, window.total, tokens, window.frees_in(now))
        requests.add(now, 1)
        return window, window.add(now, tokens)

    def _account(self, line: Line, who: Holder) -> _Account:
        """Return the account of ``who``, the last one used standing last."""
        accounts = self._accounts[line.ident]
        if not line.rule.each:
            return accounts[""]
        name = line.rule.account_of(who)
        account = accounts.pop(name, None)
        if account is None:
            name, account = OTHERS, accounts.pop(OTHERS, None) or _Account(OTHERS, self._clock())
        accounts[name] = account
        return account

    async def _open_all(self, lines: Iterable[Line], who: Holder) -> None:
        for line in lines:
            if line.rule.each and line.rule.covers(who):
                name = line.rule.account_of(who)
                accounts = self._accounts[line.ident]
                if name not in accounts and self._has_room(accounts, line):
                    await self._open(line, name)

    def _has_room(self, accounts: dict[str, _Account], line: Line) -> bool:
        """Whether one more account may be; drops one that has not been used for longest."""
        if len(accounts) < ACCOUNTS_MAX:
            return True
        oldest = line.at(self._clock()).oldest
        for name, account in islice(accounts.items(), LOOKED_AT_MAX):
            if account.holds_nothing and not account.spent(oldest):
                del accounts[name]
                return True
        return False

    async def _open(self, line: Line, name: str) -> None:
        """Begin to count for an account, from what the ledger knows; once for all who wait."""
        key = (line.ident, name)
        task = self._opening.get(key)
        if task is None:
            task = self._opening[key] = asyncio.create_task(self._opened(line, name))
            task.add_done_callback(lambda _: self._opening.pop(key, None))
        await asyncio.shield(task)

    async def _opened(self, line: Line, name: str) -> None:
        account = _Account(name, self._clock())
        at = line.at(account.began)
        try:
            account.add(await asyncio.to_thread(self._sums, line, name, at))
        except StoreError:
            account.counted, self.some_uncounted = False, True
        self._accounts.setdefault(line.ident, {}).setdefault(name, account)

    def _look_for_uncounted(self) -> None:
        each = (account for found in self._accounts.values() for account in found.values())
        self.some_uncounted = not all(account.counted for account in each)
