"""Months of UTC, and SQLite's file for each: a month is removed by removing its file.

``var/entrepot.2026-11.db`` stands beside ``var/entrepot.db``. Many processes may use one; a file
appears whole under its name, and who removes one marks it first, so that nobody writes into what
is gone.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Connection, Engine, MetaData, Table, select, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

from billing.database import StoreError, open_file, reading, revision, words, writing
from billing.schema import create, marks

# Files that are open at once; the least used one is closed for another.
OPEN_MOST = 16
ALONE_WITHIN_S = 1800.0
MONTH_LEN = len("2026-11")
_NAME = re.compile(r"\d{4}-(0[1-9]|1[0-2])")
# A month's file, or what stays of one that was removed: its sums.
_PART_NAME = re.compile(rf"{_NAME.pattern}(\.[0-9a-f]{{8}}\.sums)?")
_LAST_US = 253_402_300_800_000_000  # the year 10,000
# What a file's form is while it is removed.
REMOVED = "removed"
# By what a file is known, and of which file it holds the sums.
PART, SUMS_OF = "part", "sums_of"


def month_of(at_us: int) -> str:
    """Return the month, as 2026-11, of a moment in microseconds since 1970.

    Raises ``ValueError`` for one before 1970 or after the year 9999.
    """
    if not 0 <= at_us < _LAST_US:
        raise ValueError(f"{at_us} microseconds since 1970 are in no month that the ledger keeps")
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m")


def bounds_of(month: str) -> tuple[int, int]:
    """Return when a month begins and when the next does, in microseconds since 1970.

    Raises ``ValueError`` for what is no month.
    """
    if not _NAME.fullmatch(month) or month < "1970":
        raise ValueError(f"{month!r} is no month; 2026-11 would be one")
    return _begin_us(_index(month)), _begin_us(_index(month) + 1)


def later(month: str, months: int) -> str:
    """Return the month that many months after ``month``; before it where negative."""
    year, number = divmod(_index(month) + months, 12)
    return f"{year:04d}-{number + 1:02d}"


def _index(month: str) -> int:
    return int(month[:4]) * 12 + int(month[5:]) - 1


def _begin_us(index: int) -> int:
    year, month = divmod(index, 12)
    if year > 9999:
        return _LAST_US
    return int(datetime(year, month + 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


class MonthFiles:
    """The files beside ``main``. For several threads."""

    def __init__(self, main: Engine) -> None:
        self._main = main
        self._path = Path(str(main.url.database))
        self._open: OrderedDict[str, tuple[int, Engine]] = OrderedDict()
        self._lock = threading.Lock()

    def path(self, month: str) -> Path:
        """Return where a month's file is, or would be."""
        return self._path.with_name(f"{self._path.stem}.{month}{self._path.suffix}")

    def names(self) -> list[str]:
        """Return the names of all files, oldest first: a month's, ``2026-11``, or of its sums."""
        begin, end = f"{self._path.stem}.", self._path.suffix
        try:
            found = os.listdir(self._path.parent)  # noqa: PTH208  # a report asks often
        except OSError as fault:
            raise StoreError(f"the ledger's folder cannot be read: {fault.strerror}") from fault
        cut = [
            name[len(begin) : len(name) - len(end)]
            for name in found
            if name.startswith(begin) and name.endswith(end)
        ]
        return sorted(filter(_PART_NAME.fullmatch, cut))

    def read(self) -> list[str]:
        """Return ``names``, without sums whose month is still there: it has them itself."""
        found = self.names()
        twice = [name for name in found if len(name) > MONTH_LEN and name[:MONTH_LEN] in found]
        for name in twice:
            engine = self.engine(name[:MONTH_LEN])
            if engine is not None:
                with reading(engine) as connection:
                    if mark_of(connection).startswith(name[MONTH_LEN + 1 :].removesuffix(".sums")):
                        found.remove(name)
        return found

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold off every other process that would remove months. Raises ``StoreError``."""
        path = self._path.with_name(f"{self._path.stem}.roll-off.lock")
        try:
            number = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError as fault:
            raise StoreError(f"{path}: {fault.strerror}") from fault
        try:
            _lock(number)
            yield
        finally:
            os.close(number)

    def engine(self, month: str) -> Engine | None:
        """Return the engine of a month's file; None where there is none."""
        with self._lock:
            known = self._open.pop(month, None)
            try:
                number = self.path(month).stat().st_ino
            except FileNotFoundError:
                number = 0
            except OSError as fault:
                raise StoreError(f"{self.path(month)}: {fault.strerror}") from fault
            if known is not None and known[0] != number:  # another process has removed it
                known[1].dispose()
                known = None
            if not number:
                return None
            engine = known[1] if known is not None else open_file(self._address(self.path(month)))
            self._open[month] = number, engine
            while len(self._open) > OPEN_MOST:
                self._open.popitem(last=False)[1][1].dispose()
            return engine

    def made(self, month: str) -> Engine:
        """Return the engine of a month's file, which is made where there is none."""
        engine = self.engine(month)
        if engine is not None:
            return engine
        self._make(self.path(month))
        engine = self.engine(month)
        if engine is None:
            raise StoreError(f"{self.path(month)} was removed at once")
        return engine

    def sums(self, month: str, tables: Sequence[Table]) -> Path:
        """Copy ``tables`` of a month's file to another; return where it is.

        It is read once its name ends before ``.new``. Only for who is ``alone``. Raises
        ``StoreError``.
        """
        engine = self.engine(month)
        if engine is None:
            raise StoreError(f"{self.path(month)} is gone")
        with reading(engine) as connection:
            part = mark_of(connection)
        _empty_wal(engine)
        final = self.path(f"{month}.{part[:8]}.sums")
        unborn = final.with_name(f"{final.name}.new")
        remove_file(unborn)  # what a killed process has left
        made = open_file(self._address(unborn))
        try:
            with made.connect().execution_options(writes=True) as connection:
                raw = connection.connection.driver_connection
                if raw is not None:  # outside of a transaction, as it has to be
                    raw.execute("ATTACH DATABASE ? AS month", (str(self.path(month)),))
                with connection.begin():
                    create(connection)
                    _mark(connection, PART, secrets.token_hex(16))
                    _mark(connection, SUMS_OF, part)
                    for table in tables:
                        source = table.to_metadata(MetaData(), schema="month")
                        names = [column.name for column in table.columns]
                        copied = select(*(source.c[name] for name in names))
                        connection.execute(table.insert().from_select(names, copied))
        except SQLAlchemyError as fault:
            remove_file(unborn)
            raise StoreError(words(fault)) from fault
        finally:
            made.dispose()
        return unborn

    def close(self) -> None:
        """Close all files."""
        with self._lock:
            while self._open:
                self._open.popitem()[1][1].dispose()

    def _address(self, path: Path) -> URL:
        return self._main.url.set(database=str(path))

    def _make(self, path: Path) -> None:
        """Make a file beside and give it its name once it is whole; another may be quicker."""
        unborn = path.with_name(f"{path.name}.{secrets.token_hex(8)}.new")
        engine = open_file(self._address(unborn))
        try:
            with writing(self._main):  # one at a time
                if path.exists():
                    return
                with writing(engine) as connection:
                    create(connection)
                    _mark(connection, PART, secrets.token_hex(16))
                engine.dispose()
                unborn.rename(path)
        except OSError as fault:
            raise StoreError(f"cannot make {path}: {fault.strerror}") from fault
        finally:
            engine.dispose()
            remove_file(unborn)


