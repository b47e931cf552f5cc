"""Who answered behind an aggregator, as its answer says: the proof of where a call really went."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made

NAME_MAX = 80


@dataclass(frozen=True, slots=True)
class ServedBy:
    """Where an aggregator names the host that answered: a header, a top-level field, or both.

    The header's name is in lower case; "" is none.
    """

    header: str = ""
    field: str = ""
    _pattern: re.Pattern[bytes] = made(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Make the pattern of the field: inside a text its quotes would be escaped."""
        name = re.escape(self.field.encode())
        found = rb'"%s"\s*:\s*"([^"\\]{1,%d})"' % (name, NAME_MAX)
        object.__setattr__(self, "_pattern", re.compile(found))

    def named(self, headers: Mapping[str, str], data: bytes) -> str:
        """Return the name in an answer, "" where it is in none of the two places.

        ``data`` is the whole body, or the beginning of a stream.
        """
        if self.header and (name := headers.get(self.header)):
            return name[:NAME_MAX]
        found = self._pattern.search(data) if self.field else None
        return found[1].decode("utf-8", "replace") if found is not None else ""
