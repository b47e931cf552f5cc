"""`entrepot init --from`: other gateways' configs turned into ours, nothing secret copied."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.foreign.names import FILE, names
from providers.catalog import builtin
from tests.fakes import answers
from tests.fakes.upstream import Upstream
from tests.unit.gateway.commands import CANARY, entrepot, told

FIXTURES = Path(__file__).with_name("foreign")


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def carried(fixture: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Carry a fixture over; return what was said and the config that was written."""
    shutil.copy(FIXTURES / fixture, fixture)
    said = told("init", "--from", fixture)
    return said, yaml.safe_load(Path("config.yaml").read_text())


def of(text: str, file: str = "theirs.yaml") -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for a config given here."""
    Path(file).write_text(text)
    said = told("init", "--from", file, "--force")
    return said, yaml.safe_load(Path("config.yaml").read_text())


def left(said: dict[str, Any]) -> dict[str, str]:
    """What was not carried over, and why."""
    return {note["what"]: note["text"] for note in said["left"]}


@pytest.mark.parametrize("fixture", ["model_list.yaml", "scenes.json", "selectors.yml"])
def test_the_result_passes_check_and_no_secret_is_copied_or_said(fixture: str) -> None:
    said, _ = carried(fixture)
    assert entrepot("check").exit_code == 0
    for path in Path().rglob("*"):
        if path.is_file() and path.name != fixture:
            assert "canary" not in path.read_text(), path
    shown = entrepot("init", "--from", fixture, "--force")
    assert shown.exit_code == 0
    assert "not carried over:" in shown.stdout
    lines = (FIXTURES / fixture).read_text().splitlines()
    for note in said["left"]:
        assert 1 <= note["line"] <= len(lines)
        assert note["text"]
    assert all(note["text"] != "it has no counterpart here" for note in said["left"]), said["left"]


def test_a_list_of_deployments_becomes_models_with_routes() -> None:
    said, config = carried("model_list.yaml")
    assert said["format"] == names().formats["model_list"].name
    providers, models = config["providers"], config["models"]
    assert providers["azure"] == {
        "catalog": "azure-foundry",
        "endpoint": "openai",
        "base_url": "https://acme-emea.openai.azure.com/openai/v1",
        "api_key": "${AZURE_API_KEY}",
        "timeouts": {"answer_s": 300},
    }
    assert providers["openai"]["prices"] == {"gpt-6-astra": {"input": 2.5, "output": 10}}
    assert providers["openai"]["models"] == {"gpt-6-astra": {"context": 200000}}
    assert providers["zai"] == {"api_key": "${ZAI_API_KEY}"}, "an address says more than a name"
    assert providers["bedrock"] == {"catalog": "amazon-bedrock", "endpoint": "eu-west-3"}
    assert providers["vertex_ai"]["base_url"].endswith("/acme-prod/locations/europe-west4")
    assert providers["hosted_vllm"]["api_key"] == "${HOSTED_VLLM_API_KEY:-}"
    assert providers["anthropic"] == {"api_key": "${ANTHROPIC_API_KEY}"}, "clients ask by the name"
    assert models["smart"][0] == "openai/gpt-6-astra", "the lowest order goes first"
    assert models["smart"][1] == "azure/gpt-6-astra"
    assert models["smart"][-1] == "anthropic-2/claude-sonnet-5", "the fallback stands behind"
    assert models["coder"][0] == "zai/glm-5.2"
    assert set(models["coder"][1:]) <= set(models["smart"])
    assert models["eu-claude"] == ["bedrock/eu.anthropic.claude-sonnet-4-6-v1:0"]
    assert models["gpt-4"] == "smart"
    assert models["hidden"] == "coder"
    assert config["translate"] == {"on_unsupported": "drop"}
    assert config["server"]["timeouts"] == {"answer_s": 600}
    assert config["server"]["admin_key"] == "${ENTREPOT_ADMIN_KEY:-}"
    why = left(said)
    assert "painter" not in models
    assert why["model 'painter'"] == "image_generation is not served here"
    assert "no address" in why["provider 'sagemaker'"]
    assert "openrouter/MODEL" in why["model '*'"]
    assert why["the fallback 'missing' of 'smart'"] == "no model has that name"
    assert why["model_list.litellm_params.rpm"].startswith("a limit of one deployment")


def test_two_keys_of_one_host_get_two_variables() -> None:
    said, config = carried("model_list.yaml")
    keys = [config["providers"][name]["api_key"] for name in ("openai", "openai-2", "openai-3")]
    assert len(set(keys)) == 3
    assert keys[2] == "${OPENAI_API_KEY}", "what was in the environment stays there"
    why = {one["variable"]: one["why"] for one in said["set"]}
    assert why[keys[0][2:-1]] == (
        "the key of openai: in clear text in model_list.yaml:12, and not copied"
    )


def test_an_unknown_host_becomes_a_file_of_a_catalogue() -> None:
    said, config = carried("model_list.yaml")
    assert config["catalog"] == ["catalog"]
    assert config["models"]["hub"] == ["hub-example-com/Z/glm-5.2"]
    assert "catalog/hub-example-com.yaml" in said["written"]
    shown = told("providers", "hub-example-com")
    assert "unknown" in json.dumps(shown)
    checked = told("check")
    address = next(one for one in checked["providers"] if one["name"] == "hub-example-com")
    assert address["address"] == "https://hub.example.com/v1/chat/completions"
    Path("catalog/hub-example-com.yaml").write_text("mine: true\n")
    assert entrepot("init", "--from", "model_list.yaml", "--force").exit_code == 1
    assert Path("catalog/hub-example-com.yaml").read_text() == "mine: true\n", "it is the user's"


def test_a_host_that_nobody_knew_answers_with_no_code(
    upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    of(
        "model_list:\n- model_name: m\n  litellm_params: "
        f"{{model: openai/some/model, api_base: '{upstream.base_url}', api_key: os.environ/HUB}}\n"
    )
    monkeypatch.setenv("HUB", CANARY)
    upstream.always("/v1/chat/completions", answers.chat("yes"))
    (tried,) = told("check", "--live")["live"]
    assert (tried["good"], tried["said"]) == (True, "yes")
    (asked,) = upstream.requests
    assert asked.json()["model"] == "some/model"
    assert asked.headers["authorization"] == f"Bearer {CANARY}"


def test_scenes_of_an_agent_become_models() -> None:
    said, config = carried("scenes.json")
    providers, models = config["providers"], config["models"]
    assert config["server"]["port"] == 3456
    assert config["server"]["timeouts"] == {"answer_s": 600, "first_byte_s": 600}
    assert providers["local"]["catalog"] == "ollama"
    assert providers["gemini"] == {"catalog": "google-ai-studio", "api_key": "${GEMINI_API_KEY}"}
    assert providers["plan"]["catalog"] == "zai-coding", "told from the host by its path"
    assert providers["modelhub"]["catalog"] == "models-hub-example"
    assert models["default"] == ["deepseek/deepseek-v4-flash", "openrouter/google/gemini-3-pro"]
    assert models["claude-*"] == "default"
    assert models["claude-*haiku*"] == "background"
    why = left(said)
    assert why["the use of plan"].startswith("a plan (GLM Coding Plan) waits for `terms:`")
    assert "HTTPS_PROXY" in why["PROXY_URL"]
    assert "entrepot keys create" in why["APIKEY as a client's key"]
    assert "set server.host" in why["the address to listen on"]
    assert why["Router.image"] == "'image' names no provider of this file"


def test_selectors_become_routes() -> None:
    said, config = carried("selectors.yml")
    providers, models = config["providers"], config["models"]
    assert providers["mistral"]["endpoint"] == "eu"
    assert providers["vertexai"]["credentials"] == "/app/service_account.json"
    assert providers["lab"]["headers"] == {"X-Tenant": "${LAB_X_TENANT}"}
    assert providers["lab"]["timeouts"] == {"answer_s": 60}
    assert providers["openai"]["prices"] == {"gpt-6-luna": {"input": 0.25, "output": 2}}
    assert models["openai:gpt-6-luna"] == ["openai/gpt-6-luna"]
    assert models["best"] == ["anthropic/claude-sonnet-5"]
    assert models["fast"] == [
        "openai/gpt-6-luna", "anthropic/claude-haiku-5", "mistral/mistral-small-2603",
    ]  # fmt: skip
    why = left(said)
    assert why["pricing.gone:model"] == "it names no provider of this file"
    assert why["routing.policies.fast.when"].startswith("what a rule may look at")


@pytest.mark.parametrize(
    ("address", "entry"),
    [
        ("https://api.openai.com/v1", {}),
        ("https://eu.api.openai.com/v1/", {"endpoint": "eu"}),
        ("https://api.z.ai/api/coding/paas/v4", {"catalog": "zai-coding"}),
        ("https://open.bigmodel.cn/api/paas/v4", {"catalog": "zai", "endpoint": "mainland"}),
        (
            "https://dashscope.aliyuncs.com/compatible-mode/v1",
            {"catalog": "alibaba", "endpoint": "mainland"},
        ),
        ("https://api.moonshot.cn/v1", {"catalog": "moonshot", "endpoint": "mainland"}),
        ("https://openrouter.ai/api/v1", {"catalog": "openrouter"}),
    ],
)
def test_hosts_are_found_by_their_address(address: str, entry: dict[str, str]) -> None:
    said, config = of(
        "model_list:\n- model_name: m\n  litellm_params: "
        f"{{model: openai/x, api_base: '{address}', api_key: os.environ/K}}\n"
    )
    (name,) = config["providers"]
    found = {"catalog": name, **config["providers"][name]}
    assert {key: found.get(key) for key in ("catalog", "endpoint")} == {
        "catalog": "openai", "endpoint": None, **entry,
    }  # fmt: skip
    assert "base_url" not in found
    assert said["models"] == ["m"]


@pytest.mark.parametrize(
    "address",
    [
        "https://me:canary-pw@hub.example.com/v1",
        "https://hub.example.com/v1?key=canary",
        "hub",
        "http://169.254.169.254/v1",
    ],
)
def test_an_address_that_is_none_is_left_out_and_not_repeated(address: str) -> None:
    said, config = of(
        f"model_list:\n- model_name: m\n  litellm_params: {{model: openai/x, api_base: '{address}'}}\n"
    )
    assert config["providers"] == {}
    assert config["models"] == {}
    assert left(said)["provider 'openai'"].startswith("its address ")
    assert entrepot("check").exit_code == 0


def test_a_gateway_somewhere_at_home_is_not_taken_for_a_model_server() -> None:
    _, config = of(
        "model_list:\n- model_name: m\n  litellm_params: "
        "{model: openai/x, api_base: 'http://10.0.0.9:4999/v1', api_key: canary}\n"
    )
    (name,) = config["providers"]
    assert name == "10-0-0-9-4999"
    text = Path(f"catalog/{name}.yaml").read_text()
    assert "processed_in: {is: unknown}" in text, "who runs it nobody said"
    assert entrepot("check").exit_code == 0


def test_credentials_kept_apart_and_addresses_from_the_environment() -> None:
    said, config = of(
        "credential_list:\n- credential_name: eu\n  credential_values: "
        "{api_key: os.environ/EU_KEY, api_base: 'https://api.eu.mistral.ai/v1'}\n"
        "model_list:\n"
        "- model_name: a\n  litellm_params: {model: mistral/m, litellm_credential_name: eu}\n"
        "- model_name: b\n  litellm_params: {model: azure/d, api_base: os.environ/AZ_BASE, api_key: os.environ/AZ}\n"
    )
    assert config["providers"]["mistral"] == {"endpoint": "eu", "api_key": "${EU_KEY}"}
    assert config["providers"]["azure"]["base_url"] == "${AZ_BASE}"
    assert {one["variable"] for one in said["set"]} >= {"EU_KEY", "AZ_BASE", "AZ"}
    assert entrepot("check").exit_code == 0


def test_one_secret_at_two_hosts_is_two_variables() -> None:
    _, config = of(
        json.dumps(
            {
                "Providers": [
                    {
                        "name": "kimi plan",
                        "api_base_url": "https://api.minimax.io/anthropic/v1/messages",
                        "api_key": "canary",
                        "models": ["m"],
                    },
                    {
                        "name": "sf",
                        "api_base_url": "https://api.siliconflow.cn/v1/chat/completions",
                        "api_key": "canary",
                        "models": ["m"],
                    },
                ],
                "Router": {"default": "kimi plan,m"},
            }
        )
    )
    first, second = config["providers"].values()
    assert list(config["providers"]) == ["kimi-plan", "sf"]
    assert first["catalog"] == "minimax"
    assert first["api_key"] != second["api_key"]
    assert config["models"]["default"] == ["kimi-plan/m"]


def test_a_strategy_that_is_known_here_is_kept() -> None:
    said, config = of(
        "model_list:\n"
        "- {model_name: a, litellm_params: {model: openai/x}}\n"
        "- {model_name: a, litellm_params: {model: groq/x}}\n"
        "- {model_name: b, litellm_params: {model: groq/x}}\n"
        "- {model_name: c, litellm_params: {model: azure/}}\n"
        "router_settings: {routing_strategy: cost-based-routing}\n"
    )
    assert config["models"] == {
        "a": {"routes": ["openai/x", "groq/x"], "prefer": "cheapest"},
        "b": ["groq/x"],
    }
    assert left(said)["model 'c'"] == "it names a provider and no model"


@pytest.mark.parametrize(
    ("text", "words"),
    [("a: 1\n", "no form that is known"), ("{", ""), ("- 1\n", "no form that is known")],
)
def test_what_is_no_config_of_others_is_refused(text: str, words: str) -> None:
    Path("theirs.yaml").write_text(text)
    shown = entrepot("init", "--from", "theirs.yaml")
    assert shown.exit_code == 2
    assert "theirs.yaml:1: " in shown.stderr
    assert words in shown.stderr
    assert not Path("config.yaml").exists()
    missing = entrepot("init", "--from", "nowhere.yaml")
    assert missing.exit_code == 2
    assert "cannot be read" in missing.stderr


@pytest.mark.parametrize(
    "text",
    [
        "model_list: {a: 1}\n",
        "model_list: [1, null, {model_name: a}, {model_name: b, litellm_params: {model: [1]}}]\n",
        "model_list: []\nrouter_settings: [1]\nlitellm_settings: 3\ngeneral_settings: no\n",
        "providers: [1, 2]\n",
        "providers: {a: 1, b: null}\npricing: {x: 2}\nrouting: {policies: {p: [1]}}\n",
        '{"Providers": [1, {"name": "x"}], "Router": {"default": 3, "think": "nocomma"}}',
    ],
)
def test_odd_shapes_are_said_and_never_a_fault_of_ours(text: str) -> None:
    Path("theirs.yaml").write_text(text)
    assert entrepot("init", "--from", "theirs.yaml").exit_code == 0
    assert entrepot("check").exit_code == 0


def test_their_words_lead_to_hosts_and_endpoints_that_there_are() -> None:
    hosts = builtin().hosts
    for word, said in names().words.items():
        assert said.host in hosts, f"{FILE.name}: {word}"
        host = hosts[said.host]
        assert said.endpoint is None or said.endpoint in host.endpoints, word
    assert set(names().bare.values()) <= names().words.keys()
