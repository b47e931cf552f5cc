"""Conditions on offers, such as ``operator=EEA``: an unknown fact satisfies none, nor a ``!=``."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal, InvalidOperation
from types import MappingProxyType

from gateway.offers import Offer
from providers import precision
from providers.catalog import Catalog
from routing import groups
from routing.policy_form import nearest
from routing.rules import VOCABULARY, Clause, fits

_FORM = re.compile(r"\s*([a-z_]+)\s*(<=|>=|!=|==?|<|>)\s*(.*?)\s*")
_SIZES = MappingProxyType({"k": 1000, "m": 1_000_000})
EQUALS = ("=", "!=")
# The words of a condition -> the fact as the policy calls it.
COUNTRIES = MappingProxyType(
    {"maker": "maker", "operator": "operator", "place": "processed_in"}
)  # fmt: skip
WORDS: Mapping[str, str] = MappingProxyType(
    {
        "weights": "weights",
        "trains": "trains_on_data",
        "zdr": "zdr",
        "quantisation": "quantisation",
        "kind": "kind",
        "status": "status",
        "billing": "billing",
    }
)
MEANINGS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        **VOCABULARY,
        "kind": frozenset({"hosted", "aggregator", "home"}),
        "status": frozenset({"live", "preview", "closed", "retired"}),
        "billing": frozenset({"token", "plan", "hour"}),
    }
)
NAMES = ("host", "provider", "model", "family", "licence", "endpoint")
NUMBERS = ("price", "price_in", "price_out", "context", "max_output", "retention")
# As the policy and the catalogue call what is shorter here.
ALSO = MappingProxyType(
    {"processed_in": "place", "trains_on_data": "trains", "retention_days": "retention",
     "quantization": "quantisation", "license": "licence"}
)  # fmt: skip
KNOWN = (*COUNTRIES, *WORDS, *NAMES, *NUMBERS, "can")
Test = Callable[[Offer], bool]


class ConditionError(ValueError):
    """A condition that means nothing; the message says what would be right."""


@dataclass(frozen=True, slots=True)
class Names:
    """What the catalogue and the config know by name, so that a misspelt one is told."""

    hosts: Collection[str]
    providers: Collection[str]
    families: Collection[str]


def names_of(catalog: Catalog, providers: Collection[str]) -> Names:
    """Return the names that conditions may use."""
    return Names(catalog.hosts, {*providers, *catalog.hosts}, catalog.families())


def test_of(said: str, names: Names, now: datetime) -> Test:
    """Return what a condition asks of an offer. Raises ``ConditionError``."""
    found = _FORM.fullmatch(said)
    if found is None or not found[3]:
        right = "write FACT=VALUE, such as operator=EEA, or a limit such as price<2"
        raise ConditionError(f"{said!r} is no condition; {right}")
    fact, sign, words = ALSO.get(found[1], found[1]), found[2].replace("==", "="), found[3]
    if fact not in KNOWN:
        raise ConditionError(f"{said!r}: there is no fact {fact!r}; {nearest(fact, KNOWN)}")
    if fact in NUMBERS:
        return _number(fact, sign, words, now)
    if sign not in EQUALS:
        raise ConditionError(f"{said!r}: {fact!r} is no number; write {fact}={words} or !=")
    given = tuple(filter(None, (word.strip() for word in words.split(","))))
    if fact in COUNTRIES:
        return _countries(fact, sign == "=", given, said)
    if fact in WORDS:
        return _words(fact, sign == "=", given, said)
    return _can(sign == "=", given) if fact == "can" else _name(fact, sign == "=", given, names)


def _countries(fact: str, demand: bool, given: Iterable[str], said: str) -> Test:
    for word in given:
        if word not in groups.KNOWN:
            folded = {known.casefold(): known for known in (*groups.GROUPS, groups.HOME)}
            near = folded.get(word.casefold()) or {"UK": "GB", "EUROPE": "EEA"}.get(word.upper())
            right = f"did you mean {near!r}?" if near else (
                "write two capitals such as FR, home, or a group: "
                f"{', '.join(sorted(groups.GROUPS))}"
            )  # fmt: skip
            raise ConditionError(f"{said!r}: {word!r} is no country or group; {right}")
    countries = groups.members(given)
    words = groups.within(countries) if demand else groups.touching(countries)
    return _clause(Clause(COUNTRIES[fact], demand, words, said))


def _clause(clause: Clause) -> Test:
    """A rule's own test, so that the table and the policy agree on what satisfies what."""
    return lambda offer: clause.breach(offer.facts) is None


