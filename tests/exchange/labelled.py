"""A gateway that keeps answers, between two hosts of which one must see nothing personal.

    with labelled(folder) as house:
        house.says = Said("Hello.", thought="hm")       # what either host answers next
        answer = house.respond("Hi", label="personal", model="relayed")

Both hosts speak the Responses and the chat wire; every model prefers the far one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from gateway.auth import key_hash
from tests.fakes import answers, spoken
from tests.fakes.answers import Behaviour
from tests.fakes.spoken import Said
from tests.fakes.upstream import Request, Upstream
from tests.running import Running, config, events, running
from tests.wires.hosts import PRICE, QUICK, write_host

LABELS = ("public", "internal", "personal", "secret")
FORBIDDEN_FROM = LABELS.index("personal")
POLICY = {
    "labels": list(LABELS),
    "rules": [
        {
            "name": "personal data stays in Europe",
            "when": {"label_at_least": "personal"},
            "require": {"operator": ["EEA"]},
        }
    ],
}
KEY_LABELS = {"alice": "public", "bob": "internal"}
MODELS = {
    "relayed": ["far-responses/m", "near-responses/m"],
    "translated": ["far-chat/m", "near-chat/m"],
    "mixed": ["far-chat/m", "near-responses/m", "near-chat/m"],
    "near": ["near-responses/m"],
}
HELLO = Said("Hello.")
COUNTRIES = {"near": "FR", "far": "US"}


@dataclass
class Labelled:
    """The gateway and its hosts; ``says`` is what they answer, ``down`` those that answer 503."""

    gateway: Running
    near: Upstream
    far: Upstream
    says: Said = HELLO
    down: set[Upstream] = field(default_factory=set)
    numbers: Iterator[int] = field(default_factory=count)

    @property
    def seen(self) -> list[tuple[str, str]]:
        """Every request so far as (host, body), those of the near one first."""
        hosts = {"near": self.near, "far": self.far}
        return [(name, r.body.decode()) for name, host in hosts.items() for r in host.requests]

    def forget(self) -> None:
        """Forget the requests so far, and what the hosts say."""
        for host in (self.near, self.far):
            host.requests.clear()
        self.says = HELLO
        self.down.clear()

    def respond(
        self, text: Any, *, key: str = "alice", label: str | None = None, **body: Any
    ) -> httpx.Response:
        """Ask on the Responses wire."""
        return self._post("/v1/responses", key, label, {"model": "relayed", "input": text, **body})

    def chat(
        self,
        messages: list[Any],
        *,
        key: str = "alice",
        label: str | None = None,
        model: str = "translated",
    ) -> httpx.Response:
        """Ask on the chat wire."""
        return self._post(
            "/v1/chat/completions", key, label, {"model": model, "messages": messages}
        )

    def get(self, path: str, key: str = "alice", **headers: str) -> httpx.Response:
        """Ask for what is kept."""
        return self.gateway.client.get(path, headers={**_headers(key, None), **headers})

    def ended(self, name: str, key: str = "alice") -> Any:
        """Wait until an answer in the background is no longer made, and return it."""
        end = time.monotonic() + 10
        while (found := self.get(f"/v1/responses/{name}", key).json())["status"] == "in_progress":
            assert time.monotonic() < end, "waited in vain"
            time.sleep(0.01)
        return found

    def _post(self, path: str, key: str, label: str | None, body: Any) -> httpx.Response:
        return self.gateway.client.post(path, json=body, headers=_headers(key, label))

    def answer(self, host: Upstream, request: Request) -> Behaviour:
        """What a host does with one request."""
        if host in self.down:
            return answers.error(503, "down")
        wire = "responses" if request.path.endswith("/responses") else "chat"
        said = spoken.answer(wire, self.says, stream=bool(request.json().get("stream")))
        # Every answer has an id of its own.
        own = f'"resp_{next(self.numbers)}"'.encode()
        return replace(said, pieces=tuple(p.replace(b'"resp_1"', own) for p in said.pieces))


def response_of(answer: httpx.Response) -> Any:
    """Return the response object of a good answer, whole or streamed."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"].startswith("application/json"):
        return answer.json()
    return events(answer.content)[-1]["response"]


def called(call_id: str, result: str = "ok") -> list[Any]:
    """A turn that called a tool, as a client sends it that dropped the reasoning."""
    function = {"name": "add", "arguments": "{}"}
    return [
        {"role": "user", "content": "Add."},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": call_id, "type": "function", "function": function}]},
        {"role": "tool", "tool_call_id": call_id, "content": result},
    ]  # fmt: skip


@contextmanager
def labelled(folder: Path) -> Iterator[Labelled]:
    """Run the gateway for the length of a block."""
    catalog = folder / "catalog"
    replay = {"chat": {"replay_reasoning": "reasoning_content"}}
    write_host(catalog, "on-chat", ["chat"], replay)
    write_host(catalog, "on-responses", ["responses"])
    with Upstream() as near, Upstream() as far:
        providers = {
            f"{place}-{wire}": {
                "catalog": f"on-{wire}",
                "base_url": f"{host.url}/at-{wire}",
                "api_key": f"sk-{place}-{wire}",
                "prices": {"*": PRICE},
                "facts": {"operator": [COUNTRIES[place]], "processed_in": [COUNTRIES[place]]},
            }
            for place, host in (("near", near), ("far", far))
            for wire in ("chat", "responses")
        }
        path = config(
            folder,
            catalog=[str(catalog)],
            providers=providers,
            models=MODELS,
            policy=POLICY,
            store={"minutes": 10, "max_mb": 8},
            keys=[
                {"name": name, "hash": key_hash(f"ek_{name}"), "label": label}
                for name, label in KEY_LABELS.items()
            ],
            server={"timeouts": QUICK},
        )
        with running(path) as gateway:
            house = Labelled(gateway, near, far)
            near.default = lambda request: house.answer(near, request)
            far.default = lambda request: house.answer(far, request)
            yield house


def _headers(key: str, label: str | None) -> dict[str, str]:
    said = {"x-entrepot-label": label} if label is not None else {}
    return {"authorization": f"Bearer ek_{key}", **said}
