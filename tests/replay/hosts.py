"""A gateway whose providers are the recorded hosts, all of them at one fake upstream.

Each host stands under its catalogue entry, one provider for each wire that it was recorded on: the
entry is the real one with its other wires taken out, so that a client of another wire is translated
and not relayed past the recording. A host that the catalogue has not is a plain host of its wire.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from providers.catalog import BUILTIN
from tests.fakes.upstream import Upstream
from tests.replay.corpus import Case
from tests.running import config
from tests.wires.hosts import DIALECTS, PATHS, write_host

# The corpus's names of hosts, and the catalogue's.
ENTRIES: Mapping[tuple[str, str], str] = {
    ("alibaba", "chat"): "alibaba",
    ("anthropic", "messages"): "anthropic",
    ("azure", "chat"): "azure-foundry",
    ("azure", "messages"): "azure-foundry",
    ("azure", "responses"): "azure-foundry",
    ("bedrock", "converse"): "amazon-bedrock",
    ("cerebras", "chat"): "cerebras",
    ("cloudflare", "chat"): "cloudflare",
    ("cohere", "cohere"): "cohere",
    ("deepseek", "chat"): "deepseek",
    ("deepseek", "responses"): "deepseek",
    ("gemini", "chat"): "google-ai-studio",
    ("gemini", "gemini"): "google-ai-studio",
    ("groq", "chat"): "groq",
    ("huggingface", "chat"): "huggingface",
    ("llamacpp", "chat"): "llama-cpp",
    ("llamacpp", "responses"): "llama-cpp",
    ("llamacpp", "embeddings"): "llama-cpp",
    ("llamacpp", "rerank"): "llama-cpp",
    ("lmstudio", "responses"): "lm-studio",
    ("mistral", "chat"): "mistral",
    ("mistral", "embeddings"): "mistral",
    ("moonshot", "chat"): "moonshot",
    ("ollama", "chat"): "ollama",
    ("openai", "chat"): "openai",
    ("openai", "responses"): "openai",
    ("openai", "completions"): "openai",
    ("openai", "embeddings"): "openai",
    ("openrouter", "chat"): "openrouter",
    ("openrouter", "responses"): "openrouter",
    ("openrouter", "embeddings"): "openrouter",
    ("openrouter", "rerank"): "openrouter",
    ("together", "chat"): "together-ai",
    ("vercel-gateway", "chat"): "vercel",
    ("vertex", "gemini"): "google-vertex",
    ("vllm", "chat"): "vllm",
    ("vllm", "completions"): "vllm",
    ("vllm", "embeddings"): "vllm",
    ("xai", "chat"): "xai",
    ("xai", "responses"): "xai",
    ("xiaomi", "chat"): "xiaomi-mimo",
    ("zai", "chat"): "zai",
}
Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
PLAIN_WIRES = ("completions", "embeddings", "rerank")
FACTS = {"operator": ["FR"], "processed_in": ["FR"]}
PRICES = {"*": {"input": "1", "output": "1", "cached_read": "1", "cached_write": "1",
                "audio_input": "1", "audio_output": "1", "image_output": "1",
                "source": "test", "date": "2026-11-26"}}  # fmt: skip
TIMEOUTS = {"connect_s": 5, "first_byte_s": 15, "answer_s": 15, "between_s": 15, "total_s": 60}


def provider_of(case: Case, wire: str) -> str:
    """Return the gateway's provider that plays the host of ``case`` on ``wire``."""
    # Another maker's models at a cloud are another host than the cloud's own.
    entry = ENTRIES.get((case.provider, wire)) if case.kind != "vertex_anthropic" else None
    return f"{entry or 'plain'}-{wire}"


def recorded_hosts(folder: Path, upstream: Upstream, **parts: Any) -> Path:
    """Write the catalogue and the config of a gateway with every recorded host; return its path."""
    catalog = folder / "catalog"
    catalog.mkdir()
    names = []
    for entry, wire in sorted({(entry, wire) for (_, wire), entry in ENTRIES.items()}):
        names.append(f"{entry}-{wire}")
        _write_narrowed(catalog, entry, wire, names[-1])
    for wire in PATHS:
        names.append(f"plain-{wire}")
        write_host(catalog, names[-1], [wire], {wire: DIALECTS.get(wire, {})})
    for wire in PLAIN_WIRES:
        names.append(f"plain-{wire}")
        _write_plain(catalog, wire, names[-1])
    providers = {
        name: {"base_url": upstream.base_url, "api_key": "x", "facts": FACTS, "prices": PRICES}
        for name in names
    }
    whole = {"server": {"timeouts": TIMEOUTS}, **parts}
    return config(folder, catalog=[str(catalog)], providers=providers, **whole)


def _write_narrowed(catalog: Path, entry: str, wire: str, name: str) -> None:
    host = yaml.load((BUILTIN / f"{entry}.yaml").read_text(encoding="utf-8"), Loader)
    host["id"] = name
    host.pop("launcher", None)
    # What a server at home is asked now and then would take the answers that wait for a client.
    host.pop("server", None)
    host["endpoints"] = {
        at: said
        for at, said in host["endpoints"].items()
        if wire in said.get("wires", host["wires"])
    }
    if host["default_endpoint"] not in host["endpoints"]:
        host["default_endpoint"] = next(iter(host["endpoints"]))
    for place in (host, *host["endpoints"].values()):
        if "wires" in place:
            place["wires"] = _only(place["wires"], [wire])
    # The wires of one endpoint may be none of the host's own.
    host["wires"] = host["wires"] or host["endpoints"][host["default_endpoint"]]["wires"]
    host.pop("settings", None)
    for at in host["endpoints"].values():
        at.pop("settings", None)
    models = [said for at in host["endpoints"].values() for said in at.get("models", {}).values()]
    for place in (host, *host["endpoints"].values(), *host.get("models", {}).values(), *models):
        if "dialects" in place:
            place["dialects"] = _only(place["dialects"], [wire])
        place.pop("tools_wire", None)
    for model in (*host.get("models", {}).values(), *models):
        model.pop("wires", None)
        model.pop("endpoints", None)
    _write(catalog, name, host)


def _write_plain(catalog: Path, wire: str, name: str) -> None:
    write_host(catalog, name, ["chat"])
    host = yaml.load((catalog / f"{name}.yaml").read_text(encoding="utf-8"), Loader)
    host["wires"] = {wire: f"/{wire}"}
    _write(catalog, name, host)


def _write(catalog: Path, name: str, host: dict[str, Any]) -> None:
    text = yaml.dump(host, Dumper=Dumper, sort_keys=False)
    (catalog / f"{name}.yaml").write_text(text, encoding="utf-8")


def _only(given: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {name: given[name] for name in names if name in given}
