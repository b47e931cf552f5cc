"""The recorded answers of the endpoints that are only relayed, through their codecs."""

from __future__ import annotations

import json
from typing import Any

import pytest

from providers.dialect import Dialect
from providers.wires.plain import COMPLETIONS, EMBEDDINGS, RERANK
from tests.replay.corpus import CORPUS, index

WIRES = {"openai_completions": COMPLETIONS, "embeddings": EMBEDDINGS, "rerank": RERANK}
# Recorded at an address of the host's own form, not at the endpoint that all share.
OTHER_FORMS = ("gemini", "vertex")
PLAIN = Dialect()
ROWS = [row for row in index() if row["kind"] in WIRES and row["provider"] not in OTHER_FORMS]


def test_there_are_recordings() -> None:
    assert len(ROWS) > 50


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["path"])
def test_a_recorded_exchange(row: dict[str, Any]) -> None:
    kept = json.loads((CORPUS / row["path"]).read_text(encoding="utf-8"))
    wire = WIRES[row["kind"]]
    request, text = kept.get("request"), kept.get("sse_text")
    # One host takes `texts` in the place of `input`, another knows the model by other means.
    own = not isinstance(request, dict) or "texts" in request or "model" not in request
    if kept["status"] == 200 and not own:
        peek = wire.front.peek(request, 10, "")
        sent = json.loads(wire.passing.patch(request, peek.model, PLAIN))
        assert {**sent, "stream_options": None} == {**request, "stream_options": None}
    if text is not None:
        reader = wire.host.reader(PLAIN, "r", False)
        assert reader.feed(text.encode()) + reader.end() == text.encode()
        assert reader.fault is None
        assert reader.content
        assert reader.text_bytes
        return
    raw = json.dumps(kept.get("response_body")).encode()
    if kept["status"] != 200:
        fault = wire.host.read_error(kept["status"], {}, raw, PLAIN)
        assert fault.message
        return
    tap = wire.passing.tap(raw, PLAIN)
    assert tap.usage.state == "reported"
    assert tap.usage.reconciled
