"""Comma-separated values that a spreadsheet opens without running anything that a client named."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

# A cell that begins so is a formula to one spreadsheet or another, the wide forms in Asian ones.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")


def lines(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as lines of CSV; None is an empty cell, and text that could be run is quoted.

    Only text is changed, by an apostrophe before it: numbers have to be given as numbers, or as
    ``Figure``.
    """
    into = io.StringIO()
    write = csv.writer(into, lineterminator="\n")
    for row in rows:
        # A carriage return alone would begin a new line to many readers.
        write.writerow(
            [harmless(cell).replace("\r", " ") if isinstance(cell, str) else cell for cell in row]
        )
    return into.getvalue()


class Figure(str):
    """An exact number as text: it may begin with a minus sign."""

    __slots__ = ()


def harmless(text: str) -> str:
    """Return text that no spreadsheet takes for a formula."""
    if isinstance(text, Figure) or not text.startswith(FORMULA):
        return text
    return f"'{text}"
