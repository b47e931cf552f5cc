"""The golden costs as they are written, and a gateway's setup that has every place they speak of."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from providers.usage import Usage
from tests.facts.catalogue import BLANK, catalog
from tests.facts.files import Loader
from tests.running import config

FILE = Path(__file__).with_name("costs.yaml")
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Golden:
    """One call and what it costs, in pico dollars and 1e-12 of ``currency``; None is unknown.

    ``work`` and ``computed`` are the arithmetic as text, per million. ``said`` is the case itself.
    """

    id: str
    provider: str
    model: str
    at: datetime
    usage: Usage
    currency: str
    pico: int | None
    native_pico: int | None
    computed_pico: int | None
    work: str
    computed: str
    said: Mapping[str, Any]


@cache
def written() -> Mapping[str, Any]:
    """Return the file as it is."""
    found: Mapping[str, Any] = yaml.load(FILE.read_text(encoding="utf-8"), Loader)
    return found


def cases() -> list[Golden]:
    """Return every case, those of the catalogue first."""
    whole = written()
    return [_case(said) for said in (*whole["cases"], *whole["of_config"])]


def _case(said: Mapping[str, Any]) -> Golden:
    stated = said.get("stated")
    usage = Usage(
        **said["usage"],
        tier=said.get("tier", ""),
        stated_usd=Decimal(stated) if stated else None,
    )
    native = said.get("native", said["usd"])
    return Golden(
        id=said["id"],
        provider=said.get("provider") or place(said),
        model=said["model"],
        at=datetime.fromisoformat(said["at"]),
        usage=usage,
        currency=said.get("currency", "USD"),
        pico=_pico(said["usd"]),
        native_pico=_pico(native),
        computed_pico=_pico(said.get("computed_usd", UNKNOWN)),
        work=said.get("work", ""),
        computed=said.get("computed", ""),
        said=said,
    )


def _pico(amount: str) -> int | None:
    """Return an amount in 1e-12, which it must be a whole number of."""
    if amount == UNKNOWN:
        return None
    exact = Fraction(amount) * 10**12
    assert exact.denominator == 1, amount
    return int(exact)


def worked_out(work: str) -> Fraction:
    """Return what a line of arithmetic comes to, in units of the currency.

    Raises ``ValueError`` for what is more than numbers, brackets, plus and times.
    """
    return _value(ast.parse(work, mode="eval").body, work) / 10**6


def _value(node: ast.expr, work: str) -> Fraction:
    match node:
        case ast.Constant():
            return Fraction(ast.get_source_segment(work, node) or "")
        case ast.BinOp(left, ast.Add(), right):
            return _value(left, work) + _value(right, work)
        case ast.BinOp(left, ast.Mult(), right):
            return _value(left, work) * _value(right, work)
    raise ValueError(f"{work}: write it with numbers, brackets, + and *")


def place(said: Mapping[str, Any]) -> str:
    """Return the name of the provider that stands where a case was called."""
    choices = [f"{name}-{value}" for name, value in said.get("settings", {}).items()]
    return ".".join((said["host"], said.get("endpoint", ""), *choices)).rstrip(".")


def provider_of(said: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config of the provider that a case of the catalogue was called at."""
    host = catalog().hosts[said["host"]]
    endpoint = said.get("endpoint", host.default_endpoint)
    form: dict[str, Any] = {"catalog": host.id, "endpoint": endpoint, "api_key": "x"}
    base = host.endpoints[endpoint].base_url
    if base is not None and host.endpoints[endpoint].blanks:
        form["base_url"] = BLANK.sub("x1", base)
    if "settings" in said:
        form["settings"] = dict(said["settings"])
    return form


@cache
def setup(with_rates: bool = True) -> Setup:
    """Return the setup of a gateway that has all providers of the cases."""
    whole = written()
    providers = {place(said): provider_of(said) for said in whole["cases"]}
    providers |= {name: {"api_key": "x", **form} for name, form in whole["providers"].items()}
    parts = {"exchange": rates()} if with_rates else {}
    with TemporaryDirectory() as folder:
        path = config(Path(folder), providers=providers, **parts)
        return compile_setup(read(path, {}), price_all=True)


def rates() -> dict[str, Any]:
    """Return the config of the rates that the cases are worked out with."""
    return {
        currency: [{**rate, "source": "a test"} for rate in dated]
        for currency, dated in written()["exchange"].items()
    }
