"""What is doubtful in the catalogue's files, though each of them can be read.

An error is a contradiction or a fact without a source; a note is what is missing or has grown old.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from providers.catalog import Catalog, CatalogError, Written
from providers.catalog_check import Loc
from providers.catalog_files import Layers
from providers.catalog_form import PLACE_FACTS, ModelForm
from providers.catalog_freeze import Family
from providers.catalog_values import NO_PARENT, UNKNOWN
from providers.fact_age import age_days, newest
from providers.strictness import laxer

# Facts that rules, terms and refusals decide by: each old one is told by itself.
DECISIVE = frozenset(
    {*PLACE_FACTS, "company", "parent", "upstream", "status", "gateway", "clients", "remote"}
)
FEW = 6
ROUNDED = 1.05  # "1M" may be 1,048,576


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing: ``place`` is ``file:line``, ``about`` a host or a family, ``check`` its kind."""

    place: str
    about: str
    check: str
    words: str
    is_error: bool


def lint(
    catalog: Catalog, hosts: Collection[str], today: date, stale_days: int
) -> Iterator[Finding]:
    """Give everything that is doubtful of ``hosts``, and of the families where those are all.

    What stands in a file that several hosts are like is given once.
    """
    seen: set[tuple[str, str, str]] = set()
    orgs: dict[str, tuple[frozenset[str], str]] = {}
    for name in sorted(hosts):
        for finding in _host(catalog, name, orgs, today, stale_days):
            key = (finding.place, finding.check, finding.words)
            if key not in seen:
                seen.add(key)
                yield finding
    if set(hosts) == set(catalog.hosts):
        for layers in catalog.family_files():
            yield from _family_file(layers, today, stale_days)


def some(names: Collection[str]) -> str:
    """Return the first of many names, and how many more there are."""
    few = list(names)[:FEW]
    rest = len(names) - len(few)
    return ", ".join(few) + (f" and {rest} more" if rest else "")


def _host(
    catalog: Catalog,
    name: str,
    orgs: dict[str, tuple[frozenset[str], str]],
    today: date,
    stale_days: int,
) -> Iterator[Finding]:
    try:
        written = catalog.written(name)
    except CatalogError as fault:
        for problem in fault.problems:
            file, line, words = problem.split(":", 2)
            yield Finding(f"{file}:{line}", name, "unreadable", words.strip(), is_error=True)
        return
    found = [
        *_facts(written.layers, today, stale_days),
        *_law(written, orgs),
        *_models(written),
        *_whole(catalog, written),
    ]
    for loc, check, words, is_error in found:
        yield Finding(written.layers.place(loc), name, check, words, is_error)


_Found = tuple[Loc, str, str, bool]


def _family_file(layers: Layers, today: date, stale_days: int) -> Iterator[Finding]:
    found = [*_facts(layers, today, stale_days)]
    for name, said in layers.raw["families"].items():
        maker = said.get("maker", {}).get("is", UNKNOWN)
        loc: Loc = ("families", name, "maker")
        if maker == UNKNOWN:
            found.append((loc, "maker", f"nobody knows who made `{name}`", False))
        elif not maker["countries"] or maker["countries"] == UNKNOWN:
            found.append((loc, "maker", f"`{maker['name']}`, its maker, has no country", False))
    for loc, check, words, is_error in found:
        about = str(loc[1]) if loc[1:] else ""
        yield Finding(layers.place(loc), about, check, words, is_error)


# Every fact by itself.


def facts_of(value: Any, loc: Loc = ()) -> Iterator[tuple[Loc, Mapping[str, Any]]]:
    """Give each fact of a file (a mapping with ``is``) with its place."""
    if isinstance(value, dict):
        if "is" in value:
            yield loc, value
            return
        for key, inner in value.items():
            if key != "sources":
                yield from facts_of(inner, (*loc, key))


def _facts(layers: Layers, today: date, stale_days: int) -> Iterator[_Found]:
    dates = {key: str(source["date"]) for key, source in layers.raw["sources"].items()}
    old: dict[str, list[int]] = {}
    decisive: dict[tuple[str, int], list[Loc]] = {}
    undated: dict[str, None] = {}
    for loc, fact in facts_of(layers.raw):
        name = str(loc[-1])
        yield from _conflicts(loc, name, fact)
        sources = fact.get("source", [])
        days = age_days(newest(dates[key] for key in sources), today)
        if days is None:
            undated |= dict.fromkeys(sources)
        elif days > stale_days and name in DECISIVE:
            decisive.setdefault((name, days), []).append(loc)
        elif days > stale_days:
            old.setdefault(name, []).append(days)
    for (name, days), places in decisive.items():
        more = f", and so at {len(places) - 1} more places of the file" if places[1:] else ""
        yield places[0], "old", f"`{name}` was confirmed {days} days ago{more}", False
    for key in undated:
        words = f"source `{key}` names no year, so what only it says is of no known age"
        yield ("sources", key), "undated", words, False
    if old:
        count, most = sum(map(len, old.values())), max(map(max, old.values()))
        words = f"{count} more facts are older than {stale_days} days, up to {most} ({some(old)})"
        yield (), "old", words, False


def _conflicts(loc: Loc, name: str, fact: Mapping[str, Any]) -> Iterator[_Found]:
    for number, claim in enumerate(fact.get("conflict", ())):
        there = (*loc, "conflict", number)
        if claim["is"] == fact["is"]:
            yield there, "conflict", f"says of `{name}` what is kept: that is no conflict", False
        elif laxer(name, fact["is"], claim["is"]):
            words = (
                f"`{name}` keeps {_short(fact['is'])}, which promises more than "
                f"{_short(claim['is'])} under `conflict`; keep the stricter one"
            )
            yield there, "conflict", words, True


