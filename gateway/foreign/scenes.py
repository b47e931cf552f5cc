"""Reads a config that names a provider and a model for each scene of one coding agent."""

from __future__ import annotations

import re
from typing import Any

from gateway.foreign.draft import Draft, Source, mapping, number, sequence, text
from gateway.foreign.names import NamesForm

DEFAULT, LONG = "default", "longContext"
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))")
_READ = {"Providers", "providers", "Router", "HOST", "PORT", "APIKEY", "API_TIMEOUT_MS", "fallback"}


def read(data: dict[str, Any], draft: Draft, names: NamesForm) -> None:
    """Read the whole config into ``draft``."""
    accounts: dict[str, Source] = {}
    section = "Providers" if "Providers" in data else "providers"
    for number_, item in enumerate(sequence(data.get(section))):
        source = _provider(draft, (section, number_), mapping(item), names)
        if source is not None:
            accounts[source.name] = source
    _scenes(draft, accounts, mapping(data.get("Router")), mapping(data.get("fallback")))
    _server(draft, data)
    draft.leave_rest(data, (), _READ)


def reference(value: object) -> str:
    """Return a value of theirs with its variables in our own notation."""
    return _VARIABLE.sub(lambda found: f"${{{found[1] or found[2]}}}", text(value))


def _provider(
    draft: Draft, place: tuple[str | int, ...], item: dict[str, Any], names: NamesForm
) -> Source | None:
    name, address = text(item.get("name")), reference(item.get("api_base_url"))
    if not name or not address:
        draft.leave(place, f"{place[0]}[{place[1]}]", "it has no name or no api_base_url")
        return None
    word = name if name in names.words else ""
    source = Source(word, name, address, reference(item.get("api_key")))
    draft.source(source, draft.lines.find(place), named=True)
    count = len(sequence(item.get("models")))
    draft.carry(place, f"provider {name!r}", f"its {count} models are {name}/MODEL")
    draft.leave_rest(item, place, {"name", "api_base_url", "api_key", "models"})
    return source


def _scenes(
    draft: Draft, accounts: dict[str, Source], router: dict[str, Any], further: dict[str, Any]
) -> None:
    place = ("Router",)
    for scene, said in router.items():
        routes = [said, *sequence(further.get(scene))]
        found = [route for route in map(_route, routes) if route and route[0] in accounts]
        if not found:
            if text(said):
                known = f"{scene!r} names no provider of this file" if "," in text(said) else ""
                draft.leave((*place, scene), f"Router.{scene}", known)
            continue
        draft.models[scene] = [(accounts[name], model) for name, model in found]
        draft.carry((*place, scene), f"Router.{scene}", f"models: {scene}")
        if scene in draft.format.left:
            draft.leave((*place, scene), f"the choice of {scene!r} by itself")
    if DEFAULT in draft.models and LONG in draft.models:
        draft.fallbacks.append((DEFAULT, [LONG], draft.lines.find((*place, LONG))))
    for pattern, scene in draft.format.asked.items():
        if scene in draft.models:
            draft.aliases[pattern] = scene


def _route(said: object) -> tuple[str, str] | None:
    name, comma, model = text(said).partition(",")
    return (name.strip(), model.strip()) if comma and model.strip() else None


def _server(draft: Draft, data: dict[str, Any]) -> None:
    draft.host = text(data.get("HOST")), ("HOST",)
    draft.port = number(data.get("PORT"))
    if (ms := number(data.get("API_TIMEOUT_MS"))) is not None:
        draft.timeouts |= {"answer_s": ms / 1000, "first_byte_s": ms / 1000}
    if text(data.get("APIKEY")):
        draft.client_key = ("APIKEY",)
