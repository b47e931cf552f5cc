"""What the catalogue says otherwise than the facts files, difference by difference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.list_prices import from_genai_prices
from billing.price import Price
from tests.facts import files
from tests.facts.catalogue import Spot, catalog, fault_of, operator, plain, spots
from tests.facts.files import Address, Json, Priced, providers
from tests.facts.readings import (
    AT_REST_ONLY,
    CONTRACT_HOSTS,
    CONTRACTS,
    EVERYWHERE,
    HOSTS,
    MODEL_IDS,
    PLACES,
    STATUS,
    TREAT_AS,
    WIRES,
)

FIGURES = {
    "input": "input",
    "cached_read": "cache_read",
    "cache_write": "cache_write",
    "output": "output",
}
WHEN = datetime(2026, 11, 26, 12, tzinfo=UTC)  # when the facts were read; nowhere a peak
NO_PRICE = Price(None, None)
CONDITIONAL = "conditional"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference; ``subject`` names the fact, the same way each time."""

    subject: str
    words: str

    def __str__(self) -> str:
        """Return it as a line."""
        return f"{self.subject}: {self.words}"


Found = Iterator[Difference]


def differences(key: str) -> Found:
    """Yield everything in which the catalogue does not say what the facts say of ``key``."""
    for name in HOSTS[key]:
        if fault := fault_of(name):
            yield Difference(f"host {name}", fault)
    if all(fault_of(name) for name in HOSTS[key]):
        return
    said = providers()[key]
    for check in CHECKS:
        yield from check(key, said)


def spots_of(key: str, address: Address) -> list[Spot]:
    """Return the endpoints that are reached at an address of the facts."""
    wanted = plain(address.url).lower()
    return [
        spot
        for spot in spots(*HOSTS[key])
        if any(url.lower().startswith(wanted) for url in spot.addresses())
    ]


def _addresses(key: str, said: Json) -> Found:
    for address in files.addresses(said):
        if not spots_of(key, address):
            yield Difference(f"address {address.url}", "is at no endpoint")


def _status(key: str, said: Json) -> Found:
    words = said.get("status")
    if words is None:
        wanted: tuple[str | None, ...] = (None,)
    elif words not in STATUS and not words.startswith(("live", "alive")):
        yield Difference("status", f"nobody has read {words!r}")
        return
    else:
        wanted = (STATUS.get(words, "live"),)
    for name in HOSTS[key]:
        # A plan has a state of its own.
        if fault_of(name) or catalog().hosts[name].plan is not None:
            continue
        got = catalog().hosts[name].status
        if got not in wanted:
            yield Difference(f"status {name}", f"{got}, not {words}")


def _auth(key: str, said: Json) -> Found:
    words = str((said["api"] or {}).get("auth"))
    wanted = {
        kind
        for kind, sign in (
            (("bearer", "authorization"), "Authorization: Bearer"),
            (("header", "x-api-key"), "x-api-key:"),
            (("header", "x-goog-api-key"), "x-goog-api-key:"),
            (("header", "api-key"), "'api-key: "),
            (("aws", "authorization"), "sigv4"),
            (("google", "authorization"), "OAuth2 access token"),
        )
        if sign in words
    }
    if not wanted:
        return
    for name in HOSTS[key]:
        if fault_of(name):
            continue
        known = catalog().hosts[name]
        got = (known.auth_kind, known.auth_header.lower())
        if got not in wanted:
            yield Difference(f"auth {name}", f"{got}, not {sorted(wanted)}")


def wires_of(formats: Iterable[str]) -> set[str]:
    """Return the wires that some formats are of. Raises ``KeyError`` for one that is not read."""
    found = set()
    for one in formats:
        beginnings = [start for start in WIRES if one.startswith(start)]
        if not beginnings:
            raise KeyError(one)
        found.add(WIRES[max(beginnings, key=len)])
    return found - {""}


def _wires(key: str, said: Json) -> Found:
    formats = (said["api"] or {}).get("formats") or ()
    wanted = wires_of(formats)
    got = {wire for spot in spots(*HOSTS[key]) for wire in spot.at.wires}
    for wire in sorted(wires_of(one for one in formats if "deprecated" not in one) - got):
        yield Difference(f"wire {wire}", "is not spoken in the catalogue")
    for wire in sorted(got - wanted - set(EVERYWHERE)):
        yield Difference(f"wire {wire}", "is spoken in the catalogue only")


def _operators(key: str, said: Json) -> Found:
    law = said.get("jurisdiction") or {}
    entities = law.get("entities")
    if entities is None:
        one = {
            "country": law.get("hq_country"),
            "parent": law.get("parent", law.get("parent_country")),
            "parent_country": law.get("parent_country"),
        }
        for spot in spots(*HOSTS[key]):
            yield from _operator(spot, one)
        return
    for address in files.addresses(said):
        who = entities.get(address.entity)
        for spot in spots_of(key, address) if who is not None else ():
            yield from _operator(spot, who)


