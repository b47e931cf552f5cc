"""The catalogue as a running gateway has it: a provider for each endpoint of each host.

Blanks in an address are filled, so that what is known of the endpoint holds there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from providers.catalog import BUILTIN, Catalog, CatalogError, builtin
from providers.catalog_files import over_another
from providers.host import Host, HostEndpoint
from routing.route import Route
from tests.facts.files import Json, Loader
from tests.running import config

BLANK = re.compile(r"\{\w+\}|<\w+>")
ANY_MODEL = "a-model-that-nobody-listed"


@dataclass(frozen=True, slots=True)
class Spot:
    """An endpoint of a host, with its account set in one way or, ``choice`` empty, in none."""

    host: str
    endpoint: str
    choice: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        """Return the names."""
        return "/".join((self.host, self.endpoint, *(value for _, value in self.choice)))

    @property
    def is_plan(self) -> bool:
        """Whether its key is that of a subscription."""
        return catalog().hosts[self.host].plan is not None

    @property
    def chosen(self) -> list[Spot]:
        """The same with each choice of each setting."""
        return [
            Spot(self.host, self.endpoint, ((name, value),))
            for name, setting in self.at.settings.items()
            for value in setting.choices
        ]

    @property
    def at(self) -> HostEndpoint:
        """The endpoint."""
        return catalog().hosts[self.host].endpoints[self.endpoint]

    @property
    def known(self) -> Host:
        """The host, as it is there."""
        return catalog().at(self.host, self.endpoint, dict(self.choice))

    def route(self, model: str = ANY_MODEL) -> Route:
        """Return the route to a model there, as the gateway would have it."""
        return setup(self.host).route(f"{self.provider}/{model}")

    @property
    def provider(self) -> str:
        """The name of the provider that stands there."""
        return ".".join((self.endpoint, *(value for _, value in self.choice)))

    def addresses(self) -> Iterator[str]:
        """Yield the whole address of every wire, each blank written the same way."""
        for at in self.at.wires.values():
            for path in (at.path, at.stream_path):
                yield plain((at.base_url or self.at.base_url or "") + path)


def plain(url: str) -> str:
    """Return an address with its blanks as ``{}``."""
    return BLANK.sub("{}", url).rstrip("/")


@cache
def catalog() -> Catalog:
    """Return the catalogue that comes with the package."""
    return builtin()


def fault_of(name: str) -> str:
    """Return why there is no such host, "" where there is."""
    if name not in catalog().hosts:
        return "is not in the catalogue"
    try:
        catalog().hosts[name]
    except CatalogError as fault:
        return f"cannot be read: {fault}"
    return ""


@cache
def spots(*names: str) -> tuple[Spot, ...]:
    """Return the endpoints of these hosts, the default one first."""
    found = []
    for name in names:
        if not fault_of(name):
            known = catalog().hosts[name]
            first = known.default_endpoint
            rest = [one for one in known.endpoints if one != first]
            found += [Spot(name, one) for one in (first, *rest)]
    return tuple(found)


@cache
def setup(name: str) -> Setup:
    """Return the setup of a gateway that has every endpoint of one host, and every choice there."""
    providers: dict[str, Any] = {}
    for spot in (one for plain in spots(name) for one in (plain, *plain.chosen)):
        said: Json = {"catalog": name, "endpoint": spot.endpoint, "api_key": "x"}
        base = spot.at.base_url
        if base is None:
            at_home = catalog().hosts[name].kind == "home"
            said["base_url"] = "http://127.0.0.1:9/v1" if at_home else "https://its-own.example/v1"
        elif spot.at.blanks:
            said["base_url"] = BLANK.sub("x1", base)
        if spot.choice:
            said["settings"] = dict(spot.choice)
        providers[spot.provider] = said
    with TemporaryDirectory() as folder:
        return compile_setup(read(config(Path(folder), providers=providers), {}), price_all=True)


@cache
def entry(name: str) -> Json:
    """Return a host's file as it is written, laid over the one that it is like."""
    text = (BUILTIN / f"{name}.yaml").read_text(encoding="utf-8")
    said: Json = yaml.load(text, Loader)
    return dict(over_another(said, entry(said["like"]))) if "like" in said else said


def operator(spot: Spot) -> Json:
    """Return who runs an endpoint, as it is written: company and parent."""
    said = entry(spot.host)
    found: Json = said["endpoints"][spot.endpoint].get("operator") or said["operator"]
    return found


def families() -> dict[str, Json]:
    """Return every family of the catalogue, as they are written."""
    found: dict[str, Json] = {}
    for path in sorted((BUILTIN / "families").glob("*.yaml")):
        found |= yaml.load(path.read_text(encoding="utf-8"), Loader)["families"]
    return found
