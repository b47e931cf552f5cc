"""``entrepot providers``: who can be called, and every fact about one, with its source and date."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from gateway import routes, told
from gateway.commands import hosts
from gateway.commands.reading import ConfigOption, config_path, load_config
from gateway.commands.screen import NOT_SO, JsonOption, fail, print_json, say, show
from gateway.routes import Provider
from gateway.setup import Setup, compile_setup
from providers.catalog import Host, HostEndpoint, builtin
from providers.catalog_form import MODEL_FACTS, PLACE_FACTS
from routing.policy_form import nearest

COLUMNS = (
    "provider", "host", "kind", "operator", "processed in", "trains", "retention", "endpoint", "key"
)  # fmt: skip
FACTS = ("operator", *PLACE_FACTS)
STATED = "stated in the config"


def run(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="A provider of the config, or a catalogue's host."),
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all providers, or all that is known of one: each fact with its source and date."""
    here = config is not None or config_path(None) is not None
    setup = compile_setup(load_config(config)[1]) if here else None
    known = setup.catalog.hosts if setup is not None else builtin().hosts
    if name is None:
        _all(setup, known, as_json)
    elif setup is not None and name in setup.providers:
        _configured(setup.providers[name], as_json)
    elif name in known:
        _catalogued(known[name], as_json)
    else:
        names = {*known, *(setup.providers if setup is not None else ())}
        fail(f"there is no provider or host {name!r}; {nearest(name, names)}", NOT_SO)


def _all(setup: Setup | None, known: Mapping[str, Host], as_json: bool) -> None:
    owners = setup.providers if setup is not None else {}
    used = {owner.host.id for owner in owners.values()}
    others = [host for host in known if host not in used]
    if as_json:
        print_json({"providers": [_summary(o) for o in owners.values()], "catalogue": list(known)})
        return
    if owners:
        show(COLUMNS, [_row(_summary(owner)) for owner in owners.values()])
        say("")
    if others:
        also = "also in the catalogue" if owners else "in the catalogue"
        say(f"{also}: {', '.join(others)}")
    say("`entrepot providers NAME` shows every fact of one with its source and date")


def _summary(owner: Provider) -> dict[str, Any]:
    facts = told.facts(told.place(owner), routes.PLACE_FACTS)
    return {
        "provider": owner.name,
        "host": owner.host.id,
        "kind": owner.host.kind,
        **{fact: facts[fact]["is"] for fact in routes.PLACE_FACTS},
        "endpoint": owner.at.id,
        "address": hosts.address(owner),
        "wires": hosts.wires(owner),
        "key": hosts.key_state(owner),
        "why_not": hosts.why_not(owner) or None,
    }


def _row(told: Mapping[str, Any]) -> list[str]:
    days = told["retention_days"]
    retention = f"{days} days" if isinstance(days, int) else str(days)
    wanted = ("provider", "host", "kind", "operator", "processed_in", "trains_on_data")
    return [*(_words(told[part]) for part in wanted), retention, told["endpoint"], told["key"]]


def _configured(owner: Provider, as_json: bool) -> None:
    facts = told.place(owner)
    said = {
        fact: f"{_words(found['is'])} · {STATED}" if found["evidence"] == STATED
        else found["evidence"] or _words(found["is"])
        for fact, found in told.facts(facts, FACTS).items()
    }  # fmt: skip
    if as_json:
        models = {model: dict(about.evidence) for model, about in owner.host.models.items()}
        print_json({**_summary(owner), "facts": said, "models": models})
        return
    say(
        f"{owner.name}: {owner.host.name} ({owner.host.kind}), endpoint {owner.at.id}",
        *(f"{wire} calls go to: {address}" for wire, address in hosts.wires(owner).items()),
        f"key: {hosts.key_state(owner)}",
        *([f"other endpoints: {', '.join(others)}"] if (others := _others(owner)) else []),
        *([f"cannot be called: {why}"] if (why := hosts.why_not(owner)) else []),
        "",
    )
    known = _facts(owner.at) | said
    if owner.form.base_url is not None:
        known.pop("base_url", None)  # the catalogue's own address is not the one that is called
    say(*_told(known, ""), *_models(owner.host))


def _others(owner: Provider) -> list[str]:
    return [name for name in owner.host.endpoints if name != owner.at.id]


def _catalogued(host: Host, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "host": host.id,
                "name": host.name,
                "kind": host.kind,
                "default_endpoint": host.default_endpoint,
                "key_variable": host.auth_env,
                "endpoints": {name: dict(at.evidence) for name, at in host.endpoints.items()},
                "wires": {name: list(at.wires) for name, at in host.endpoints.items()},
                "models": {name: dict(model.evidence) for name, model in host.models.items()},
            }
        )
        return
    usual = f"; its key is usually in {host.auth_env}" if host.auth_env else ""
    say(f"{host.id}: {host.name} ({host.kind}), a host of the catalogue{usual}")
    for name, at in host.endpoints.items():
        say("", f"endpoint {name}{' (the usual one)' if name == host.default_endpoint else ''}")
        say(f"  wires: {', '.join(at.wires)}", *_told(_facts(at), "  "))
    say(*_models(host))


def _facts(at: HostEndpoint) -> dict[str, str]:
    rest = (name for name in at.evidence if name not in FACTS)
    return {name: at.evidence.get(name, told.UNKNOWN) for name in (*FACTS, *rest)}


def _models(host: Host) -> Iterator[str]:
    for name, model in host.models.items():
        yield ""
        yield f"model {name}"
        yield from _told(dict.fromkeys(MODEL_FACTS, told.UNKNOWN) | dict(model.evidence), "  ")


def _told(facts: Mapping[str, str], indent: str) -> Iterator[str]:
    """Give a fact a line, and each source that says otherwise a line below it."""
    for name, evidence in facts.items():
        first, *others = evidence.split(" · but ")
        yield f"{indent}{name}: {first}"
        yield from (f"{indent}    but another source says: {other}" for other in others)


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
