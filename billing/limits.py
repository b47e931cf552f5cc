"""Who may spend how much: requests and tokens a minute, dollars a period. What all counters share.

A hold sets aside the most that a call can cost, before the call; the settlement puts the true cost
in its place. Both are single steps, in one process (``limits_memory``) or for all processes at one
Redis or Valkey (``limits_redis``), so parallel calls cannot pass a budget together: with ``b`` left
and holds of ``c``, at most ``b // c`` calls are let in. What a call costs over its hold is its
overrun: that much, and no more, can be spent past a budget.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import NamedTuple

from billing.budgets import BudgetRule, Frame, Holder, frame
from billing.money import usd_text

WINDOW_S = 60
# Keys or users of one budget that have accounts of their own; whoever comes later shares one.
ACCOUNTS_MAX = 50_000
OTHERS = "(others)"

# A rule for one account and the moment since when: 1e-12 dollars. Raises ``StoreError``. Threads.
SpentSince = Callable[[BudgetRule, datetime], int]


class OverLimitError(Exception):
    """A limit or budget has no room: ``code`` is rate_limited or budget_exceeded.

    ``left`` is what the budget has, in 1e-12 dollars, where less would be let in; else None.
    """

    def __init__(
        self, code: str, message: str, retry_after_s: float | None, left: int | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retry_after_s = retry_after_s
        self.left = left


class StateAwayError(Exception):
    """The counters that all processes share cannot be reached: nothing is set aside."""


@dataclass(frozen=True, slots=True)
class RateRule:
    """Requests and tokens a minute of one key; None is unlimited."""

    key: str
    rpm: int | None
    tpm: int | None


class Crossed(NamedTuple):
    """A budget's spending has passed ``share`` percent of its sum. Money in 1e-12 dollars."""

    rule: BudgetRule
    account: str
    share: int
    spent: int
    frame: Frame


@dataclass(frozen=True, slots=True)
class Standing:
    """How one account of a budget stands. Money in 1e-12 dollars.

    ``account`` is "" but where each key or user has its own. ``overrun`` is what calls cost over
    what had been set aside for them, ``unpriced`` how many calls counted with no known cost, since
    the counting began. ``counted`` False: what was spent before could not be read yet.
    """

    rule: BudgetRule
    account: str
    frame: Frame
    spent: int
    held: int
    overrun: int
    unpriced: int
    counted: bool = True


class Hold(ABC):
    """What one call has set aside. Settle it once; a second settlement does nothing."""

    __slots__ = ()

    @abstractmethod
    def settle(self, cost: int | None, tokens: int) -> int:
        """Put the true cost (1e-12 dollars) and tokens in the place of what was set aside.

        An unknown cost counts as the whole hold: a budget must not grow by not knowing. Returns
        the overrun: what it cost over the hold, 0 where no hard budget counts it.
        """


class _Free(Hold):
    """Where nothing is set aside."""

    __slots__ = ()

    def settle(self, cost: int | None, tokens: int) -> int:
        del cost, tokens
        return 0


FREE = _Free()


class Both(Hold):
    """Two holds of one call that are settled together."""

    __slots__ = ("_one", "_other")

    def __init__(self, one: Hold, other: Hold) -> None:
        self._one = one
        self._other = other

    def settle(self, cost: int | None, tokens: int) -> int:
        """Settle both, as ``Hold`` says."""
        return max(self._one.settle(cost, tokens), self._other.settle(cost, 0))


class Line:
    """One rule as it is in force, with its frame kept until it ends."""

    __slots__ = ("_zone", "frame", "ident", "limit", "rule")

    def __init__(self, rule: BudgetRule, zone: tzinfo) -> None:
        self.rule = rule
        self.ident = rule.ident
        self.limit = rule.limit
        self._zone = zone
        self.frame = Frame(0, 0, 0)

    def at(self, now_s: float) -> Frame:
        """Return what counts now; a clock that is set back is followed, too."""
        if not self.frame.current <= now_s < self.frame.end:
            self.frame = frame(self.rule.per, now_s, self._zone)
        return self.frame

    def refusal(self, left: int, ceiling: int, now_s: float, frees_s: float) -> OverLimitError:
        """Return the refusal of a call of ``ceiling``; ``frees_s`` is when there will be more."""
        rule = self.rule
        when = datetime.fromtimestamp(frees_s, self._zone).isoformat(timespec="minutes")
        anew = "frees some" if rule.per.startswith("rolling") else "starts anew"
        return OverLimitError(
            "budget_exceeded",
            f"budget {rule.name!r} ({rule.usd} USD per {rule.per}) has "
            f"{usd_text(max(0, left))} USD left, and this call can cost up to "
            f"{usd_text(ceiling)} USD; a lower max_tokens lowers that, and the budget {anew} "
            f"at {when}",
            max(0.0, frees_s - now_s) if left <= 0 else None,
            max(0, left),
        )

    def unpriced(self) -> OverLimitError:
        """Return the refusal of a call whose cost nobody knows."""
        return OverLimitError(
            "budget_exceeded",
            f"budget {self.rule.name!r} covers this call, and no route for it has a known price; "
            "state one under providers.<name>.prices in the config",
            None,
        )


def over_requests(rate: RateRule, frees_in_s: float) -> OverLimitError:
    """Return the refusal of one request too many."""
    text = f"key {rate.key!r} has used its {rate.rpm} requests a minute"
    return OverLimitError("rate_limited", text, frees_in_s)


