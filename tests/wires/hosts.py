"""A gateway with one plain host for each wire, all of them at one fake upstream."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.fakes.spoken import HOST_WIRES
from tests.fakes.upstream import Upstream
from tests.running import config

# Paths under the base URL, as each wire's own documentation has them.
PATHS: dict[str, Any] = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "messages": {
        "path": "/messages",
        "headers": {"anthropic-version": "2023-06-01"},
        "forward": ["anthropic-version", "anthropic-beta"],
    },
    "gemini": {
        "path": "/models/{model}:generateContent",
        "stream_path": "/models/{model}:streamGenerateContent?alt=sse",
    },
    "converse": {
        "path": "/model/{model}/converse",
        "stream_path": "/model/{model}/converse-stream",
    },
    "cohere": "/chat",
}
# What a host of that wire is asked with, beyond the wire's defaults.
DIALECTS: dict[str, dict[str, Any]] = {
    "messages": {"thinking": "adaptive", "max_output": 8192},
    "gemini": {"thinking": "level", "schema_profile": "gemini-json"},
    "converse": {"thinking": "adaptive"},
}
PRICE = {"input": "1", "output": "2", "cached_read": "0.1", "cached_write": "1.25",
         "source": "test", "date": "2026-11-26"}  # fmt: skip
QUICK = {"connect_s": 2, "first_byte_s": 5, "answer_s": 5, "between_s": 5, "total_s": 20}

HOST = """
id: {id}
name: A host for tests
kind: home
auth: {{kind: bearer, env: NONE_NEEDED}}
wires: {wires}
operator:
  company: {{is: {{name: tests, countries: [home]}}, source: [own]}}
  parent: {{is: none, source: [own]}}
place:
  processed_in: {{is: [home], source: [own]}}
  trains_on_data: {{is: never, source: [own]}}
  retention_days: {{is: 0, source: [own]}}
  zdr: {{is: default, source: [own]}}
default_endpoint: default
endpoints: {{default: {{}}}}
dialects: {dialects}
sources:
  own: {{url: made for the tests, date: '2026-11-26'}}
"""


def write_host(
    folder: Path, name: str, wires: list[str], dialects: dict[str, dict[str, Any]] | None = None
) -> None:
    """Write a catalogue file for a host ``name`` that speaks ``wires``, the best one first."""
    folder.mkdir(exist_ok=True)
    said = {wire: {"source": ["own"], **values} for wire, values in (dialects or {}).items()}
    spoken = {wire: PATHS[wire] for wire in wires}
    text = HOST.format(id=name, wires=_flow(spoken), dialects=_flow(said))
    (folder / f"{name}.yaml").write_text(text, encoding="utf-8")


def _flow(value: Any) -> str:
    return json.dumps(value)


def every_wire(folder: Path, upstream: Upstream, **parts: Any) -> Path:
    """Write the config of a gateway with the providers ``on-chat``, ``on-responses``, …"""
    catalog = folder / "catalog"
    for wire in HOST_WIRES:
        dialects = {wire: DIALECTS[wire]} if wire in DIALECTS else {}
        write_host(catalog, f"on-{wire}", [wire], dialects)
    providers = {
        f"on-{wire}": {
            "base_url": f"{upstream.url}/at-{wire}",
            "api_key": f"sk-canary-{wire}",
            "prices": {"*": PRICE},
        }
        for wire in HOST_WIRES
    }
    models = {
        **{f"m-{wire}": [f"on-{wire}/m"] for wire in HOST_WIRES},
        "any": [f"on-{wire}/m" for wire in HOST_WIRES],
    }
    given = {"server": {"timeouts": QUICK}, "models": models, **parts}
    return config(folder, catalog=[str(catalog)], providers=providers, **given)


def path_of(wire: str, *, stream: bool, model: str = "m") -> str:
    """Return the path under which the fake upstream is asked on ``wire``."""
    place = PATHS[wire]
    if isinstance(place, str):
        path = place
    else:
        path = place.get("stream_path", place["path"]) if stream else place["path"]
    return f"/at-{wire}" + str(path).replace("{model}", model).partition("?")[0]
