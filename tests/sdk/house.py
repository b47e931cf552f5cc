"""The gateway that the official SDKs judge: a plain host a wire, and hosts of the real catalogue.

The hosts of the catalogue keep their own facts about the wire (dialects, refusals, prices); only
their address is the fake's, and with it the facts of place are stated.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import yaml
from google import genai

from tests.fakes import spoken
from tests.fakes.answers import Script
from tests.fakes.spoken import HOST_WIRES, Said
from tests.fakes.upstream import Request, Upstream
from tests.running import Running, config
from tests.wires.hosts import PRICE, every_wire, path_of, write_host

# A provider of the catalogue: the path of its base URL, and one model of it.
REAL: dict[str, tuple[str, str]] = {
    "openai": ("/real/openai/v1", "gpt-5.6-luna"),
    "anthropic": ("/real/anthropic", "claude-sonnet-5-5"),
    "mistral": ("/real/mistral/v1", "mistral-large-4"),
    "google-ai-studio": ("/real/google/v1beta", "gemini-4-argon"),
    "amazon-bedrock": ("/real/bedrock", "eu.anthropic.claude-opus-5-5"),
    "cohere": ("/real/cohere", "command-a-plus-05-2026"),
    "zai": ("/real/zai", "glm-5.2"),
    "deepseek": ("/real/deepseek", "deepseek-v4-pro"),
    "moonshot": ("/real/moonshot", "kimi-k3.1-pro"),
    "alibaba": ("/real/alibaba", "qwen3.8-max"),
    "xiaomi-mimo": ("/real/mimo", "mimo-v2.6-pro"),
}
STATED = {"operator": ["FR"], "processed_in": ["FR"], "trains_on_data": "never"}
# Plain hosts that keep less of a schema than the wire can say.
SHORT = {"json-only": "json", "no-schema": "none"}


@dataclass
class Sdk:
    """The running gateway, what plays its hosts, and the SDKs pointed at it."""

    gateway: Running
    upstream: Upstream
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic
    gemini: genai.Client
    began: int = 0

    def says(self, host: str, *answers: Said, stream: bool) -> None:
        """Have the plain host of the wire ``host`` say these next, one a request."""
        path = path_of(host, stream=stream)
        self.upstream.on(path, *(spoken.answer(host, said, stream=stream) for said in answers))

    def does(self, host: str, *scripts: Script, stream: bool) -> None:
        """Have the plain host of the wire ``host`` behave so next, one a request."""
        self.upstream.on(path_of(host, stream=stream), *scripts)

    @property
    def last(self) -> Request:
        """The newest request that a host got."""
        return self.upstream.requests[-1]

    @property
    def sent(self) -> Any:
        """The body of the newest request that a host got."""
        return self.last.json()

    def entries(self, count: int = 1) -> list[dict[str, Any]]:
        """The ledger's entries of this test, once there are ``count``."""
        found: list[dict[str, Any]] = []

        def there() -> bool:
            found[:] = self._rows()
            return len(found) >= count

        self.gateway.until(there)
        assert len(found) == count
        return found

    def _rows(self) -> list[dict[str, Any]]:
        # Whoever reads the ledger has the journal moved there first; by itself that takes a while.
        self.gateway.client.get("/api/ledger").raise_for_status()
        return self.gateway.rows(self.began)

    def begin(self) -> None:
        """Forget what came before this test."""
        self.upstream.requests.clear()
        self.upstream._queue.clear()
        self.upstream._queues.clear()
        self.began = time.time_ns() // 1000


def write_config(folder: Path, upstream: Upstream, **parts: Any) -> Path:
    """Write the config of a gateway with every plain host and every real one."""
    path = every_wire(folder, upstream)
    whole = yaml.safe_load(path.read_text(encoding="utf-8"))
    catalog = folder / "catalog"
    for name, keeps in SHORT.items():
        write_host(catalog, name, ["chat"], {"chat": {"structured": keeps}})
        base = f"{upstream.url}/at-{name}"
        whole["providers"][name] = {"base_url": base, "api_key": "x", "prices": {"*": PRICE}}
    write_host(catalog, "messy", ["chat"], {"chat": {"repair_tool_calls": True}})
    base = f"{upstream.url}/at-messy"
    whole["providers"]["messy"] = {"base_url": base, "api_key": "x", "prices": {"*": PRICE}}
    whole["models"]["messy"] = ["messy/m"]
    for name, (base, _) in REAL.items():
        whole["providers"][name] = {
            "base_url": upstream.url + base,
            "api_key": f"sk-canary-{name}",
            "facts": STATED,
            "prices": {"*": PRICE},
        }
    whole["models"] |= {name: [f"{name}/{model}"] for name, (_, model) in REAL.items()}
    whole["models"] |= {name: [f"{name}/m"] for name in SHORT}
    whole["models"] |= {f"then-{w}": [f"on-{w}/m", "on-chat/second"] for w in HOST_WIRES}
    whole["models"]["always-thinks"] = ["openai/gpt-6.1-sol"]
    whole["models"]["forced"] = [f"anthropic/{REAL['anthropic'][1]}", "on-chat/m"]
    whole["models"]["keeps-second"] = [*(f"{name}/m" for name in SHORT), "on-chat/m"]
    whole["models"]["keeps-none"] = [f"{name}/m" for name in SHORT]
    return config(folder, **{**whole, **parts})


def tool(name: str = "add") -> dict[str, Any]:
    """Return a tool's name, description and parameters."""
    number = {"type": "number"}
    return {
        "name": name,
        "description": f"{name} two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": number, "b": number},
            "required": ["a", "b"],
            "additionalProperties": False,
        },
    }


def declared(wire: str, *tools: dict[str, Any]) -> list[dict[str, Any]]:
    """Return tools as a client of ``wire`` (not gemini) declares them."""
    if wire == "chat":
        return [{"type": "function", "function": one} for one in tools]
    if wire == "responses":
        return [{"type": "function", "strict": False, **one} for one in tools]
    return [
        {
            "name": one["name"],
            "description": one["description"],
            "input_schema": one["parameters"],
        }
        for one in tools
    ]


def text_of(request: Request) -> str:
    """Return the strings of a request's body in their order, however they are cut into parts."""
    return "".join(_strings(request.json()))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    if isinstance(value, dict):
        value = [inner for name, inner in value.items() if name != "role"]
    for one in value if isinstance(value, list) else ():
        yield from _strings(one)
