"""What one model has of its own at a host: its surcharge, its end, the endpoints that serve it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from gateway import freshness
from gateway.commands.reading import load_setup
from gateway.config_file import read
from gateway.setup import Setup, compile_setup
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
TODAY = datetime.now(UTC).date()
HOST = """\
id: harbour
name: Harbour
kind: hosted
status: {is: live, source: [new]}
auth: {kind: bearer}
wires: {chat: /v1/chat/completions}
operator:
  company: &company {is: {name: Harbour AB, countries: [SE]}, source: [new]}
  parent: &parent {is: none, source: [new]}
place:
  processed_in: {is: [SE], source: [new]}
  trains_on_data: {is: never, source: [new]}
  retention_days: {is: 0, source: [new]}
  zdr: {is: default, source: [new]}
default_endpoint: world
endpoints:
  world:
    base_url: {is: 'https://harbour.example', source: [new]}
  inside:
    base_url: {is: 'https://in.harbour.example', source: [new]}
    surcharge: {is: '1.1', source: [new]}
models:
  plain: &model
    family: glm-5.2
    prices: &prices {is: {input: '10', output: '20'}, source: [new]}
  dearer: {<<: *model, surcharge: {is: '1.5', source: [new]}}
  same: {<<: *model, surcharge: {is: '1', source: [new]}}
  unsaid: {<<: *model, surcharge: {is: unknown, source: [new]}}
  abroad: {<<: *model, endpoints: {is: [world], source: [new]}}
  ending: {<<: *model, until: {is: 'SOON', source: [new], note: by its list}}
  ended: {<<: *model, until: {is: 'PAST', source: [new]}}
  lasting: {<<: *model, until: {is: 'LATE', source: [new]}}
  handed-on:
    <<: *model
    operator:
      company: *company
      parent: *parent
      upstream: {is: {name: Far Inc, countries: [US]}, source: [new], note: by its name}
  'old-*': {family: glm, prices: *prices, until: {is: 'SOON', source: [new]}}
sources:
  new: {url: 'https://harbour.example/docs', date: 'TODAY'}
