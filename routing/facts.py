"""What the policy may look at: the facts of a route and the facts of a request.

Facts belong to an endpoint, not to a brand. ``None`` is unknown, and so is an empty set: nobody
runs nowhere. Unknown never satisfies a ``require`` and never escapes a ``forbid``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """The facts of one model at one endpoint of one configured provider.

    ``maker`` is the countries of who trained the weights, ``operator`` those of who runs the
    machines *and of its parents*; countries are ISO 3166 alpha-2, "home", or a built-in group where
    the host does not say which of its countries. ``retention_days`` is the longest time that
    prompts or answers are kept. ``evidence`` gives for a fact its source and date, for people.
    """

    provider: str
    model: str
    maker: frozenset[str] | None = None
    weights: str | None = None
    licence: str | None = None
    operator: frozenset[str] | None = None
    processed_in: frozenset[str] | None = None
    trains_on_data: str | None = None
    retention_days: int | None = None
    zdr: str | None = None
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)

    @property
    def name(self) -> str:
        """The route's name, ``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The facts of one request: who asks, how sensitive it is, and what for.

    ``label`` is the label after raising, ``model`` the name the client asked for, not the route's.
    """

    label: str
    team: str
    key: str
    tags: frozenset[str]
    model: str
