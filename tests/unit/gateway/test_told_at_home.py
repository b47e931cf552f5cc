"""What `entrepot doctor` has servers at home tell of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import answers
from tests.fakes.upstream import Upstream, refused_url
from tests.unit.gateway.commands import told

METRICS = b"""\
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{engine="0"} 3.0
vllm:num_requests_waiting{engine="0"} 2.0
"""


def servers(folder: Path, *words: str, **providers: Any) -> dict[str, str]:
    """What the doctor was told, by provider; each of them has a model that is called ``m``."""
    path = folder / "config.yaml"
    whole = {
        "ledger": f"sqlite:///{folder}/l.db",
        "journal": f"{folder}/journal",
        "policy": {},
        "providers": providers,
        "models": {"assistant": [f"{name}/m" for name in providers]},
    }
    path.write_text(json.dumps(whole))
    found = told("doctor", "--config", path, *words)["findings"]
    return {
        one["what"].removeprefix("server of "): one["text"]
        for one in found
        if one["what"].startswith("server of ")
    }


def test_load_windows_and_what_runs_elsewhere_are_told(tmp_path: Path, upstream: Upstream) -> None:
    upstream.always("/metrics", answers.body(200, METRICS, "text/plain"))
    card = {"id": "m", "max_model_len": 4096}
    upstream.always("/v1/models", answers.json_body({"data": [card]}))
    upstream.always("/api/ps", answers.json_body({"models": []}))
    upstream.always(
        "/api/show", answers.json_body({"capabilities": [], "remote_host": "https://x"})
    )
    told_here = servers(
        tmp_path,
        batch={"catalog": "vllm", "base_url": upstream.base_url},
        desk={"catalog": "ollama", "base_url": upstream.base_url},
    )
    assert told_here == {
        "batch": "3 requests under way, 2 wait; healthy; m: window 4096",
        "desk": "healthy; m: runs on other machines, takes no tools, not loaded",
    }
    assert all(request.body in (b"", b'{"model":"m"}') for request in upstream.requests)


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        (answers.error(503), {"here": "not healthy, or still loading"}),
        (answers.html(), {"here": "healthy"}),
        (answers.reset(), {}),
    ],
)
def test_what_says_nothing_more_has_no_more_in_its_line(
    tmp_path: Path, upstream: Upstream, behaviour: answers.Behaviour, said: dict[str, str]
) -> None:
    upstream.default = behaviour
    found = servers(
        tmp_path,
        here={"catalog": "llama-cpp", "base_url": upstream.base_url},
        gone={"catalog": "ollama", "base_url": refused_url()},
    )
    assert found == said
