"""A month's entries in a Parquet file, which is read again before anything else is done.

It gets its name once the entries have left the ledger, so that no file of that name, whatever was
killed meanwhile, has entries that are in the ledger too, or in another file. The file has the
columns of ``ledger.Entry``, by name, in the order of time; compressed by zstd. It needs pyarrow,
the extra ``parquet``.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    and_,
    case,
    func,
    select,
    text,
)

from billing.database import StoreError
from billing.schema import PART
from billing.schema import entries as table

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Contents:
    """What a database or a file holds: the number of entries, and a sum for every column.

    Numbers are added up, of texts their lengths, of what is unknown or false nothing.
    """

    entries: int
    sums: Mapping[str, int]


def free(folder: Path, month: str, taken: Collection[str]) -> Path:
    """Return a name that no file has or had: what came after a month was removed goes beside it.

    ``taken`` are those that the ledger has written down.
    """
    names = (f"entries-{month}{f'.{n}' if n > 1 else ''}.parquet" for n in count(1))
    paths = (folder.absolute() / name for name in names)
    return next(path for path in paths if str(path) not in taken and not path.exists())


def written(connection: Connection, since_us: int, until_us: int, path: Path) -> Contents:
    """Write the entries of a time that this database has; return what the file holds.

    It was read again, and is durable; it stands beside ``path`` until ``settle``. Raises
    ``StoreError`` where it does not hold what the database does, or where pyarrow is missing;
    ``OSError`` for a disk that is full.
    """
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise StoreError(
            "Parquet needs pyarrow: pip install 'entrepot[parquet]', or pyarrow itself"
        ) from None
    if connection.dialect.name == "postgresql":  # one snapshot, and all the time it takes
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))
    span = and_(table.c.at_us >= since_us, table.c.at_us < until_us)
    expected = contents(connection, span)
    path.parent.mkdir(parents=True, exist_ok=True)
    unborn = _unborn(path)
    with ExitStack() as fault:
        fault.callback(drop, path)
        with pq.ParquetWriter(unborn, _schema(), compression="zstd") as writer:
            for batch in _batches(connection, span):
                writer.write_table(batch)
        if _read(unborn) != expected:
            raise StoreError(f"the archive {path} does not hold what the ledger does; kept both")
        with unborn.open("rb") as file:
            os.fsync(file.fileno())
        _sync(path.parent)
        fault.pop_all()
    return expected


def settle(path: Path) -> None:
    """Give an archive its name, where it has not got it yet. Raises ``OSError``."""
    unborn = _unborn(path)
    if unborn.exists() and not path.exists():
        unborn.rename(path)
        _sync(path.parent)


def drop(path: Path) -> None:
    """Remove what was written for ``path``: its entries stay in the ledger."""
    _unborn(path).unlink(missing_ok=True)


def contents(connection: Connection, span: ColumnElement[bool]) -> Contents:
    """Return what of a time the database has."""
    sums: list[ColumnElement[Any]] = []
    for column in table.columns:
        # In two parts: a sum can pass 2**63.
        plain = _plain(column)
        sums += (func.sum(plain // PART), func.sum(plain % PART))
    row = connection.execute(select(func.count(), *sums).where(span)).one()
    numbers = [int(value or 0) for value in row]
    pairs = zip(numbers[1::2], numbers[2::2], strict=True)
    names = (column.name for column in table.columns)
    whole = (high * PART + low for high, low in pairs)
    return Contents(numbers[0], dict(zip(names, whole, strict=True)))


def _plain(column: ColumnElement[Any]) -> ColumnElement[Any]:
    if isinstance(column.type, BigInteger):
        return column
    if isinstance(column.type, Boolean):
        return case((column, 1), else_=0)
    return func.length(column, type_=BigInteger)


def _schema() -> pa.Schema:
    import pyarrow as pa

    types = {"BIGINT": pa.int64(), "BOOLEAN": pa.bool_(), "TEXT": pa.string()}
    return pa.schema(
        [
            pa.field(column.name, types[str(column.type)], nullable=bool(column.nullable))
            for column in table.columns
        ]
    )


def _batches(connection: Connection, span: ColumnElement[bool]) -> Iterator[pa.Table]:
    import pyarrow as pa

    schema = _schema()
    query = select(table).where(span).order_by(table.c.at_us, table.c.attempt_id)
    for rows in connection.execution_options(yield_per=ROWS).execute(query).partitions():
        columns = zip(*rows, strict=True)
        yield pa.table(dict(zip(schema.names, map(list, columns), strict=True)), schema=schema)


def _read(path: Path) -> Contents:
    """Return what a file holds, read in parts."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    entries = 0
    sums = dict.fromkeys((column.name for column in table.columns), 0)
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS):
            entries += batch.num_rows
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                plain = pc.utf8_length(column) if isinstance(column, pa.StringArray) else column
                numbers = plain.cast(pa.int64())
                high = pc.divide(numbers, PART)
                low = pc.subtract(numbers, pc.multiply(high, PART))
                for part, size in ((high, PART), (low, 1)):
                    sums[name] += (pc.sum(part).as_py() or 0) * size
    return Contents(entries, sums)


def _unborn(path: Path) -> Path:
    return path.with_name(path.name + ".new")


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
