"""Who may spend how much: requests and tokens a minute, dollars a period. In this process' memory.

A hold sets aside the most that a call can cost, before the call; the settlement puts the true cost
in its place. Both are single steps of one thread, so parallel calls cannot pass a budget together:
with ``b`` left and holds of ``c``, at most ``b // c`` calls are let in.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Literal

from billing.money import PICO_PER_USD, usd_text

Period = Literal["minute", "hour", "day", "week", "month"]
WINDOW_S = 60


class OverLimitError(Exception):
    """A limit or budget has no room: ``code`` is rate_limited or budget_exceeded."""

    def __init__(self, code: str, message: str, retry_after_s: float | None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class BudgetRule:
    """Dollars a period for one key, one team, or (neither named) for everybody."""

    name: str
    usd: Decimal
    per: Period
    key: str | None = None
    team: str | None = None

    def covers(self, key: str, team: str) -> bool:
        """Whether calls of this key and team count."""
        return self.key in (None, key) and self.team in (None, team)


@dataclass(frozen=True, slots=True)
class RateRule:
    """Requests and tokens a minute of one key; None is unlimited."""

    key: str
    rpm: int | None
    tpm: int | None


def period_start(per: Period, now: datetime) -> datetime:
    """Return when the calendar period that holds ``now`` began, in ``now``'s own time zone."""
    if per == "minute":
        return now.replace(second=0, microsecond=0)
    if per == "hour":
        return now.replace(minute=0, second=0, microsecond=0)
    day = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if per == "day":
        return day
    if per == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1)


def period_end(per: Period, now: datetime) -> datetime:
    """Return when the calendar period that holds ``now`` ends."""
    start = period_start(per, now)
    if per == "month":
        return (start + timedelta(days=32)).replace(day=1)
    steps = {"minute": 60, "hour": 3600}
    if per in steps:
        return start + timedelta(seconds=steps[per])
    return start + timedelta(days=1 if per == "day" else 7)


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
    """One budget's state: spent and held in its current period, in 1e-12 dollars."""

    __slots__ = ("end", "held", "rule", "spent")

    def __init__(self, rule: BudgetRule, spent: int, end: datetime) -> None:
        self.rule = rule
        self.spent = spent
        self.held = 0
        self.end = end

    def left(self, now: datetime) -> int:
        """Return what is neither spent nor held; a period that is over is begun anew."""
        if now >= self.end:
            # Calls still under way keep their holds: what they cost falls into the new period.
            self.spent, self.end = 0, period_end(self.rule.per, now)
        return int(self.rule.usd * PICO_PER_USD) - self.spent - self.held


class Hold:
    """What one call has set aside. Settle it once; a second settlement does nothing."""

    __slots__ = ("_accounts", "_amount", "_open", "_second", "_tokens", "_window")

    def __init__(
        self,
        accounts: list[_Account],
        amount: int,
        window: _Window | None,
        second: int,
        tokens: int,
    ) -> None:
        self._accounts = accounts
        self._amount = amount
        self._window = window
        self._second = second
        self._tokens = tokens
        self._open = True

    def settle(self, cost: int | None, tokens: int) -> None:
        """Put the true cost (1e-12 dollars) and tokens in the place of what was set aside.

        An unknown cost counts as the whole hold: a budget must not grow by not knowing.
        """
        if not self._open:
            return
        self._open = False
        for account in self._accounts:
            account.held -= self._amount
            account.spent += self._amount if cost is None else cost
        if self._window is not None:
            self._window.amend(self._second, tokens - self._tokens)


_FREE = Hold([], 0, None, 0, 0)


