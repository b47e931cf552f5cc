"""What `entrepot models` says: one table over all hosts, what narrows it, and the config's own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from providers.precision import meant
from tests.unit.gateway.commands import entrepot, told

Config = Callable[..., Path]
CONFIG: dict[str, Any] = {
    "providers": {
        "home": {"catalog": "vllm", "base_url": "http://127.0.0.1:8000"},
        "mistral": {"endpoint": "eu", "api_key": "sk-canary-1"},
        "openai": {"api_key": "sk-canary-2"},
        "deepseek": {"api_key": "${DEEPSEEK_API_KEY}"},
        "glm": {"catalog": "zai-coding", "api_key": "sk-canary-3", "terms": "we may"},
    },
    "models": {
        "assistant": ["mistral/mistral-small-2603", "openai/gpt-6-luna", "deepseek/deepseek-flash"],
        "own": {"routes": ["home/mine"], "prefer": "cheapest"},
        "odd": ["openai/never-heard-of"],
        "coder": ["glm/glm-5.3"],
        "gpt-*": "assistant",
    },
}


@pytest.fixture
def path(tmp_config: Config) -> Path:
    """A config with paid hosts, one without its key, a plan, and a server at home."""
    return tmp_config(CONFIG)


@pytest.fixture
def _nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def where(*conditions: str, more: tuple[object, ...] = ()) -> list[dict[str, Any]]:
    """Return the offers that satisfy all conditions."""
    words: list[object] = ["models", *more]
    for condition in conditions:
        words += ["--where", condition]
    found: list[dict[str, Any]] = told(*words)["models"]
    return found


def countries(offer: dict[str, Any], fact: str) -> set[str]:
    """Return a fact's countries, none where it is unknown."""
    return set() if offer[fact] == "unknown" else set(offer[fact])


# Only the names of the config.


def test_models_have_prices_or_say_that_they_are_unknown(path: Path) -> None:
    found = {told["model"]: told for told in told("models", "--mine", "--config", path)["models"]}
    luna = found["assistant"]["routes"][1]
    assert (luna["usd_in"], luna["usd_out"]) == ("0.1", "0.5")
    assert "·" in luna["price_from"] or luna["price_from"].startswith("genai-prices")
    assert found["odd"]["routes"][0]["usd_in"] is None
    assert found["odd"]["routes"][0]["maker"] == "unknown"
    assert found["gpt-*"]["alias_of"] == "assistant"
    home = found["own"]["routes"][0]
    assert (home["usd_in"], home["operator"], home["why_not"]) == ("0", ["home"], None)
    lines = entrepot("models", "--mine", "--config", path).stdout.splitlines()
    (odd,) = (line for line in lines if line.startswith("odd "))
    assert odd.split()[2:4] == ["unknown", "unknown"]
    assert any("no: DEEPSEEK_API_KEY is not set" in line for line in lines)


def test_models_by_the_hour_are_priced_so(tmp_config: Config) -> None:
    home = {"catalog": "vllm", "base_url": "http://127.0.0.1:1", "usd_per_hour": "1.50"}
    path = tmp_config({"providers": {"home": home}, "models": {"a": ["home/x"]}})
    mine = told("models", "--mine", "--config", path)["models"]
    assert mine[0]["routes"][0]["usd_per_hour"] == "1.5"
    assert "1.5/h" in entrepot("models", "--mine", "--config", path).stdout
    assert "1.5/h" in entrepot("models", "--mine", "--sort", "name", "-c", path).stdout
    assert told("check", "--config", path)["unpriced"] == []


def test_no_models_is_said(tmp_config: Config) -> None:
    shown = entrepot("models", "--mine", "--config", tmp_config({"providers": {}}))
    assert shown.exit_code == 0
    assert "no models" in shown.stdout


def test_conditions_narrow_the_configs_own_too(path: Path) -> None:
    found = where("operator!=US", more=("--mine", "-c", path))
    assert {offer["name"] for offer in found} == {
        "mistral/mistral-small-2603", "deepseek/deepseek-flash", "home/mine", "glm/glm-5.3"
    }  # fmt: skip


# All hosts.


