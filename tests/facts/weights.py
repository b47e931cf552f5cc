"""Holds servers at home and open weights against the facts."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.facts.catalogue import catalog, families, fault_of
from tests.facts.comparing import Difference, wires_of
from tests.facts.files import EAST, Json, file
from tests.facts.readings import EVERYWHERE, FAMILIES, LOCAL


def server_differences(key: str) -> Iterator[Difference]:
    """Yield everything in which a server's entry does not say what the facts say."""
    name = LOCAL[key]
    if fault := fault_of(name):
        yield Difference(f"host {name}", fault)
        return
    known, said = catalog().hosts[name], file(EAST)["local_servers"][key]
    if known.kind != "home":
        yield Difference("kind", f"{known.kind}, not home")
    port = said["api"].get("default_port")
    if port is not None and port not in known.usual_ports:
        yield Difference("port", f"{known.usual_ports}, not {port}")
    wanted = wires_of(said["api"]["formats"])
    got = {wire for at in known.endpoints.values() for wire in at.wires}
    for wire in sorted(wanted - got):
        yield Difference(f"wire {wire}", "is not spoken in the catalogue")
    for wire in sorted(got - wanted - set(EVERYWHERE)):
        yield Difference(f"wire {wire}", "is spoken in the catalogue only")
    health = re.search(r"GET (/\S*)", said["endpoints"].get("health") or "")
    if health and known.health_path not in _paths(said["endpoints"]["health"]):
        yield Difference("health", f"{known.health_path}, not {health[1]}")


def _paths(words: str) -> set[str]:
    return {path.rstrip(",:;") for path in re.findall(r"(/[^\s,;:)]*)", words)}


@cache
def _families() -> dict[str, Json]:
    return families()


def differences(weight: str) -> Iterator[Difference]:
    """Yield everything in which the families of these weights do not say what the facts say."""
    said = next(one for one in file(EAST)["open_weights"] if one["id"] == weight)
    for name in FAMILIES[weight]:
        known = _families().get(name)
        if known is None:
            yield Difference(f"family {name}", "is not in the catalogue")
            continue
        yield from _family(name, known, said)


def _family(name: str, known: Json, said: Mapping[str, Any]) -> Iterator[Difference]:
    countries = set(known["maker"]["is"]["countries"])
    wanted = set(said["maker_country"].split("/")) | _base(said)
    if countries != wanted:
        yield Difference(f"maker {name}", f"{sorted(countries)}, not {sorted(wanted)}")
    if known["weights"]["is"] != "open":
        yield Difference(f"weights {name}", f"{known['weights']['is']}, not open")
    licence, theirs = known["licence"]["is"], said.get("licence")
    if (licence == "unknown") != (theirs is None) or (
        theirs is not None and _words(theirs)[: len(_words(licence))] != _words(licence)
    ):
        yield Difference(f"licence {name}", f"{licence}, not {theirs}")
    if not known.get("one_model"):
        yield Difference(f"one_model {name}", "is not said")
    context, theirs = (known.get("context") or {}).get("is"), said.get("context")
    if theirs is not None and context != theirs:
        yield Difference(f"context {name}", f"{context}, not {theirs}")


def _base(said: Mapping[str, Any]) -> set[str]:
    """Return the country of weights that these were tuned from."""
    found = re.search(r"\b([A-Z]{2})\b,", str(said.get("base_model") or ""))
    return {found[1]} if found else set()


def _words(text: str) -> list[str]:
    return re.findall(r"[a-z0-9.]+", text.lower())
