"""Every entry of the catalogue says the same as the researched facts that it was made from.

The facts lie beside the repository; where they are absent these tests are skipped with that reason.
What the catalogue says otherwise on purpose stands in ``tests/facts/tolerated.py``.
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from tests.facts import comparing, files, own_models, plans, tiers, weights
from tests.facts.comparing import Difference, differences
from tests.facts.files import EAST, are_here, file, providers
from tests.facts.readings import FAMILIES, HOSTS, LOCAL, PLANS, RUN_BY
from tests.facts.tolerated import TOLERATED

pytestmark = pytest.mark.skipif(
    not are_here(), reason="the researched facts do not lie beside the repository"
)


def judge(key: str, found: list[Difference]) -> None:
    """Fail on each difference that nobody gave a reason for, and on each reason without one."""
    reasons = TOLERATED.get(key, {})
    wrong = [str(one) for one in found if one.subject not in reasons]
    assert not wrong, "\n".join(wrong)
    stale = sorted(reasons.keys() - {one.subject for one in found})
    assert not stale, f"tolerated, but there is no such difference any more: {stale}"


@pytest.mark.parametrize("key", HOSTS)
def test_a_host_says_what_the_facts_say(key: str) -> None:
    judge(key, list(differences(key)))


@pytest.mark.parametrize("key", HOSTS)
def test_a_model_costs_in_every_tier_what_the_facts_say(key: str) -> None:
    judge(f"{key} tiers", list(tiers.differences(key)))


@pytest.mark.parametrize("key", RUN_BY)
def test_a_model_is_run_by_whom_the_facts_say(key: str) -> None:
    judge(f"{key} operators", list(own_models.operator_differences(key)))


def test_a_routers_suffix_leads_to_the_host_of_that_name() -> None:
    judge("huggingface_router suffixes", list(own_models.suffix_differences("huggingface_router")))


@pytest.mark.parametrize("key", HOSTS)
def test_a_model_ends_on_the_day_of_the_facts(key: str) -> None:
    judge(f"{key} ends", list(own_models.end_differences(key)))


@pytest.mark.parametrize(("key", "plan"), PLANS)
def test_a_plan_has_the_fees_and_windows_of_the_facts(key: str, plan: str) -> None:
    judge(f"{key} {plan}", list(plans.differences(key, plan)))


@pytest.mark.parametrize("key", LOCAL)
def test_a_server_at_home_says_what_the_facts_say(key: str) -> None:
    judge(key, list(weights.server_differences(key)))


@pytest.mark.parametrize("weight", FAMILIES)
def test_open_weights_have_the_maker_and_licence_of_the_facts(weight: str) -> None:
    judge(weight, list(weights.differences(weight)))


@pytest.mark.parametrize(
    ("path", "value", "subject"),
    [
        ("api.base_urls.0.url", "https://api.groq.example/v1", "address"),
        ("api.formats", ["openai_chat"], "wire responses"),
        ("jurisdiction.hq_country", "CA", "company"),
        ("jurisdiction.parent_country", "CA", "parent"),
        ("api.base_urls.0.region", "us", "place"),
        ("data.trains_on_api_data_by_default", True, "training"),
        ("data.retention_days_max", 31, "retention"),
        ("data.zero_data_retention", "default", "zdr"),
        ("models.0.id", "another-model", "model"),
        ("models.0.context", 1, "context"),
        ("models.0.usd_per_mtok.cached_read", 0.074, "price"),
        ("status", "RETIRED 2026-07-30", "status"),
        ("api.auth", {"header": "x-api-key: <key>"}, "auth"),
    ],
)
def test_a_difference_is_found(
    monkeypatch: pytest.MonkeyPatch, path: str, value: Any, subject: str
) -> None:
    facts = {"groq": deepcopy(providers()["groq"])}
    inner: Any = facts["groq"]
    *way, last = path.split(".")
    for part in way:
        inner = inner[int(part)] if isinstance(inner, list) else inner[part]
    inner[last] = value
    if last == "parent_country":
        inner["parent"] = "somebody"
    monkeypatch.setattr(comparing, "providers", lambda: facts)
    subjects = [one.subject.split(" ")[0] for one in differences("groq")]
    assert subject.split(" ")[0] in subjects


@pytest.mark.parametrize(
    ("key", "path", "value", "subject"),
    [
        ("perplexity", "data.note", "nothing is said", "phrase"),
        ("anthropic", "jurisdiction.hq_country", "CA", "operator of anthropic/claude-opus-5-5"),
    ],
)
def test_a_difference_of_a_models_operator_is_found(
    monkeypatch: pytest.MonkeyPatch, key: str, path: str, value: str, subject: str
) -> None:
    facts = deepcopy(providers())
    part, name = path.split(".")
    facts[key][part][name] = value
    monkeypatch.setattr(files, "providers", lambda: facts)
    subjects = [one.subject for one in own_models.operator_differences("perplexity")]
    assert [one for one in subjects if one.startswith(subject)]


def test_a_difference_of_a_models_end_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = deepcopy(providers())
    facts["scaleway"]["models"][0]["shutdown"] = "2027-01-01"
    monkeypatch.setattr(files, "providers", lambda: facts)
    assert list(own_models.end_differences("scaleway"))


def test_nothing_of_the_facts_is_left_out() -> None:
    assert providers().keys() == HOSTS.keys()
    assert file(EAST)["local_servers"].keys() == LOCAL.keys()
    assert {one["id"] for one in file(EAST)["open_weights"]} == FAMILIES.keys()
    found = {
        (key, plan["id"].split(" (")[0])
        for key, said in providers().items()
        for plan in said.get("plans") or ()
    }
    assert found == PLANS.keys()