@pytest.mark.usefixtures("_nowhere")
def test_the_table_is_over_all_hosts_and_needs_no_config() -> None:
    found = told("models")
    assert len({offer["host"] for offer in found["models"]}) > 50
    assert not any(offer["configured"] for offer in found["models"])
    shown = entrepot("models", "--where", "host=zai").stdout.splitlines()
    (row,) = (line for line in shown if line.startswith("zai/glm-5.2 (mainland)"))
    assert row.split()[2:6] == ["8", "CNY", "28", "CNY"]
    assert f"of {found['of']}. Prices" in shown[-4]


def test_routes_of_the_config_are_marked_and_first_among_equals(path: Path) -> None:
    found = where("model=*mistral-small-2603", more=("-c", path))
    assert [found[0]["name"], found[0]["configured"]] == ["mistral/mistral-small-2603", True]
    assert found[0]["asked_as"] == ["assistant", "gpt-*"]
    # The same model at the same address is not told twice, at another one it is another offer.
    assert [offer["endpoints"] for offer in found if offer["host"] == "mistral"] == [
        ["eu"], ["global"], ["us"]
    ]  # fmt: skip
    lines = entrepot("models", "--where", "model=*mistral-small-2603", "-c", path).stdout
    assert lines.splitlines()[1].startswith("* mistral/mistral-small-2603 (eu)")
    assert lines.splitlines()[2].startswith("  mistral/mistral-small-2603 (global)")


def test_a_surcharge_of_the_address_is_in_the_price() -> None:
    found = {
        offer["endpoints"][0]: offer for offer in where("host=mistral", "model=mistral-small-2603")
    }
    whole, europe = (Decimal(found[name]["usd_in"]) for name in ("global", "eu"))
    assert europe == whole * Decimal("1.1")


@pytest.mark.usefixtures("_nowhere")
def test_sorted_by_price_three_in_to_one_out_with_the_unpriced_last() -> None:
    found = told("models", "--sort", "price")["models"]
    priced = [
        (3 * Decimal(offer["usd_in"]) + Decimal(offer["usd_out"])) / 4
        for offer in found
        if offer["usd_in"] is not None and offer["usd_out"] is not None
    ]
    assert priced == sorted(priced)
    assert all(offer["usd_in"] is not None for offer in found[: len(priced)])
    assert all(
        offer["usd_in"] is None or offer["usd_out"] is None for offer in found[len(priced) :]
    )


@pytest.mark.usefixtures("_nowhere")
def test_sorted_by_context_with_the_longest_first() -> None:
    found = [offer["context"] for offer in told("models", "--sort", "context")["models"]]
    known = [context for context in found if context is not None]
    assert known == sorted(known, reverse=True)
    assert found[: len(known)] == known


def test_a_plan_is_no_price(path: Path) -> None:
    (offer,) = where("model=coder", more=("--mine", "-c", path))
    assert (offer["billing"], offer["usd_in"]) == ("plan", None)
    assert where("model=coder", "price<1000", more=("--mine", "-c", path)) == []
    shown = entrepot("models", "--mine", "--where", "billing=plan", "-c", path).stdout
    assert shown.splitlines()[1].split()[3:5] == ["plan", "plan"]


