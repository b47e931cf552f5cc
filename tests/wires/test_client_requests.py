"""What real clients and coding agents sent, served over every host wire: never a fault of ours."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes import spoken
from tests.fakes.spoken import HOST_WIRES, Said
from tests.replay.corpus import CORPUS
from tests.running import Running, running
from tests.wires.conftest import Pairs
from tests.wires.hosts import every_wire, path_of

FOLDER = CORPUS / "extra" / "client_requests"
WIRE_OF = {
    "/v1/chat/completions": "chat",
    "/v1/responses": "responses",
    "/v1/messages": "messages",
}
# What one of these asks for and no wire but its own can say: refused by name, and rightly.
ONLY_AT_HOME = {
    "previous_response_id": "the gateway keeps no answers unless its config says so",
    "background": "likewise",
    "conversation": "kept by one vendor only",
}


def requests() -> list[dict[str, Any]]:
    """Return every recorded POST with its wire and whether it wants a stream."""
    if not FOLDER.is_dir():
        return []
    found = []
    for file in sorted(FOLDER.glob("*.jsonl")):
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
            row = json.loads(line)
            path = row["path"].partition("?")[0]
            wire = WIRE_OF.get(path, "gemini" if ":" in path else "")
            if row["method"] != "POST" or not wire:
                continue
            stream = "streamGenerate" in path or bool((row["body"] or {}).get("stream"))
            found.append({**row, "wire": wire, "stream": stream, "id": f"{file.stem}-{number}"})
    return found


REQUESTS = requests()
pytestmark = pytest.mark.skipif(not REQUESTS, reason="the recorded corpus is not here")


@pytest.fixture(scope="module")
def dropping(tmp_path_factory: pytest.TempPathFactory, shared: Pairs) -> Iterator[Running]:
    """A gateway that may leave out what a host cannot be told, as agents need it."""
    path = every_wire(
        tmp_path_factory.mktemp("dropping"),
        shared.upstream,
        translate={"on_unsupported": "drop"},
        store={"minutes": 1, "max_mb": 8},
    )
    with running(path) as gateway:
        yield gateway


def send(gateway: Running, row: dict[str, Any], host: str) -> Any:
    """Send a recorded request for the model at ``host``."""
    headers = {
        name: value
        for name, value in row["headers"].items()
        if name.lower() not in ("authorization", "x-api-key", "content-length", "accept-encoding")
    }
    body, path = dict(row["body"]), row["path"]
    if row["wire"] == "gemini":
        before, _, method = path.partition(":")
        path = f"{before.rpartition('/')[0]}/m-{host}:{method}"
    else:
        body["model"] = f"m-{host}"
    return gateway.client.post(path, json=body, headers=headers)


@pytest.mark.parametrize("host", HOST_WIRES)
@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row["id"])
def test_a_recorded_request_is_served(
    dropping: Running, shared: Pairs, row: dict[str, Any], host: str
) -> None:
    upstream = shared.upstream
    upstream.always(
        path_of(host, stream=row["stream"]),
        spoken.answer(host, Said("QQQ"), stream=row["stream"]),
    )
    answer = send(dropping, row, host)
    if answer.status_code != 200:
        error = answer.text
        assert answer.status_code in (400, 404), error
        assert any(field in row["body"] for field in ONLY_AT_HOME), error
        return
    assert 'Q"' in answer.text
    relayed = answer.headers["x-entrepot-lane"] == "relay"
    assert relayed == (row["wire"] == host)


@pytest.mark.parametrize("row", REQUESTS, ids=lambda row: row["id"])
def test_without_leave_to_drop_a_request_is_served_or_its_field_is_named(
    pairs: Pairs, row: dict[str, Any]
) -> None:
    for host in HOST_WIRES:
        pairs.upstream.always(
            path_of(host, stream=row["stream"]),
            spoken.answer(host, Said("QQQ"), stream=row["stream"]),
        )
        answer = send(pairs.gateway, row, host)
        if answer.status_code == 200:
            assert 'Q"' in answer.text
            continue
        assert answer.status_code in (400, 404), answer.text
        assert f"on-{host}/m" in answer.text or "previous_response" in answer.text, answer.text