class Limits:
    """All limits and budgets. ``spent_since`` reads the ledger's sum for a rule since a moment."""

    def __init__(
        self,
        *,
        zone: tzinfo,
        spent_since: Callable[[BudgetRule, datetime], int],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._zone = zone
        self._spent_since = spent_since
        self._clock = clock
        self._rates: Mapping[str, RateRule] = {}
        self._requests: dict[str, _Window] = {}
        self._tokens: dict[str, _Window] = {}
        self._accounts: dict[BudgetRule, _Account] = {}

    @property
    def has_budgets(self) -> bool:
        """Whether any budget exists, so that the most a call can cost has to be known."""
        return bool(self._accounts)

    def configure(self, rates: Iterable[RateRule], budgets: Iterable[BudgetRule]) -> None:
        """Take new rules (a reload); rules that stay the same keep what they have counted."""
        self._rates = {rule.key: rule for rule in rates}
        now = datetime.fromtimestamp(self._clock(), self._zone)
        accounts = {}
        for rule in budgets:
            accounts[rule] = self._accounts.get(rule) or _Account(
                rule,
                self._spent_since(rule, period_start(rule.per, now)),
                period_end(rule.per, now),
            )
        self._accounts = accounts

    def budgeted(self, key: str, team: str) -> bool:
        """Whether some budget counts the calls of this key and team."""
        return any(rule.covers(key, team) for rule in self._accounts)

    def left(self, key: str, team: str) -> int:
        """Return what the tightest budget of this key and team has left, 1e-12 dollars, at least 0.

        Raises ``ValueError`` where no budget counts them.
        """
        now = datetime.fromtimestamp(self._clock(), self._zone)
        open_ = (a.left(now) for rule, a in self._accounts.items() if rule.covers(key, team))
        return max(0, min(open_))

    def hold(
        self, key: str, team: str, tokens: int, ceiling: int | None, *, rated: bool = True
    ) -> Hold:
        """Set aside ``tokens`` and ``ceiling`` (1e-12 dollars) for one call of ``key``.

        ``ceiling`` None is an unknown price: refused where a budget covers the call, because what
        cannot be priced cannot be held. ``rated`` False: it is no request of the key's own, and
        counts against its budgets alone. Raises ``OverLimitError``, and then nothing is set aside.
        """
        rate = self._rates.get(key) if rated else None
        if rate is None and not self._accounts:
            return _FREE
        now = self._clock()
        accounts = [a for rule, a in self._accounts.items() if rule.covers(key, team)]
        for account in accounts:
            self._check(account, ceiling, now)
        window, second = self._count(rate, tokens, now) if rate else (None, 0)
        for account in accounts:
            account.held += ceiling or 0
        return Hold(accounts, ceiling or 0, window, second, tokens)

    def _check(self, account: _Account, ceiling: int | None, now: float) -> None:
        rule = account.rule
        when = datetime.fromtimestamp(now, self._zone)
        left = account.left(when)
        if ceiling is None:
            raise OverLimitError(
                "budget_exceeded",
                f"budget {rule.name!r} covers this call, and no route for it has a known price; "
                "state one under providers.<name>.prices in the config",
                None,
            )
        if ceiling > left:
            raise OverLimitError(
                "budget_exceeded",
                f"budget {rule.name!r} ({rule.usd} USD per {rule.per}) has "
                f"{usd_text(max(0, left))} USD left, and this call can cost up to "
                f"{usd_text(ceiling)} USD; a lower max_tokens lowers that, and the budget starts "
                f"anew at {account.end.isoformat(timespec='minutes')}",
                (account.end - when).total_seconds() if left <= 0 else None,
            )

    def _count(self, rate: RateRule, tokens: int, now: float) -> tuple[_Window | None, int]:
        requests = self._requests.setdefault(rate.key, _Window())
        window = self._tokens.setdefault(rate.key, _Window())
        requests.expire(now)
        window.expire(now)
        if rate.rpm is not None and requests.total >= rate.rpm:
            raise OverLimitError(
                "rate_limited",
                f"key {rate.key!r} has used its {rate.rpm} requests a minute",
                requests.frees_in(now),
            )
        if rate.tpm is not None and window.total + tokens > rate.tpm:
            raise OverLimitError(
                "rate_limited",
                f"key {rate.key!r} may use {rate.tpm} tokens a minute, has used {window.total}, "
                f"and this call can use up to {tokens}",
                window.frees_in(now),
            )
        requests.add(now, 1)
        return window, window.add(now, tokens)
