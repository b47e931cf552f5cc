"""The ledger and its journal as a command reads them: nothing is made, and nothing is moved."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from billing.backfill import is_unfinished
from billing.drain import REFUSED
from billing.journal import SUFFIX, read_segment, recover
from billing.ledger import Entry
from billing.schema import HEAD
from billing.store import Store, StoreError, current_revision, url_of

# A running gateway moves its journal twice a second.
DRAINED_WITHIN_S = 2.5
PAUSE_S, LOOKS = 0.05, 4


@dataclass(frozen=True, slots=True)
class Waiting:
    """What the journal holds that may not be in the database yet; ``oldest_s`` in seconds.

    ``refused`` were set aside, since no database takes them.
    """

    entries: int
    damaged: int
    oldest_s: float
    refused: int = 0


def shown(given: str) -> str:
    """Return a ledger's address without what may be secret in it. Raises ``StoreError``."""
    return url_of(given).set(query={}).render_as_string(hide_password=True)


def folder(given: str) -> Path | None:
    """Return the nearest folder that is there above a ledger in a file; None for a server's."""
    url = url_of(given)
    if url.drivername != "sqlite":
        return None
    return next(path for path in Path(str(url.database)).absolute().parents if path.is_dir())


@contextmanager
def existing(given: str) -> Iterator[Store | None]:
    """Give the ledger at that address, None where no gateway has made it yet.

    Raises ``StoreError``, also where another version has written it.
    """
    url = url_of(given)
    path = Path(str(url.database))
    if url.drivername == "sqlite" and not (path.is_file() and path.stat().st_size):
        yield None
        return
    store = Store.open(given)
    try:
        revision = current_revision(store.engine)
        if revision not in (None, HEAD):
            raise StoreError(
                f"it is at revision {revision}, and this version knows {HEAD}: the gateway brings "
                "an older one up to date when it starts"
            )
        if revision is not None and is_unfinished(store.engine):
            raise StoreError("an upgrade of it is not done yet; the gateway goes on with it")
        yield store if revision is not None else None
    finally:
        store.close()


def drained(journal: Path) -> Waiting:
    """Return what waits after a gateway that runs has had the time to move what it has."""
    end = time.monotonic() + DRAINED_WITHIN_S
    abandoned = 0
    while (left := waiting(journal)).entries and time.monotonic() < end:
        # A segment that is just being moved has no writer either: so it is looked at again.
        written = set(journal.glob(f"*{SUFFIX}")) - set(recover(journal))
        abandoned = 0 if written else abandoned + 1
        if abandoned > LOOKS:
            break
        time.sleep(PAUSE_S)
    return left


def in_journal(journal: Path, request_id: str) -> list[Entry]:
    """Return the attempts at one request that the journal still has."""
    found: list[Entry] = []
    for path in sorted(journal.glob(f"*{SUFFIX}")):
        try:
            entries, _ = read_segment(path)
        except OSError:  # just moved into the database
            continue
        found += [entry for entry in entries if entry.request_id == request_id]
    return found


def waiting(journal: Path) -> Waiting:
    """Return what waits in the journal's folder."""
    entries = damaged = 0
    oldest = 0.0
    for path in journal.glob(f"*{SUFFIX}"):
        try:
            found, wrong = read_segment(path)
            since = found[0].recorded_us / 1e6 if found else 0.0
            age = time.time() - (since or path.stat().st_mtime)
        except OSError:  # just moved into the database
            continue
        entries, damaged = entries + len(found), damaged + len(wrong)
        oldest = max(oldest, age if found else 0.0)
    return Waiting(entries, damaged, oldest, _lines(journal / REFUSED))


def _lines(path: Path) -> int:
    try:
        with path.open("rb") as file:
            return sum(1 for _ in file)
    except OSError:
        return 0
