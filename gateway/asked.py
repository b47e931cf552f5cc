"""What is asked of the books, as options and parameters say it: dimensions, filters, a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, tzinfo

from billing.calendar_cuts import GRAINS
from billing.reports import Asked
from billing.sums import DIMENSIONS

# Filters of one question, and values of all of them.
WHERE_MAX = 100


def asked(
    by: str,
    grain: str | None,
    where: Mapping[str, Sequence[str]],
    since: datetime | None,
    until: datetime | None,
    zone: tzinfo,
) -> Asked:
    """Return the question that ``by`` (names with commas between) and a grain of time make.

    Raises ``ValueError``.
    """
    names = tuple(name.strip() for name in by.split(",") if name.strip())
    if grain is not None and grain not in GRAINS:
        raise ValueError(f"{grain[:40]!r} is no grain of time; there is {', '.join(GRAINS)}")
    if grain is not None and grain not in names:
        names = (grain, *names)
    return Asked(names, since, until, zone, where)


def filters(given: Iterable[str]) -> dict[str, list[str]]:
    """Return filters like ``team=research`` by dimension; of one named twice any value will do.

    Nothing after the sign means those without: ``user=``. Raises ``ValueError``.
    """
    found: dict[str, list[str]] = {}
    for number, text in enumerate(given):
        name, sign, value = text.partition("=")
        if not sign or name not in DIMENSIONS:
            raise ValueError(
                f"{text[:60]!r} is no filter; team=research would be one, of "
                f"{', '.join(DIMENSIONS)}"
            )
        if "\0" in value:
            raise ValueError(f"no {name} has a character zero in it")
        if number == WHERE_MAX:
            raise ValueError(f"there are more than {WHERE_MAX} filters")
        found.setdefault(name, []).append(value)
    return found
