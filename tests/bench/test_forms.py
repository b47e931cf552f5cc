"""The configs that the benchmark measures are what it says of them: every route may answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import config, growth
from bench.lanes import PAIRS
from gateway.config_file import read
from gateway.setup import compile_setup
from tests.unit.gateway.commands import told

FORMS = {**growth.ROUTES, **growth.RULES}
LARGE = [name for name, form in FORMS.items() if form.routes * form.models > 100]
LANES = [("chat", "chat", "relayed"), ("chat", "long", "relayed")] + [
    (pair.client, pair.host, "translated") for pair in PAIRS
]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow if name in LARGE else ()) for name in FORMS],
)
def test_every_form_can_be_used(tmp_path: Path, name: str) -> None:
    form = FORMS[name]
    setup = compile_setup(read(config.write(tmp_path, "http://127.0.0.1:9", form), {}))
    chat = setup.candidates("chat")
    assert chat is not None
    assert len(chat.routes) == form.routes
    assert len(setup.config.models) == form.models + 1 + len(config.TRANSLATED)
    (who,) = setup.principals.values()
    assert (who.name, who.team) == ("bench", "bench")


@pytest.mark.parametrize(("client", "host", "lane"), LANES)
def test_ten_routes_may_answer_each_pair(tmp_path: Path, client: str, host: str, lane: str) -> None:
    path = config.write(tmp_path, "http://127.0.0.1:9")
    found = told("explain", host, "--wire", client, "--config", path)
    assert len(found["rules"]) == 10  # of twenty; the others are for other teams, tags and labels
    allowed = [route for route in found["routes"] if route["admitted"]]
    assert len(allowed) == len(found["routes"]) == 10
    assert lane in allowed[0]["reason"]
