"""What is known at this moment of the routes: which must not be asked now, and how fast each is.

The plan is a pure function of this and of the facts; whoever keeps the knowledge (``health``,
``windows``, the watch over servers at home) gives it in these words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from routing.route import Route


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a route must not be asked now, in words, and in how many seconds it may be again.

    ``why`` is ``health`` (its breaker is open, its host asked for rest, or its quota group cools),
    ``window`` (a window of its plan is used up) or ``busy`` (its queue at home is longer than the
    limit: then it goes last, and is not left out).
    """

    why: Literal["health", "window", "busy"]
    reason: str
    frees_in_s: float


@dataclass(frozen=True, slots=True)
class Speed:
    """How fast a route was lately: medians over the last ``seen`` answers.

    ``first_s`` seconds to the first content, ``tokens_per_s`` from there on, None where unknown.
    """

    first_s: float
    tokens_per_s: float | None
    seen: int


class Outlook(Protocol):
    """What the plan asks of whoever keeps the knowledge."""

    @property
    def is_clear(self) -> bool:
        """Whether no route at all is in any trouble, as nearly always: then none need be asked."""

    def blocked(self, route: Route) -> Blocked | None:
        """Return why ``route`` must not be asked now; None where it may."""

    def speed(self, route: Route) -> Speed | None:
        """Return how fast ``route`` was; None where too little is known."""