def over_tokens(rate: RateRule, used: int, tokens: int, frees_in_s: float) -> OverLimitError:
    """Return the refusal of a call with too many tokens."""
    text = (
        f"key {rate.key!r} may use {rate.tpm} tokens a minute, has used {used}, "
        f"and this call can use up to {tokens}"
    )
    return OverLimitError("rate_limited", text, frees_in_s)


def passed(line: Line, account: str, before: int, after: int, at: Frame) -> Iterator[Crossed]:
    """Give the shares of a budget that its spending has passed, from ``before`` to ``after``."""
    for share in line.rule.alert_at:
        bound = line.limit * share
        if before * 100 < bound <= after * 100:
            yield Crossed(line.rule, account, share, after, at)


class Limits(ABC):
    """All limits and budgets. ``crossed`` is told what passes an alert's share; it must not fail.

    ``per_route``: some budget is of one provider, so that attempts hold for themselves.
    ``some_uncounted``: of some budget the sum of what was spent before could not be read.
    """

    def __init__(self, *, zone: tzinfo, spent_since: SpentSince) -> None:
        self._zone = zone
        self._spent_since = spent_since
        self._rates: Mapping[str, RateRule] = {}
        self._lines: tuple[Line, ...] = ()
        self._of_routes: tuple[Line, ...] = ()
        self.has_budgets = False
        self.per_route = False
        self.some_uncounted = False
        self.crossed: Callable[[Crossed], None] = lambda _: None

    def _take(self, rates: Iterable[RateRule], budgets: Iterable[BudgetRule]) -> list[Line]:
        """Put rules in force, all at once; return the lines of all budgets."""
        lines = [Line(rule, self._zone) for rule in budgets]
        self._rates = {
            rule.key: rule for rule in rates if rule.rpm is not None or rule.tpm is not None
        }
        self._lines = tuple(line for line in lines if line.rule.provider is None)
        self._of_routes = tuple(line for line in lines if line.rule.provider is not None)
        self.has_budgets = bool(lines)
        self.per_route = bool(self._of_routes)
        return lines

    @property
    def rules(self) -> tuple[BudgetRule, ...]:
        """The budgets in force."""
        return tuple(line.rule for line in (*self._lines, *self._of_routes))

    def budgeted(self, who: Holder) -> bool:
        """Whether some hard budget counts these calls, wherever they go."""
        return any(not line.rule.soft and line.rule.covers(who) for line in self._lines)

    def _of_route(self, who: Holder, provider: str) -> list[Line]:
        return [
            line
            for line in self._of_routes
            if line.rule.provider == provider and line.rule.covers(who)
        ]

    def _sums(
        self, line: Line, account: str, at: Frame, until: datetime | None = None
    ) -> dict[int, int]:
        """Return what the ledger knows was spent, by the step it is counted in. In a thread.

        Raises ``StoreError``.
        """
        rule = line.rule.of(account)
        step = at.end - at.current if line.rule.per.startswith("rolling") else 0
        starts = list(range(at.oldest, at.current + 1, step)) if step else [at.current]
        moments = [datetime.fromtimestamp(start, UTC) for start in starts]
        if until is not None:
            moments = [moment for moment in moments if moment < until]
        # Sums are "since", so each step's own is the difference to the next one's.
        since = [self._spent_since(rule, moment) for moment in moments]
        last = self._spent_since(rule, until) if until is not None else 0
        return {
            start: whole - after
            for start, whole, after in zip(starts, since, (*since[1:], last), strict=False)
            if whole != after
        }

    @abstractmethod
    async def configure(self, rates: Iterable[RateRule], budgets: Iterable[BudgetRule]) -> None:
        """Take new rules (a reload); those that stay the same keep what they have counted."""

    @abstractmethod
    async def hold(
        self, who: Holder, tokens: int, ceiling: int | None, *, rated: bool = True
    ) -> Hold:
        """Set aside ``tokens`` and ``ceiling`` (1e-12 dollars) for one call of ``who``.

        ``ceiling`` None is an unknown price: refused where a hard budget covers the call, because
        what cannot be priced cannot be held. ``rated`` False: it is no request of the key's own,
        and counts against its budgets alone. Raises ``OverLimitError`` or ``StateAwayError``, and
        then nothing is set aside.
        """

    @abstractmethod
    async def hold_route(self, who: Holder, provider: str, ceiling: int | None) -> Hold:
        """Set aside ``ceiling`` in the budgets of ``provider``, for one attempt; as ``hold``."""

    @abstractmethod
    def room(self, who: Holder, provider: str) -> int | None:
        """Return what the tightest budget of ``provider`` has left, as far as is known here.

        None: as much as one likes, or nobody knows without asking.
        """

    @abstractmethod
    def uncounted(self, who: Holder) -> bool:
        """Whether of some budget of ``who`` the sum that was spent before is not known."""

    @abstractmethod
    async def recount(self) -> bool:
        """Read the sums that could not be read before; return whether none is left."""

    @abstractmethod
    async def standings(self) -> list[Standing]:
        """Return how all accounts stand. Raises ``StateAwayError``."""

    @abstractmethod
    async def close(self) -> None:
        """End what was begun, once nobody calls any more."""
