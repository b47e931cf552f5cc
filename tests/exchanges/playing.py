"""Plays an exchange: a client asks through the gateway, the fake upstream is the host.

The gateway has one provider for each host, each the real entry of the catalogue with its address
replaced. What the client reads is read here in the plainest way: of a relayed answer it is the
host's own, with the host's own names for things.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from providers.catalog import Catalog, CatalogError, builtin
from routing.route import Route
from tests.exchanges.reading import Exchange, Expect, FileError, Found
from tests.fakes import answers
from tests.fakes.answers import Behaviour
from tests.fakes.upstream import Upstream
from tests.running import Running, config

QUESTION = "What now?"
TIMEOUTS = {"connect_s": 5, "first_byte_s": 15, "answer_s": 15, "between_s": 15, "total_s": 60}
# Where the address is not the host's own, somebody has to say who runs it.
FACTS = {"operator": ["FR"], "processed_in": ["FR"]}
THOUGHT_FIELDS = ("reasoning_content", "reasoning", "thinking")
TYPES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array"}
# Calls come one after another, so that the one looked for is among the newest.
LEDGER_NEWEST = 5
NOT_THERE = answers.error(404, "not here")


@dataclass
class Read:
    """What a client reads in an answer."""

    text: str = ""
    reasoning: str = ""
    finish: str = ""
    error: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)

    def told(self) -> list[dict[str, Any]]:
        """Return the calls as an exchange file writes them."""
        return [
            {"name": call["name"], "arguments": _decoded(call["arguments"])}
            for _, call in sorted(self.calls.items())
        ]


@dataclass
class Stage:
    """The running gateway and the upstream that plays every host in it."""

    gateway: Running
    upstream: Upstream

    def play(self, found: Found) -> list[str]:
        """Ask as ``found`` says, and return what came otherwise than it expects."""
        exchange = found.exchange
        case = exchange.case()
        asked = body_of(exchange, found.host)
        stream = bool(asked.get("stream"))
        route = self._narrow(asked, exchange.wire or (case.wire if case is not None else ""))
        address = route.endpoint.address(next(iter(route.dialects)), route.model, stream=stream)
        path, answered = urlsplit(address).path, _behaviour(exchange)
        self.upstream.requests.clear()
        # A server at home is asked other things too, such as what it has loaded.
        self.upstream.default = lambda request: answered if request.path == path else NOT_THERE
        # A plan may be for some programs only.
        headers = {"user-agent": route.clients[0].replace("*", "1")} if route.clients else {}
        answer = self.gateway.client.post("/v1/chat/completions", json=asked, headers=headers)
        assert not self.upstream.faults, self.upstream.faults
        sent = [request.json() for request in self.upstream.requests if request.path == path]
        wrong = list(_compare_sent(exchange, sent, answer))
        wrong += compare_answer(exchange.expect, answer, stream=stream)
        if sent:
            row = self._row(answer.headers["x-entrepot-request-id"])
            wrong += compare_row(exchange.expect, row)
        return wrong

    def _narrow(self, asked: Mapping[str, Any], wire: str) -> Route:
        """Leave the route that is asked one wire: ``wire``, or that which its host prefers."""
        setup, name = self.gateway.house.setup, asked["model"]
        setup._candidates.clear()
        setup._routes.pop(name, None)
        route = setup.route(name)
        chosen = wire or preferred(route, tools=bool(asked.get("tools")))
        if chosen not in route.dialects:
            spoken = ", ".join(route.dialects)
            raise FileError(f"{name} is asked on {spoken}, and not on {chosen}")
        only = {chosen: route.dialects[chosen]}
        narrow = setup._routes[name] = replace(route, dialects=only, tools_wire={})
        return narrow

    def _row(self, request_id: str) -> dict[str, Any]:
        def there() -> dict[str, Any] | None:
            said = self.gateway.client.get(f"/api/ledger?limit={LEDGER_NEWEST}").json()
            rows = [row for row in said["entries"] if row["request_id"] == request_id]
            return rows[0] if rows else None

        row: dict[str, Any] = self.gateway.until(there)
        return row


def preferred(route: Route, *, tools: bool) -> str:
    """Return the wire on which the host of ``route`` is best asked."""
    first = next(iter(route.dialects))
    return route.tools_wire.get(first, first) if tools else first


def write_config(folder: Path, upstream: Upstream, wanted: Iterable[Found]) -> Path:
    """Write the config of a gateway with the hosts of ``wanted``; return its path.

    A host of which the catalogue knows nothing is left out: its own tests say so.
    """
    providers: dict[str, Any] = {}
    for found in wanted:
        if found.file is None or found.host in providers or why_unknown(found):
            continue
        said: dict[str, Any] = {
            "catalog": found.host,
            "base_url": f"{upstream.url}/{found.host}",
            "api_key": "x",
            "facts": FACTS,
        }
        if found.file.endpoint is not None:
            said["endpoint"] = found.file.endpoint
        if found.file.settings:
            said["settings"] = dict(found.file.settings)
        if _catalog().hosts[found.host].plan is not None:
            said["terms"] = "no call of these leaves the machine"
        providers[found.host] = said
    return config(folder, server={"timeouts": TIMEOUTS}, providers=providers)


@cache
def _catalog() -> Catalog:
    return builtin()


def why_unknown(found: Found) -> str:
    """Return what of the file's host the catalogue has not, "" where all is there."""
    if found.file is None:
        return found.fault
    try:
        host = _catalog().hosts[found.host]
        _catalog().at(host.id, found.file.endpoint or host.default_endpoint, found.file.settings)
    except KeyError as fault:
        return f"of {found.host} the catalogue has no {fault}"
    except CatalogError as fault:
        return str(fault)
    return ""


