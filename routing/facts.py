"""What the policy may look at: the facts of a route and the facts of a request.

Facts belong to an endpoint, not to a brand. ``None`` is unknown, and so is an empty set: nobody
runs nowhere. Unknown never satisfies a ``require`` and never escapes a ``forbid``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class RouteFacts:
    """The facts of one model at one endpoint of one configured provider.

    ``maker`` is the countries of who trained the weights, ``operator`` those of who runs the
    machines *and of its parents*; countries are ISO 3166 alpha-2, "home", or a built-in group where
    the host does not say which of its countries. ``retention_days`` is the longest time that
    prompts or answers are kept. ``quantisation`` is what the weights are rounded to there.
    ``evidence`` gives for a fact its source and date, for people; ``confirmed`` the day on which
    each known fact was last confirmed, None where that is unknown.
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
    quantisation: str | None = None
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}), compare=False)
    confirmed: Mapping[str, date | None] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def facts_age_days(self) -> int | None:
        """How many days ago the oldest of the known facts was confirmed; None: unknown."""
        days = list(self.confirmed.values())
        known = [day for day in days if day is not None]
        if len(known) < len(days):
            return None
        today = datetime.now(UTC).date()
        return max((max(0, (today - day).days) for day in known), default=0)

    @property
    def name(self) -> str:
        """The route's name, ``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True)
class Money:
    """What a request costs at a route, in US dollars at one moment; None is unknown.

    ``request`` is the most that the whole request can cost. The others are for a million tokens of
    its prompt's tier: ``price`` of three in to one out, ``input`` and ``output`` of each alone.
    """

    request: Decimal | None = None
    price: Decimal | None = None
    input: Decimal | None = None
    output: Decimal | None = None


UNKNOWN_MONEY = Money()
NO_MONEY = Money(Decimal(0), Decimal(0), Decimal(0), Decimal(0))


# Label, team, key, tags, model and entry of a request.
Asker = tuple[str, str, str, frozenset[str], str, str | None]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """The facts of one request: who asks, how sensitive it is, and what for.

    ``label`` is the label after raising, ``model`` the name the client asked for, not the route's.
    ``client`` is the program as it names itself, "" where it does not; None: whichever it may be.
    ``entry`` is the model of the config that answers to the name, aliases followed, "" where a
    route itself was asked for; None is not said: then what is asked of any model is asked of it.
    ``asker`` is all of it that decides which rules are for the request.
    """

    label: str
    team: str
    key: str
    tags: frozenset[str]
    model: str
    client: str | None = None
    entry: str | None = None
    asker: Asker = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Put together once what decides which rules are for the request."""
        asker = (self.label, self.team, self.key, self.tags, self.model, self.entry)
        object.__setattr__(self, "asker", asker)
