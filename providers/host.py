"""What is known of a host, frozen: who runs it, where it answers, how it speaks, what it serves.

A fact that nobody established is None here, never a guess; ``evidence`` says in words where each
one was read and when.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Literal

from providers.dialect import Dialect
from providers.home_server import Server
from providers.plan import Plan
from providers.prices import Prices
from providers.served_by import ServedBy
from providers.source import Source

AuthKind = Literal["bearer", "header", "none", "aws", "google", "entra"]
CHAT = "chat"
_BLANK = re.compile(r"\{([a-z_]+)\}")
Country = str  # ISO 3166 alpha-2, or "home", or "EEA" (some country of it, not said which)


def with_blanks(address: str) -> re.Pattern[str]:
    """Return what fits an address, or a part of one; a blank in braces stands for one word of it.

    A blank that stands there twice is the same word both times; each is a group by its name.
    """
    parts, seen, made = _BLANK.split(address), set[str](), ""
    for index, part in enumerate(parts):
        if not index % 2:
            made += re.escape(part)
        elif part in seen:
            made += f"(?P={part})"
        else:
            seen.add(part)
            made += rf"(?P<{part}>[A-Za-z0-9_-]+)"
    return re.compile(made)


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


def _none() -> Mapping[str, Any]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WirePath:
    """Where one wire is spoken at an endpoint.

    ``path`` and ``stream_path`` stand under the endpoint's base URL, or under ``base_url`` where
    the host speaks this wire at another address; ``{model}`` in them is the model's id as one
    percent-encoded segment. ``count_path`` is where the host counts the tokens of such a request,
    None where it does not. ``headers`` go with every call, ``forward`` names the client's headers
    that may pass (in lower case; one of them replaces the fixed header of its name). ``auth`` is
    the kind and the header of the credential where this wire wants another than the host's others.
    """

    path: str
    stream_path: str
    base_url: str | None = None
    count_path: str | None = None
    headers: Mapping[str, str] = field(default_factory=_none)
    forward: frozenset[str] = frozenset()
    auth: tuple[AuthKind, str] | None = None


@dataclass(frozen=True, slots=True)
class Cache:
    """What is known of a host's cache of prompts for a model; None is unknown.

    ``lifetime_s`` is how long a prompt surely stays in it after its last use, ``long_lifetime_s``
    where the request bought the longer one; ``least_tokens`` is the shortest prompt that is kept.
    ``by_itself`` says that prompts are kept without marks in the request, ``charges_writes`` that
    those are charged as written too. ``hint_fields`` and ``hint_headers`` lead from a wire to where
    the host takes a name that brings a conversation to the machine that has it.
    """

    lifetime_s: float | None = None
    least_tokens: int | None = None
    by_itself: bool = False
    long_lifetime_s: float | None = None
    charges_writes: bool = False
    hint_fields: Mapping[str, str] = field(default_factory=_none)
    hint_headers: Mapping[str, str] = field(default_factory=_none)
    evidence: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """Something that decides facts and that no address shows; ``choices`` are what it may be."""

    what: str
    choices: tuple[str, ...]
    evidence: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Model:
    """A model at a host; ``prices`` are as the catalogue states them, None where it does not.

    ``can`` holds what is known to work: that a word is missing proves nothing. ``remote`` marks a
    name that runs on somebody else's machines though the host is at home, so that nothing of the
    endpoint's place holds for it. ``place`` has the facts of ``Place`` that differ for this name
    from those of the endpoint; None in it is unknown, and stands above what the endpoint knows.

    ``wires`` limits the model to some of the host's wires. ``tools_wire`` leads from a wire to the
    one on which this model must be asked as soon as there are function tools. ``cannot`` has what
    it is known to refuse or to ignore, in the words of ``can``: such a request needs another route.
    ``tokenizer`` is the vocabulary that it is counted with, "" for none that is known here.
    ``dialects`` is how the host speaks each of its wires with this model, ready merged. ``family``
    is what the weights are called wherever they run, and ``one_model`` says that all which have
    that name are the same; ``quantisation`` is what they are rounded to here. ``dates`` gives for a
    fact the day on which it was last confirmed, None where that is unknown. ``surcharge`` stands in
    the place of the endpoint's; ``until`` is the day on which the host ends the model. ``cache`` is
    the host's own of its prompts.
    """

    id: str
    maker: frozenset[Country] | None = None
    maker_name: str = ""
    weights: Literal["open", "closed"] | None = None
    licence: str | None = None
    context: int | None = None
    max_output: int | None = None
    can: frozenset[str] = frozenset()
    prices: Prices | None = None
    family: str = ""
    one_model: bool = False
    quantisation: str | None = None
    surcharge: Decimal | None = None
    cache: Cache | None = None
    until: date | None = None
    remote: bool = False
    place: Mapping[str, Any] = field(default_factory=_none)
    wires: tuple[str, ...] | None = None
    tools_wire: Mapping[str, str] = field(default_factory=_none)
    cannot: frozenset[str] = frozenset()
    tokenizer: str = ""
    dialects: Mapping[str, Dialect] = field(default_factory=_none)
    evidence: Mapping[str, str] = field(default_factory=_none)
    dates: Mapping[str, date | None] = field(default_factory=_none)

    def ended(self, today: date) -> bool:
        """Whether its host does not serve it any more."""
        return self.until is not None and self.until <= today


@dataclass(frozen=True, slots=True)
class HostEndpoint:
    """One address of a host; ``base_url`` None is given by the user.

    A base URL may have blanks in braces, such as ``{project}``, which the user's config fills.
    ``wires`` leads from a wire to its place, the one to prefer first; ``surcharge`` multiplies
    prices. ``region`` is the host's own name of the place, for signatures and for blanks.
    ``settings`` are what of an account decides facts here; ``dates`` as those of a model.
    """

    id: str
    base_url: str | None
    wires: Mapping[str, WirePath]
    place: Place
    surcharge: Decimal
    evidence: Mapping[str, str]
    region: str | None = None
    settings: Mapping[str, Setting] = field(default_factory=_none)
    dates: Mapping[str, date | None] = field(default_factory=_none)

    @property
    def blanks(self) -> tuple[str, ...]:
        """What the user has to fill in the base URL, each name once."""
        return tuple(dict.fromkeys(_BLANK.findall(self.base_url or "")))

    def fits(self, base_url: str) -> bool:
        """Whether ``base_url`` is this endpoint's own with its blanks filled, one segment each."""
        if self.base_url is None:
            return False
        pattern = with_blanks(self.base_url.rstrip("/"))
        return pattern.fullmatch(base_url.rstrip("/")) is not None

    def place_of(self, model: Model) -> Place:
        """Return what holds for ``model`` here: nothing, where it runs on other machines."""
        if model.remote:
            return NOWHERE_KNOWN
        return replace(self.place, **model.place) if model.place else self.place