def body_of(exchange: Exchange, provider: str) -> dict[str, Any]:
    """Return the client's request."""
    asked: dict[str, Any] = {
        "model": f"{provider}/{exchange.model}",
        "messages": [{"role": "user", "content": QUESTION}],
    }
    if calls := exchange.expect.calls:
        named = {call.name: call.arguments for call in calls}
        asked["tools"] = [_tool(name, arguments) for name, arguments in named.items()]
    case = exchange.case()
    answered = exchange.answer.is_stream if exchange.answer is not None else False
    if answered or (case is not None and (case.is_stream or case.asked_stream)):
        asked |= {"stream": True, "stream_options": {"include_usage": True}}
    return asked | exchange.ask


def _tool(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        key: {"type": TYPES.get(type(value), "object"), "description": key}
        for key, value in arguments.items()
    }
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    function = {"name": name, "description": "For tests.", "parameters": schema}
    return {"type": "function", "function": function}


def _behaviour(exchange: Exchange) -> Behaviour:
    case = exchange.case()
    if case is not None:
        return case.in_pieces([case.body])
    if exchange.answer is not None:
        return exchange.answer.behaviour()
    return Behaviour(500)


def _compare_sent(
    exchange: Exchange, sent: list[dict[str, Any]], answer: httpx.Response
) -> Iterable[str]:
    if exchange.recording is None and exchange.answer is None:
        if sent:
            yield "the host was asked"
        return
    if not sent:
        yield f"the host was not asked: {answer.status_code} {answer.text}"
        return
    for path, value in (exchange.expect.sent or {}).items():
        if (got := _inside(sent[-1], path)) != value:
            yield f"sent {path}: {got!r}, not {value!r}"
    for path in exchange.expect.not_sent or ():
        if (got := _inside(sent[-1], path)) is not None:
            yield f"sent {path}: {got!r}, which it must not have"


