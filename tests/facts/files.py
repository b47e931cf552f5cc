"""Reads the files of researched facts that lie beside the repository, and puts them in one form.

They are not part of the repository: where they are absent, the tests that need them are skipped
with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

FACTS = Path(__file__).parents[3] / "shared" / "facts"
WEST, EAST = "providers_west.yaml", "providers_china_local.yaml"
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
CURRENCIES = {"usd": "USD", "eur": "EUR", "cny": "CNY", "chf": "CHF"}
# A name may be followed by words about it: "gpt-x (EU DataZone)".
ABOUT = re.compile(r"\s*\(.*\)$")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Address:
    """A base URL: ``region`` in words, ``plan`` "" for pay as you go, ``entity`` who signs there."""

    url: str
    region: str | None
    plan: str = ""
    entity: str = ""


@dataclass(frozen=True, slots=True)
class Contract:
    """What one contract says of data; ``name`` "" where a vendor has one only."""

    name: str
    said: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Priced:
    """A model; ``prices`` leads from a currency to its base figures.

    ``about`` is what stands in brackets behind its name. ``is_exact`` False: the name is not the
    host's own id, which nobody captured. ``long`` has the prices in USD of long prompts.
    """

    id: str
    about: str
    context: int | None
    max_output: int | None
    prices: Mapping[str, Mapping[str, Any]]
    is_exact: bool
    long: Sequence[Mapping[str, Any]]


@cache
def file(name: str) -> Json:
    """Return one of the files. Skips the test where it is absent."""
    path = FACTS / name
    if not path.is_file():
        pytest.skip("the researched facts do not lie beside the repository")
    read: Json = yaml.load(path.read_text(encoding="utf-8"), Loader)
    return read


def are_here() -> bool:
    """Whether there are facts to compare with."""
    return (FACTS / WEST).is_file() and (FACTS / EAST).is_file()


def providers() -> dict[str, Json]:
    """Return every hosted provider by its key."""
    return {**file(WEST)["providers"], **file(EAST)["providers"]}


def addresses(said: Mapping[str, Any]) -> Iterator[Address]:
    """Yield the base URLs of a provider; those of a workspace stand beside the shared ones."""
    for one in (said["api"] or {}).get("base_urls") or ():
        region = one.get("region", one.get("inference"))
        for name in ("url", "workspace_url"):
            if one.get(name):
                url = str(one[name]).removesuffix("...").rstrip("/")
                yield Address(url, region, one.get("plan") or "", one.get("entity") or "")


def contracts(said: Mapping[str, Any]) -> Iterator[Contract]:
    """Yield what is said of data, contract by contract."""
    data = said.get("data") or {}
    if "by_contract" in data:
        yield from (Contract(name, one) for name, one in data["by_contract"].items())
    elif data:
        yield Contract("", data)


def models(said: Mapping[str, Any]) -> Iterator[Priced]:
    """Yield the models of a provider."""
    for one in said.get("models") or ():
        prices = {
            CURRENCIES[key.split("_")[0]]: figures for key, figures in _figures(one) if figures
        }
        about = ABOUT.search(one["id"])
        yield Priced(
            id=ABOUT.sub("", one["id"]),
            about=about[0].strip(" ()") if about else "",
            context=one.get("context"),
            max_output=one.get("max_output"),
            prices=prices,
            long=one.get("long_context") or (),
            is_exact="id not captured" not in str(one.get("note")),
        )


def _figures(model: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    tiers: Sequence[Json] = model.get("length_tiers") or ({},)
    # The first tier is that of the shortest prompts.
    for place in (model, tiers[0]):
        for key, figures in place.items():
            if key.endswith("_per_mtok"):
                yield key, figures
