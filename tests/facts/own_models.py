"""What the catalogue says otherwise than the facts of single models: who runs them, when they end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.facts import files
from tests.facts.catalogue import Spot, spots
from tests.facts.comparing import Difference
from tests.facts.files import Json
from tests.facts.readings import ENDS, HOSTS, MODEL_IDS, RUN_BY, SUFFIXES


def operator_differences(key: str) -> Iterator[Difference]:
    """Yield each model that is handed on to somebody else than the facts of its host say."""
    said = files.providers()[key]
    for phrase, models in RUN_BY[key].items():
        if phrase not in " ".join(str(said).split()):
            yield Difference(f"phrase {phrase!r}", "does not stand in the facts")
            continue
        for model, by in models.items():
            yield from _operator(key, said, model, by)


def suffix_differences(key: str) -> Iterator[Difference]:
    """Yield each host behind a router that the end of a model's name does not lead to."""
    said = files.providers()[key]
    listed = next(note for note in said["notes"] if ": " in note).split(": ", 1)[1]
    names = listed.split(" (")[0].split(", ")
    for name in names:
        by = SUFFIXES.get(name)
        if by is None:
            yield Difference(f"suffix {name}", "nobody has read whose it is")
        yield from _operator(key, said, f"a-maker/a-model:{name}", by or "")


def _operator(key: str, said: Json, model: str, by: str) -> Iterator[Difference]:
    wanted = _countries(said) | _countries(files.providers()[by]) if by else None
    for spot in spots(*HOSTS[key]):
        if spot.is_plan or model.split(":")[0] in spot.known.elsewhere:
            continue
        got = spot.route(model).facts.operator
        if got != wanted:
            shown = sorted(got) if got is not None else None
            words = sorted(wanted) if wanted is not None else None
            yield Difference(f"operator of {model}", f"{shown} at {spot}, not {words}")


def _countries(said: Json) -> set[str]:
    """Return the countries of a company and of its parent, of the one abroad where it has two."""
    law = said["jurisdiction"]
    entities: Mapping[str, Any] = law.get("entities") or {}
    who = entities.get("intl") or entities.get("mainland") or law
    found = {who.get("country", who.get("hq_country")), who.get("parent_country")}
    return {country for country in found if country not in ("none", None)}


def end_differences(key: str) -> Iterator[Difference]:
    """Yield each model whose last day the facts name and the catalogue does not, or another."""
    said = files.providers()[key]
    days: dict[str, str] = {}
    for one in said.get("models") or ():
        if "shutdown" in one:
            name = files.ABOUT.sub("", one["id"])
            days[MODEL_IDS.get((key, name), name)] = one["shutdown"]
    for phrase, models in ENDS.get(key, {}).items():
        if phrase not in " ".join(str(said).split()):
            yield Difference(f"phrase {phrase!r}", "does not stand in the facts")
        days |= models
    for model, day in days.items():
        got = {str(until) for spot in spots(*HOSTS[key]) if (until := _until(spot, model))}
        if got != {day}:
            yield Difference(f"end of {model}", f"{sorted(got)}, not {day}")


def _until(spot: Spot, model: str) -> Any:
    known = spot.known
    whole = next((name for name in known.models if name.endswith(f"/{model}")), model)
    return known.model(whole).until
