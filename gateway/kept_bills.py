"""Comparisons of bills with the ledger that are kept: a file each, in a folder beside the journal.

The bill itself is not kept. A file has two lines of JSON: what a list shows, and the days; so that
a list reads no more than it shows. A later comparison of the same replaces it.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path

import msgspec

from billing.bill import Cell, Kind
from billing.reconcile import Reconciled, by_month
from gateway.config import Config
from gateway.reconciling import Question

FOLDER = "bills"
KEPT_MOST = 200
# Of one comparison; the days that differ go before those that match.
CELLS_MOST = 2_000
HEAD_MAX_BYTES = 256 * 1024
FILE_MAX_BYTES = 16 * 1024 * 1024
SUFFIX = ".jsonl"
KIND_MAX_CHARS = 40
# The first day, the kind, and what tells whose it is.
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[a-z0-9-]{1,40}-[0-9a-f]{16}")


@dataclass(frozen=True, slots=True)
class MonthSums:
    """What a comparison says of one month; ``month`` "" is a bill's whole time, without days.

    ``billed`` and ``tokens_billed`` are None where the bill says nothing of that kind.
    ``is_known``: all that was booked is known in the bill's currency.
    """

    month: str
    agrees: bool
    billed: Decimal | None
    booked: Decimal
    is_known: bool
    tokens_billed: int | None
    tokens_booked: int
    causes: tuple[Kind, ...]


@dataclass(frozen=True, slots=True)
class Kept:
    """What is said of a comparison in a list. ``compared`` is when it was made (aware).

    ``kind`` and ``title`` are those of the bill's form. ``cells`` and ``matched`` count all of its
    days, models and keys, also those that are not kept.
    """

    kind: str
    title: str
    providers: tuple[str, ...]
    currency: str
    first: date
    last: date
    compared: datetime
    agrees: bool
    cells: int
    matched: int
    months: tuple[MonthSums, ...]


def folder(config: Config) -> Path:
    """Return where comparisons are kept."""
    return config.journal.parent / FOLDER


def name_of(asked: Question) -> str:
    """Return the name under which a comparison is kept: ours, whatever its parts are called."""
    kind = re.sub(r"[^a-z0-9]+", "-", asked.kind.lower())[:KIND_MAX_CHARS].strip("-") or "bill"
    whose = "\0".join([asked.kind, *sorted(asked.providers)])
    return f"{asked.first.isoformat()}-{kind}-{sha256(whose.encode()).hexdigest()[:16]}"


def head_of(asked: Question, found: Reconciled, now: datetime) -> Kept:
    """Return what is said of a comparison in a list."""
    return Kept(
        kind=asked.kind,
        title=asked.form.title,
        providers=asked.providers,
        currency=found.currency,
        first=asked.first,
        last=asked.last,
        compared=now,
        agrees=found.agrees,
        cells=len(found.cells),
        matched=sum(cell.state == "matched" for cell in found.cells),
        months=tuple(_month(name, part) for name, part in by_month(found).items()),
    )


def keep(where: Path, asked: Question, found: Reconciled) -> str:
    """Keep a comparison, whole or not at all; return its name. Raises ``OSError``.

    Beyond ``KEPT_MOST`` the ones made longest ago go.
    """
    name, head = name_of(asked), head_of(asked, found, datetime.now(UTC))
    kept = replace(found, cells=ranked(found.cells)[:CELLS_MOST])
    lines = msgspec.json.encode(head) + b"\n" + msgspec.json.encode(kept) + b"\n"
    where.mkdir(mode=0o700, parents=True, exist_ok=True)
    # For its owner alone, under a name that nobody reads; then in the place of the one before it.
    number, new = tempfile.mkstemp(prefix=".", suffix=".new", dir=where)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(lines)
            file.flush()
            os.fsync(file.fileno())
        Path(new).replace(where / f"{name}{SUFFIX}")
    except OSError:
        Path(new).unlink(missing_ok=True)
        raise
    for path in _by_age(where)[KEPT_MOST:]:
        path.unlink(missing_ok=True)
    return name


def listed(where: Path) -> dict[str, Kept]:
    """Return what is kept, by its name, the newest bills first.

    What cannot be read is left out. Raises ``OSError`` where the folder itself cannot be.
    """
    found = {}
    for path in _by_age(where)[:KEPT_MOST]:
        head = _head(path)
        if head is not None:
            found[path.name.removesuffix(SUFFIX)] = head
    return dict(
        sorted(found.items(), key=lambda one: (one[1].first, one[1].compared), reverse=True)
    )


def read(where: Path, name: str) -> tuple[Kept, Reconciled] | None:
    """Return a comparison by its name; None where none of that name is kept, or can be read."""
    # A name is looked for among those that are there, and never made into a path.
    path = next((path for path in _by_age(where) if path.name == f"{name}{SUFFIX}"), None)
    if path is None:
        return None
    try:
        with path.open("rb") as file:
            lines = file.read(FILE_MAX_BYTES).split(b"\n")
        head = msgspec.json.decode(lines[0], type=Kept)
        return head, msgspec.json.decode(lines[1], type=Reconciled)
    except (OSError, IndexError, msgspec.DecodeError):
        return None


def ranked(cells: Iterable[Cell]) -> tuple[Cell, ...]:
    """Return what differs before what matches, and first what differs by the most."""
    return tuple(
        sorted(cells, key=lambda one: (one.state == "matched", -abs(one.gap), -_apart(one)))
    )


def _apart(cell: Cell) -> int:
    """Return by how many tokens a bill and the ledger differ, as far as the bill says."""
    if cell.billed is None:
        return cell.booked.tokens
    billed = cell.billed.tokens
    return abs(billed - cell.booked.tokens) if billed is not None else 0


def kinds_of(cells: Iterable[Cell], found: Reconciled) -> tuple[Kind, ...]:
    """Return the kinds of the causes of differences, those that explain the most money first."""
    money: dict[Kind, Decimal] = {cause.kind: Decimal(0) for cause in found.causes}
    for cell in cells:
        for cause in cell.causes:
            money[cause.kind] = money.get(cause.kind, Decimal(0)) + abs(cause.cost or Decimal(0))
    return tuple(sorted(money, key=lambda kind: -money[kind]))


def _month(name: str, found: Reconciled) -> MonthSums:
    billed = [cell.billed for cell in found.cells if cell.billed is not None]
    costs = [one.cost for one in billed if one.cost is not None]
    tokens = [one.tokens for one in billed if one.tokens is not None]
    return MonthSums(
        month=name,
        agrees=found.agrees,
        billed=found.billed if costs else None,
        booked=found.booked,
        is_known=all(cell.cost is not None for cell in found.cells),
        tokens_billed=sum(tokens) if tokens else None,
        tokens_booked=sum(cell.booked.tokens for cell in found.cells),
        causes=kinds_of(found.cells, found),
    )


def _by_age(where: Path) -> list[Path]:
    """Return the files that are kept, those written last first. Raises ``OSError``."""
    aged = []
    for path in where.glob(f"*{SUFFIX}"):
        if _NAME.fullmatch(path.name.removesuffix(SUFFIX)) and not path.is_symlink():
            try:
                aged.append((path.stat().st_mtime_ns, path))
            except FileNotFoundError:  # just gone
                continue
    return [path for _, path in sorted(aged, reverse=True)]


def _head(path: Path) -> Kept | None:
    try:
        with path.open("rb") as file:
            return msgspec.json.decode(file.readline(HEAD_MAX_BYTES), type=Kept)
    except (OSError, msgspec.DecodeError):
        return None
