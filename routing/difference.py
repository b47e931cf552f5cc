"""What another config would change of past requests: who answers, what it costs, who sees data.

Both sides are decisions of a replay, so that what a bad day did to routes is no difference.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from routing.replay import Decision, Past, cost_at

EXAMPLES = 3
# Rows of one table, and groups of requests that are summed apart before they are put into tables.
ROWS_MOST, GROUPS_MOST = 2_000, 20_000
OTHERS = "(others)"

_K = TypeVar("_K")
Compared = tuple[Past, Decision, Decision]  # decided before, decided after


@dataclass(slots=True)
class Sums:
    """Sums over requests. Costs are in 1e-12 dollars, of those ``priced``: known on both sides.

    ``unpriced`` lack one on both sides or before, ``lost_price`` only after. ``examples`` are ids.
    """

    requests: int = 0
    tokens: int = 0
    priced: int = 0
    before_pico: int = 0
    after_pico: int = 0
    unpriced: int = 0
    lost_price: int = 0
    examples: list[str] = field(default_factory=list)

    @property
    def delta_pico(self) -> int:
        """How much more it costs after than before."""
        return self.after_pico - self.before_pico

    def count(self, past: Past, before: int | None, after: int | None) -> None:
        """Add a request that both sides allow, with its cost on each."""
        self.requests += 1
        self.tokens += past.tokens
        if before is not None and after is not None:
            self.priced += 1
            self.before_pico += before
            self.after_pico += after
        elif before is not None:
            self.lost_price += 1
        else:
            self.unpriced += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(past.id)

    def note(self, past: Past) -> None:
        """Add a request that one side denies: there is no cost to compare."""
        self.requests += 1
        self.tokens += past.tokens
        if len(self.examples) < EXAMPLES:
            self.examples.append(past.id)

    def add(self, other: Sums) -> None:
        """Add another group's sums."""
        self.requests += other.requests
        self.tokens += other.tokens
        self.priced += other.priced
        self.before_pico += other.before_pico
        self.after_pico += other.after_pico
        self.unpriced += other.unpriced
        self.lost_price += other.lost_price
        self.examples += other.examples[: EXAMPLES - len(self.examples)]


@dataclass(frozen=True, slots=True, order=True)
class Denied:
    """Requests that one side denies: by what kind of reason or rule, whose, which label, model."""

    by: str
    rule: str
    key: str
    label: str
    model: str


@dataclass(frozen=True, slots=True, order=True)
class Reach:
    """A place where data of one label may go: a country of processing or of an operator."""

    label: str
    fact: str  # country, operator
    word: str


@dataclass(slots=True)
class Visits:
    """How many requests go somewhere first, and how many may, other routes of theirs included."""

    first: int = 0
    may: int = 0


@dataclass(slots=True)
class Side:
    """One side's totals: requests allowed, requests and tokens at home, and where data may go."""

    allowed: int = 0
    denied: int = 0
    tokens: int = 0
    home: int = 0
    home_tokens: int = 0
    reached: dict[Reach, Visits] = field(default_factory=dict)


@dataclass(slots=True)
class Report:
    """What changes. ``moved`` is by first route before and after, ``whole`` all that both allow.

    ``reordered`` counts requests whose first route stays and whose others do not. ``denied`` are
    those denied after and not before, ``allowed`` the other way round, ``still_denied`` on both
    sides, though they were answered then. ``elsewhere`` were in truth answered by another route
    than the one that is first before. ``paid_pico`` is what was paid, without ``paid_unknown``
    requests whose cost is not known.
    """

    requests: int = 0
    tokens: int = 0
    paid_pico: int = 0
    paid_unknown: int = 0
    elsewhere: int = 0
    reordered: int = 0
    still_denied: int = 0
    whole: Sums = field(default_factory=Sums)
    moved: dict[tuple[str, str], Sums] = field(default_factory=dict)
    denied: dict[Denied, Sums] = field(default_factory=dict)
    allowed: dict[Denied, Sums] = field(default_factory=dict)
    before: Side = field(default_factory=Side)
    after: Side = field(default_factory=Side)

    @property
    def newly_reached(self) -> list[Reach]:
        """Where data of a label may go after, and may not before."""
        return sorted(self.after.reached.keys() - self.before.reached.keys())

    @property
    def no_longer_reached(self) -> list[Reach]:
        """Where data of a label may go before, and may not after."""
        return sorted(self.before.reached.keys() - self.after.reached.keys())


def difference(compared: Iterable[Compared]) -> Report:
    """Sum up decided requests, one after the other: nothing of them is kept but examples."""
    report = Report()
    groups: dict[tuple[str, str, str, Decision, Decision], Sums] = {}
    for past, before, after in compared:
        _really(report, past, before)
        # What only tells of denials would make groups of what is one otherwise.
        denied = before.first is None or after.first is None
        key = past.label, past.key if denied else "", past.model if denied else "", before, after
        sums = groups.get(key)
        if sums is None:
            if len(groups) >= GROUPS_MOST:
                _put(report, groups)
                groups.clear()
            sums = groups[key] = Sums()
        if before.first is not None and after.first is not None:
            sums.count(past, cost_at(past, before.first), cost_at(past, after.first))
        else:
            sums.note(past)
    _put(report, groups)
    return report


def _really(report: Report, past: Past, before: Decision) -> None:
    """Count what happened then, whatever either side decides."""
    report.requests += 1
    report.tokens += past.tokens
    if past.paid_pico is None:
        report.paid_unknown += 1
    else:
        report.paid_pico += past.paid_pico
    if before.first is not None and before.first.name != past.route:
        report.elsewhere += 1


def _put(report: Report, groups: dict[tuple[str, str, str, Decision, Decision], Sums]) -> None:
    for (label, key, model, before, after), sums in groups.items():
        _reach(report.before, label, before, sums)
        _reach(report.after, label, after, sums)
        if before.denial is not None and after.denial is not None:
            report.still_denied += sums.requests
        elif after.denial is not None:
            row = Denied(after.denial.by, after.denial.rule, key, label, model)
            _row(report.denied, row, Denied(*[OTHERS] * 5)).add(sums)
        elif before.denial is not None:
            row = Denied(before.denial.by, before.denial.rule, key, label, model)
            _row(report.allowed, row, Denied(*[OTHERS] * 5)).add(sums)
        else:
            report.whole.add(sums)
            if before.route != after.route:
                row_of_two = before.route, after.route
                _row(report.moved, row_of_two, (OTHERS, OTHERS)).add(sums)
            elif before.others != after.others:
                report.reordered += sums.requests


def _reach(side: Side, label: str, decision: Decision, sums: Sums) -> None:
    if decision.first is None:
        side.denied += sums.requests
        return
    side.allowed += sums.requests
    side.tokens += sums.tokens
    if decision.is_home:
        side.home += sums.requests
        side.home_tokens += sums.tokens
    for fact, word in decision.reach:
        visits = side.reached.setdefault(Reach(label, fact, word), Visits())
        visits.may += sums.requests
        if (fact, word) in decision.first_reach:
            visits.first += sums.requests


def _row(table: dict[_K, Sums], key: _K, otherwise: _K) -> Sums:
    if key not in table and len(table) >= ROWS_MOST:
        key = otherwise
    return table.setdefault(key, Sums())