def compare_answer(expect: Expect, answer: httpx.Response, *, stream: bool) -> Iterable[str]:
    """Yield what the client reads otherwise than was expected."""
    status = expect.status or (answer.status_code if expect.kind else 200)
    if answer.status_code != status:
        yield f"status {answer.status_code}, not {status}: {answer.text[:600]}"
        return
    if expect.retry_after is not None:
        wait = answer.headers.get("retry-after")
        if wait != str(expect.retry_after):
            yield f"retry-after {wait}, not {expect.retry_after}"
    if status != 200:
        return
    read = read_stream(answer.text) if stream else read_whole(answer.json())
    if bool(read.error) != bool(expect.kind):
        yield f"the client reads the error {read.error!r}"
    for name in ("text", "reasoning", "finish"):
        wanted, got = getattr(expect, name), getattr(read, name)
        if wanted is not None and got != wanted:
            yield f"{name} {got!r}, not {wanted!r}"
    if expect.calls is not None:
        wanted_calls = [call.model_dump() for call in expect.calls]
        if read.told() != wanted_calls:
            yield f"calls {read.told()!r}, not {wanted_calls!r}"


def compare_row(expect: Expect, row: Mapping[str, Any]) -> Iterable[str]:
    """Yield what the ledger has otherwise than was expected."""
    for bucket, tokens in (expect.usage or {}).items():
        if row[bucket] != tokens:
            yield f"the ledger has {bucket} {row[bucket]}, not {tokens}"
    kind = expect.kind or ""
    if row["error"] != kind:
        yield f"the ledger has the error {row['error']!r}, not {kind!r} ({row['outcome']})"
    if not kind and expect.status in (None, 200) and row["outcome"] != "completed":
        yield f"the ledger says {row['outcome']}"
    for name in ("usage_state", "served_model"):
        wanted = getattr(expect, name)
        if wanted is not None and row[name] != wanted:
            yield f"the ledger has {name} {row[name]!r}, not {wanted!r}"
    if expect.usage is not None and expect.usage_state is None and row["usage_state"] != "reported":
        yield f"the ledger's usage is {row['usage_state']}"
    if expect.cost_stated is not None:
        cost = row["cost_usd"]
        if row["cost_state"] != "stated" or Decimal(cost or 0) != Decimal(expect.cost_stated):
            yield f"the ledger has a {row['cost_state']} cost of {cost}, not {expect.cost_stated}"


def read_whole(answer: Any) -> Read:
    """Read an answer that came in one piece."""
    read = Read()
    if not answer.get("choices"):
        read.error = json.dumps(answer.get("error") or answer)
        return read
    choice = answer["choices"][0]
    read.finish = choice.get("finish_reason") or ""
    _add(read, choice.get("message") or {})  # one host leaves out what its filter took
    return read


def read_stream(raw: str) -> Read:
    """Read an answer that came in events."""
    read = Read()
    for line in raw.splitlines():
        data = line.removeprefix("data:").strip()
        if not line.startswith("data:") or data == "[DONE]":
            continue
        chunk = json.loads(data)
        if error := chunk.get("error"):
            read.error = json.dumps(error)
        for choice in chunk.get("choices") or ():
            read.finish = choice.get("finish_reason") or read.finish
            _add(read, choice.get("delta") or choice.get("message") or {})
    return read


def _add(read: Read, said: Mapping[str, Any]) -> None:
    content = said.get("content")
    if isinstance(content, list):
        # One host thinks in parts of the content.
        for part in content:
            read.text += part.get("text") or ""
            read.reasoning += "".join(one.get("text", "") for one in part.get("thinking") or ())
    else:
        read.text += content or ""
    read.reasoning += next((said[name] for name in THOUGHT_FIELDS if said.get(name)), "")
    for place, call in enumerate(said.get("tool_calls") or ()):
        function = call.get("function") or {}
        known = read.calls.setdefault(call.get("index", place), {"name": "", "arguments": ""})
        known["name"] = known["name"] or function.get("name") or ""
        arguments = function.get("arguments") or ""
        # A host that is relayed may give them as a mapping.
        known["arguments"] += arguments if isinstance(arguments, str) else json.dumps(arguments)


def _decoded(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return arguments


def _inside(value: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(value, list) and part.isdigit() and int(part) < len(value):
            value = value[int(part)]
        elif isinstance(value, dict):
            value = value.get(part)
        else:
            return None
    return value
