"""What an account's settings, a region and a model's name decide at the large clouds and makers."""

from __future__ import annotations

from decimal import Decimal

import pytest

from providers import catalog
from providers.catalog import Catalog
from providers.host import Host, HostEndpoint


@pytest.fixture(scope="module")
def known() -> Catalog:
    return catalog.builtin()


def there(known: Catalog, host: str, endpoint: str, **choices: str) -> tuple[Host, HostEndpoint]:
    found = known.at(host, endpoint, choices)
    return found, found.endpoints[endpoint]


def test_a_field_of_the_request_decides_where_a_model_runs(known: Catalog) -> None:
    host, at = there(known, "anthropic", "default")
    model = host.model("claude-opus-5-5")
    assert at.place_of(model).processed_in is None
    assert not host.dialect_of(model, "messages").sets
    assert host.dialect_of(model, "messages").allows[("inference_geo",)] == ("global",)
    host, at = there(known, "anthropic", "default", inference_geo="us")
    model = host.model("claude-opus-5-5")
    assert at.place_of(model).processed_in == frozenset({"US"})
    assert at.surcharge == Decimal("1.1")
    assert host.dialect_of(model, "messages").sets == {("inference_geo",): "us"}


@pytest.mark.parametrize(
    ("host", "endpoint", "kept", "free"),
    [
        ("anthropic", "default", "claude-fable-5-2", "claude-opus-5-5"),
        ("google-vertex", "eu", "claude-fable-5-2", "claude-opus-5-5"),
        (
            "amazon-bedrock",
            "eu-central-1",
            "eu.anthropic.claude-fable-5-2",
            "eu.anthropic.claude-opus-5-5",
        ),
    ],
)
def test_a_covered_model_is_kept_whatever_was_agreed(
    known: Catalog, host: str, endpoint: str, kept: str, free: str
) -> None:
    found, at = there(known, host, endpoint, retention="zero")
    covered, other = at.place_of(found.model(kept)), at.place_of(found.model(free))
    assert (covered.zdr, covered.retention_days) == ("no", 30)
    assert (other.zdr, other.retention_days) == ("default", 0)


def test_the_kind_of_a_deployment_decides_its_place_and_price(known: Catalog) -> None:
    places = {
        "": (None, "1"),
        "global": (None, "1"),
        "datazone-eu": ({"EEA"}, "1.2"),
        "datazone-us": ({"US"}, "1.1"),
        "datazone-apac": (None, "1.2"),
        "regional": (None, "1"),
        "swedencentral": ({"SE"}, "1"),
        "norwayeast": ({"NO"}, "1"),
    }
    for kind, (countries, factor) in places.items():
        choices = {"deployment": kind} if kind else {}
        for endpoint in ("foundry", "openai", "legacy"):
            host, at = there(known, "azure-foundry", endpoint, **choices)
            place = at.place_of(host.model("gpt-6.1-sol"))
            assert place.processed_in == countries, kind
            assert place.operator == frozenset({"US"}), (
                "Europe's zone is still under the law of the US"
            )
            assert at.surcharge == Decimal(factor), kind


def test_a_project_that_pays_is_not_trained_on(known: Catalog) -> None:
    trains = {"": "opt_out", "paid": "never", "free": "by_default"}
    for kind, answer in trains.items():
        choices = {"project": kind} if kind else {}
        host, at = there(known, "google-ai-studio", "default", **choices)
        assert at.place_of(host.model("gemini-4-argon")).trains_on_data == answer


def test_a_region_that_stores_may_not_run_the_model(known: Catalog) -> None:
    for endpoint, model, countries in (
        ("global", "gpt-6-luna", None),
        ("us", "gpt-6-luna", {"US"}),
        ("eu", "gpt-6-luna", {"EEA", "CH"}),
        ("jp", "gpt-6-luna", None),
        ("ae", "gpt-6-luna", None),
        ("ae", "gpt-5.6-luna", {"AE"}),
    ):
        host, at = there(known, "openai", endpoint)
        assert at.place_of(host.model(model)).processed_in == countries, (endpoint, model)


def test_a_tier_that_a_region_lacks(known: Catalog) -> None:
    tiers = ("auto", "default", "flex", "scale")
    for endpoint, allowed in (("eu", tiers), ("us", None), ("global", None)):
        host, _ = there(known, "openai", endpoint)
        dialect = host.dialect_of(host.model("gpt-6-luna"), "responses")
        assert dialect.allows.get(("service_tier",)) == allowed


@pytest.mark.parametrize(
    ("model", "thinks"),
    [
        ("gpt-6.1-sol", "always"),
        ("gpt-6-luna", "by_default"),
        ("gpt-5.6-sol", "by_default"),
        ("gpt-5.4-mini", "when_asked"),
        ("gpt-5.1", "when_asked"),
        ("gpt-5-nano", "by_default"),
    ],
)
@pytest.mark.parametrize("host", ["openai", "azure-foundry"])
def test_sampling_is_refused_while_a_model_thinks(
    known: Catalog, host: str, model: str, thinks: str
) -> None:
    found = known.hosts[host]
    dialect = found.dialect_of(found.model(model), "chat")
    assert dialect.thinks == thinks
    thinking, quiet = dialect.under(frozenset({"thinks"})), dialect.under(frozenset())
    assert {"top_p", "logprobs", "top_logprobs"} <= thinking.refuses - quiet.refuses
    assert thinking.allows[("temperature",)] == (1,)
    assert ("temperature",) not in quiet.allows
    assert {"stop", "presence_penalty"} <= quiet.refuses, "never taken, thinking or not"


def test_each_maker_speaks_its_own_wire_at_a_cloud(known: Catalog) -> None:
    for host, model, wires in (
        ("google-vertex", "gemini-4-argon", ("gemini",)),
        ("google-vertex", "claude-opus-5-5", ("messages",)),
        ("google-vertex", "google/gemini-4-argon", ("chat",)),
        ("amazon-bedrock", "us.amazon.nova-2-lite-v1:0", ("converse",)),
        ("amazon-bedrock", "eu.anthropic.claude-opus-5-5", ("converse", "messages")),
        ("azure-foundry", "claude-opus-5-5", ("messages",)),
        ("azure-foundry", "MAI-Thinking-1", ("chat",)),
    ):
        assert known.hosts[host].model(model).wires == wires, model


def test_cached_tokens_beside_the_prompt(known: Catalog) -> None:
    host = known.hosts["azure-foundry"]
    dialect = host.dialect_of(host.model("grok-4-1-fast-non-reasoning"), "chat")
    assert not dialect.cached_read_paths
    assert dialect.extra_cached_paths == (("prompt_tokens_details", "cached_tokens"),)


def test_a_router_has_no_price_of_its_own(known: Catalog) -> None:
    model = known.hosts["azure-foundry"].model("model-router")
    assert model.prices is None
    assert model.maker is None