def _words(fact: str, demand: bool, given: tuple[str, ...], said: str) -> Test:
    name = WORDS[fact]
    for word in given:
        if word not in MEANINGS[name]:
            known = [one for one in MEANINGS[name] if not one.endswith("+")]
            raise ConditionError(f"{said!r}: {fact!r} is never {word!r}; {nearest(word, known)}")
    words = frozenset(given)
    if fact == "quantisation":
        words = frozenset().union(*map(precision.meant, given))
    if name in VOCABULARY:
        return _clause(Clause(name, demand, words, said))

    def holds(offer: Offer) -> bool:
        value = getattr(offer, name)
        return value not in (None, "unknown") and (value in words) is demand

    return holds


def _name(fact: str, demand: bool, given: tuple[str, ...], names: Names) -> Test:
    known = {"host": names.hosts, "provider": names.providers, "family": names.families}.get(fact)
    for word in given:
        if known is not None and "*" not in word and word not in known:
            # All names of a catalogue would be a page: patterns find what is not near.
            right = nearest(word, known, f"{fact}={word[:3]}* finds those that begin so")
            raise ConditionError(f"there is no {fact} {word!r}; {right}")

    def holds(offer: Offer) -> bool:
        values = [value for value in _named(fact, offer) if value]
        fitting = [any(fits(word, value) for word in given) for value in values]
        return bool(values) and (any(fitting) if demand else not any(fitting))

    return holds


def _named(fact: str, offer: Offer) -> tuple[str, ...]:
    if fact == "host":
        return (offer.host,)
    if fact == "provider":
        return (offer.facts.provider,)
    if fact == "model":
        return (offer.model.id, *offer.asked_as)
    if fact == "family":
        return (offer.model.family,)
    return offer.endpoints if fact == "endpoint" else (offer.facts.licence or "",)


def _can(demand: bool, given: tuple[str, ...]) -> Test:
    """A word that is missing proves nothing: what a model cannot do must be said of it."""
    if demand:
        return lambda offer: offer.model.can.issuperset(given)
    return lambda offer: offer.model.cannot.issuperset(given)


def _number(fact: str, sign: str, words: str, now: datetime) -> Test:
    limit = _figure(fact, words)
    tests: dict[str, Callable[[Decimal], bool]] = {
        "=": lambda value: value == limit,
        "!=": lambda value: value != limit,
        "<": lambda value: value < limit,
        "<=": lambda value: value <= limit,
        ">": lambda value: value > limit,
        ">=": lambda value: value >= limit,
    }

    def holds(offer: Offer) -> bool:
        value = number(fact, offer, now)
        return value is not None and tests[sign](value)

    return holds


def _figure(fact: str, words: str) -> Decimal:
    text = words.replace("_", "").lower()
    size = _SIZES.get(text[-1:], 1)
    try:
        found = Decimal(text[:-1] if size > 1 else text) * size
    except InvalidOperation:
        found = Decimal("NaN")
    if not found.is_finite():
        unit = "US dollars per million tokens" if fact.startswith("price") else (
            "days" if fact == "retention" else "tokens, such as 200000 or 200k"
        )  # fmt: skip
        raise ConditionError(f"{fact!r} is a number of {unit}, not {words!r}")
    return found


def number(fact: str, offer: Offer, now: datetime) -> Decimal | None:
    """Return a figure of an offer, None where it is unknown.

    ``price`` is three tokens in to one out, as routes are compared by price.
    """
    if fact.startswith("price"):
        price = offer.price(now)
        if price is None or price.input is None or price.output is None:
            return None
        if fact == "price":
            return price.usd((3 * price.input + price.output) / 4)
        return price.usd(price.input if fact == "price_in" else price.output)
    if fact == "retention":
        found = offer.facts.retention_days
    else:
        found = offer.model.context if fact == "context" else offer.model.max_output
    return None if found is None else Decimal(found)