@dataclass(frozen=True, slots=True)
class Host:
    """A host: who runs it, where it answers, how it speaks and what it serves.

    ``models_path`` stands under the base URL as the wires do; ``health_path`` under the root of the
    server, since no server has it under ``/v1``. ``genai_prices`` is the host's id in that package.
    ``launcher`` is the module that runs such a server for the gateway. ``dialects`` holds for
    models that are not in ``models``; ``dialect`` is that of the chat wire.

    ``auth_kind`` aws signs each call and google sends a token that expires; a fixed key given to
    either goes as a bearer token. ``status`` is whether it can be used at all, None where nobody
    looked. ``served_by`` is where an aggregator names who answered. ``elsewhere`` are models that
    it serves at its other endpoints only. ``plan`` is what a subscription's key is bound to, None
    for keys charged by the token. ``server`` is what a server at home tells of itself. ``cache`` is
    that of the models which are not in ``models``. ``limits_per`` says whether the models of an
    account share its rate limits.
    """

    id: str
    name: str
    kind: Literal["hosted", "aggregator", "home"]
    auth_kind: AuthKind
    auth_header: str
    auth_env: str | None
    operator_name: str
    parent_name: str | None
    genai_prices: str | None
    default_endpoint: str
    endpoints: Mapping[str, HostEndpoint]
    models: Mapping[str, Model]
    dialects: Mapping[str, Dialect]
    usual_ports: tuple[int, ...]
    health_path: str | None
    launcher: str | None
    models_path: str | None
    sources: Mapping[str, Source]
    elsewhere: frozenset[str] = frozenset()
    served_by: ServedBy | None = None
    status: Literal["live", "preview", "closed", "retired"] | None = None
    plan: Plan | None = None
    server: Server | None = None
    cache: Cache | None = None
    limits_per: Literal["account", "model"] | None = None

    @property
    def dialect(self) -> Dialect:
        """How the host speaks the chat wire with a model that nothing is known of."""
        return self.dialects.get(CHAT, Dialect())

    def dialect_of(self, model: Model, wire: str) -> Dialect:
        """Return how ``wire`` is spoken here with ``model``, which ``Host.model`` gave."""
        found = model.dialects.get(wire) or self.dialects.get(wire)
        return found if found is not None else Dialect()

    def knows(self, model_id: str) -> bool:
        """Whether anything is known of a model: it is listed, or a pattern fits its name."""
        return self.model(model_id) != Model(model_id)

    def model(self, model_id: str) -> Model:
        """Return the model of that id, else of the first pattern that fits, else an unknown one.

        Patterns do not look at case: a name that might run elsewhere must not slip past.
        """
        exact = self.models.get(model_id)
        if exact is not None:
            return exact
        if model_id in self.elsewhere:
            return Model(model_id, wires=())
        for pattern, model in self.models.items():
            if "*" in pattern and fnmatchcase(model_id.lower(), pattern.lower()):
                return replace(model, id=model_id)
        return Model(model_id)
