"""How commands speak: tables that fit or turn into paragraphs, JSON, and ends with a reason."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TextIO

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table

GOOD, NOT_SO, WRONG_USAGE = 0, 1, 2
GAP = 2  # between columns
FOLDED_LEAST = 30  # what a last column that is folded needs at least

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]


def clean(text: str) -> str:
    """Return ``text`` without signs that could steer a terminal; names come from everywhere."""
    return "".join(
        sign if sign.isprintable() or sign == "\n" else "\N{MIDDLE DOT}" for sign in text
    )


def say(*lines: str, to: TextIO | None = None) -> None:
    """Print lines; ``to`` None is stdout."""
    for line in lines:
        print(clean(line), file=to or sys.stdout)


def fail(text: str, code: int = WRONG_USAGE) -> NoReturn:
    """Print ``text`` on stderr and end."""
    say(text, to=sys.stderr)
    raise typer.Exit(code)


def print_json(value: Any) -> None:
    """Print one JSON document; decimals, dates and paths as text."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))


def progress(names: Collection[str], what: str) -> Iterator[str]:
    """Give each of ``names``; at a terminal a bar meanwhile shows how far it is."""
    if not sys.stderr.isatty():
        yield from names
        return
    from rich.console import Console
    from rich.progress import track

    yield from track(names, what, console=Console(stderr=True), transient=True)


def show(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    right: Collection[str] = (),
    *,
    dense: bool = False,
) -> None:
    """Print a table, columns in ``right`` aligned for numbers.

    On a narrow terminal the last column is folded, and where even that needs more room, each row
    becomes a paragraph that begins with its first cell; a ``dense`` one has the other cells behind
    one another. Into a file or a pipe nothing is folded, so that lines stay whole for grep.
    """
    # Loaded here: `serve` speaks too, draws no table, and shall start fast.
    from rich.cells import cell_len
    from rich.console import Console
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    told = [[clean(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, cells)) for cells in zip(columns, *told, strict=True)]
    whole = sum(widths) + GAP * (len(columns) - 1)
    terminal = sys.stdout.isatty() or "COLUMNS" in os.environ
    console = Console(highlight=False, markup=False, width=None if terminal else whole)
    if whole > console.width and whole - widths[-1] + FOLDED_LEAST > console.width:
        for row in told:
            console.print(Text(row[0], style="bold"), overflow="fold")
            cells = [f"{c}: {cell}" for c, cell in zip(columns[1:], row[1:], strict=True) if cell]
            for line in [" · ".join(cells)] if dense else cells:
                _print(console, Padding(Text(line, overflow="fold"), (0, 0, 0, 2)))
        return
    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, GAP, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        made.add_column(
            Text(column),
            justify="right" if column in right else "left",
            min_width=width if column != columns[-1] else None,
            overflow="fold",
        )
    for row in told:
        made.add_row(*map(Text, row))
    _print(console, made)


def _print(console: Console, what: Table | Padding) -> None:
    """Print without the blanks that fill lines up to the margin."""
    with console.capture() as printed:
        console.print(what)
    print("\n".join(line.rstrip() for line in printed.get().splitlines()))
