"""Whether a failed attempt may be repeated, where, and after what wait. Pure functions.

A call goes through its routes once; where all failed, it may wait and go round again. Which faults
that may cure stands in one table.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from providers.errors import ErrorKind

BACK_OFF_S, BACK_OFF_MOST_S = 0.25, 8.0
# A longer wait is the client's: it gets it as Retry-After, and is not kept in silence.
WAIT_MOST_S = 10.0


@dataclass(frozen=True, slots=True)
class Cure:
    """``same``: the same route may be asked again, in a later round. ``other``: another may be."""

    same: bool
    other: bool


CURES: Mapping[ErrorKind, Cure] = MappingProxyType(
    {
        ErrorKind.CONNECT: Cure(same=True, other=True),
        ErrorKind.RATE_LIMITED: Cure(same=True, other=True),
        ErrorKind.OVERLOADED: Cure(same=True, other=True),
        ErrorKind.SERVER: Cure(same=True, other=True),
        # The host may have made an answer, and bill it: not twice.
        ErrorKind.TIMEOUT: Cure(same=False, other=True),
        ErrorKind.CUT: Cure(same=False, other=True),
        ErrorKind.MALFORMED: Cure(same=False, other=True),
        # The same again would be answered the same: no wait of seconds cures it.
        ErrorKind.QUOTA: Cure(same=False, other=True),
        ErrorKind.AUTH: Cure(same=False, other=True),
        ErrorKind.FORBIDDEN: Cure(same=False, other=True),
        ErrorKind.NOT_FOUND: Cure(same=False, other=True),
        ErrorKind.CONTEXT_TOO_LONG: Cure(same=False, other=True),
        ErrorKind.OPAQUE_STATE: Cure(same=False, other=True),
        # The request's own fault, or its content's: nobody else is asked either.
        ErrorKind.BAD_REQUEST: Cure(same=False, other=False),
        ErrorKind.FILTERED: Cure(same=False, other=False),
    }
)


def repeatable(faults: Mapping[str, ErrorKind]) -> frozenset[str]:
    """Return the routes that may be asked again in a later round, by how each one failed last.

    None may be where one of them found that the request itself is wrong.
    """
    if any(not CURES[kind].other for kind in faults.values()):
        return frozenset()
    return frozenset(name for name, kind in faults.items() if CURES[kind].same)


def wait_s(
    number: int,
    frees_in_s: Iterable[float],
    left_s: float,
    draw: Callable[[], float] = random.random,
) -> float | None:
    """Return the seconds to wait after round ``number`` (from 0) before the next one.

    ``frees_in_s`` has for each route that is to be asked again in how many seconds it may be, 0 for
    now; ``left_s`` is what is left of the call's own time. Full jitter, up to 0.25 s after the
    first round and 8 s at most, but never less than until the first route is free. None where there
    is no such route, or where the wait would be too long.
    """
    first = min(frees_in_s, default=None)
    if first is None or first > WAIT_MOST_S:
        return None
    back_off = min(BACK_OFF_S * 2.0 ** min(number, 30), BACK_OFF_MOST_S) * draw()
    wait = max(back_off, first)
    return wait if wait < left_s else None