def _lock(number: int) -> None:
    until = time.monotonic() + ALONE_WITHIN_S
    while True:
        try:
            fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise StoreError(
                    "another process has been removing months for half an hour"
                ) from None
            time.sleep(0.2)
        else:
            return


def _empty_wal(engine: Engine) -> None:
    """Put into a file what its WAL has: the last to close it would do so, though it is removed."""
    with reading(engine) as connection:
        raw = connection.connection.driver_connection
        if raw is not None:  # outside of a transaction, as it has to be
            raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def remove_file(path: Path) -> None:
    """Remove a file of SQLite and what stands beside it."""
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def _mark(connection: Connection, name: str, value: str) -> None:
    connection.execute(marks.insert().values(name=name, value=value))


def mark_of(connection: Connection, name: str = PART) -> str:
    """Return the mark by which a file is known, or another of it; "" for none."""
    found = connection.execute(select(marks.c.value).where(marks.c.name == name)).scalar()
    return str(found or "")


def refuse_removed(connection: Connection) -> None:
    """Raise ``StoreError`` where the file of this transaction is being removed, or was."""
    if revision(connection) == REMOVED:
        raise StoreError("its month is being removed; a moment later it can be written anew")


def set_form(connection: Connection, form: str) -> None:
    """Say which form a file has: a revision, or ``REMOVED``."""
    connection.execute(text("UPDATE alembic_version SET version_num = :form"), {"form": form})
