"""Entries of the ledger as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from billing.ledger import Entry
from gateway import told
from gateway.dashboard.figures import Money, amount, places, usd
from gateway.dashboard.words import Words

PURPOSES = ("hedge", "continue", "count", "shadow", "judge", "correction")


@dataclass(frozen=True, slots=True)
class EntryLine:
    """One attempt. ``state`` is how its outcome is coloured: good, bad or odd.

    ``details`` are what was out of the ordinary in why and how its route was asked.
    """

    entry: Entry
    at: datetime
    money: Money
    outcome: str
    state: str
    details: list[str]


def entry_lines(entries: Sequence[Entry], zone: tzinfo, t: Words) -> list[EntryLine]:
    """Return entries as they are shown, their costs with as many decimals as all of them need."""
    decimals = places(entry.cost_pico for entry in entries if entry.cost_pico is not None)
    return [_line(entry, decimals, zone, t) for entry in entries]


def _line(entry: Entry, decimals: int, zone: tzinfo, t: Words) -> EntryLine:
    outcome = t.known("outcome", entry.outcome)
    state = {"completed": "good", "cancelled": "odd"}.get(entry.outcome, "bad")
    if entry.error:
        outcome += f": {entry.error}"
    if entry.status and entry.status >= 400:
        outcome += f" ({entry.status})"
    money = amount(entry, decimals)
    details = list(_details(entry, t))
    return EntryLine(entry, told.when(entry, zone), money, outcome, state, details)


def _details(entry: Entry, t: Words) -> Iterator[str]:
    if entry.attempt > 1:
        yield t("entry.attempt", number=str(entry.attempt))
    if entry.purpose in PURPOSES:
        yield t(f"purpose.{entry.purpose}")
    if entry.verdict:
        yield t("entry.judged", verdict=entry.verdict)
    if entry.moved_from:
        yield t("entry.moved", route=entry.moved_from)
    if entry.cache_lost_tokens:
        pico = entry.cache_lost_pico
        cost = t("money.unknown") if pico is None else usd(pico, places([pico]))
        yield t("entry.cache_lost", tokens=entry.cache_lost_tokens, cost=cost)
    if entry.lane == "translate":
        yield t("entry.translated", wire=entry.wire, host_wire=entry.host_wire)
    if entry.served_model and entry.served_model != entry.model:
        yield t("entry.served", model=entry.served_model)
    if entry.lost:
        yield t("entry.left_out", fields=entry.lost)
    if entry.notes:
        yield entry.notes