# What conditions mean.


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ("maker=CN", lambda o: countries(o, "maker") == {"CN"}),
        ("maker!=CN", lambda o: countries(o, "maker") and "CN" not in countries(o, "maker")),
        ("operator!=US", lambda o: countries(o, "operator") and "US" not in countries(o, "operator")),
        ("place=US", lambda o: countries(o, "processed_in") == {"US"}),
        ("weights=open", lambda o: o["weights"] == "open"),
        ("trains=never", lambda o: o["trains_on_data"] == "never"),
        ("trains!=never", lambda o: o["trains_on_data"] in ("opt_out", "by_default")),
        ("quantisation=fp8+", lambda o: o["quantisation"] in meant("fp8+")),
        ("quantisation!=fp8", lambda o: o["quantisation"] not in ("fp8", "unknown")),
        ("family=glm-5.2", lambda o: o["family"] == "glm-5.2"),
        ("host=mistral", lambda o: o["host"] == "mistral"),
        ("host!=mistral", lambda o: o["host"] != "mistral"),
        ("context>=200000", lambda o: (o["context"] or 0) >= 200_000),
        ("context>=200k", lambda o: (o["context"] or 0) >= 200_000),
        ("price_out<2", lambda o: o["usd_out"] is not None and Decimal(o["usd_out"]) < 2),
        ("retention=0", lambda o: o["retention_days"] == 0),
        ("kind=aggregator", lambda o: o["kind"] == "aggregator"),
        ("status!=live", lambda o: o["status"] in ("preview", "closed", "retired")),
        ("can=images,tools", lambda o: {"images", "tools"} <= set(o["can"])),
        ("can!=json_schema", lambda o: "json_schema" in o["cannot"]),
        ("licence=MIT", lambda o: o["licence"].casefold() == "mit"),
    ],
)  # fmt: skip
def test_a_condition_is_satisfied_by_what_is_known_alone(
    condition: str, holds: Callable[[dict[str, Any]], bool]
) -> None:
    everything = told("models")["models"]
    found = [(offer["name"], offer["endpoints"]) for offer in where(condition)]
    wanted = [(offer["name"], offer["endpoints"]) for offer in everything if holds(offer)]
    assert found == wanted
    assert found, "nothing was tested"


@pytest.mark.usefixtures("_nowhere")
def test_groups_are_those_of_the_policy() -> None:
    inside = where("operator=EEA", "place=EEA,CH")
    assert inside
    for offer in inside:
        assert "US" not in offer["operator"]
        assert "unknown" not in (offer["operator"], offer["processed_in"])
    assert {"mistral"} <= {offer["host"] for offer in inside}
    # A machine in Frankfurt whose parent is American is no European operator.
    assert not any(offer["host"] == "amazon-bedrock" for offer in inside)
    europe = where("host=amazon-bedrock", "place=EEA")
    assert any("eu-central-1" in offer["endpoints"] for offer in europe)


@pytest.mark.usefixtures("_nowhere")
def test_all_conditions_must_hold_however_they_are_written() -> None:
    one = where("family=glm-5.2", "operator!=US", "price<3")
    other = told("models", "--where", "family=glm-5.2", "operator!=US", "price<3")
    assert one == other["models"]
    assert other["where"] == ["family=glm-5.2", "operator!=US", "price<3"]


@pytest.mark.usefixtures("_nowhere")
@pytest.mark.parametrize(
    ("condition", "says"),
    [
        ("operator=Germany", "two capitals such as FR, home, or a group"),
        ("operator=UK", "did you mean 'GB'?"),
        ("operator=eea", "did you mean 'EEA'?"),
        ("oprator=EEA", "did you mean 'operator'?"),
        ("weights=opn", "did you mean 'open'?"),
        ("trains=sometimes", "never"),
        ("quantisation=fp8x", "did you mean 'fp8'?"),
        ("family=glm-5.22", "did you mean 'glm-5.2'?"),
        ("host=mitsral", "did you mean 'mistral'?"),
        ("host=zzzzzz", "host=zzz* finds"),
        ("operator<EEA", "operator=EEA or !="),
        ("price<cheap", "US dollars per million tokens"),
        ("context>=big", "200k"),
        ("cheap", "FACT=VALUE"),
        ("operator=", "FACT=VALUE"),
    ],
)
def test_a_condition_that_means_nothing_is_told_with_what_would_be_right(
    condition: str, says: str
) -> None:
    shown = entrepot("models", "--where", condition)
    assert shown.exit_code == 2
    assert says in shown.stderr
    assert shown.stdout == ""


@pytest.mark.usefixtures("_nowhere")
def test_it_can_be_read_in_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    shown = entrepot("models", "--where", "family=glm-5.2").stdout.splitlines()
    assert max(map(len, shown)) <= 80
    assert "zai/glm-5.2 (international)" in shown
    assert shown[shown.index("zai/glm-5.2 (international)") + 1].startswith("  in: 1.4 · out: 4.4")


@pytest.mark.usefixtures("_nowhere")
def test_nothing_found_is_no_failure() -> None:
    shown = entrepot("models", "--where", "host=zai", "--where", "maker=FR")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("0 of ")