def _operator(spot: Spot, who: Mapping[str, Any]) -> Found:
    written = operator(spot)
    company, parent = written["company"]["is"], written["parent"]["is"]
    yield from _org(f"company of {spot}", company, who.get("country"))
    country = who.get("parent_country")
    if country == "none" or who.get("parent") == "none":
        if parent != "none":
            yield Difference(f"parent of {spot}", f"{parent}, not none")
    elif parent == "none":
        yield Difference(f"parent of {spot}", f"none, not {who.get('parent')} ({country})")
    else:
        yield from _org(f"parent of {spot}", parent, country)


def _org(subject: str, written: Any, country: str | None) -> Found:
    countries = None if written == "unknown" else written["countries"]
    if countries == "unknown":
        countries = None
    if country is None:
        if countries is not None:
            yield Difference(subject, f"{countries}, which the facts do not establish")
    elif countries is None or country not in countries:
        yield Difference(subject, f"{countries}, not {country}")


def _places(key: str, said: Json) -> Found:
    data = said.get("data") or {}
    for address in files.addresses(said):
        words = address.region
        if words is not None and AT_REST_ONLY in words:
            wanted: tuple[str, ...] | None = None
        elif words is None:
            wanted = PLACES.get(str(data.get("processing")))
        elif words in PLACES:
            wanted = PLACES.get(f"{key}: {words}", PLACES[words])
        else:
            yield Difference(f"place {address.url}", f"nobody has read {words!r}")
            continue
        for spot in spots_of(key, address):
            got = spot.route().facts.processed_in
            if got != (None if wanted is None else frozenset(wanted)):
                shown = sorted(got) if got is not None else None
                yield Difference(f"place {spot}", f"{shown}, not {wanted} ({words})")


def _contracts(key: str, said: Json) -> Found:
    for contract in files.contracts(said):
        for spot in sorted(set(_under(key, said, contract.name)), key=str):
            yield from _data(spot, contract.said)


def _under(key: str, said: Json, contract: str) -> Iterator[Spot]:
    """Yield the endpoints that a contract governs."""
    name = CONTRACT_HOSTS.get((key, contract))
    if name is not None:
        yield from spots(name)
        return
    if contract not in CONTRACTS:
        raise KeyError(f"{key}: nobody has read the contract {contract}")
    entity, plan = CONTRACTS[contract]
    if not contract:
        yield from spots(*HOSTS[key])
        return
    closer = {
        CONTRACTS[other.name]
        for other in files.contracts(said)
        if other.name in CONTRACTS and other.name != contract
    }
    for address in files.addresses(said):
        if address.plan != plan or (entity and entity != address.entity):
            continue
        if not entity and (address.entity, plan) in closer:
            continue
        # Plans share addresses with one another, and with what is charged by the token.
        taken = set(CONTRACT_HOSTS.values())
        found = spots_of(key, address)
        yield from (s for s in found if s.is_plan == bool(plan) and s.host not in taken)


def _data(spot: Spot, said: Mapping[str, Any]) -> Found:
    facts = spot.route().facts
    wanted = _training(said)
    # An aggregator's own promise says nothing of those to whom it hands on.
    passed_on = catalog().hosts[spot.host].kind == "aggregator"
    if facts.trains_on_data not in (*wanted, *((None,) if passed_on else ())):
        shown = " or ".join(map(str, wanted))
        yield Difference(f"training {spot}", f"{facts.trains_on_data}, not {shown}")
    days = said.get("retention_days_max")
    if facts.retention_days not in (days, *((None,) if passed_on else ())):
        yield Difference(f"retention {spot}", f"{facts.retention_days}, not {days}")
    zdr, decided = _zdr(said.get("zero_data_retention"))
    if decided and facts.zdr != zdr:
        yield Difference(f"zdr {spot}", f"{facts.zdr}, not {zdr}")


def _training(said: Mapping[str, Any]) -> tuple[str | None, ...]:
    """Return what the catalogue may say; an opt-out is as good as a setting that was changed."""
    trains = said.get("trains_on_api_data_by_default")
    if trains is None:
        return (TREAT_AS.get(str(said.get("treat_as"))),)
    if trains == CONDITIONAL:
        return ("opt_out",)
    if not trains:
        return ("never",)
    way_out = str(said.get("training_opt_out") or "none")
    return ("by_default",) if way_out.startswith("none") else ("by_default", "opt_out")


