"""Patterns that are compiled when they are first used: a gateway without detectors pays none."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Pattern:
    """A regular expression; calling it gives it compiled."""

    source: str
    flags: re.RegexFlag = re.NOFLAG

    def __call__(self) -> re.Pattern[str]:
        """Return it compiled, the same object each time."""
        return _compiled(self.source, self.flags)


@cache
def _compiled(source: str, flags: re.RegexFlag) -> re.Pattern[str]:
    return re.compile(source, flags)
