"""``entrepot providers``: who can be called, and every fact about one, with its source and date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from gateway import routes, told
from gateway.commands import hosts, lint
from gateway.commands.fact_rows import facts_as_json
from gateway.commands.provider_json import about_as_json
from gateway.commands.provider_shown import show_about, show_model
from gateway.commands.provider_told import About, about_host, about_provider, clock
from gateway.commands.reading import ConfigOption, config_path, load_config
from gateway.commands.screen import NOT_SO, WRONG_USAGE, JsonOption, fail, print_json, say, show
from gateway.routes import Provider
from gateway.setup import Setup, compile_setup
from providers.catalog import Catalog, CatalogError, Host, builtin
from routing.policy_form import nearest

COLUMNS = (
    "provider", "host", "kind", "operator", "processed in", "trains", "retention", "endpoint", "key"
)  # fmt: skip


def run(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A provider of the config, a host of the catalogue, or NAME/MODEL for one model.",
        ),
    ] = None,
    lints: Annotated[
        bool,
        typer.Option("--lint", help="Look for contradictions and gaps in the whole catalogue."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show all providers, or all that is known of one: each fact with its sources and age."""
    here = config is not None or config_path(None) is not None
    setup = compile_setup(load_config(config)[1]) if here else None
    catalog = setup.catalog if setup is not None else builtin()
    if lints:
        if name is not None and name not in catalog.hosts:
            fail(f"there is no host {name!r}; {nearest(name, catalog.hosts)}", WRONG_USAGE)
        lint.run(catalog, clock(setup), name, as_json=as_json)
    elif name is None:
        _all(setup, catalog.hosts, as_json)
    else:
        _one(setup, catalog, name, as_json)


def _one(setup: Setup | None, catalog: Catalog, asked: str, as_json: bool) -> None:
    name, _, model = asked.partition("/")
    owner = setup.providers.get(name) if setup is not None else None
    if owner is None and name not in catalog.hosts:
        names = {*catalog.hosts, *(setup.providers if setup is not None else ())}
        fail(f"there is no provider or host {name!r}; {nearest(name, names)}", NOT_SO)
    try:
        about = about_provider(catalog, owner) if owner else about_host(catalog, name)
    except CatalogError as fault:
        fail(str(fault), NOT_SO)
    if model:
        _model(about, model, setup, as_json)
    elif as_json:
        own = _summary(owner) if owner is not None else {}
        document = about_as_json(about, clock(setup))
        if owner is not None:
            document["facts"] |= document["endpoints"][owner.at.id]["facts"]
        print_json({**document, **own})
    else:
        show_about(about, clock(setup))


def _model(about: About, model: str, setup: Setup | None, as_json: bool) -> None:
    known = {**about.models, **about.patterns}
    if model not in known:
        fail(f"{about.host.id} has no model {model!r}; {nearest(model, known)}", NOT_SO)
    if as_json:
        facts = facts_as_json(known[model], clock(setup))
        print_json({"host": about.host.id, "model": model, "facts": facts})
    else:
        show_model(about, model, clock(setup))


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


def _words(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
