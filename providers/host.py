"""What is known of a host, frozen: who runs it, where it answers, how it speaks, what it serves.

A fact that nobody established is None here, never a guess; ``evidence`` says in words where each
one was read and when.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from providers.dialect import Dialect

Country = str  # ISO 3166 alpha-2, or "home", or "EEA" (some country of it, not said which)


@dataclass(frozen=True, slots=True)
class Source:
    """Where a fact was read; ``date`` is that of the source, in words where it has none."""

    url: str
    date: str


@dataclass(frozen=True, slots=True)
class Place:
    """Law and data at one endpoint; None is unknown.

    ``operator`` holds the countries of who runs it, of its parent, and of those it hands requests
    on to; one of them unknown makes the whole unknown.
    """

    operator: frozenset[Country] | None
    processed_in: frozenset[Country] | None
    trains_on_data: Literal["never", "opt_out", "by_default"] | None
    retention_days: int | None
    zdr: Literal["default", "on_approval", "no"] | None


NOWHERE_KNOWN = Place(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Model:
    """A model at a host; ``prices`` are USD per million tokens by bucket of usage.

    ``can`` holds what is known to work: that a word is missing proves nothing. ``remote`` marks a
    name that runs on somebody else's machines though the host is at home, so that nothing of the
    endpoint's place holds for it.
    """

    id: str
    maker: frozenset[Country] | None = None
    maker_name: str = ""
    weights: Literal["open", "closed"] | None = None
    licence: str | None = None
    context: int | None = None
    max_output: int | None = None
    can: frozenset[str] = frozenset()
    prices: Mapping[str, Decimal] | None = None
    price_source: Source | None = None
    remote: bool = False
    evidence: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class HostEndpoint:
    """One address of a host; ``base_url`` None is given by the user.

    ``wires`` leads from a wire to its path under the base URL; ``surcharge`` multiplies prices.
    """

    id: str
    base_url: str | None
    wires: Mapping[str, str]
    place: Place
    surcharge: Decimal
    evidence: Mapping[str, str]

    def place_of(self, model: Model) -> Place:
        """Return what holds for ``model`` here: nothing, where it runs on other machines."""
        return NOWHERE_KNOWN if model.remote else self.place


@dataclass(frozen=True, slots=True)
class Host:
    """A host: who runs it, where it answers, how it speaks and what it serves.

    ``models_path`` stands under the base URL as the wires do; ``health_path`` under the root of the
    server, since no server has it under ``/v1``. ``genai_prices`` is the host's id in that package.
    ``launcher`` is the module that runs such a server for the gateway.
    """

    id: str
    name: str
    kind: Literal["hosted", "aggregator", "home"]
    auth_kind: Literal["bearer", "header", "none"]
    auth_header: str
    auth_env: str | None
    operator_name: str
    parent_name: str | None
    genai_prices: str | None
    default_endpoint: str
    endpoints: Mapping[str, HostEndpoint]
    models: Mapping[str, Model]
    dialect: Dialect
    usual_ports: tuple[int, ...]
    health_path: str | None
    launcher: str | None
    models_path: str | None
    sources: Mapping[str, Source]

    def model(self, model_id: str) -> Model:
        """Return the model of that id, else of the first pattern that fits, else an unknown one.

        Patterns do not look at case: a name that might run elsewhere must not slip past.
        """
        exact = self.models.get(model_id)
        if exact is not None:
            return exact
        for pattern, model in self.models.items():
            if "*" in pattern and fnmatchcase(model_id.lower(), pattern.lower()):
                return replace(model, id=model_id)
        return Model(model_id)
