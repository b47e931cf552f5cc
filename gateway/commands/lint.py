"""``entrepot providers --lint``: contradictions and gaps in the catalogue, own folders included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

from gateway.commands.fact_rows import Clock
from gateway.commands.screen import GOOD, NOT_SO, print_json, progress, say
from gateway.price_lint import lint_prices
from providers.catalog import Catalog
from providers.catalog_lint import Finding, lint


def run(catalog: Catalog, clock: Clock, name: str | None, *, as_json: bool) -> None:
    """Show what is doubtful of one host or of all; exit 1 where something is an error."""
    hosts = [name] if name is not None else sorted(catalog.hosts)
    found = list(lint(catalog, hosts, clock.today, clock.stale_days))
    found += lint_prices(catalog, progress(hosts, "reading the catalogue"))
    found.sort(key=_by_place)
    errors = [finding for finding in found if finding.is_error]
    notes = [finding for finding in found if not finding.is_error]
    if as_json:
        print_json(
            {
                "good": not errors,
                "hosts": len(hosts),
                "stale_after_days": clock.stale_days,
                "errors": [_document(finding) for finding in errors],
                "notes": [_document(finding) for finding in notes],
            }
        )
    else:
        _tell(notes, "note")
        _tell(errors, "error")
        kinds = Counter(finding.check for finding in notes)
        told = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        say(
            f"{len(hosts)} hosts: {len(errors)} errors, {len(notes)} notes"
            + (f" ({told})" if told else "")
        )
    raise typer.Exit(NOT_SO if errors else GOOD)


def _tell(found: Iterable[Finding], kind: str) -> None:
    for finding in found:
        say(f"{_short(finding.place)}: {kind}: {finding.words} [{finding.check}]")


def _document(finding: Finding) -> dict[str, Any]:
    file, _, line = finding.place.rpartition(":")
    return {
        "file": file,
        "line": int(line),
        "about": finding.about,
        "check": finding.check,
        "what": finding.words,
    }


def _by_place(finding: Finding) -> tuple[str, int, str]:
    file, _, line = finding.place.rpartition(":")
    return file, int(line), finding.words


def _short(place: str) -> str:
    """Return a place as seen from here, where that is shorter."""
    here = f"{Path.cwd()}/"
    return place.removeprefix(here)
