"""Spans of time as options name them: ``--since 30d``, ``--until 2026-11-01``."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, tzinfo

from gateway.commands.screen import fail
from gateway.periods import midnight, moment

_SPAN = re.compile(r"([1-9][0-9]{0,3})([hdw])")


def moment_of(text: str | None, option: str, zone: tzinfo) -> datetime | None:
    """Return the moment that an option names; days are whole days, the last of them today.

    None for None. Ends with exit code 2 where it names none.
    """
    if text is None:
        return None
    span = _SPAN.fullmatch(text)
    now = datetime.now(zone)
    try:
        if span is None:
            return moment(text, zone)
        count, unit = int(span[1]), span[2]
        if unit == "h":
            return now - timedelta(hours=count)
        days = count * (7 if unit == "w" else 1)
        return midnight(now.date() - timedelta(days=days - 1), zone)
    except (ValueError, OverflowError) as fault:
        fail(f"{option}: {fault}; 30d, 12h and 4w are too")
