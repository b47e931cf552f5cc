"""Where a fact was read, and when."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact was read; ``date`` is that of the source, in words where it has none."""

    url: str
    date: str
