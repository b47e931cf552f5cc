"""Writes a run into the documents: its tables between two marks, its raw data beside them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bench import report

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
RAW_MAX_BYTES = 200_000


def write(folder: Path, raw: Mapping[str, Any], text: str) -> Iterator[Path]:
    """Put the tables into ``benchmarks.md`` and the raw data beside it; yield what was written.

    Raw data of more than 200 KB stays where it is. Raises SystemExit where the marks are missing.
    """
    page = folder / "benchmarks.md"
    before, begun, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, ended, after = rest.partition(END)
    if not begun or not ended:
        raise SystemExit(f"{page} has no {BEGIN} and {END}: where should the tables go?")
    packed = report.packed(raw)
    name = f"{raw['date'][:10]}.json"
    said = "Its raw data were too large to be kept here."
    if len(packed) <= RAW_MAX_BYTES:
        kept = folder / "benchmarks" / name
        kept.parent.mkdir(exist_ok=True)
        kept.write_text(packed, encoding="utf-8")
        said = f"[All rounds](benchmarks/{name}), each figure with its name."
        yield kept
    page.write_text(f"{before}{BEGIN}\n{text}\n{said}\n{END}{after}", encoding="utf-8")
    yield page
