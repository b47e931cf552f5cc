"""What the catalogue says a host refuses is in no request that the host has answered."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers import catalog
from providers.dialect import Dialect
from tests.replay.corpus import CORPUS

# The recordings' names for hosts and wires, and ours.
HOSTS = {
    "alibaba": "alibaba",
    "anthropic": "anthropic",
    "azure": "azure-foundry",
    "bedrock": "amazon-bedrock",
    "cerebras": "cerebras",
    "cloudflare": "cloudflare",
    "cohere": "cohere",
    "copilot": "github-copilot",
    "deepseek": "deepseek",
    "gemini": "google-ai-studio",
    "groq": "groq",
    "huggingface": "huggingface",
    "lmstudio": "lm-studio",
    "mistral": "mistral",
    "moonshot": "moonshot",
    "openai": "openai",
    "openrouter": "openrouter",
    "perplexity": "perplexity",
    "together": "together-ai",
    "vercel-gateway": "vercel",
    "vertex": "google-vertex",
    "xai": "xai",
    "xiaomi": "xiaomi-mimo",
    "zai": "zai",
}
WIRES = {
    "openai_chat": "chat",
    "openai_responses": "responses",
    "anthropic_messages": "messages",
    "gemini_generate": "gemini",
    "bedrock_converse": "converse",
    "cohere_chat": "cohere",
}
# Taken by the host, and refused here: a model that no policy has judged would answer.
REFUSED_BY_US = {("openrouter", "models")}
INSIDE = {"gemini": "generationConfig", "converse": "inferenceConfig"}
pytestmark = pytest.mark.skipif(
    not (CORPUS / "index.jsonl").is_file(),
    reason="the recordings do not lie beside this repository",
)


def contradicted(wire: str, dialect: Dialect, body: dict[str, Any]) -> set[str]:
    """The fields of an answered request that the dialect calls refused."""
    inside = body.get(INSIDE.get(wire, ""))
    said = {**body, **(inside if isinstance(inside, dict) else {})}
    found = {name for name in dialect.refuses if said.get(name) is not None}
    messages = body.get("messages")
    roles = {item.get("role") for item in messages or [] if isinstance(item, dict)}
    if wire == "chat" and "developer" in roles and not dialect.developer_role:
        found.add("developer")
    return found


def test_no_answered_request_has_a_field_that_is_called_refused() -> None:
    hosts = catalog.builtin().hosts
    against, seen = [], set()
    for line in (CORPUS / "index.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        name, wire = HOSTS.get(row["provider"]), WIRES.get(row["kind"])
        if name is None or wire is None or row["status"] != 200:
            continue
        host = hosts[name]
        dialect = host.dialect_of(host.model(str(row["model"])), wire)
        if not dialect.refuses and dialect.developer_role:
            continue
        body = json.loads((CORPUS / row["path"]).read_bytes()).get("request")
        if isinstance(body, dict):
            seen.add(name)
            against += [
                f"{row['path']}: {field}"
                for field in contradicted(wire, dialect, body)
                if (name, field) not in REFUSED_BY_US
            ]
    assert not against
    assert {"anthropic", "openai", "mistral", "groq", "deepseek", "xai", "zai"} <= seen