"""
DAYS = {"SOON": 10, "PAST": -1, "LATE": 61, "TODAY": 0}
VERTEX = "https://europe-west4-aiplatform.googleapis.com/v1/projects/ours/locations/europe-west4"
FACTORS = {
    "openai/gpt-6-luna": Decimal("1.1"),
    "openai/gpt-5.4": Decimal("1.1"),
    "openai/gpt-5.2": 1,
    "openai/gpt-4.1": 1,
    "anthropic/claude-opus-5-5": Decimal("1.1"),
    "anthropic/claude-haiku-4-5": 1,
    "google-vertex/claude-opus-5-5": Decimal("1.1"),
    "google-vertex/gemini-2.5-pro": 1,
}


@pytest.fixture
def path(tmp_config: Config, tmp_path: Path) -> Path:
    """Return the path of a config with a host at two endpoints, and a name for each model."""
    text = HOST
    for word, days in DAYS.items():
        text = text.replace(word, (TODAY + timedelta(days=days)).isoformat())
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "harbour.yaml").write_text(text)
    providers: dict[str, Any] = {
        name: {"catalog": "harbour", "endpoint": name, "api_key": "sk-canary"}
        for name in ("world", "inside")
    }
    names = ("plain", "ending", "ended", "lasting", "old-one", "handed-on")
    models = {name: [f"world/{name}"] for name in names}
    return tmp_config({"catalog": ["own"], "providers": providers, "models": models})


def price(setup: Setup, route: str) -> Decimal | None:
    """Return what a million tokens of prompt cost there now."""
    prices = setup.route(route).prices
    now = prices.at(datetime.now(UTC)) if prices is not None else None
    return now.input if now is not None else None


def test_a_models_surcharge_stands_in_the_place_of_the_endpoints(path: Path) -> None:
    setup = load_setup(path)
    names = ("plain", "dearer", "same", "unsaid")
    world, inside = ([price(setup, f"{at}/{name}") for name in names] for at in ("world", "inside"))
    assert world == [10, 15, 10, 10]
    assert inside == [11, 15, 10, 11]


def test_a_region_costs_more_for_the_models_of_which_that_is_so(tmp_config: Config) -> None:
    providers = {
        "openai": {"endpoint": "eu", "api_key": "k"},
        "anthropic": {"api_key": "k", "settings": {"inference_geo": "us"}},
        "google-vertex": {"endpoint": "europe-west4", "base_url": VERTEX, "api_key": "k"},
    }
    everywhere = {
        "openai": {"api_key": "k"},
        "anthropic": {"api_key": "k"},
        "google-vertex": {"base_url": VERTEX.replace("europe-west4-", "").replace(
            "europe-west4", "global"), "api_key": "k"},
    }  # fmt: skip
    found = {}
    for route in FACTORS:
        here, there = (
            price(compile_setup(read(tmp_config({"providers": said}), {})), route)
            for said in (providers, everywhere)
        )
        assert here is not None, route
        assert there is not None, route
        found[route] = here / there
    assert found == FACTORS


def test_a_model_that_does_not_take_the_field_has_not_its_place(tmp_config: Config) -> None:
    said = {"anthropic": {"api_key": "k", "settings": {"inference_geo": "us"}}}
    setup = compile_setup(read(tmp_config({"providers": said}), {}))
    assert setup.route("anthropic/claude-opus-5-5").facts.processed_in == frozenset({"US"})
    assert setup.route("anthropic/claude-haiku-4-5").facts.processed_in is None


def test_a_model_of_other_endpoints_is_not_to_be_had_at_this_one(path: Path) -> None:
    setup = load_setup(path)
    assert setup.route("world/abroad").available == ""
    why = setup.route("inside/abroad").available
    assert why == "harbour does not serve abroad at its endpoint inside"
    assert setup.route("inside/plain").available == ""
    assert setup.route("inside/never-heard-of").available == "", "of it nothing is known"


def test_a_model_of_other_regions_in_the_built_in_catalogue(tmp_config: Config) -> None:
    said = {name: {"catalog": "openai", "endpoint": name, "api_key": "k"} for name in ("eu", "ae")}
    setup = compile_setup(read(tmp_config({"providers": said}), {}))
    assert setup.route("eu/gpt-6.1-sol").available == ""
    assert "does not serve gpt-6.1-sol" in setup.route("ae/gpt-6.1-sol").available


def test_check_warns_of_a_model_that_ends(path: Path) -> None:
    warnings = [one for one in told("check", "-c", path)["warnings"] if "world end" in one["what"]
                or "world has ended" in one["what"]]  # fmt: skip
    soon, past = ((TODAY + timedelta(days=days)).isoformat() for days in (10, -1))
    assert {one["what"] for one in warnings} == {
        f"world ends ending on {soon}",
        f"world ends old-one on {soon}",
        f"world has ended ended on {past}",
    }
    assert {one["right"] for one in warnings} == {"let another route answer in time"}
    lines = path.read_text().splitlines()
    assert all(one["what"].split(" on ")[0].split()[-1] in lines[one["line"] - 1]
               for one in warnings)  # fmt: skip
    assert entrepot("check", "-c", path).exit_code == 0


@pytest.mark.parametrize(
    ("before", "said"), [(61, None), (60, "ends"), (1, "ends"), (0, "has ended"), (-9, "has ended")]
)
def test_an_end_is_told_two_months_before(path: Path, before: int, said: str | None) -> None:
    until = TODAY + timedelta(days=10)
    today = until - timedelta(days=before)
    found = [str(fault.what) for fault in freshness.warnings(load_setup(path), today)]
    told_ = [what for what in found if " ending on " in what]
    assert told_ == ([f"world {said} ending on {until.isoformat()}"] if said else [])


def test_models_says_when_they_end(path: Path) -> None:
    soon, past = ((TODAY + timedelta(days=days)).isoformat() for days in (10, -1))
    shown = entrepot("models", "-c", path, "host=harbour").stdout
    assert f"[ends {soon}]" in shown
    assert f"[ended {past}]" in shown
    found = told("models", "-c", path, "host=harbour")["models"]
    until = {one["model"]: one["until"] for one in found if one["configured"]}
    assert (until["ending"], until["ended"], until["plain"]) == (soon, past, None)
    mine = told("models", "--mine", "-c", path)["models"]
    assert {one["model"]: one["routes"][0]["until"] for one in mine}["old-one"] == soon
    assert f"yes, ends {soon}" in entrepot("models", "--mine", "-c", path).stdout


def test_providers_says_when_a_model_ends_and_who_runs_it(path: Path) -> None:
    soon = (TODAY + timedelta(days=10)).isoformat()
    shown = entrepot("providers", "world", "-c", path).stdout
    assert f"{soon}: by its list [new]" in shown
    assert "Far Inc (US): by its name [new]" in shown
    assert "1.5 [new]" in shown
    models = told("providers", "world", "-c", path)["models"]
    assert date.fromisoformat(models["ending"]["facts"]["until"]["is"]) == date.fromisoformat(soon)
    assert models["handed-on"]["facts"]["upstream"]["is"]["countries"] == ["US"]
    assert "upstream" in entrepot("providers", "world/handed-on", "-c", path).stdout
    depends = {one["on"]: one["decides"] for one in told("providers", "world", "-c", path)[
        "depends_on"] if "surcharge" in one["decides"]}  # fmt: skip
    assert depends == {"the model's name": "surcharge, for dearer, same, unsaid"}
