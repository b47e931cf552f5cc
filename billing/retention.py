"""How long entries are kept: what is older goes to an archive, month by month; its sums stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from billing import archive
from billing.database import reading
from billing.months import bounds_of, later, month_of
from billing.removal import (
    CameMeanwhileError,
    Part,
    alone,
    archives,
    count_of,
    end_removals,
    parts_before,
    remove,
    sums_beside,
)
from billing.store import Store


@dataclass(frozen=True, slots=True)
class RolledOff:
    """A month whose entries are in a file now, "" for one that had none."""

    month: str
    entries: int
    archive: str


def first_kept(months: int, now: datetime) -> str:
    """Return the first month that is kept: this one, and so many whole ones before it."""
    return later(now.astimezone(UTC).strftime("%Y-%m"), -months)


def due(store: Store, before: str) -> list[tuple[str, int]]:
    """Return each month before ``before`` that has entries, and how many. Raises ``StoreError``."""
    found: dict[str, int] = {}
    for part in parts_before(store, before):
        found[part.month] = found.get(part.month, 0) + count_of(part)
    return list(found.items())


def roll_off(store: Store, before: str, folder: Path) -> Iterator[RolledOff]:
    """Archive every month before ``before`` in ``folder`` and remove it; give each when it is done.

    One process at a time: others wait, and find nothing to do. What a killed one had begun is
    ended. Raises ``ValueError`` for what is no month or not over yet, ``StoreError``, and
    ``OSError`` where the archive cannot be written: then the month stays.
    """
    if before > month_of(int(datetime.now(UTC).timestamp()) * 1_000_000):
        raise ValueError(f"{before} is not here yet; only months that are over can go")
    bounds_of(before)
    with alone(store):
        for path in end_removals(store):
            archive.settle(Path(path))
        for part in parts_before(store, before):
            yield _roll_off(store, part, folder)


def _roll_off(store: Store, part: Part, folder: Path) -> RolledOff:
    """Do all that takes long first, for which nobody waits; the removal itself is a moment."""
    since_us, until_us = bounds_of(part.month)
    path = archive.free(folder, part.month, archives(store))
    with reading(part.engine) as connection:
        held = archive.written(connection, since_us, until_us, path)
    try:
        remove(store, part, held.entries, str(path), sums_beside(store, part))
    except CameMeanwhileError:
        archive.drop(path)
        raise
    archive.settle(path)
    return RolledOff(part.month, held.entries, str(path))


def prepare(store: Store, now: datetime) -> None:
    """Make what this month and the next need before their first entry. Raises ``StoreError``."""
    this = now.astimezone(UTC).strftime("%Y-%m")
    store.prepare((this, later(this, 1)))
