"""The catalogue agrees with the survey it was written from, where that lies beside us."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from providers import catalog
from providers.catalog import Catalog, Host

FACTS = Path(__file__).parents[3].parent / "shared" / "facts"
HOSTED = ("openai", "deepseek", "mistral", "openrouter")
# Ours, and the survey's.
OTHERS = {
    "alibaba": "alibaba",
    "amazon-bedrock": "aws_bedrock",
    "anthropic": "anthropic",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "fireworks-ai": "fireworks",
    "google-ai-studio": "google_ai_studio",
    "google-vertex": "google_vertex",
    "groq": "groq",
    "minimax": "minimax",
    "moonshot": "moonshot",
    "together-ai": "together",
    "xai": "xai",
    "xiaomi-mimo": "xiaomi_mimo",
    "zai": "zai",
}
EVERY = {**{name: name for name in HOSTED}, **OTHERS}
FORMATS = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "gemini_generate_content": "gemini",
    "bedrock_converse": "converse",
    "cohere_v2_chat": "cohere",
}
# Endpoints that only relay have no name among the survey's formats.
PLAIN = {"completions", "embeddings", "rerank"}
HOME = {"llama-cpp": "llama_cpp_server", "ollama": "ollama", "vllm": "vllm"}
pytestmark = pytest.mark.skipif(
    not FACTS.is_dir(), reason="the surveyed facts do not lie beside this repository"
)


@pytest.fixture(scope="module")
def known() -> Catalog:
    return catalog.builtin()


@pytest.fixture(scope="module")
def surveyed() -> dict[str, dict[str, Any]]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    west, rest = (
        yaml.load((FACTS / name).read_text(encoding="utf-8"), Loader=loader)
        for name in ("providers_west.yaml", "providers_china_local.yaml")
    )
    return {
        "hosts": rest["providers"] | west["providers"],
        "local": rest["local_servers"],
        "weights": {row["id"]: row for row in rest["open_weights"]},
    }


def host_and_facts(
    known: Catalog, surveyed: dict[str, dict[str, Any]], name: str
) -> tuple[Host, dict[str, Any]]:
    return known.hosts[name], surveyed["hosts"][name]


@pytest.mark.parametrize("name", HOSTED)
def test_base_urls_agree(known: Catalog, surveyed: dict[str, Any], name: str) -> None:
    host, facts = host_and_facts(known, surveyed, name)
    theirs = {
        row["url"]
        for row in facts["api"]["base_urls"]
        if row.get("wire", "openai_chat") == "openai_chat"
    }
    assert {endpoint.base_url for endpoint in host.endpoints.values()} == theirs


@pytest.mark.parametrize(("name", "theirs"), EVERY.items())
def test_every_address_is_one_of_the_hosts_own(
    known: Catalog, surveyed: dict[str, Any], name: str, theirs: str
) -> None:
    own = [re.split(r"(?<=[^/:])/", row["url"])[0] for row in base_urls(surveyed, theirs)]
    patterns = [re.sub(r"\\\{\w+\\\}", r"(\\{\\w+\\}|[a-z0-9-]+)", re.escape(url)) for url in own]
    for endpoint in known.hosts[name].endpoints.values():
        for url in (endpoint.base_url, *(wire.base_url for wire in endpoint.wires.values())):
            origin = re.split(r"(?<=[^/:])/", url)[0] if url else None
            found = origin is None or any(re.fullmatch(p, origin) for p in patterns)
            assert found, (url, own)


@pytest.mark.parametrize(("name", "theirs"), EVERY.items())
def test_no_wire_is_claimed_that_the_survey_lacks(
    known: Catalog, surveyed: dict[str, Any], name: str, theirs: str
) -> None:
    said = [str(text).split(" ")[0] for text in surveyed["hosts"][theirs]["api"]["formats"]]
    wires = {FORMATS[text] for text in said if text in FORMATS}
    for endpoint in known.hosts[name].endpoints.values():
        assert set(endpoint.wires) - PLAIN <= wires


def base_urls(surveyed: dict[str, Any], name: str) -> list[dict[str, Any]]:
    return [row for row in surveyed["hosts"][name]["api"]["base_urls"] if row["url"]]


@pytest.mark.parametrize(("name", "theirs"), OTHERS.items())
def test_law_of_the_operator_agrees(
    known: Catalog, surveyed: dict[str, Any], name: str, theirs: str
) -> None:
    law = surveyed["hosts"][theirs]["jurisdiction"]
    if "entities" in law:
        entity = law["entities"]["intl"]
        countries = {entity["country"], entity["parent_country"]}
    else:
        countries = {law["hq_country"], law["parent_country"]} - {"none"}
    for endpoint in known.hosts[name].endpoints.values():
        assert endpoint.place.operator == countries


@pytest.mark.parametrize(("name", "theirs"), OTHERS.items())
def test_sizes_of_models_agree(
    known: Catalog, surveyed: dict[str, Any], name: str, theirs: str
) -> None:
    host, seen = known.hosts[name], 0
    for row in surveyed["hosts"][theirs]["models"]:
        model = host.models.get(row["id"])
        if model is not None:
            seen += 1
            assert (model.context, model.max_output) == (row["context"], row["max_output"])
    assert seen or name == "fireworks-ai", "its ids are written in full here"


@pytest.mark.parametrize("name", HOSTED)
def test_operator_countries_agree(known: Catalog, surveyed: dict[str, Any], name: str) -> None:
    host, facts = host_and_facts(known, surveyed, name)
    law = facts["jurisdiction"]
    parents = [law, *law.get("entities", {}).values()]
    countries = {law["hq_country"], *(row.get("parent_country", "none") for row in parents)}
    countries.discard("none")
    for endpoint in host.endpoints.values():
        if host.kind == "aggregator":
            assert all(f"({code})" in endpoint.evidence["operator"] for code in countries)
        else:
            assert endpoint.place.operator == countries


@pytest.mark.parametrize("name", ["openai", "mistral"])
def test_retention_agrees(known: Catalog, surveyed: dict[str, Any], name: str) -> None:
    host, facts = host_and_facts(known, surveyed, name)
    days = {endpoint.place.retention_days for endpoint in host.endpoints.values()}
    assert days == {facts["data"]["retention_days_max"]}


@pytest.mark.parametrize("name", HOSTED)
def test_models_agree(known: Catalog, surveyed: dict[str, Any], name: str) -> None:
    host, facts = host_and_facts(known, surveyed, name)
    for row in facts["models"]:
        model = host.models[row["id"]]
        said = {model.context}
        for conflict in row.get("conflict", []):
            if isinstance(conflict, dict) and conflict["field"] == "context":
                assert model.context == min(conflict["values"].values()), "the stricter one"
                said |= set(conflict["values"].values())
        assert row["context"] in said, row["id"]
        assert model.max_output == row["max_output"], row["id"]
        assert model.maker, row["id"]


@pytest.mark.parametrize(
    ("host", "model", "weights"),
    [
        ("llama-cpp", "smollm2-135m", "SmolLM2-135M-Instruct"),
        ("deepseek", "deepseek-flash", "DeepSeek-V4.1-Flash"),
        ("deepseek", "deepseek-v4-pro", "DeepSeek-V4-Pro"),
        ("mistral", "mistral-small-2603", "Mistral Small 4 (119B)"),
        ("mistral", "mistral-medium-3-5", "Mistral Medium 3.5 (128B)"),
        ("mistral", "zai-glm-5-3", "GLM-5.3"),
        ("mistral", "zai-glm-5-3-flash", "GLM-5.3-Flash"),
        ("openrouter", "z-ai/glm-5.3", "GLM-5.3"),
        ("zai", "glm-5.3", "GLM-5.3"),
        ("zai", "glm-5.3-flash", "GLM-5.3-Flash"),
        ("zai", "glm-5.2", "GLM-5.2"),
        ("moonshot", "kimi-k3", "Kimi-K3"),
        ("moonshot", "kimi-k2.6", "Kimi-K2.6"),
        ("minimax", "MiniMax-M3", "MiniMax-M3"),
        ("minimax", "MiniMax-M2.7", "MiniMax-M2.7"),
        ("xiaomi-mimo", "mimo-v2.6-pro", "MiMo-V2.6-Pro / Flash"),
        ("groq", "openai/gpt-oss-120b", "gpt-oss-120b"),
        ("cerebras", "qwen-3.8-27b", "Qwen3.8-27B"),
        ("together-ai", "deepseek-ai/DeepSeek-V4.1-Flash", "DeepSeek-V4.1-Flash"),
    ],
)
def test_makers_and_licences_agree(
    known: Catalog, surveyed: dict[str, Any], host: str, model: str, weights: str
) -> None:
    ours, row = known.hosts[host].models[model], surveyed["weights"][weights]
    assert ours.maker == set(row["maker_country"].split("/"))
    assert ours.weights == "open"
    assert ours.licence is not None
    assert row["licence"].startswith(ours.licence)


@pytest.mark.parametrize(("name", "theirs"), HOME.items())
def test_local_servers_agree(
    known: Catalog, surveyed: dict[str, Any], name: str, theirs: str
) -> None:
    host, facts = known.hosts[name], surveyed["local"][theirs]
    assert host.usual_ports == (facts["api"]["default_port"],)
    assert host.health_path is not None
    assert host.health_path in facts["endpoints"]["health"]
    assert f"/v1{host.models_path}" in facts["endpoints"]["models"]
