"""The ledger's entries as files: CSV, JSON Lines and Parquet, written piece by piece.

Whatever the time that is asked for, only some thousand entries are in memory at once. Money is in
US dollars (``native_cost`` in ``currency``), exact: decimal text in CSV and JSON, a decimal of 12
places in Parquet.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec

from billing.calendar_cuts import moment
from billing.cells import Figure, lines
from billing.ledger import Entry
from billing.money import usd_text

if TYPE_CHECKING:
    import pyarrow

# What amounts are called in files, where they are no whole numbers of 1e-12 any more.
MONEY: Mapping[str, str] = MappingProxyType(
    {
        "cost_pico": "cost_usd",
        "native_pico": "native_cost",
        "computed_pico": "computed_usd",
        "cost_least_pico": "cost_least_usd",
        "cost_most_pico": "cost_most_usd",
        "cache_lost_pico": "cache_lost_usd",
    }
)
COLUMNS = ("at", *(MONEY.get(name, name) for name in Entry.__struct_fields__))
# Entries of one piece of a file; in Parquet of one row group.
BATCH = 1_000
ROW_GROUP = 10_000
# 9.2 million dollars at 12 decimals have 19 digits; the widest that fits 16 bytes costs the same.
DIGITS, PLACES = 38, 12


class MissingError(Exception):
    """A package that this needs is not installed; the text says which, and how."""


def csv(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Give the entries as CSV, with a line of names first. Formulas are made harmless."""
    yield lines([COLUMNS]).encode()
    for some in batched(entries, BATCH):
        yield lines(_cells(entry) for entry in some).encode()


def jsonl(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Give the entries as JSON, one to a line; names are as clients gave them."""
    encode = msgspec.json.Encoder().encode
    for some in batched(entries, BATCH):
        yield b"".join(encode(record(entry)) + b"\n" for entry in some)


def parquet(entries: Iterable[Entry]) -> Iterator[bytes]:
    """Give the entries as a Parquet file. Raises ``MissingError`` without pyarrow."""
    try:
        import pyarrow as arrow
        import pyarrow.parquet as files
    except ImportError:
        raise MissingError(
            "Parquet needs pyarrow: pip install 'entrepot[parquet]' (CSV and JSON Lines need "
            "nothing)"
        ) from None
    schema, sink = _schema(arrow), _Sink()
    with files.ParquetWriter(
        arrow.PythonFile(sink, mode="w"), schema, compression="zstd"
    ) as writer:
        for some in batched(entries, ROW_GROUP):
            rows = [_values(entry) for entry in some]
            columns = [
                arrow.array(values, field.type)
                for values, field in zip(zip(*rows, strict=True), schema, strict=True)
            ]
            writer.write_table(arrow.Table.from_arrays(columns, schema=schema))
            yield sink.taken()
    yield sink.taken()


FORMS: Mapping[str, Callable[[Iterable[Entry]], Iterator[bytes]]] = MappingProxyType(
    {"csv": csv, "jsonl": jsonl, "parquet": parquet}
)


def record(entry: Entry) -> dict[str, Any]:
    """Return an entry by ``COLUMNS``: its time in UTC in words too, amounts as decimal text."""
    told: dict[str, Any] = {"at": moment(entry.at_us).isoformat()}
    for name in Entry.__struct_fields__:
        value = getattr(entry, name)
        if name in MONEY:
            told[MONEY[name]] = None if value is None else usd_text(value)
        else:
            told[name] = value
    return told


def batched(entries: Iterable[Entry], size: int) -> Iterator[list[Entry]]:
    """Give entries in lists of ``size``, the last one shorter."""
    all_of_them = iter(entries)
    while some := list(islice(all_of_them, size)):
        yield some


def _cells(entry: Entry) -> list[object]:
    amounts = MONEY.values()
    return [
        Figure(value) if name in amounts and value is not None else value
        for name, value in record(entry).items()
    ]


def _values(entry: Entry) -> list[object]:
    """Return an entry's values as Parquet has them."""
    found: list[object] = [entry.at_us]
    for name in Entry.__struct_fields__:
        value = getattr(entry, name)
        exact = name in MONEY and value is not None
        found.append(Decimal(value).scaleb(-PLACES) if exact else value)
    return found


def _schema(arrow: Any) -> pyarrow.Schema:
    kinds = {str: arrow.string(), bool: arrow.bool_(), int: arrow.int64()}
    fields = [("at", arrow.timestamp("us", tz="UTC"))]
    for name, hint in get_type_hints(Entry).items():
        plain = next((kind for kind in kinds if hint in (kind, kind | None)), str)
        money = name in MONEY
        fields.append(
            (MONEY.get(name, name), arrow.decimal128(DIGITS, PLACES) if money else kinds[plain])
        )
    made: pyarrow.Schema = arrow.schema(fields)
    return made


class _Sink(io.RawIOBase):
    """A file that is only written: what comes is kept until it is taken."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(self._parts[-1])

    def taken(self) -> bytes:
        """Return what was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)
