"""Entries for tests: a plain one, and what a test changes in it."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from billing.ledger import Entry
from billing.queries import each
from billing.schema import entries
from billing.store import Store

NOON_US = 1_764_072_000_000_000  # 2025-11-25 12:00 UTC


def an_entry(number: int | str = 1, **changes: Any) -> Entry:
    """Return a completed attempt, the only one of request ``number``."""
    fields: dict[str, Any] = {
        "attempt_id": f"req_{number}.1",
        "request_id": f"req_{number}",
        "attempt": 1,
        "at_us": NOON_US,
        "key": "ci",
        "team": "platform",
        "label": "internal",
        "provider": "here",
        "model": "small",
        "operator": "US",
        "place": "US",
        "outcome": "completed",
        "usage_state": "reported",
        "input": 10,
        "cache_read": 5,
        "output": 7,
        "cost_pico": 1_000,
        "cost_state": "priced",
    }
    return Entry(**{**fields, **changes})


def entries_of(store: Store) -> list[Entry]:
    """Return everything in the ledger, newest first."""
    found = [Entry(**row._asdict()) for row in each(store, select(entries), None, None)]
    return sorted(found, key=lambda entry: (entry.at_us, entry.attempt_id), reverse=True)