def _short(value: Any) -> str:
    if isinstance(value, dict) and "name" in value:
        return f"{value['name']} ({_short(value.get('countries', UNKNOWN))})"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


# Who runs it, and where.


def _law(written: Written, orgs: dict[str, tuple[frozenset[str], str]]) -> Iterator[_Found]:
    raw, kind = written.layers.raw, written.form.kind
    for loc, fact in facts_of(raw):
        name, value = str(loc[-1]), fact["is"]
        # A setting may say that the contract has it run at the customer's.
        if name == "processed_in" and kind != "home" and "home" in value and "settings" not in loc:
            yield loc, "home", f"a {kind} host does not process at the caller's home", True
        if name in ("company", "parent", "upstream") and value not in (UNKNOWN, NO_PARENT):
            yield from _organisation(loc, name, value, written, orgs)
    for name, at in written.form.endpoints.items():
        facts = [getattr(at, fact) or getattr(written.form.place, fact) for fact in PLACE_FACTS]
        if all(fact is None or fact.value is None for fact in facts):
            words = f"nothing is known of what happens to data at endpoint `{name}`"
            yield ("endpoints", name), "place", words, False


def _organisation(
    loc: Loc,
    name: str,
    value: Mapping[str, Any],
    written: Written,
    orgs: dict[str, tuple[frozenset[str], str]],
) -> Iterator[_Found]:
    countries, who = value["countries"], value["name"]
    if not countries or countries == UNKNOWN:
        words = f"`{who}`, its {name}, has no country, so nobody knows under whose law it is"
        yield loc, "country", words, False
        return
    if "home" in countries and written.form.kind != "home":
        yield loc, "home", f"`{who}` runs a {written.form.kind} host, which is not home", True
    here = frozenset(countries)
    known, place = orgs.setdefault(who, (here, written.layers.place(loc)))
    if known != here:
        words = f"`{who}` is of {_short(sorted(here))} here, of {_short(sorted(known))} in {place}"
        yield loc, "country", words, True


# Its models.


def _models(written: Written) -> Iterator[_Found]:
    form = written.form
    nameless: dict[str, None] = {}
    tables: list[tuple[Loc, Mapping[str, ModelForm]]] = [((), form.models)]
    tables += [(("endpoints", name), at.models) for name, at in form.endpoints.items()]
    for above, models in tables:
        for name, said in models.items():
            family = written.families.get(said.family or "")
            if family is None and "*" not in name:
                nameless[name] = None
            for fact, words in _contradictions(said, family):
                yield (*above, "models", name, fact), "model", f"`{name}` {words}", True
    if nameless and form.kind != "home":
        words = f"of no family: {some(nameless)}"
        yield ("models",), "family", words, False
    if not any(models for _, models in tables):
        yield ("models",) if form.models else (), "models", "the host has no model", False


def _contradictions(said: ModelForm, family: Family | None) -> Iterator[tuple[str, str]]:
    both = {
        fact: (_value(getattr(said, fact)), _value(getattr(family.form, fact)) if family else None)
        for fact in ("context", "max_output", "can", "cannot", "maker")
    }
    for fact in ("context", "max_output"):
        own, whole = both[fact]
        if own is not None and whole is not None and own > whole * ROUNDED:
            yield fact, f"has {fact} {own}, its family `{said.family}` only {whole}"
    context, output = (own if own is not None else whole for own, whole in
                       (both["context"], both["max_output"]))  # fmt: skip
    if context is not None and output is not None and output > context:
        yield "max_output", f"answers up to {output} tokens in a context of {context}"
    can, cannot = (set(own or whole or ()) for own, whole in (both["can"], both["cannot"]))
    if can & cannot:
        yield "cannot", f"both can and cannot: {some(sorted(can & cannot))}"
    own, whole = both["maker"]
    if own is not None and whole is not None and own.countries != whole.countries:
        yield (
            "maker",
            f"is made in {own.countries}, its family `{said.family}` in {whole.countries}",
        )


def _value(fact: Any) -> Any:
    return fact.value if fact is not None else None


# The entry as a whole.


def _whole(catalog: Catalog, written: Written) -> Iterator[_Found]:
    form = written.form
    if form.status is None or form.status.value is None:
        yield ("status",), "status", "nobody knows whether the host can be used", False
    if form.plan is not None and form.plan.payg and form.plan.payg not in catalog.hosts:
        words = f"there is no host `{form.plan.payg}` for who pays by the token"
        yield ("plan", "payg"), "payg", words, True
    if form.like is None:
        return
    base = catalog.written(form.like)
    for name, said in form.models.items():
        other = base.form.models.get(name)
        mine, theirs = (_maker(one, written) if one else None for one in (said, other))
        if mine is not None and theirs is not None and mine != theirs:
            words = f"`{name}` is made in {some(sorted(mine))}, at `{form.like}` in " + some(
                sorted(theirs)
            )
            yield ("models", name), "like", words, True


def _maker(said: ModelForm, written: Written) -> frozenset[str] | None:
    family = written.families.get(said.family or "")
    maker = _value(said.maker) or (_value(family.form.maker) if family else None)
    return frozenset(maker.countries) if maker is not None and maker.countries else None
