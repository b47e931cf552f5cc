"""Reads a config whose models are written ``provider:model``: providers, prices and policies."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.foreign.draft import Draft, Source, key_of, mapping, number, sequence, text
from gateway.foreign.names import NamesForm

_PRICES = {
    "input_price_per_million": "input",
    "output_price_per_million": "output",
    "cache_read_price_per_million": "cached_read",
    "cache_write_price_per_million": "cached_write",
}
_ACCOUNT = {"api_key", "api_base", "client_args", "provider_type", "instance_type"}
_READ = {"providers", "pricing", "aliases", "routing", "host", "port", "master_key"}


def read(data: dict[str, Any], draft: Draft, names: NamesForm) -> None:
    """Read the whole config into ``draft``."""
    accounts = {
        name: _account(draft, name, mapping(said), names)
        for name, said in mapping(data.get("providers")).items()
    }
    for selector, said in mapping(data.get("pricing")).items():
        _price(draft, accounts, selector, mapping(said))
    for alias, said in mapping(data.get("aliases")).items():
        _routes(draft, accounts, ("aliases", alias), alias, [_target(said)])
    policies = mapping(mapping(data.get("routing")).get("policies"))
    for name, said in policies.items():
        _policy(draft, accounts, name, mapping(said))
    draft.leave_rest(mapping(data.get("routing")), ("routing",), {"policies", "enabled"})
    draft.host = text(data.get("host")), ("host",)
    draft.port = number(data.get("port"))
    draft.admin_key = key_of(text(data.get("master_key")))
    if draft.admin_key:
        draft.client_key = ("master_key",)
    draft.leave_rest(data, (), _READ)


def _account(draft: Draft, name: str, said: dict[str, Any], names: NamesForm) -> Source:
    place = ("providers", name)
    arguments = mapping(said.get("client_args"))
    headers = {
        **mapping(arguments.get("custom_headers")),
        **mapping(arguments.get("default_headers")),
    }
    given = [text(said[one]) for one in names.credentials if text(said.get(one))]
    source = Source(
        word=text(said.get("provider_type")) or name,
        name=name,
        base_url=text(said.get("api_base")),
        key=text(said.get("api_key")),
        headers=tuple(sorted((header, text(value)) for header, value in headers.items())),
        blanks=tuple(
            sorted((b, text(said[t])) for t, b in names.blanks.items() if text(said.get(t)))
        ),
        credentials=given[0] if given else "",
    )
    uses = draft.source(source, draft.lines.find(place), named=True)
    if (seconds := number(arguments.get("timeout"))) is not None:
        uses.timeouts["answer_s"] = {seconds}
    rest = set(arguments) - {"custom_headers", "default_headers", "timeout"}
    if rest:
        draft.leave((*place, "client_args"), f"providers.{name}.client_args")
    draft.leave_rest(said, place, _ACCOUNT | names.blanks.keys() | set(names.credentials))
    draft.carry(place, f"provider {name!r}", f"clients ask for {name}/MODEL")
    return source


def _selected(accounts: dict[str, Source], selector: str) -> tuple[Source, str] | None:
    for sign in (":", "/"):
        name, found, model = selector.partition(sign)
        if found and model and name in accounts:
            return accounts[name], model
    return None


def _price(draft: Draft, accounts: dict[str, Source], selector: str, said: dict[str, Any]) -> None:
    place = ("pricing", selector)
    target = _selected(accounts, selector)
    if target is None:
        draft.leave(place, f"pricing.{selector}", "it names no provider of this file")
        return
    source, model = target
    prices: dict[str, Decimal] = {}
    for theirs, ours in _PRICES.items():
        if (price := number(said.get(theirs))) is not None:
            prices[ours] = price
    draft.sources[source].prices[model] = prices
    # Their clients ask by this name.
    draft.models.setdefault(selector, []).append(target)
    draft.carry(place, f"pricing.{selector}", f"models: {selector}, and its prices")
    draft.leave_rest(said, place, _PRICES.keys())


def _target(said: object) -> str:
    return text(mapping(said).get("target")) or text(mapping(said).get("model")) or text(said)


def _routes(
    draft: Draft,
    accounts: dict[str, Source],
    place: tuple[str, ...],
    name: str,
    selectors: list[str],
) -> None:
    found = [target for one in dict.fromkeys(selectors) if (target := _selected(accounts, one))]
    if not found:
        draft.leave(place, ".".join(place), "it names no provider of this file")
        return
    draft.models[name] = found
    draft.carry(place, ".".join(place), f"models: {name}")


def _policy(draft: Draft, accounts: dict[str, Source], name: str, said: dict[str, Any]) -> None:
    """A policy's default and its candidates first, then what it falls back to."""
    place = ("routing", "policies", name)
    pools: list[str] = []
    usual: list[str] = []
    for number_, entry in enumerate(sequence(said.get("select"))):
        one, here = mapping(entry), (*place, "select", number_)
        if "when" in one:
            draft.leave((*here, "when"), f"routing.policies.{name}.when")
            continue
        pools += map(text, sequence(one.get("candidates")))
        usual += [text(one["default"])] if text(one.get("default")) else []
        draft.leave_rest(one, here, {"default", "candidates"})
    _routes(
        draft, accounts, place, name, [*pools, *usual, *map(text, sequence(said.get("on_failure")))]
    )
    draft.leave_rest(said, place, {"select", "on_failure"})