def _zdr(words: Any) -> tuple[str | None, bool]:
    """Return the kind that is meant, and whether the words decide it."""
    if words is None:
        return None, True
    if words is False:
        return "no", True
    if str(words).startswith("default"):
        return "default", True
    if str(words).startswith("on approval"):
        return "on_approval", True
    return None, False


def _models(key: str, said: Json) -> Found:
    everywhere = spots(*HOSTS[key])
    for model in files.models(said):
        name, listed = served_at(everywhere, MODEL_IDS.get((key, model.id), model.id))
        if not listed:
            if not model.is_exact:
                continue
            yield Difference(f"model {model.id}", "is at no host")
            continue
        # What stands behind a name in brackets is of another place than the default one.
        if not model.about:
            yield from _sizes(listed[0], name, model)
        # What stands in brackets behind a name may be a choice of the account.
        there = [one for s in listed for one in (s, *s.chosen)] if model.about else listed
        yield from _prices(there, name, model)
        yield from _long(there, name, model)


def served_at(everywhere: Iterable[Spot], name: str) -> tuple[str, list[Spot]]:
    """Return a model's whole name, before which there may be a path, and where it is served."""
    found: dict[str, list[Spot]] = {}
    for spot in everywhere:
        for known in spot.known.models:
            if known == name or known.endswith(f"/{name}"):
                found.setdefault(known, []).append(spot)
    whole = name if name in found else next(iter(found), name)
    return whole, found.get(whole, [])


def _sizes(spot: Spot, name: str, model: Priced) -> Found:
    route = spot.route(name)
    for what in ("context", "max_output"):
        wanted, got = getattr(model, what), getattr(route, what)
        if wanted is not None and got != wanted:
            yield Difference(f"{what} {model.id}", f"{got} at {spot}, not {wanted}")


def _prices(listed: list[Spot], name: str, model: Priced) -> Found:
    """Compare with the place at which the currency is billed: one of them has to say the same."""
    for currency, figures in model.prices.items():
        wanted = {ours: exact(figures.get(theirs)) for theirs, ours in FIGURES.items()}
        if wanted["input"] is None:
            continue
        got = {str(spot): said for spot in listed if (said := price(spot, name, currency))}
        if not any(_same(said, wanted) for said in got.values()):
            shown = "; ".join(
                f"{spot} {[str(said[bucket]) for bucket in wanted]}" for spot, said in got.items()
            )
            asked = [str(figure) for figure in wanted.values()]
            about = f" ({model.about})" if model.about else ""
            yield Difference(
                f"price {model.id}{about} {currency}", f"{shown or 'none'}, not {asked}"
            )


def _long(listed: list[Spot], name: str, model: Priced) -> Found:
    """Compare the prices of long prompts."""
    for tier in model.long:
        above = tier["above_prompt_tokens"]
        wanted = {FIGURES[key]: exact(figure) for key, figure in tier.items() if key in FIGURES}
        got = [dict(_usd(spot, name).above_prompt_tokens).get(above) for spot in listed]
        if not any(
            price and all(getattr(price, bucket) == figure for bucket, figure in wanted.items())
            for price in got
        ):
            words = f"{got[0] and got[0].unit_prices}, not {tier}"
            yield Difference(f"price {model.id} above {above}", words)


def exact(figure: Any) -> Decimal | None:
    """Return a figure of the facts exactly."""
    return None if figure is None else Decimal(str(figure))


def _same(got: Mapping[str, Decimal | None], wanted: Mapping[str, Decimal | None]) -> bool:
    # Without a price of its own a cached token costs what another one costs.
    return all(
        got[bucket] == figure or (figure is None and got[bucket] in (None, got["input"]))
        for bucket, figure in wanted.items()
    )


def price(spot: Spot, name: str, currency: str) -> dict[str, Decimal | None] | None:
    """Return what a model costs at a place in the currency of the facts, None where unknown."""
    stated = spot.known.model(name).prices
    # Within a plan a call costs nothing more; what is stated is how it is weighed.
    if stated is not None and (stated.currency != "USD" or spot.is_plan):
        if stated.currency != currency:
            return None
        return {bucket: stated.figures.get(bucket) for bucket in FIGURES.values()}
    if currency != "USD":
        return None
    found = _usd(spot, name)
    if found == NO_PRICE:
        return None
    return {bucket: getattr(found, bucket) for bucket in FIGURES.values()}


def _usd(spot: Spot, name: str) -> Price:
    listed = catalog().hosts[spot.host].genai_prices if spot.is_plan else None
    prices = from_genai_prices(listed, name) if listed else spot.route(name).prices
    return (prices.at(WHEN) if prices is not None else None) or NO_PRICE


CHECKS: tuple[Callable[[str, Json], Found], ...] = (
    _addresses,
    _status,
    _auth,
    _wires,
    _operators,
    _places,
    _contracts,
    _models,
)
